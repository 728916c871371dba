"""The device, precision, memory and threads with which a network runs."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from itertools import pairwise
from typing import TypeVar

import torch
from torch import nn

from napari_sam.errors import UserError

CPU = torch.device("cpu")


def choose_device(name: str) -> torch.device:
    """Choose the device to run on by its name.

    Parameters
    ----------
    name
        "auto" (CUDA, else MPS, else the CPU), or what `torch.device` takes.

    Raises
    ------
    UserError
        If there is no such device here.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise UserError(f"The device {name} cannot be used here; choose auto or cpu.") from error
    return device


def fast_in_bfloat16(device: torch.device) -> bool:
    """Tell whether a device is faster in bfloat16 than in float32, as far as we have measured or its maker says.

    On CPUs that is so with tiles (AMX): nano then encodes four times as fast. Without any instructions for bfloat16 it
    takes eight times as long, and with those of AVX-512 alone a quarter longer. On CUDA it is so where the type is
    native, not emulated.
    """
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return device.type == "cpu" and _has_tiles()


def _has_tiles() -> bool:
    # Newer versions of torch tell in public, those before them in private, the oldest not at all.
    capabilities = getattr(torch.cpu, "get_capabilities", None)
    if capabilities is not None:
        return bool(capabilities().get("amx_bf16", False))
    supported = getattr(torch.cpu, "_is_amx_tile_supported", None)
    return supported is not None and bool(supported())


class Precision(StrEnum):
    """The precision in which images are encoded; prompts are always decoded in float32.

    bfloat16 is faster where the processor has instructions for it, takes half the memory, and keeps two to three
    decimal digits.
    """

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"


AUTO = "auto"


def choose_precision(name: str, device: torch.device, harmless: bool) -> Precision:
    """Choose the precision to encode images in by its name.

    Parameters
    ----------
    name
        "float32", "bfloat16" or "auto".
    device
        Where images will be encoded.
    harmless
        Whether bfloat16 is known not to harm the masks of this model; "auto" never chooses it otherwise.

    Raises
    ------
    UserError
        If there is no such precision.
    """
    if name == AUTO:
        return Precision.BFLOAT16 if harmless and fast_in_bfloat16(device) else Precision.FLOAT32
    if name not in tuple(Precision):
        raise UserError(f"There is no precision {name}; choose {AUTO}, {' or '.join(Precision)}.")
    return Precision(name)


def set_precision(network: nn.Module, precision: Precision) -> None:
    """Convert a network's image encoder in place."""
    network.get_submodule("image_encoder").to(getattr(torch, precision.value))


Part = TypeVar("Part")
# Chosen, not measured: there are no figures for CUDA yet (docs/benchmarks.md).
MOST_AT_ONCE = 8
# The last is of CUDA's libraries, which take memory of their own, past torch: cuBLAS with the first product on a card.
_PHRASES = ("out of memory", "can't allocate memory", "not enough memory", "status_alloc_failed")


def ran_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error says that a device, or the computer, has no memory left."""
    if isinstance(error, MemoryError | torch.cuda.OutOfMemoryError):
        return True
    # Only CUDA has a class of its own for it.
    return isinstance(error, RuntimeError) and any(phrase in str(error).lower() for phrase in _PHRASES)


# What users of other programs met: a card too old or too new for the installed torch, and a broken cuDNN.
_UNFIT = ("no kernel image", "unable to find an engine", "unable to find a valid cudnn", "cudnn_status_not_supported")


def cannot_compute(error: BaseException) -> bool:
    """Tell whether an error says that a device is there, but cannot compute with what is installed."""
    return isinstance(error, RuntimeError) and any(phrase in str(error).lower() for phrase in _UNFIT)


def free_unused(device: torch.device) -> None:
    """Hand memory that torch keeps for later back to the device."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()


