"""The widget in a real window, driven by real mouse and key events; objects come from a fake engine."""

import threading
import time

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QLabel, QRadioButton
from session_deeds import Z4

from napari_sam.labels.paint import Collision
from napari_sam.models.advice import MachineSpeed
from napari_sam.planes.geometry import Plane
from napari_sam.plugin.actions import CONTROLS, Action
from napari_sam.plugin.panel.icons import IconButton
from napari_sam.prompts.prompt import Point
from napari_sam.session.status import State
from napari_sam.testing.simulated_hand import ALT, CONTROL, RIGHT

A, B = (12, 12), (28, 34)


def test_click_exclude_and_modifiers(desk) -> None:
    desk.click(A)
    np.testing.assert_allclose(desk.points.data, [[4, 12, 12]], atol=0.2)
    assert desk.area() == 81
    desk.click(B)
    assert desk.area() == 162
    desk.click(B, RIGHT)
    assert desk.area() == 81
    assert list(desk.points.features["polarity"]) == ["positive", "positive", "negative"]
    for modifier in (ALT, CONTROL):
        desk.click((30, 36), modifier=modifier)
        assert list(desk.points.features["polarity"])[-1] == "negative"


def test_the_mask_is_seen_where_the_object_is(desk) -> None:
    before = desk.viewer.screenshot(canvas_only=True, flash=False)
    desk.click(A)
    QTest.qWait(100)
    after = desk.viewer.screenshot(canvas_only=True, flash=False)
    changed = np.abs(after[..., :3].astype(int) - before[..., :3]).max(axis=-1) > 30
    ratio = after.shape[0] / desk.hand.canvas.height()
    corners = [desk.hand.at(corner) for corner in ((7.5, 7.5), (16.5, 16.5))]
    left, right = (round(corner.x() * ratio) for corner in corners)
    top, bottom = (round(corner.y() * ratio) for corner in corners)
    rows, columns = np.nonzero(changed)
    assert abs(rows.min() - top) <= 3
    assert abs(rows.max() - bottom) <= 3
    assert abs(columns.min() - left) <= 3
    assert abs(columns.max() - right) <= 3


def test_a_drag_draws_a_box_and_does_not_pan(desk) -> None:
    before = desk.hand.at(A)
    desk.hand.drag((20, 26), (36, 44))
    desk.hand.until(lambda: desk.area() == 81)
    desk.ready()
    assert desk.hand.at(A) == before
    assert len(desk.shapes.data) == 1
    box = desk.session.prompts.on(Z4).box
    np.testing.assert_allclose(box.borders, [20, 26, 36, 44], atol=0.2)
    assert not len(desk.points.data)


def test_space_pans_as_ever_and_draws_nothing(desk) -> None:
    before = desk.hand.at(A)
    QTest.keyPress(desk.hand.canvas, Qt.Key.Key_Space)
    desk.hand.drag((20, 26), (26, 30))
    QTest.keyRelease(desk.hand.canvas, Qt.Key.Key_Space)
    assert desk.hand.at(A) != before
    assert not len(desk.shapes.data)
    desk.click(A)
    assert desk.area() == 81


def test_a_point_moved_with_naparis_own_tool_counts(desk) -> None:
    desk.click(A)
    desk.hand.press(desk.widget.prompts.points)
    assert str(desk.points.mode) == "select"
    desk.hand.hover(A)
    desk.hand.drag(A, B)
    desk.hand.until(
        lambda: (
            desk.session.current.draft.masks.get(Z4) and desk.session.current.draft.masks[Z4].box == (24, 30, 33, 39)
        )
    )
    np.testing.assert_allclose(desk.points.data, [[4, 28, 34]], atol=0.3)
    desk.hand.key(Qt.Key.Key_Delete)
    desk.hand.until(lambda: not desk.session.current.draft)
    desk.hand.press(desk.widget.prompts.draw)
    desk.hand.click(A)
    desk.hand.until(lambda: desk.area() == 81)


