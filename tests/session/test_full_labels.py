"""Labels whose type has no further id are said to be full, and are widened; that can be undone, and comes back."""

import threading

import numpy as np
import pytest
from session_deeds import Z4, A, B, accept, crash, stroke

from napari_sam.errors import UserError
from napari_sam.labels.label_array import wider_dtype
from napari_sam.session.labels.target import ArrayTarget
from napari_sam.session.notices import NoticeKind
from napari_sam.session.record.log_folder import abandoned
from napari_sam.session.record.recovery import recover
from napari_sam.session.record.session_file import open_session


@pytest.fixture
def full(session, main) -> ArrayTarget:
    """uint8 labels that hold 254; object 255 is accepted."""
    array = np.zeros((9, 40, 50), np.uint8)
    array[0, :2, :2] = 254
    target = ArrayTarget(array)
    session.labels.choose(target)
    main.settle(session)
    assert session.notices[NoticeKind.LABELS] is None
    accept(session, main, A)
    return target


def widen(session) -> None:
    (remedy,) = session.notices[NoticeKind.LABELS].remedies
    assert remedy.text == "Widen to uint16"
    remedy.do()


def test_full_labels_say_so_and_are_widened_by_the_remedy(session, main, full):
    assert "'labels' is full: labels of type uint8 hold ids up to 255." in session.notices[NoticeKind.LABELS].sentence
    with pytest.raises(UserError, match="does not fit"):
        accept(session, main, B)
    before = full.array.copy()
    widen(session)
    assert full.array.dtype == np.uint16
    np.testing.assert_array_equal(full.array, before)
    assert session.notices[NoticeKind.LABELS] is None
    session.current.accept()
    assert full.array[4, 28, 34] == 256
    assert session.objects.labels == [255, 256]


def test_widening_is_undone_and_done_again_in_its_turn(session, main, full):
    widen(session)
    accept(session, main, B)
    wide = full.array.copy()
    session.history.undo()
    assert full.array.dtype == np.uint16
    # The click that led to it.
    session.history.undo()
    session.history.undo()
    assert full.array.dtype == np.uint8
    assert session.notices[NoticeKind.LABELS] is not None
    assert session.objects.labels == [255]
    for _ in range(3):
        session.history.redo()
    main.settle(session)
    assert full.array.dtype == np.uint16
    np.testing.assert_array_equal(full.array, wide)


def test_ids_that_something_else_wrote_are_not_cut_off_by_undo(session, main, full):
    widen(session)
    full.array[8, 0, 0] = 1000
    session.history.undo()
    assert full.array[8, 0, 0] == 1000


def test_a_stroke_of_before_is_undone_in_wider_labels(session, main, full):
    session.labels.painted(full, stroke(full, 2, 2, 9))
    widen(session)
    session.labels.painted(full, stroke(full, 2, 2, 700))
    session.history.undo()
    assert set(np.unique(full.array[4, 2:4, 2:4])) == {9}
    session.history.undo()
    session.history.undo()
    assert full.array.dtype == np.uint8
    assert not full.array[4, 2:4, 2:4].any()


def test_an_accept_that_waits_is_written_into_labels_that_were_widened_meanwhile(session, main, full, engine):
    engine.gate = threading.Event()
    session.prompts.add_point(Z4, B)
    widen(session)
    session.current.accept()
    session.labels.painted(full, stroke(full, 2, 2, 700))
    engine.gate.set()
    main.settle(session)
    assert full.array[4, 28, 34] == 256
    assert full.array[4, 2, 2] == 700


def test_widened_labels_come_back_from_the_log(session, main, autosave, tmp_path):
    array = np.zeros((9, 40, 50), np.uint8)
    array[0, :2, :2] = 254
    target = ArrayTarget(array)
    session.labels.choose(target)
    main.settle(session)
    accept(session, main, A)
    widen(session)
    accept(session, main, B)
    crash(autosave)
    (restored,) = recover(abandoned(tmp_path / "sessions")[0]).targets
    assert restored.labels.dtype == np.uint16
    np.testing.assert_array_equal(restored.labels, target.array)
    assert restored.next_label == 257


def test_widened_labels_are_saved_with_their_session(session, main, full, image, tmp_path):
    widen(session)
    accept(session, main, B)
    session.record.save(tmp_path / "labels.ome.tif")
    main.settle(session)
    restored, _ = open_session(tmp_path / "labels.session.json", image)
    assert restored.labels.dtype == np.uint16
    np.testing.assert_array_equal(restored.labels, full.array)


def test_labels_that_are_not_in_memory_cannot_be_widened(session, main, tmp_path):
    array = np.memmap(tmp_path / "labels", np.uint8, "w+", shape=(9, 40, 50))
    array[0, 0, 0] = 255
    session.labels.choose(ArrayTarget(array))
    main.settle(session)
    assert session.notices[NoticeKind.LABELS].remedies == ()
    with pytest.raises(UserError, match="choose new labels"):
        session.labels.widen()


def test_types_become_wider_one_by_one():
    assert [wider_dtype(kind) for kind in ("u1", "i2", "u4", "i8", "u8")] == ["u2", "i4", "u8", None, None]
