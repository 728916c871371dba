"""A lazy array that records what is read of it."""

import numpy as np
import pytest


class CountingArray:
    def __init__(self, pixels, chunks=None):
        self._pixels = pixels
        self.shape, self.dtype = pixels.shape, pixels.dtype
        self.chunks = chunks
        self.reads = []

    def __getitem__(self, index):
        part = self._pixels[index]
        self.reads.append((index, part.size))
        return part

    def __array__(self, *args, **kwargs):
        raise AssertionError("the whole array was converted")

    @property
    def pixels_read(self):
        return sum(size for _, size in self.reads)

    def chunks_touched(self):
        touched = set()
        for index, _ in self.reads:
            spans = [
                range(at // chunk, at // chunk + 1)
                if isinstance(at, int)
                else range(at.start // chunk, (at.stop - 1) // chunk + 1)
                for at, chunk in zip(index, self.chunks, strict=True)
            ]
            touched.update(
                tuple(int(i) for i in where) for where in np.stack(np.meshgrid(*spans), -1).reshape(-1, len(spans))
            )
        return touched


@pytest.fixture(scope="session")
def counting_array():
    return CountingArray