def test_a_rectangle_drawn_with_naparis_own_tool_counts(desk) -> None:
    desk.viewer.layers.selection.active = desk.shapes
    desk.shapes.mode = "add_rectangle"
    desk.hand.drag((20, 26), (36, 44))
    desk.hand.until(lambda: desk.area() == 81)
    # Keys work on the boxes layer too.
    desk.shapes.mode = "select"
    desk.hand.key(Qt.Key.Key_Return)
    desk.hand.until(lambda: len(desk.session.objects))
    assert desk.labels[4, 28, 34] == 1


def test_accept_undo_redo_and_next_object_by_keys(desk) -> None:
    desk.click(A)
    desk.hand.key(Qt.Key.Key_Return)
    assert (desk.labels == 1).sum() == 81
    assert not len(desk.points.data)
    desk.hand.key(Qt.Key.Key_Z, CONTROL)
    assert not desk.labels.any()
    assert len(desk.points.data) == 1
    desk.hand.key(Qt.Key.Key_Z, CONTROL | Qt.KeyboardModifier.ShiftModifier)
    assert (desk.labels == 1).sum() == 81
    desk.click(B)
    desk.hand.key(Qt.Key.Key_N)
    assert desk.labels[4, 28, 34] == 2
    assert "Object 3" in desk.widget.object.header.text()


def test_reject_remove_last_clear_and_hide_by_keys(desk) -> None:
    desk.click(A)
    desk.hand.key(Qt.Key.Key_H)
    assert not desk.preview.visible
    desk.hand.key(Qt.Key.Key_H)
    assert desk.preview.visible
    desk.click(B)
    desk.hand.key(Qt.Key.Key_U)
    desk.hand.until(lambda: desk.area() == 81)
    assert len(desk.points.data) == 1
    desk.hand.key(Qt.Key.Key_W)
    assert not len(desk.points.data)
    desk.click(B)
    desk.hand.key(Qt.Key.Key_Escape)
    assert not desk.session.current.draft
    assert not desk.preview.data.any()


def test_every_action_has_a_button_that_shows_its_key(desk) -> None:
    for action in CONTROLS.keys() - {Action.CANDIDATE, Action.CANDIDATE_BACK, Action.ACCEPT_OVERWRITING}:
        button, key = desk.widget.buttons[action], CONTROLS[action].shown
        shown = button.caption if isinstance(button, IconButton) else button.text()
        assert shown == key or f"[{key}]" in shown
        assert f"Key: {key}." in button.toolTip()


def test_the_same_by_buttons(desk) -> None:
    buttons = desk.widget.buttons
    assert not buttons[Action.ACCEPT].isEnabled()
    desk.click(A)
    assert buttons[Action.ACCEPT].isEnabled()
    desk.click(B)
    desk.hand.press(buttons[Action.REMOVE_LAST])
    desk.hand.until(lambda: desk.area() == 81)
    desk.ready()
    desk.hand.press(buttons[Action.ACCEPT])
    assert (desk.labels == 1).sum() == 81
    assert buttons[Action.UNDO].isEnabled()
    desk.hand.press(buttons[Action.UNDO])
    assert not desk.labels.any()
    desk.hand.press(buttons[Action.REDO])
    assert desk.labels.any()


def test_propagate_shows_progress_and_is_accepted_at_once(desk) -> None:
    desk.click(A)
    desk.hand.key(Qt.Key.Key_G)
    desk.hand.until(lambda: not desk.session.volume.active)
    assert not len(desk.session.objects)
    for z in (2, 6):
        desk.viewer.dims.set_current_step(0, z)
        QTest.qWait(20)
        assert np.asarray(desk.preview._slice.image.raw).any()
    desk.viewer.dims.set_current_step(0, 8)
    QTest.qWait(20)
    assert not np.asarray(desk.preview._slice.image.raw).any()
    desk.hand.key(Qt.Key.Key_Return)
    assert (desk.labels == 1).sum() == 7 * 81


def test_cancelling_a_propagation_midway(desk) -> None:
    desk.click(A)
    desk.engine.delay = 0.05
    desk.hand.key(Qt.Key.Key_G)
    desk.hand.until(lambda: len(desk.session.current.draft.proposal) >= 2)
    assert desk.widget.buttons[Action.CANCEL].isEnabled()
    desk.hand.press(desk.widget.buttons[Action.CANCEL])
    assert not desk.session.volume.active
    reached = len(desk.session.current.draft.proposal)
    QTest.qWait(150)
    assert len(desk.session.current.draft.proposal) == reached < 8
    assert "stopped" in desk.widget.status.message.text()


