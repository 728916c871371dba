"""Accepted objects merged, split and reshaped in the viewer: by hand, by key, by button."""

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_sam.plugin.actions import CONTROLS, Action
from napari_sam.plugin.canvas.object_editing import EDITS
from napari_sam.plugin.canvas.split_clicks import SPLIT_NAME
from napari_sam.session.object_edits import EditScope

SHIFT = Qt.KeyboardModifier.ShiftModifier
A, B = (12, 12), (28, 34)


def accept_two(desk) -> None:
    desk.widget.objects.expand()
    for position in (A, B):
        desk.click(position)
        desk.hand.key(Qt.Key.Key_Return)
    desk.hand.until(lambda: desk.widget.table.model.rowCount() == 2)


def row_center(table, row: int):
    return table.view.visualRect(table.model.index(row, 0)).center()


def test_a_user_merges_two_splits_one_and_takes_it_back(desk) -> None:
    accept_two(desk)
    table, hand = desk.widget.table, desk.hand
    merge = desk.widget.buttons[Action.MERGE]
    assert not merge.isEnabled()
    QTest.mouseClick(table.view.viewport(), Qt.MouseButton.LeftButton, pos=row_center(table, 0))
    QTest.mouseClick(
        table.view.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ControlModifier, row_center(table, 1)
    )
    assert table.all_selected == [1, 2]
    assert merge.isEnabled()
    assert not table.reopen_button.isEnabled()
    before = desk.labels.copy()
    hand.press(merge)
    hand.until(lambda: desk.session.objects.labels == [1])
    desk.ready()
    assert (desk.labels == 1).sum() == 162
    hand.until(lambda: table.model.rowCount() == 1)

    hand.canvas.setFocus()
    hand.key(Qt.Key.Key_S, SHIFT)
    assert desk.controller.splitting.active
    assert desk.widget.buttons[Action.SPLIT].isChecked()
    assert SPLIT_NAME in desk.viewer.layers
    asked = len(desk.engine.segmented)
    hand.click(B)
    hand.click((2, 2))
    assert "not on object 1" in desk.widget.status.message.text().replace("\u200b", "")
    hand.click(A)
    hand.click((10, 10))
    hand.key(Qt.Key.Key_U)
    assert [(round(point.row), round(point.column)) for _, point in desk.controller.splitting.clicks] == [B, A]
    np.testing.assert_allclose(desk.viewer.layers[SPLIT_NAME].data, [(4, *B), (4, *A)], atol=0.6)
    assert len(desk.points.data) == 0
    assert len(desk.engine.segmented) == asked
    hand.key(Qt.Key.Key_Return)
    hand.until(lambda: desk.session.objects.labels == [1, 3])
    desk.ready()
    assert SPLIT_NAME not in desk.viewer.layers
    assert not desk.widget.buttons[Action.SPLIT].isChecked()
    assert [desk.labels[4, row, column] for row, column in (B, A)] == [1, 3]
    assert desk.viewer.layers.selection.active is desk.points

    hand.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    hand.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    hand.until(lambda: desk.session.objects.labels == [1, 2])
    desk.ready()
    np.testing.assert_array_equal(desk.labels, before)


def test_escape_leaves_splitting_and_so_do_other_layers(desk) -> None:
    accept_two(desk)
    before = desk.labels.copy()
    desk.hand.press(desk.widget.buttons[Action.SPLIT])
    assert desk.controller.splitting.active
    desk.hand.click(A)
    desk.hand.key(Qt.Key.Key_Return)
    assert "two parts" in desk.widget.status.message.text().replace("\u200b", "")
    desk.hand.key(Qt.Key.Key_Escape)
    assert not desk.controller.splitting.active
    assert SPLIT_NAME not in desk.viewer.layers
    desk.controller.do(Action.SPLIT)
    desk.viewer.layers.remove(SPLIT_NAME)
    assert not desk.controller.splitting.active
    desk.controller.do(Action.SPLIT)
    desk.controller.choose_target(None)
    assert not desk.controller.splitting.active
    desk.click(A)
    assert len(desk.points.data) == 1
    np.testing.assert_array_equal(desk.viewer.layers["objects"].data, before)


def test_keys_reshape_what_is_selected_under_the_pointer_or_all(desk) -> None:
    accept_two(desk)
    table, hand, edits = desk.widget.table, desk.hand, desk.widget.table.edits
    # Nothing is selected: the one under the pointer.
    hand.hover(B)
    assert not table.all_selected
    hand.key(Qt.Key.Key_B, SHIFT)
    hand.until(lambda: (desk.labels == 2).sum() > 81)
    desk.ready()
    assert (desk.labels == 1).sum() == 81
    # The keys work in the table too.
    table.select(1)
    table.view.setFocus()
    QTest.keyClick(table.view, Qt.Key.Key_T, SHIFT)
    hand.until(lambda: (desk.labels == 1).sum() == 25)
    desk.ready()
    grown = (desk.labels == 2).sum()
    edits.which.setCurrentIndex(1)
    edits.where.setCurrentIndex(1)
    edits.distance.setValue(1.0)
    assert desk.controller.editing.scope is EditScope.PLANE
    hand.press(desk.widget.buttons[Action.GROW])
    hand.until(lambda: (desk.labels == 1).sum() == 45)
    desk.ready()
    assert (desk.labels == 2).sum() > grown
    assert "Grow by 1 px: 2 objects done." in desk.widget.status.message.text()


