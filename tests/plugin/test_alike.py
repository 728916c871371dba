"""Objects like the selected ones in the viewer: by mouse and keys, chosen by a slider, accepted, undone."""

from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_sam.plugin.actions import Action
from napari_sam.plugin.layers.proposal_layer import PROPOSAL_NAME
from napari_sam.session.status import State

A, B = (12, 12), (28, 34)
CONTROL = Qt.KeyboardModifier.ControlModifier


def accept_a(desk) -> None:
    desk.click(A)
    desk.hand.key(Qt.Key.Key_Return)
    desk.hand.until(lambda: desk.session.objects.labels == [1])
    desk.hand.until(lambda: desk.widget.table.model.labels == [1])


def select(desk, row: int, modifier=Qt.KeyboardModifier.NoModifier) -> None:
    view = desk.widget.table.view
    place = view.visualRect(desk.widget.table.model.index(row, 2)).center()
    QTest.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, modifier, place)


def test_a_user_selects_an_object_and_finds_accepts_and_undoes_the_others(desk) -> None:
    panel, hand, session = desk.widget.everything, desk.hand, desk.session
    panel.expand()
    desk.widget.objects.expand()
    button = panel.buttons[Action.FIND_ALIKE]
    assert not button.isEnabled()
    accept_a(desk)
    assert button.isEnabled()
    select(desk, 0)
    assert desk.controller.examples == [1]
    hand.press(button)
    hand.until(lambda: session.everything.proposals is not None)
    # The other one only, and it is chosen by how alike it is.
    assert panel.count.text().startswith("1 of 1 proposed.")
    assert (desk.viewer.layers[PROPOSAL_NAME].data > 0).sum() == 81
    assert panel.alike.isVisible()
    assert not panel.confidence.isVisible()
    panel.alike.setFocus()
    QTest.keyClick(panel.alike, Qt.Key.Key_Home)
    assert session.everything.wanted.likeness == 0
    assert panel.alike_value.text() == ".00"
    hand.canvas.setFocus()
    hand.key(Qt.Key.Key_Return, CONTROL)
    hand.until(lambda: session.objects.labels == [1, 2])
    assert [desk.labels[4, row, column] for row, column in (A, B)] == [1, 2]
    assert not panel.alike.isVisible()
    assert panel.confidence.isVisible()
    hand.key(Qt.Key.Key_Z, CONTROL)
    hand.until(lambda: session.objects.labels == [1])
    assert [desk.labels[4, row, column] for row, column in (A, B)] == [1, 0]


def test_the_key_takes_several_objects_or_the_label_selected_in_the_layer(desk) -> None:
    hand, session = desk.hand, desk.session
    hand.key(Qt.Key.Key_K, Qt.KeyboardModifier.ShiftModifier)
    hand.until(lambda: "Choose the accepted object" in desk.widget.status.message.text())
    accept_a(desk)
    desk.click(B)
    hand.key(Qt.Key.Key_Return)
    hand.until(lambda: desk.widget.table.model.labels == [1, 2])
    desk.widget.objects.expand()
    select(desk, 0)
    select(desk, 1, CONTROL)
    assert desk.controller.examples == [1, 2]
    hand.canvas.setFocus()
    hand.key(Qt.Key.Key_K, Qt.KeyboardModifier.ShiftModifier)
    hand.until(lambda: session.status.state is State.READY and "Nothing was found" in session.status.sentence)
    desk.widget.table.select(None)
    desk.controller.target_layer.selected_label = 2
    assert desk.controller.examples == [2]


def test_without_a_selection_what_was_looked_for_last_is_looked_for_on_another_plane(desk) -> None:
    accept_a(desk)
    desk.widget.table.select(1)
    desk.controller.do(Action.FIND_ALIKE)
    desk.hand.until(lambda: desk.session.everything.proposals is not None)
    desk.session.everything.discard()
    desk.widget.table.select(None)
    desk.viewer.dims.set_current_step(0, 3)
    desk.hand.until(lambda: desk.session.image.plane.index[0] == 3)
    desk.controller.do(Action.FIND_ALIKE)
    desk.hand.until(lambda: desk.session.everything.proposals is not None)
    assert len(desk.session.everything.chosen) == 2
