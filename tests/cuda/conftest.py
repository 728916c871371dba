"""The graphics card, as exact as it can be, and as full as a test wants it."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest
import torch


@pytest.fixture(scope="session")
def card() -> str:
    if not torch.cuda.is_available():
        pytest.skip("needs CUDA")
    return "cuda"


@pytest.fixture(autouse=True)
def _convolutions_in_float32(card, monkeypatch) -> None:
    """Left to itself, torch rounds what convolutions multiply to 10 bits (TF32)."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)


@pytest.fixture
def full_card(card) -> Callable[[], AbstractContextManager[None]]:
    """Return a context in which this process gets no more memory of the card."""

    @contextmanager
    def full() -> Iterator[None]:
        held = []
        torch.cuda.empty_cache()
        torch.cuda.set_per_process_memory_fraction(1e-6)
        try:
            # What is left between tensors that stay could still hold a small image.
            for size in (2**20, 2**16, 2**9):
                try:
                    while True:
                        held.append(torch.empty(size, dtype=torch.uint8, device=card))
                except torch.cuda.OutOfMemoryError:
                    pass
            yield
        finally:
            held.clear()
            torch.cuda.set_per_process_memory_fraction(1.0)
            torch.cuda.empty_cache()

    return full
