"""Labels that cannot be written to any more: it is told in a sentence, nothing is lost, and it goes on afterwards."""

import numpy as np
import pytest
from session_deeds import Z4, A, B, accept

from napari_sam.errors import UserError
from napari_sam.labels.edits import PixelChange
from napari_sam.prompts.prompt import Prompts
from napari_sam.session.batch import BatchObject
from napari_sam.session.labels.target import ArrayTarget, ObjectTable
from napari_sam.session.status import State


@pytest.fixture
def two(session, main, target) -> ArrayTarget:
    accept(session, main, A)
    accept(session, main, B)
    return target


def state(session) -> tuple:
    draft = session.current.draft
    rows = [repr(session.objects.row(label)) for label in session.objects.labels]
    return rows, session.history.journal.done, draft.label, draft.refines, list(draft.requests)


def test_an_edit_that_cannot_be_written_is_told_and_the_next_one_works(session, main, two) -> None:
    before, known = two.array.copy(), state(session)
    session.edits.grow(2.0, [1])
    two.array.flags.writeable = False
    main.settle(session)
    assert session.status.state is State.ERROR
    assert session.status.sentence.startswith("The labels cannot be written to: they are read-only.")
    assert not session.edits.active
    assert state(session) == known
    with pytest.raises(UserError, match="read-only"):
        session.edits.grow(2.0, [1])
    two.array.flags.writeable = True
    session.edits.grow(2.0, [1])
    main.settle(session)
    assert session.status.state is State.READY
    assert (two.array == 1).sum() > 81
    session.history.undo()
    main.settle(session)
    np.testing.assert_array_equal(two.array, before)


DEEDS = {
    "undo": lambda session: session.history.undo(),
    "delete": lambda session: session.objects.delete(1),
    "relabel": lambda session: session.objects.relabel(1, 9),
}


@pytest.mark.parametrize("name", DEEDS)
def test_what_cannot_be_written_is_refused_and_nothing_is_different(session, main, two, name) -> None:
    if name != "undo":
        session.objects.reopen(1)
    before, known = two.array.copy(), state(session)
    two.array.flags.writeable = False
    with pytest.raises(UserError, match="read-only"):
        DEEDS[name](session)
    main.settle(session)
    assert state(session) == known
    two.array.flags.writeable = True
    np.testing.assert_array_equal(two.array, before)
    DEEDS[name](session)
    main.settle(session)
    assert (two.array != before).any()
    session.history.redo() if name == "undo" else session.history.undo()
    main.settle(session)
    np.testing.assert_array_equal(two.array, before)


def test_redo_is_refused_and_works_once_it_can(session, main, two) -> None:
    after = two.array.copy()
    session.history.undo()
    main.settle(session)
    two.array.flags.writeable = False
    with pytest.raises(UserError, match="read-only"):
        session.history.redo()
    assert session.objects.labels == [1]
    two.array.flags.writeable = True
    session.history.redo()
    main.settle(session)
    np.testing.assert_array_equal(two.array, after)


def test_an_object_that_cannot_be_accepted_stays_in_work(session, main, target) -> None:
    session.prompts.add_point(Z4, A)
    main.settle(session)
    target.array.flags.writeable = False
    with pytest.raises(UserError, match="read-only"):
        session.current.accept()
    assert list(session.current.draft.masks) == [Z4]
    target.array.flags.writeable = True
    session.current.accept()
    assert (target.array == 1).sum() == 81


def test_a_batch_that_cannot_be_written_is_told(session, main, two) -> None:
    session.history.undo()
    main.settle(session)
    two.array.flags.writeable = False
    session.batch.segment([BatchObject(Z4, Prompts(points=(B,)))])
    main.settle(session)
    assert not session.batch.active
    assert "read-only" in session.status.sentence
    assert session.objects.labels == [1]


def test_what_is_owed_is_written_once_it_can(session, main, two) -> None:
    """The labels become read-only between the slices in which an edit is written."""
    before = two.array.copy()
    session.edits.grow(2.0)
    table = session._workspace.writer.table_of(two)
    write_some = table.unwritten.write_some

    def locked() -> None:
        two.array.flags.writeable = False
        write_some()

    table.unwritten.write_some = locked
    main.settle(session)
    del table.unwritten.write_some
    assert "read-only" in session.status.sentence
    assert session.status.state is State.ERROR
    with pytest.raises(UserError, match="read-only"):
        session.history.undo()
    two.array.flags.writeable = True
    np.testing.assert_array_equal(two.array, before)
    session.objects.rename(1, "soma")
    for label in (1, 2):
        assert (two.array == label).sum() == session.objects.row(label).area > 81
    for _ in range(2):
        session.history.undo()
    main.settle(session)
    np.testing.assert_array_equal(two.array, before)


class FullDisk:
    """Labels on a disk that is full after so many writes."""

    def __init__(self, writes: int) -> None:
        self.pixels = np.zeros((1, 4, 4), np.uint8)
        self.shape, self.dtype = self.pixels.shape, self.pixels.dtype
        self.writes = writes

    def __getitem__(self, box):
        return self.pixels[box].copy()

    def __setitem__(self, box, values) -> None:
        self.writes -= 1
        # What is taken back needs no new room.
        if self.writes == 0:
            raise OSError("No space left on device")
        self.pixels[box] = values


def test_of_several_changes_none_is_made_if_one_fails() -> None:
    table = ObjectTable(ArrayTarget(FullDisk(3)))
    where = np.ones((1, 1, 4), bool)
    changes = [
        PixelChange.of((slice(0, 1), slice(row, row + 1), slice(0, 4)), where, np.uint8(0), np.uint8(5))
        for row in range(4)
    ]
    with pytest.raises(OSError, match="No space"):
        table.make(changes, uses=5)
    assert not table.target.array.pixels.any()
    assert (table.next_label, table.revision) == (None, 0)
    patch = table.make(changes, uses=5)
    assert (table.target.array.pixels == 5).all()
    table.exchange(patch, forward=False)
    assert not table.target.array.pixels.any()