def test_a_label_under_the_mouse_is_refined(desk) -> None:
    labels = np.zeros((9, 40, 50), np.uint16)
    labels[4, 11:14, 11:14] = 6
    layer = desk.viewer.add_labels(labels, name="mine")
    choice = desk.widget.choices.labels
    choice.setCurrentIndex(choice.findText("mine"))
    desk.hand.press(desk.widget.prompts.draw)
    desk.hand.hover(A)
    desk.hand.key(Qt.Key.Key_K)
    desk.hand.until(lambda: desk.area() == 81)
    assert "Object 6" in desk.widget.object.header.text()
    desk.ready()
    desk.hand.key(Qt.Key.Key_Return)
    assert (layer.data == 6).sum() == 81
    assert set(np.unique(layer.data)) == {0, 6}


def test_the_button_lets_a_click_pick_the_label(desk) -> None:
    labels = np.zeros((9, 40, 50), np.uint16)
    labels[4, 11:14, 11:14] = 6
    desk.viewer.add_labels(labels, name="theirs")
    desk.hand.press(desk.widget.prompts.draw)
    desk.hand.press(desk.widget.buttons[Action.PICK])
    assert desk.widget.buttons[Action.PICK].isChecked()
    desk.hand.click(A)
    desk.hand.until(lambda: desk.area() == 81)
    assert not desk.widget.buttons[Action.PICK].isChecked()
    assert not len(desk.points.data)


def test_overwriting_is_chosen_beside_accept(desk) -> None:
    labels = np.zeros((9, 40, 50), np.uint16)
    labels[4, 12, 12] = 6
    layer = desk.viewer.add_labels(labels, name="mine")
    choice = desk.widget.choices.labels
    choice.setCurrentIndex(choice.findText("mine"))
    desk.hand.press(desk.widget.prompts.draw)
    desk.click((14, 14))
    desk.hand.key(Qt.Key.Key_Return)
    desk.hand.until(lambda: len(desk.session.objects))
    assert layer.data[4, 12, 12] == 6
    desk.hand.key(Qt.Key.Key_Z, CONTROL)
    desk.widget.object.collision.choices[Collision.OVERWRITE].setChecked(True)
    desk.hand.key(Qt.Key.Key_Return)
    assert layer.data[4, 12, 12] == 7


def test_the_state_of_the_embedding_is_shown(desk) -> None:
    gate = desk.engine.gate = threading.Event()
    desk.viewer.dims.set_current_step(0, 5)
    desk.hand.until(lambda: "Embedding" in desk.widget.status.state.text())
    gate.set()
    desk.hand.until(lambda: "Ready" in desk.widget.status.state.text())


@pytest.mark.alone
def test_the_window_goes_on_while_the_network_works(desk) -> None:
    """Panning, scrolling and clicking are handled at once while an embedding takes long."""
    gate = desk.engine.gate = threading.Event()
    desk.viewer.dims.set_current_step(0, 5)
    desk.hand.until(lambda: desk.session.status.state is State.EMBEDDING)
    begin = time.monotonic()
    desk.hand.click(A)
    for z in (6, 7, 5):
        desk.viewer.dims.set_current_step(0, z)
        QTest.qWait(1)
    assert time.monotonic() - begin < 2
    assert len(desk.points.data) == 1
    assert not desk.session.current.draft.masks
    gate.set()
    desk.hand.until(lambda: Plane((1, 2), (5, 0, 0)) in desk.session.current.draft.masks)


def test_closing_the_window_while_it_works(make_desk, engine) -> None:
    engine.gate = threading.Event()
    desk = make_desk()
    assert engine.working.wait(5)
    desk.hand.click(A)
    desk.viewer.close()
    QTest.qWait(50)
    assert not [thread for thread in threading.enumerate() if thread.name == "napari-sam-inference"]


