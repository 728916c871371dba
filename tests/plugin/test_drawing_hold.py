"""The window waits a moment for an answer, so that prompt and mask are drawn at once, and goes on without it."""

import threading
import time

import pytest
from qtpy.QtCore import QEvent, QObject
from qtpy.QtTest import QTest

from napari_sam.plugin.canvas.drawing_hold import HOLD_MS

A, B = (12, 12), (28, 34)
REST_MS = 200


def waits(desk) -> bool:
    return desk.widget._hold.active


@pytest.fixture
def frames(desk) -> list[float]:
    """When the canvas was shown; the window has come to rest before."""
    shown: list[float] = []
    desk.hand.canvas.frameSwapped.connect(lambda: shown.append(time.monotonic()))
    # A window that has just opened is drawn more than once, on a slow machine late.
    QTest.qWait(REST_MS)
    while shown:
        shown.clear()
        QTest.qWait(REST_MS)
    return shown


def test_the_window_is_drawn_once_the_answer_is_there(desk, frames) -> None:
    desk.engine.gate = threading.Event()
    desk.hand.click(A)
    assert waits(desk)
    QTest.qWait(HOLD_MS // 3)
    assert not frames
    desk.engine.gate.set()
    desk.hand.until(lambda: not waits(desk))
    desk.ready()
    assert desk.area() == 81
    assert desk.preview.data.any()
    desk.hand.until(lambda: frames)


class Paints(QObject):
    """Counts how often something is painted."""

    def __init__(self, watched: QObject) -> None:
        super().__init__(watched)
        self.count = 0
        watched.installEventFilter(self)

    def eventFilter(self, _, event) -> bool:  # noqa: N802
        self.count += event.type() == QEvent.Type.Paint
        return False


def test_only_what_changed_is_drawn_after_waiting(desk, frames) -> None:
    paints = Paints(desk.widget.save_button)
    desk.engine.gate = threading.Event()
    desk.hand.click(A)
    assert waits(desk)
    desk.engine.gate.set()
    desk.hand.until(lambda: frames)
    QTest.qWait(50)
    assert paints.count == 0


def test_the_window_does_not_wait_for_an_answer_that_takes_long(desk) -> None:
    desk.engine.gate = threading.Event()
    start = time.monotonic()
    desk.hand.click(A)
    desk.hand.until(lambda: not waits(desk))
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
    assert waits(desk)
    desk.engine.gate.set()
    desk.hand.until(lambda: not waits(desk))
    desk.ready()
    assert desk.area() == 162


def test_an_answer_that_is_there_already_is_not_waited_for(desk) -> None:
    desk.hand.hold(A, 20)
    desk.hand.until(lambda: len(desk.engine.segmented) == 1)
    desk.hand.release(A)
    assert desk.area() == 81
    assert not waits(desk)


def test_closing_the_widget_ends_the_waiting(desk) -> None:
    hold, drawn = desk.widget._hold, []
    desk.engine.gate = threading.Event()
    desk.hand.click(A)
    assert hold.active
    desk.hand.canvas.frameSwapped.connect(lambda: drawn.append(1))
    desk.viewer.window.remove_dock_widget(desk.dock)
    assert not hold.active
    desk.engine.gate.set()
    desk.hand.until(lambda: drawn)
