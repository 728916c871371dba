"""Where the pointer rests the answer to a click is begun, so that a tap finds it there."""

import numpy as np
import pytest
from plugin_hand import LEFT, NONE
from qtpy.QtCore import QObject, Qt
from qtpy.QtTest import QTest

from napari_sam.plugin.canvas.canvas import REST_MS, PointerRest

A, B = (12, 12), (28, 34)

PATIENT_MS = 500
"""A busy machine keeps a test's pointer waiting for longer than a hand's rests."""


def _rested(desk, place: tuple[int, int]) -> bool:
    """Whether the answer to a click there was begun last; where a machine is busy, a hand also rests close by."""
    supposed = [(asked.points[0].row, asked.points[0].column) for asked in desk.engine.rehearsed]
    clicked = desk.hand.world(desk.hand.at(place))
    return bool(supposed) and np.allclose(supposed[-1], clicked, rtol=0, atol=1e-6)


def _tap_and_find_the_answer(desk) -> None:
    """Tap where the pointer rested: what was begun there is the answer, and nothing else is computed."""
    desk.hand.until(lambda: desk.session.scheduler.wait_idle(0))
    QTest.mouseClick(desk.hand.canvas, LEFT, NONE, desk.hand.at(A))
    desk.hand.until(lambda: desk.area() == 81)
    desk.ready()
    assert not desk.engine.segmented
    assert len(desk.engine.taken_in) == 1


def test_a_pointer_that_stays_or_hardly_moves_rests(qtbot) -> None:
    parent = QObject()
    rest, told = PointerRest(parent, PATIENT_MS), []
    for at in range(4):
        rest.moved(np.asarray([10.0 + at / 2, 20.0]), lambda at=at: told.append(at))
        QTest.qWait(PATIENT_MS // 5)
    qtbot.waitUntil(lambda: bool(told), timeout=1000)
    assert told == [3]


def test_a_pointer_that_goes_on_does_not_rest_on_the_way(qtbot) -> None:
    parent = QObject()
    rest, told = PointerRest(parent, PATIENT_MS), []
    for at in range(8):
        rest.moved(np.asarray([10.0 + 8 * at, 20.0]), lambda at=at: told.append(at))
        QTest.qWait(PATIENT_MS // 5)
    qtbot.waitUntil(lambda: bool(told), timeout=1000)
    assert told == [7]


def test_a_pointer_whose_rest_is_over_tells_nothing() -> None:
    parent = QObject()
    rest, told = PointerRest(parent), []
    rest.moved(np.asarray([10.0, 20.0]), lambda: told.append(0))
    rest.over()
    QTest.qWait(2 * REST_MS)
    assert not told


def test_a_tap_where_the_pointer_rested_finds_its_answer(desk) -> None:
    desk.hand.approach(B, A, 100, 0)
    desk.hand.rest(A, lambda: _rested(desk, A))
    assert not desk.session.current.draft
    _tap_and_find_the_answer(desk)


def test_a_tap_where_the_pointer_did_not_rest_is_answered_all_the_same(desk) -> None:
    desk.hand.approach(B, A, 100, 0)
    desk.hand.rest(A, lambda: _rested(desk, A))
    desk.click(B)
    assert desk.session.current.draft.masks[desk.session.image.plane].box == (24, 30, 33, 39)
    assert len(desk.engine.segmented) == 1


def test_a_pointer_that_rested_close_by_begins_again_where_it_clicks(desk) -> None:
    close = (A[0] + 0.3, A[1])
    desk.hand.rest(close, lambda: _rested(desk, close))
    assert not _rested(desk, A)
    desk.hand.rest(A, lambda: _rested(desk, A))
    _tap_and_find_the_answer(desk)


def test_where_a_button_is_pressed_nothing_is_supposed_any_more(desk) -> None:
    desk.hand.hover(A)
    # No event is handled in between, so that the pointer cannot have rested on a busy machine either.
    QTest.mousePress(desk.hand.canvas, LEFT, NONE, desk.hand.at(A))
    QTest.qWait(3 * REST_MS)
    assert not desk.engine.rehearsed
    desk.hand.release(A)


@pytest.mark.parametrize("why", ["outside", "picking", "another tool", "hidden"])
def test_where_a_click_would_not_prompt_nothing_is_supposed(desk, why) -> None:
    if why == "picking":
        desk.click(A)
        desk.hand.key(Qt.Key.Key_Return)
        desk.ready()
        desk.session.model.set_object_size(None)
        desk.widget.controller.start_picking()
    elif why == "another tool":
        desk.points.mode = "pan_zoom"
    elif why == "hidden":
        desk.image.visible = False
    desk.hand.hover((-3, 12) if why == "outside" else A)
    QTest.qWait(3 * REST_MS)
    assert not desk.engine.rehearsed


def test_the_keyboard_cursor_rests_as_a_pointer_does(desk) -> None:
    desk.hand.key(Qt.Key.Key_J)
    cursor = desk.widget.controller.cursor
    desk.hand.until(lambda: cursor.active)
    desk.hand.key(Qt.Key.Key_Up)
    desk.hand.until(lambda: bool(desk.engine.rehearsed))
    at = desk.engine.rehearsed[-1].points[0]
    assert (at.row, at.column) == cursor.position
    desk.hand.until(lambda: desk.session.scheduler.wait_idle(0))
    desk.hand.key(Qt.Key.Key_D)
    desk.hand.until(lambda: bool(desk.engine.taken_in))
    assert not desk.engine.segmented


def test_a_box_that_the_keyboard_draws_is_no_rest(desk) -> None:
    desk.hand.key(Qt.Key.Key_J)
    desk.hand.until(lambda: desk.widget.controller.cursor.active)
    desk.hand.key(Qt.Key.Key_I)
    desk.hand.key(Qt.Key.Key_Up)
    QTest.qWait(3 * REST_MS)
    assert not desk.engine.rehearsed