def test_closing_the_dock_while_it_works(desk) -> None:
    desk.click(A)
    desk.hand.key(Qt.Key.Key_Return)
    desk.engine.gate = threading.Event()
    desk.engine.working.clear()
    desk.hand.click(B)
    assert desk.engine.working.wait(5)
    desk.viewer.window.remove_dock_widget(desk.dock)
    QTest.qWait(50)
    assert not [thread for thread in threading.enumerate() if thread.name == "napari-sam-inference"]
    assert [layer.name for layer in desk.viewer.layers] == ["cells", "objects"]
    desk.viewer.dims.set_current_step(0, 2)
    QTest.qWait(200)


def test_removing_layers_while_it_works(desk) -> None:
    desk.click(A)
    desk.engine.delay = 0.02
    desk.hand.key(Qt.Key.Key_G)
    desk.hand.until(lambda: len(desk.session.current.draft.proposal) >= 1)
    desk.viewer.layers.remove(desk.image)
    QTest.qWait(100)
    assert desk.session.status.state is State.NO_IMAGE
    assert desk.widget.choices.image.currentIndex() == 0
    assert len(desk.viewer.layers) == 0


def test_three_d_display_is_named(desk) -> None:
    desk.viewer.dims.ndisplay = 3
    desk.hand.until(lambda: "3-D" in desk.widget.status.message.text())
    desk.viewer.dims.ndisplay = 2
    desk.ready()


def test_object_size_and_model_are_handed_on(desk) -> None:
    desk.widget.choices.object_size.setValue(40)
    desk.ready()
    assert desk.engine.prepared[-1][2] == 40
    desk.widget.choices.object_size.setValue(0)
    desk.ready()
    assert desk.engine.prepared[-1][2] is None
    desk.session.model.choose("nano-fast")
    desk.ready()
    assert desk.widget.choices.model.currentText() == "nano-fast"


def test_chosen_model_is_downloaded_and_opened(desk, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("NAPARI_SAM_CACHE", str(tmp_path))
    monkeypatch.setattr(
        "napari_sam.plugin.panel.image_section.fetch", lambda name, **_: (tmp_path / "vit_b_lm.pt").touch()
    )
    row, choice = desk.widget.choices.download, desk.widget.choices.model
    assert not row.isVisible()
    choice.setCurrentIndex(choice.findData("vit_b_lm"))
    desk.ready()
    assert row.isVisible()
    opened = len(desk.engine.opened)
    row.button.click()
    desk.hand.until(lambda: len(desk.engine.opened) > opened)
    assert desk.engine.opened[-1] == "vit_b_lm"
    assert not row.isVisible()


def test_layers_that_come_go_and_change_names_are_listed(desk) -> None:
    choice = desk.widget.choices.image
    other = desk.viewer.add_image(np.zeros((9, 40, 50), np.uint8), name="other")
    assert [choice.itemText(at) for at in range(choice.count())] == ["Choose one", "other", "cells"]
    assert choice.currentText() == "cells"
    desk.image.name = "renamed"
    assert choice.currentText() == "renamed"
    desk.viewer.layers.remove(other)
    assert choice.count() == 2


def test_saving_asks_for_a_file(desk, tmp_path, monkeypatch) -> None:
    import tifffile
    from qtpy.QtWidgets import QFileDialog

    desk.click(A)
    desk.hand.key(Qt.Key.Key_Return)
    path = tmp_path / "out"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, **__: (str(path), ""))
    desk.hand.press(desk.widget.save_button)
    desk.hand.until(lambda: "Saved" in desk.widget.status.message.text())
    np.testing.assert_array_equal(tifffile.imread(f"{path}.ome.tif"), desk.labels)


def test_the_panel_is_readable(desk) -> None:
    """Nothing is wider than the dock, and no button's text is cut."""
    from qtpy.QtWidgets import QPushButton

    QTest.qWait(50)
    for button in desk.widget.findChildren(QPushButton):
        if not button.isVisible():
            continue
        for line in button.text().split("\n"):
            assert button.fontMetrics().horizontalAdvance(line) <= button.width(), button.text()
        right = button.mapTo(desk.widget, button.rect().topRight()).x()
        assert right <= desk.widget.width(), button.text()


