"""What to do when memory runs out: halve the batch, then go to the CPU. No work is lost, and the user is told."""

from collections.abc import Callable
from typing import TypeVar

import torch

Part = TypeVar("Part")
MOST_AT_ONCE = 8
_PHRASES = ("out of memory", "can't allocate memory", "not enough memory")


def ran_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that a device, or the computer, has no memory left."""
    if isinstance(error, MemoryError | torch.cuda.OutOfMemoryError):
        return True
    # Only CUDA has a class of its own for it.
    return isinstance(error, RuntimeError) and any(phrase in str(error).lower() for phrase in _PHRASES)


def free_unused(device: torch.device) -> None:
    """Hand memory that torch keeps for later back to the device."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()


def images_at_once(device: torch.device, bytes_each: int) -> int:
    """How many images to encode together.

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
