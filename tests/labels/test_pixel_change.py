"""Changes of scattered pixels: small, exact, and reversible."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_sam.labels.edits import Edit, PixelChange, hull

BOX = (slice(1, 3), slice(2, 6), slice(0, 5))
SHAPE = (2, 4, 5)
small = arrays(np.uint16, SHAPE, elements=st.integers(0, 4))


@settings(max_examples=60, deadline=None)
@given(before=small, after=small)
def test_a_change_is_made_and_taken_back_exactly(before, after) -> None:
    array = np.full((4, 7, 6), 9, np.uint16)
    array[BOX] = before
    start = array.copy()
    change = PixelChange.from_edit(Edit(BOX, before, after))
    assert change.count == np.count_nonzero(before != after)
    change.apply(array)
    np.testing.assert_array_equal(array[BOX], after)
    grown = change.labels()
    for label in range(5):
        assert grown[label] == (after == label).sum() - (before == label).sum()
    change.revert(array)
    np.testing.assert_array_equal(array, start)


def test_pixels_that_something_else_changed_keep_their_label() -> None:
    array = np.zeros((1, 6), np.uint8)
    change = PixelChange.of((slice(0, 1), slice(1, 4)), np.ones((1, 3), bool), np.uint8(0), np.uint8(5))
    change.apply(array)
    array[0, 2] = 7
    change.revert(array)
    assert array.tolist() == [[0, 0, 7, 0, 0, 0]]
    change.apply(array)
    assert array.tolist() == [[0, 5, 7, 5, 0, 0]]


def test_a_change_made_anew_takes_back_to_what_was_there_then() -> None:
    array = np.zeros(6, np.uint8)
    change = PixelChange.of((slice(0, 3),), np.ones(3, bool), np.uint8(0), np.uint8(5))
    array[:] = [1, 2, 3, 4, 5, 6]
    anew = change.made_on(array)
    anew.apply(array)
    assert array.tolist() == [5, 5, 5, 4, 5, 6]
    anew.revert(array)
    assert array.tolist() == [1, 2, 3, 4, 5, 6]


def test_a_large_object_takes_little_memory() -> None:
    where = np.zeros((100, 200, 200), bool)
    where[:, 40:160, 40:160] = True
    box = tuple(slice(0, size) for size in where.shape)
    change = PixelChange.of(box, where, np.uint16(0), np.uint16(3))
    assert change.count == 100 * 120 * 120
    assert change.nbytes < 20_000


@pytest.mark.parametrize("kind", [np.uint8, np.int32, np.uint64])
def test_labels_keep_their_type(kind) -> None:
    array = np.zeros((3, 3), kind)
    largest = int(np.iinfo(kind).max)
    change = PixelChange.of((slice(0, 3), slice(0, 3)), np.eye(3, dtype=bool), kind(0), kind(largest))
    change.apply(array)
    assert change.written() == {largest}
    assert (array == largest).sum() == 3
    assert array.dtype == kind


def test_the_hull_of_boxes() -> None:
    assert hull([]) is None
    assert hull([BOX, (slice(0, 1), slice(3, 9), slice(2, 3))]) == (slice(0, 3), slice(2, 9), slice(0, 5))
