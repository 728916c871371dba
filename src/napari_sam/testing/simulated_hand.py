"""A simulated hand: real mouse and key events on the canvas of a real viewer."""

import math
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from qtpy import QtTest
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent, QWheelEvent
from qtpy.QtWidgets import QApplication, QWidget

from napari_sam.plugin.napari_internals import canvas_position, canvas_widget

if TYPE_CHECKING:
    from napari.viewer import Viewer

# PyQt6's type hints do not know that these functions are static.
QTest: Any = QtTest.QTest

NONE, ALT, CONTROL, SHIFT = (
    Qt.KeyboardModifier.NoModifier,
    Qt.KeyboardModifier.AltModifier,
    Qt.KeyboardModifier.ControlModifier,
    Qt.KeyboardModifier.ShiftModifier,
)
LEFT, RIGHT = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton


class SimulatedHand:
    """A hand that points at world positions of the displayed plane, given as (row, column), as fast as it can.

    Parameters
    ----------
    viewer
        The viewer, its window shown.
    """

    def __init__(self, viewer: "Viewer") -> None:
        self._viewer = viewer

    @property
    def canvas(self) -> QWidget:
        """The widget that napari draws on."""
        canvas = canvas_widget(self._viewer)
        assert canvas is not None, "the viewer has no window"
        return canvas

    def at(self, world: Sequence[float]) -> QPoint:
        """Return the pixel of the canvas at a world position."""
        x, y = canvas_position(self._viewer, world[0], world[1])
        return QPoint(round(x), round(y))

    def world(self, pixel: QPoint) -> tuple[float, float]:
        """Return (row, column) of a pixel's corner, which napari takes for its place; the inverse of `at`."""
        view = self._viewer.window._qt_viewer.canvas.view
        column, row = (view.transform * view.scene.transform).imap([pixel.x(), pixel.y(), 0, 1])[:2]
        return float(row), float(column)

    def click(
        self, world: Sequence[float], button: Qt.MouseButton = LEFT, modifier: Qt.KeyboardModifier = NONE
    ) -> None:
        """Move to a place and click there."""
        QTest.mouseMove(self.canvas, self.at(world))
        QTest.mouseClick(self.canvas, button, modifier, self.at(world))

    def hold(self, world: Sequence[float], milliseconds: int) -> None:
        """Press the left button and hold it for a while."""
        QTest.mouseMove(self.canvas, self.at(world))
        QTest.mousePress(self.canvas, LEFT, NONE, self.at(world))
        QTest.qWait(milliseconds)

    def release(self, world: Sequence[float]) -> None:
        """Release the left button."""
        QTest.mouseRelease(self.canvas, LEFT, NONE, self.at(world))

    def hover(self, world: Sequence[float]) -> None:
        """Move to a place, no button held."""
        self._move(QPointF(self.at(world)), Qt.MouseButton.NoButton, NONE)

    def rest(self, world: Sequence[float], noticed: Callable[[], object]) -> None:
        """Rest at a place until that was noticed, which takes a moment.

        It moves there more than once if need be: on a busy machine a window that has just opened may still begin
        something anew, which forgets a rest.
        """
        moved = -math.inf

        def rested() -> object:
            nonlocal moved
            if time.monotonic() >= moved + 1:
                self.hover(world)
                moved = time.monotonic()
            return noticed()

        self.until(rested)

    def approach(self, start: Sequence[float], end: Sequence[float], milliseconds: int, rest: int) -> None:
        """Move to a place as a hand does, fast and then ever slower, and rest there; both in milliseconds."""
        first, last = QPointF(self.at(start)), QPointF(self.at(end))
        begun = time.monotonic()
        done = 0.0
        while done < 1:
            done = min((time.monotonic() - begun) * 1000 / milliseconds, 1.0)
            self._move(first + (last - first) * (10 - 15 * done + 6 * done**2) * done**3, Qt.MouseButton.NoButton, NONE)
            QTest.qWait(8)
        QTest.qWait(rest)

    def drag(
        self,
        start: Sequence[float],
        end: Sequence[float],
        button: Qt.MouseButton = LEFT,
        modifier: Qt.KeyboardModifier = NONE,
        steps: int = 6,
    ) -> None:
        """Press a button, move in so many steps, and release it."""
        first, last = self.at(start), self.at(end)
        QTest.mousePress(self.canvas, button, modifier, first)
        for step in range(1, steps + 1):
            self._move(QPointF(first + (last - first) * step / steps), button, modifier)
            QTest.qWait(5)
        QTest.mouseRelease(self.canvas, button, modifier, last)

    def _move(self, position: QPointF, held: Qt.MouseButton, modifier: Qt.KeyboardModifier) -> None:
        """Move the mouse; QTest's own movement says that no button is held, and may say nothing."""
        place = QPointF(self.canvas.mapToGlobal(position.toPoint()))
        event = QMouseEvent(QEvent.Type.MouseMove, position, place, Qt.MouseButton.NoButton, held, modifier)
        QApplication.sendEvent(self.canvas, event)

    def wheel(self, world: Sequence[float], notches: int, modifier: Qt.KeyboardModifier = NONE) -> None:
        """Turn the wheel towards the user, or away for negative notches."""
        position = QPointF(self.at(world))
        event = QWheelEvent(
            position,
            QPointF(self.canvas.mapToGlobal(position.toPoint())),
            QPoint(),
            QPoint(0, -120 * notches),
            Qt.MouseButton.NoButton,
            modifier,
            Qt.ScrollPhase.NoScrollPhase,
            False,
        )
        QApplication.sendEvent(self.canvas, event)

    def key(self, key: Qt.Key, modifier: Qt.KeyboardModifier = NONE) -> None:
        """Press and release a key."""
        QTest.keyClick(self.canvas, key, modifier)

    def press(self, button: QWidget) -> None:
        """Click the middle of a button of a panel."""
        QTest.mouseClick(button, LEFT, NONE, button.rect().center())

    def until(self, condition: Callable[[], object], seconds: float = 20.0) -> None:
        """Let events be handled until a condition holds.

        Raises
        ------
        AssertionError
            If it did not come true in so many seconds.
        """
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "it did not happen in time"
            QTest.qWait(5)
