"""A hand on mouse and keyboard: real Qt events on a napari window."""

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from qtpy import QtTest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtGui import QCursor
from qtpy.QtWidgets import QAbstractButton, QWidget

from napari_sam.plugin.napari_internals import canvas_position, canvas_widget

if TYPE_CHECKING:
    from napari.viewer import Viewer

# PyQt6's type hints do not know that these functions are static.
QTest: Any = QtTest.QTest


class Hand:
    """A hand that moves the pointer, clicks and types in a viewer as a person would.

    Parameters
    ----------
    viewer
        The viewer, its window shown.
    pace
        Seconds that a movement of the pointer takes, and a pause lasts; 0 goes as fast as events are handled.
    """

    def __init__(self, viewer: "Viewer", pace: float = 0.0) -> None:
        self._viewer = viewer
        self._pace = pace

    @property
    def canvas(self) -> QWidget:
        """The widget that napari draws on."""
        canvas = canvas_widget(self._viewer)
        assert canvas is not None, "the viewer has no window"
        return canvas

    def pause(self, times: float = 1.0) -> None:
        """Let the eye follow, for `times` the pace; events are handled meanwhile."""
        QTest.qWait(max(int(1000 * self._pace * times), 20))

    def position(self, world: Sequence[float]) -> QPoint:
        """Return where a world position of the displayed plane lies on the canvas."""
        row, column = (world[axis] for axis in self._viewer.dims.displayed)
        x, y = canvas_position(self._viewer, row, column)
        return QPoint(round(x), round(y))

    def click(self, world: Sequence[float], button: Qt.MouseButton = Qt.MouseButton.LeftButton) -> None:
        """Click at a world position of the displayed plane."""
        at = self.position(world)
        self._glide(self.canvas, at)
        QTest.mouseClick(self.canvas, button, Qt.KeyboardModifier.NoModifier, at)
        self.pause(0.2)

    def press(self, button: QAbstractButton) -> None:
        """Click a button of a panel."""
        at = button.rect().center()
        self._glide(button, at)
        QTest.mouseClick(button, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, at)
        self.pause(0.2)

    def key(self, key: Qt.Key) -> None:
        """Press and release a key over the canvas."""
        self.canvas.setFocus()
        QTest.keyClick(self.canvas, key)
        self.pause(0.2)

    def wait_until(self, ready: Callable[[], bool], what: str, seconds: float = 120.0, *, steady: float = 0.0) -> None:
        """Handle events until `ready`, and has been so for `steady` seconds.

        Raises
        ------
        TimeoutError
            If that takes longer than `seconds`.
        """
        deadline = time.monotonic() + seconds
        since = None
        while since is None or time.monotonic() - since < steady:
            since = (since or time.monotonic()) if ready() else None
            if time.monotonic() > deadline:
                raise TimeoutError(f"waited {seconds:.0f} s in vain for {what}")
            QTest.qWait(10)

    def _glide(self, widget: QWidget, at: QPoint) -> None:
        """Move the pointer there; at a human pace the one on the screen moves too."""
        steps = max(int(self._pace * 30), 1)
        start = widget.mapFromGlobal(QCursor.pos()) if self._pace else at
        for step in range(1, steps + 1):
            share = step / steps
            between = QPoint(
                round(start.x() + (at.x() - start.x()) * share), round(start.y() + (at.y() - start.y()) * share)
            )
            if self._pace:
                QCursor.setPos(widget.mapToGlobal(between))
            QTest.mouseMove(widget, between)
            QTest.qWait(20)
