import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_sam.errors import UserError
from napari_sam.labels import label_masks
from napari_sam.labels.label_masks import label_mask
from napari_sam.planes.geometry import Plane


@given(arrays(np.uint8, (3, 8, 9), elements=st.integers(0, 2)), st.permutations([0, 1, 2]), st.integers(0, 2))
def test_the_pixels_of_the_label(labels, order, at):
    row, column, other = order
    index = [0, 0, 0]
    index[other] = at
    mask = label_mask(labels, Plane((row, column), tuple(index)), 2)
    plane = np.take(labels, at, axis=other)
    plane = plane.T if row > column else plane
    np.testing.assert_array_equal(mask.painted(plane.shape), plane == 2)
    assert mask.logits is None
    if mask.area:
        assert mask.pixels.any(axis=0)[[0, -1]].all()
        assert mask.pixels.any(axis=1)[[0, -1]].all()


def test_bands_are_joined(monkeypatch):
    monkeypatch.setattr(label_masks, "BLOCK_ELEMENTS", 100)
    rows, columns = np.indices((64, 48))
    disc = ((rows - 30) ** 2 + (columns - 20) ** 2 < 200).astype(np.int32) * 5
    for labels in (disc, zarr.array(disc, chunks=(10, 10))):
        mask = label_mask(labels, Plane((0, 1), (0, 0)), 5)
        np.testing.assert_array_equal(mask.painted(disc.shape), disc == 5)
    inner = label_mask(disc, Plane((0, 1), (0, 0)), 5, (slice(25, 29), slice(20, None)))
    assert inner.box[:2] == (25, 20)
    assert inner.area == (disc[25:29, 20:] == 5).sum()


def test_absent_label_and_plane():
    labels = np.zeros((3, 5, 5), np.uint8)
    assert label_mask(labels, Plane((1, 2), (0, 0, 0)), 1).area == 0
    with pytest.raises(UserError, match="no position 3"):
        label_mask(labels, Plane((1, 2), (3, 0, 0)), 1)
