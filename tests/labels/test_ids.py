import dask.array as da
import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st

from napari_sam.errors import UserError
from napari_sam.labels.label_array import blocks, check_fits, next_label, smallest_dtype


class Chunked:
    def __init__(self, shape, chunks):
        self.shape, self.chunks = shape, chunks


@st.composite
def shapes(draw):
    shape = tuple(draw(st.lists(st.integers(1, 12), min_size=1, max_size=4)))
    return shape, tuple(draw(st.integers(1, 15)) for _ in shape), draw(st.integers(1, 300))


@given(shapes())
def test_blocks_cover_every_element_once(case):
    shape, chunks, most = case
    count = np.zeros(shape, int)
    for box in blocks(Chunked(shape, chunks), most):
        assert count[box].size <= max(most, np.prod(np.minimum(chunks, shape)))
        assert all(part.start % chunk == 0 for part, chunk in zip(box, chunks, strict=True))
        count[box] += 1
    assert (count == 1).all()


@pytest.mark.parametrize("make", [np.asarray, zarr.array, lambda a: da.from_array(a, chunks=3)])
def test_next_label(make):
    labels = np.zeros((5, 6, 7), np.int32)
    assert next_label(make(labels)) == 1
    labels[4, 5, 6] = 41
    assert next_label(make(labels)) == 42
    labels[:] = -3
    assert next_label(make(labels)) == 1


def test_next_label_of_a_memmap(tmp_path):
    labels = np.memmap(tmp_path / "labels", np.uint64, "w+", shape=(9, 9))
    labels[3, 3] = 2**63
    assert next_label(labels) == 2**63 + 1


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int32, np.uint64])
def test_check_fits(dtype):
    largest = int(np.iinfo(dtype).max)
    check_fits(largest, dtype)
    with pytest.raises(UserError, match=f"Label {largest + 1} does not fit into labels of type {np.dtype(dtype)}"):
        check_fits(largest + 1, dtype)


def test_smallest_dtype():
    for label, dtype in [(0, "u1"), (255, "u1"), (256, "u2"), (65536, "u4"), (2**32, "u8")]:
        assert smallest_dtype(label) == np.dtype(dtype)
    for label in (-1, 2**64):
        with pytest.raises(UserError, match="no unsigned integer type"):
            smallest_dtype(label)
