"""Small operations on one thread, where threads sleep while they wait."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

ENCODED_ALONE = 400 * 400
"""Pixels up to which one thread encodes an image sooner than several that first have to wake."""
DECODED_ALONE = 3 * 256 * 256
"""The same for decoding: pixels of the windows of all prompts."""


def threads_sleep() -> bool:
    """Whether OpenMP's threads sleep, not spin, while they wait for each other (see `let_idle_threads_sleep`)."""
    return os.environ.get("OMP_WAIT_POLICY", "").strip().lower() == "passive"


@contextmanager
def alone_if(small: bool) -> Iterator[None]:
    """Run operations of the calling thread on it alone if they are small and the others would have to be woken.

    Waking takes some microseconds after each of a few hundred operations, up to a hundred on virtual machines: more
    than a second thread saves where an operation takes as long.
    """
    threads = torch.get_num_threads()
    if not small or threads == 1 or not threads_sleep():
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