def images_at_once(device: torch.device, bytes_each: int) -> int:
    """Return the number of images to encode together.

    On CPUs one: several take as long as one after the other, or longer, since less of what is computed stays in the
    cache. On CUDA as many as surely fit the memory that is free.

    Parameters
    ----------
    device
        Where they are encoded.
    bytes_each
        What encoding one takes at its peak, roughly.
    """
    if device.type != "cuda":
        return 1
    free, _ = torch.cuda.mem_get_info(device)
    return int(max(1, min(MOST_AT_ONCE, free // (2 * bytes_each))))


def in_parts(count: int, compute: Callable[[slice], Part], device: torch.device) -> list[Part] | None:
    """Compute a batch at once or, where memory does not suffice, in parts that are halved until it does.

    Parameters
    ----------
    count
        Size of the batch.
    compute
        Computes a slice of it.
    device
        Where it computes.

    Returns
    -------
    The parts in order, or None if there is not even memory for one item.
    """
    done: list[Part] = []
    start, together = 0, max(count, 1)
    while start < max(count, 1):
        # The next try begins only after the error has gone, and with it the tensors that its traceback holds.
        part = _tried(compute, slice(start, min(start + together, max(count, 1))))
        if part is not None:
            done.append(part)
            start += together
            continue
        free_unused(device)
        if together == 1:
            return None
        together = -(-together // 2)
    return done


def _tried(compute: Callable[[slice], Part], some: slice) -> Part | None:
    try:
        return compute(some)
    except (RuntimeError, MemoryError) as error:
        if not ran_out_of_memory(error):
            raise
        return None


ENCODED_ALONE = 400 * 400
"""Pixels up to which one thread encodes an image sooner than several that first have to wake.

One and two threads: a window of 256 pixels 16 and 26 ms, one of 512 53 and 43 ms (docs/log-of-measurements.md, "Speed:
threads that sleep").
"""
DECODED_ALONE = 3 * 256 * 256
"""The same for decoding: pixels of the windows of all prompts.

One and two threads: two prompts 16 and 23 ms, eight 78 and 56 ms (the same section).
"""


def threads_sleep() -> bool:
    """Tell whether OpenMP's threads sleep, not spin, while they wait for each other (see `let_idle_threads_sleep`)."""
    return os.environ.get("OMP_WAIT_POLICY", "").strip().lower() == "passive"


class WorkShares:
    """Work on one or several small things, each on one thread, shared out to threads that do not wait for each other.

    Waking a thread that sleeps takes some microseconds after each of a few hundred operations, up to a hundred on
    virtual machines: more than a second thread saves where an operation takes as long. The threads live as long as this
    does: libraries keep for each what they prepared for it.
    """

    def __init__(self) -> None:
        self._others: ThreadPoolExecutor | None = None

    def computed(self, count: int, compute: Callable[[slice], Part]) -> list[Part] | None:
        """Compute a batch in as many shares as there are threads, or items; otherwise as `in_parts` does, on the CPU.

        Parameters
        ----------
        count
            Size of the batch.
        compute
            Computes a slice of it, on one thread.

        Returns
        -------
        The parts in order, or None if there is not even memory for one item. An error of any share is raised when all
        have ended.
        """
        threads = torch.get_num_threads()
        shares = min(count, threads)
        ends = [count * share // shares for share in range(shares + 1)]
        mine, *theirs = pairwise(ends)
        if self._others is None and theirs:
            self._others = ThreadPoolExecutor(threads - 1, "napari-sam-share", torch.set_num_threads, (1,))
        waiting = [self._others.submit(_share, compute, share) for share in theirs if self._others is not None]
        torch.set_num_threads(1)
        try:
            done = [_share(compute, mine)]
        finally:
            for other in waiting:
                other.exception()
            # Not before: a thread that is new tells PyTorch that one thread is enough for all that are to come.
            torch.set_num_threads(threads)
        done += [other.result() for other in waiting]
        parts = [part for share in done if share is not None for part in share]
        return None if any(share is None for share in done) else parts


def _share(compute: Callable[[slice], Part], ends: tuple[int, int]) -> list[Part] | None:
    start, stop = ends
    with torch.inference_mode():
        return in_parts(stop - start, lambda some: compute(slice(start + some.start, start + some.stop)), CPU)
