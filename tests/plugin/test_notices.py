"""What is not as it should be stands at the top of the panel as long as it is so, with what can be done about it."""

import threading

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QFileDialog
from session_deeds import Z4

from napari_sam.errors import UserError
from napari_sam.session.notices import Notice, NoticeKind, Notices, Remedy
from napari_sam.session.record import autosave as autosave_module
from napari_sam.session.record import log_watch
from napari_sam.session.record.log_file import LogWriter
from napari_sam.session.record.recovery import unfinished_sessions

A, B = (12, 12), (28, 34)


def test_notices_come_gravest_first_and_tell_only_of_changes() -> None:
    notices, told = Notices(), []
    notices.changed.connect(lambda: told.append(1))
    notices.show(NoticeKind.AXES, Notice("axes", grave=False))
    notices.show(NoticeKind.AUTOSAVE, Notice("off", (Remedy("Try", "", print),)))
    notices.show(NoticeKind.AUTOSAVE, Notice("off", (Remedy("Try", "", id),)))
    assert [kind for kind, _ in notices] == [NoticeKind.AUTOSAVE, NoticeKind.AXES]
    assert len(told) == 2
    notices.show(NoticeKind.AXES, None)
    notices.show(NoticeKind.AXES, None)
    assert len(told) == 3
    assert notices[NoticeKind.AXES] is None


@pytest.fixture
def full_disk(monkeypatch):
    """Refuses to log until it is emptied."""
    full = [True]
    append, has_room = LogWriter._append, log_watch.has_room

    def refuse(writer, record) -> None:
        if full:
            raise OSError(28, "No space left on device")
        append(writer, record)

    monkeypatch.setattr(LogWriter, "_append", refuse)
    monkeypatch.setattr(autosave_module, "has_room", lambda folder, needed: not full and has_room(folder, needed))
    monkeypatch.setattr(log_watch, "CHECK_S", 0.05)
    monkeypatch.setattr(autosave_module, "FIRST_RETRY_S", 0.05)
    return full


def accept(desk, at) -> None:
    desk.click(at)
    desk.hand.key(Qt.Key.Key_Return)
    desk.hand.until(lambda: not desk.session.current.draft)


def row(desk, kind=NoticeKind.AUTOSAVE):
    return desk.widget.notices.rows.get(kind)


def test_autosave_that_is_off_is_seen_until_it_goes_on(full_disk, desk) -> None:
    assert not desk.widget.notices.isVisible()
    accept(desk, A)
    desk.hand.until(lambda: row(desk) is not None)
    accept(desk, B)
    assert desk.widget.status.message.text().replace("\u200b", "") == "Object 2 was accepted."
    assert row(desk).isVisible()
    assert "Autosave is off" in row(desk).sentence.text()
    # In view, wherever the sections are scrolled to.
    assert desk.widget.rect().contains(row(desk).mapTo(desk.widget, row(desk).rect().bottomRight()))
    assert not desk.widget.column.isAncestorOf(row(desk))
    desk.hand.press(row(desk).buttons["Try again"])
    assert "still has no room" in desk.widget.status.message.text()
    full_disk.clear()
    desk.hand.until(lambda: row(desk) is None)
    assert not desk.widget.notices.isVisible()


def test_another_folder_is_chosen_by_the_button(full_disk, desk, monkeypatch, tmp_path) -> None:
    accept(desk, A)
    desk.hand.until(lambda: row(desk) is not None)
    monkeypatch.setattr(desk.widget.autosave, "_retry_at", float("inf"))
    full_disk.clear()
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path / "elsewhere"))
    desk.hand.press(row(desk).buttons["Another folder…"])
    desk.hand.until(lambda: row(desk) is None)
    assert tmp_path / "elsewhere" in desk.widget.autosave.folder.parents
    QTest.qWait(50)
    parent = desk.widget.autosave._parent
    desk.widget.autosave.close()
    assert [each.deeds for each in unfinished_sessions(parent)] == [1]


def test_a_machine_that_does_not_answer_is_seen_and_given_up_by_the_button(desk, engine) -> None:
    desk.widget.choices.device._compute_there("http://box:8765", "token")
    desk.ready()
    assert "of box" in desk.widget.status.setup.text()
    segmenter = desk.session._answering.opened.segmenter()
    segmenter.waiting = "The other machine, http://box:8765, does not answer; trying again."
    engine.waiting_changed()
    desk.hand.until(lambda: row(desk, NoticeKind.MACHINE) is not None)
    assert "does not answer; trying again. Nothing is lost." in row(desk, NoticeKind.MACHINE).sentence.text()
    desk.hand.press(row(desk, NoticeKind.MACHINE).buttons["Compute here"])
    desk.hand.until(lambda: row(desk, NoticeKind.MACHINE) is None)
    desk.ready()
    assert engine.device == "auto"
    assert desk.widget.choices.device.box.currentText() == "auto"
    assert "of box" not in desk.widget.status.setup.text()