def test_all_of_the_panel_fits_on_a_screen(desk) -> None:
    """With the hint of the first start and a question, which are rarely there together."""
    rows = desk.widget.object.collision
    rows.pages.setCurrentWidget(rows.question)
    desk.widget.object.collision.sentence.setText(
        "Meets 9 pixels of label 1, 8 of label 2, 7 of label 3 and 3 of 2 more."
    )
    assert desk.widget.prompts.hint.isVisible()
    QTest.qWait(50)
    assert desk.widget.column.widget().minimumSizeHint().height() < 1150
    for text in (*desk.widget.findChildren(QLabel), *desk.widget.findChildren(QRadioButton)):
        if text.isVisible() and not (isinstance(text, QLabel) and text.wordWrap()):
            assert text.sizeHint().width() <= text.width() + 1, text.text()
            assert text.mapTo(desk.widget, text.rect().topRight()).x() <= desk.widget.width(), text.text()


def test_a_plane_of_other_axes_with_scale_and_translate(make_desk) -> None:
    desk = make_desk(scale=(2.0, 1.0, 0.5), translate=(5.0, -3.0, 2.0))
    desk.viewer.dims.order = (1, 0, 2)
    desk.viewer.dims.set_current_step(1, 12)
    desk.hand.until(lambda: desk.session.image.plane == Plane((0, 2), (0, 12, 0)))
    desk.viewer.reset_view()
    QTest.qWait(50)
    desk.ready()
    desk.click((4 * 2.0 + 5.0, 12 * 0.5 + 2.0))
    np.testing.assert_allclose(desk.points.data, [[4, 12, 12]], atol=0.3)
    assert desk.session.prompts.on(desk.session.image.plane).points[0].positive
    assert isinstance(desk.session.prompts.on(desk.session.image.plane).points[0], Point)
    assert desk.area() == 7 * 9
    desk.hand.key(Qt.Key.Key_Return)
    assert (desk.labels[:, 12] == 1).sum() == 63


def test_advice_and_device_are_shown(desk, monkeypatch) -> None:
    choices = desk.widget.choices
    assert choices.advice.text() == "For all microscopy, on any laptop."
    assert desk.widget.status.setup.text() == "CPU, float32"

    # As the first loading of a model finds it.
    monkeypatch.setattr("napari_sam.plugin.panel.image_section.known_speed", lambda: MachineSpeed("cpu", 100.0, 100.0))
    choices.model.setCurrentIndex(choices.model.findData("vit_b_lm"))

    assert "light microscopy" in choices.advice.text()
    assert "About 14 s a plane" in choices.advice.text()
    assert choices.model.toolTip().startswith("Begin with nano")


def test_planes_that_are_flown_over_are_not_embedded(desk, monkeypatch) -> None:
    # A machine that is busy may hold the slider for a moment, which would look like rest.
    monkeypatch.setattr("napari_sam.plugin.segment_widget.SHORTEST_MS", 500)
    desk.engine.prepared.clear()
    for at in (5, 6, 7, 8, 7, 6, 5, 3, 2):
        desk.viewer.dims.set_current_step(0, at)
        QTest.qWait(60)
    desk.hand.until(lambda: desk.session.image.plane == Plane((1, 2), (2, 0, 0)))
    desk.ready()
    # The plane that it comes to rest on, and its neighbours.
    assert len({plane.index[0] for plane, _, _ in desk.engine.prepared}) <= 3


def test_a_quick_answer_is_there_when_the_click_is_done(desk, monkeypatch) -> None:
    # On a busy machine even a quick answer may take longer than the window waits for it.
    monkeypatch.setattr("napari_sam.plugin.canvas.drawing_hold.ANSWER_WAIT_S", 10.0)
    desk.hand.click(A)
    # No event was handled since.
    assert desk.area() == 81


@pytest.mark.alone
def test_a_slow_answer_does_not_hold_the_window(desk) -> None:
    desk.engine.gate = threading.Event()
    begin = time.monotonic()
    desk.hand.click(A)
    assert time.monotonic() - begin < 1
    assert desk.area() == 0
    desk.engine.gate.set()
    desk.hand.until(lambda: desk.area() == 81)