def test_what_each_key_and_button_does(bench) -> None:
    """Of every edit, one step of undo."""
    for position in (A, B):
        bench.click(4, *position)
        bench.controller.do(Action.PROPAGATE)
        bench.settle()
        bench.controller.do(Action.ACCEPT)
        bench.settle()
    layer = bench.controller.target_layer
    layer.data[4, 11:13, 11:13] = 0
    layer.data[4, 2, 2] = 1
    bench.controller.editing.everything = True
    for action in EDITS[2:]:
        before, steps = layer.data.copy(), len(bench.session.history.journal.done)
        bench.controller.do(action)
        bench.settle()
        assert (layer.data != before).any(), action
        assert len(bench.session.history.journal.done) == steps + 1
        bench.controller.do(Action.UNDO)
        bench.settle()
        np.testing.assert_array_equal(layer.data, before)


def test_keys_are_nobody_elses() -> None:
    keys = [control.key for control in CONTROLS.values()]
    assert len(set(keys)) == len(keys)


def test_labels_that_are_locked_are_refused(bench) -> None:
    bench.click(4, *A)
    bench.controller.do(Action.ACCEPT)
    bench.controller.target_layer.editable = False
    bench.controller.editing.selected = (1,)
    for action in EDITS:
        bench.controller.do(action)
        assert "locked" in bench.told[-1]
    bench.controller.target_layer.editable = True


@pytest.mark.parametrize("action", EDITS)
def test_without_objects_each_says_what_is_missing(bench, action) -> None:
    bench.controller.do(action)
    bench.settle()
    if action is Action.SPLIT:
        bench.click(4, *A)
        assert "not on an object" in bench.told[-1]
        bench.controller.do(Action.REJECT)
        assert not bench.controller.splitting.active
    else:
        assert "Select" in bench.told[-1]


def test_the_unit_of_distances_is_that_of_the_image(make_desk) -> None:
    desk = make_desk(scale=(2.0, 0.5, 0.5), units=("um",) * 3)
    edits = desk.widget.table.edits
    assert edits.distance.suffix() == " µm"
    assert edits.distance.value() == 1.0
    assert desk.controller.editing.unit == (0.5, "µm")


def test_without_a_mouse_an_object_is_split(desk) -> None:
    accept_two(desk)
    hand = desk.hand
    hand.canvas.setFocus()
    hand.key(Qt.Key.Key_S, SHIFT)
    hand.key(Qt.Key.Key_J)
    cursor = desk.controller.cursor
    for spot in ((9, 9), (15, 15)):
        cursor._at = spot
        hand.key(Qt.Key.Key_D)
    hand.key(Qt.Key.Key_J)
    assert len(desk.controller.splitting.clicks) == 2
    hand.key(Qt.Key.Key_Return)
    hand.until(lambda: desk.session.objects.labels == [1, 2, 3])
    assert [desk.labels[4, 9, 9], desk.labels[4, 15, 15]] == [1, 3]


def message(desk) -> str:
    return desk.widget.status.message.text().replace("\u200b", "")


def test_splitting_ends_with_its_labels(desk) -> None:
    accept_two(desk)
    for leave in (
        lambda: desk.session.labels.choose(None),
        lambda: desk.viewer.layers.remove("objects"),
    ):
        desk.controller.targets.choose(desk.viewer.layers["objects"])
        desk.hand.press(desk.widget.buttons[Action.SPLIT])
        desk.hand.click(A)
        assert "parts of object 1" in message(desk) or "part of object 1" in message(desk)
        leave()
        desk.hand.until(lambda: not desk.controller.splitting.active)
        assert SPLIT_NAME not in desk.viewer.layers
        assert not desk.widget.buttons[Action.SPLIT].isChecked()
        assert "object 1" not in message(desk)


def test_undo_stops_an_edit_and_labels_that_became_read_only_are_told(desk) -> None:
    accept_two(desk)
    layer, before = desk.viewer.layers["objects"], desk.labels.copy()
    desk.controller.editing.everything = True
    desk.controller.do(Action.GROW)
    desk.controller.do(Action.UNDO)
    desk.ready()
    assert "The edit was stopped; nothing was changed." in message(desk)
    np.testing.assert_array_equal(desk.labels, before)
    desk.controller.do(Action.GROW)
    layer.data.flags.writeable = False
    desk.hand.until(lambda: "read-only" in message(desk))
    assert "Editing" not in desk.widget.status.state.text()
    desk.hand.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert "read-only" in message(desk)
    layer.data.flags.writeable = True
    np.testing.assert_array_equal(desk.labels, before)
    desk.hand.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    desk.hand.until(lambda: desk.session.objects.labels == [1])
