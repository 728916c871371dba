"""Small operations on one thread each, where threads sleep while they wait."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TypeVar

import torch

from napari_sam.models.device import CPU
from napari_sam.models.memory import in_parts

ENCODED_ALONE = 400 * 400
"""Pixels up to which one thread encodes an image sooner than several that first have to wake."""
DECODED_ALONE = 3 * 256 * 256
"""The same for decoding: pixels of the windows of all prompts."""

Part = TypeVar("Part")


def threads_sleep() -> bool:
    """Whether OpenMP's threads sleep, not spin, while they wait for each other (see `let_idle_threads_sleep`)."""
    return os.environ.get("OMP_WAIT_POLICY", "").strip().lower() == "passive"


class Shares:
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