def test_full_labels_are_widened_by_the_button_and_keep_colours_and_name(desk) -> None:
    array = np.zeros((9, 40, 50), np.uint8)
    array[:, 30:36, 2:8] = 255
    layer = desk.viewer.add_labels(array, name="mine")
    desk.widget.controller.choose_target(layer)
    desk.hand.until(lambda: row(desk, NoticeKind.LABELS) is not None)
    desk.hand.press(desk.widget.prompts.draw)
    desk.click(A)
    desk.hand.key(Qt.Key.Key_Return)
    assert "widen" in desk.widget.status.message.text()
    colour = layer.get_color(255)
    assert row(desk, NoticeKind.LABELS).isVisible()
    desk.hand.press(row(desk, NoticeKind.LABELS).buttons["Widen to uint16"])
    assert row(desk, NoticeKind.LABELS) is None
    assert layer.data.dtype == np.uint16
    assert desk.widget.controller.target_layer is layer
    assert (layer.name, layer.editable) == ("mine", True)
    np.testing.assert_array_equal(layer.get_color(255), colour)
    assert desk.area() == 81
    desk.hand.key(Qt.Key.Key_Return)
    desk.hand.until(lambda: layer.data[Z4.index[0], 12, 12] == 256)
    desk.hand.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    desk.hand.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert layer.data.dtype == np.uint8
    np.testing.assert_array_equal(layer.data, array)
    assert row(desk, NoticeKind.LABELS) is not None


def test_a_mask_that_is_behind_is_faint_and_said_to_be_until_its_answer_comes(desk) -> None:
    desk.click(A)
    desk.engine.gate = threading.Event()
    place = desk.widget.prompts.pos()
    desk.hand.click(B)
    assert desk.preview.opacity == 1
    desk.hand.until(lambda: desk.preview.opacity < 0.5)
    assert "does not include your last click yet" in desk.widget.status.message.text().replace("\u200b", "")
    assert "Segmenting" in desk.widget.status.state.text()
    # What passes moves nothing in the panel.
    assert desk.widget.prompts.pos() == place
    desk.engine.gate.set()
    desk.hand.until(lambda: desk.preview.opacity == 1)
    assert "last click" not in desk.widget.status.message.text()
    assert desk.area() == 162


def test_a_mask_that_will_never_include_the_last_click_is_said_to_be_at_the_top(desk) -> None:
    desk.click(A)
    desk.engine.error = UserError("There is not enough memory.")
    desk.hand.click(B)
    desk.hand.until(lambda: row(desk, NoticeKind.ANSWER) is not None)
    assert row(desk, NoticeKind.ANSWER).isVisible()
    assert desk.preview.opacity < 0.5
    desk.engine.error = None
    desk.hand.key(Qt.Key.Key_U)
    desk.hand.until(lambda: row(desk, NoticeKind.ANSWER) is None)
    assert desk.preview.opacity == 1


def test_labels_that_are_locked_say_so_until_they_are_unlocked(desk) -> None:
    accept(desk, A)
    layer = desk.widget.controller.target_layer
    layer.editable = False
    assert "is locked" in row(desk, NoticeKind.LOCKED).sentence.text()
    desk.hand.press(row(desk, NoticeKind.LOCKED).buttons["Unlock"])
    assert layer.editable
    assert row(desk, NoticeKind.LOCKED) is None
    layer.editable = False
    desk.widget.controller.choose_target(None)
    assert row(desk, NoticeKind.LOCKED) is None


def test_an_image_whose_pixels_are_replaced_says_so_until_it_is_answered(desk) -> None:
    accept(desk, A)
    desk.hand.until(lambda: desk.widget.controller.target_layer in desk.viewer.layers)
    layer = desk.widget.controller.target_layer
    desk.click(B)
    desk.image.data = desk.image.data // 2
    shown = row(desk, NoticeKind.IMAGE)
    assert "were replaced. The object in work is gone. 'objects' holds" in shown.sentence.text().replace("\u200b", "")
    assert desk.widget.controller.target_layer is None
    desk.ready()
    assert row(desk, NoticeKind.IMAGE) is shown
    desk.hand.press(shown.buttons["Go on in 'objects'"])
    assert row(desk, NoticeKind.IMAGE) is None
    assert desk.widget.controller.target_layer is layer


def test_pixels_that_are_replaced_before_anything_was_done_are_no_news(desk) -> None:
    desk.image.data = desk.image.data // 2
    assert row(desk, NoticeKind.IMAGE) is None
