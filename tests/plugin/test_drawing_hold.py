"""The window waits a moment for an answer, so that prompt and mask are drawn at once, and goes on without it."""

import threading
import time

from napari_sam.plugin.drawing_hold import HOLD_MS

A, B = (12, 12), (28, 34)


def window(desk):
    return desk.widget.window()


def test_the_window_is_drawn_once_the_answer_is_there(desk) -> None:
    desk.engine.gate = threading.Event()
    desk.hand.click(A)
    assert not window(desk).updatesEnabled()
    desk.engine.gate.set()
    desk.hand.until(lambda: window(desk).updatesEnabled())
    desk.ready()
    assert desk.area() == 81
    assert desk.preview.data.any()


def test_the_window_does_not_wait_for_an_answer_that_takes_long(desk) -> None:
    desk.engine.gate = threading.Event()
    start = time.monotonic()
    desk.hand.click(A)
    desk.hand.until(lambda: window(desk).updatesEnabled())
    assert time.monotonic() - start >= HOLD_MS / 1000
    assert len(desk.points.data) == 1
    assert desk.area() == 0
    desk.engine.gate.set()
    desk.ready()
    assert desk.area() == 81


def test_a_click_while_the_window_waits_does_not_leave_it_waiting(desk) -> None:
    desk.engine.gate = threading.Event()
    desk.hand.click(A)
    desk.hand.click(B)
    assert not window(desk).updatesEnabled()
    desk.engine.gate.set()
    desk.hand.until(lambda: window(desk).updatesEnabled())
    desk.ready()
    assert desk.area() == 162


def test_an_answer_that_is_there_already_is_not_waited_for(desk) -> None:
    desk.hand.hold(A, 20)
    desk.hand.until(lambda: len(desk.engine.segmented) == 1)
    desk.hand.release(A)
    assert desk.area() == 81
    assert window(desk).updatesEnabled()


def test_closing_the_widget_ends_the_waiting(desk) -> None:
    held = window(desk)
    desk.engine.gate = threading.Event()
    desk.hand.click(A)
    assert not held.updatesEnabled()
    desk.viewer.window.remove_dock_widget(desk.dock)
    desk.engine.gate.set()
    desk.hand.until(held.updatesEnabled)
