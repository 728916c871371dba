"""The strip of planes, and going through the doubtful ones."""

import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest

from napari_sam.plugin.actions import Action

A = (12, 12)


def in_view(desk) -> int:
    return desk.viewer.dims.current_step[0]


def said(desk) -> str:
    return desk.widget.status.message.text().replace("\u200b", "")


@pytest.fixture
def carried(desk):
    desk.click(A)
    desk.hand.key(Qt.Key.Key_G)
    desk.hand.until(lambda: desk.session.current.draft.carried is not None and not desk.session.volume.active)
    desk.ready()
    return desk


def test_the_strip_shows_the_planes_and_a_click_goes_there(carried):
    strip = carried.widget.stack.strip
    state = strip.state
    assert (state.length, state.in_view, state.keys) == (9, 4, (4,))
    shown = dict(state.confidences)
    assert set(shown) == {1, 2, 3, 5, 6, 7}
    assert [plane for plane in sorted(shown) if shown[plane] < 0.65] == [5]
    assert state.describe(5) == "Plane 5: confidence .30, doubtful"
    assert state.describe(4) == "Plane 4: prompted"
    for plane in (7, 0, 8):
        at = strip.cell(plane).center().toPoint()
        QTest.mouseClick(strip, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, at)
        assert in_view(carried) == plane
        assert strip.state.in_view == plane
    strip.setFocus()
    QTest.keyClick(strip, Qt.Key.Key_Right)
    assert in_view(carried) == 8
    QTest.keyClick(strip, Qt.Key.Key_Left)
    assert in_view(carried) == 7
    assert strip.plane_at(QPoint(0, 0).x()) is None


def test_the_key_goes_through_doubtful_planes_of_the_object_in_work(carried):
    # The second time round and round.
    for _ in range(2):
        carried.hand.key(Qt.Key.Key_X)
        assert in_view(carried) == 5
        assert said(carried).startswith("Plane 5 of ")
        assert said(carried).endswith("confidence .30.")


def test_then_through_those_of_accepted_objects(carried):
    carried.hand.key(Qt.Key.Key_Return)
    carried.hand.until(lambda: carried.widget.table.model.labels == [1])
    carried.hand.key(Qt.Key.Key_X)
    assert in_view(carried) == 5
    assert carried.widget.table.selected == 1
    assert said(carried) == f"Plane {in_view(carried)} of object 1: confidence .30."


def test_where_there_are_none_it_says_so(desk):
    desk.hand.press(desk.widget.buttons[Action.NEXT_DOUBTFUL])
    assert said(desk) == "No doubtful planes."
    assert in_view(desk) == 4
