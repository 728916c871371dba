"""A large edit in small pieces, and what changes do to labels."""

import numpy as np
import pytest

from napari_sam.labels.edits import Edit, Growth, tiled


@pytest.fixture
def edit() -> Edit:
    random = np.random.default_rng(3)
    before = random.integers(0, 4, (1, 30, 45), np.uint16)
    after = before.copy()
    after[0, 3:9, 4:40] = 7
    after[0, 20:29, 31:33] = 0
    return Edit((slice(2, 3), slice(10, 40), slice(5, 50)), before, after)


def test_the_pieces_are_small_do_not_meet_and_make_the_edit(edit) -> None:
    array = np.zeros((4, 60, 60), np.uint16)
    edit.revert(array)
    changes = tiled(edit, 16)
    assert len(changes) > 3
    touched = np.zeros(array.shape, int)
    for change in changes:
        assert all(part.stop - part.start <= 16 for part in change.box)
        touched[change.box] += 1
    assert touched.max() == 1
    assert sum(change.count for change in changes) == edit.changed
    for change in changes:
        change.apply(array)
    np.testing.assert_array_equal(array[edit.box], edit.after)
    for change in reversed(changes):
        change.revert(array)
    np.testing.assert_array_equal(array[edit.box], edit.before)


def test_growth_is_what_is_counted(edit) -> None:
    growth = Growth.of(tiled(edit, 16))
    for label in range(8):
        assert growth.pixels[label] == np.count_nonzero(edit.after == label) - np.count_nonzero(edit.before == label)
    rows, columns = np.nonzero(edit.after[0] == 7)
    box = growth.boxes[7]
    assert box[1].start <= rows.min() + 10
    assert box[1].stop > rows.max() + 10
    assert box[2].start <= columns.min() + 5
    assert box[2].stop > columns.max() + 5
    assert 1 not in growth.boxes


def test_where_nothing_changes_there_is_no_piece(edit) -> None:
    assert tiled(Edit(edit.box, edit.before, edit.before.copy())) == []
