"""Going over a large array block by block."""

from collections.abc import Iterator
from itertools import product
from typing import Any

from napari_sam.planes.chunks import chunk_shape

BLOCK_ELEMENTS = 2**24


def blocks(array: Any, most: int = BLOCK_ELEMENTS) -> Iterator[tuple[slice, ...]]:
    """Cover an array with boxes of whole chunks, of at most `most` elements where the chunks allow.

    Parameters
    ----------
    array
        Anything with a shape; where it has chunks (zarr, dask, h5py), none is visited twice.
    most
        Upper bound of a box's number of elements.

    Yields
    ------
    One slice per axis.
    """
    shape = tuple(int(size) for size in array.shape)
    chunks = chunk_shape(array) or (1,) * len(shape)
    block = [min(chunk, max(size, 1)) for chunk, size in zip(chunks, shape, strict=True)]
    elements = 1
    for size in block:
        elements *= size
    for axis in reversed(range(len(shape))):
        unit = block[axis]
        whole = -(-shape[axis] // unit)
        times = max(1, min(whole, most // elements))
        block[axis] = unit * times
        elements *= times
        if times < whole:
            break
    starts = (range(0, size, length) for size, length in zip(shape, block, strict=True))
    for corner in product(*starts):
        yield tuple(
            slice(start, min(start + length, size)) for start, length, size in zip(corner, block, shape, strict=True)
        )
