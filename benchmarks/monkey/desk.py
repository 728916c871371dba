"""The window that the monkey works in, and its hand. Places are fractions of the canvas: a script may keep them."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

import napari
import numpy as np
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QEnterEvent, QMouseEvent, QWheelEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QAbstractButton, QApplication, QFileDialog

from benchmarks.event_loop import Heartbeat, Stall
from benchmarks.monkey.facts import Reading
from benchmarks.monkey.images import make_image
from napari_sam.plugin.napari_internals import canvas_position, canvas_widget
from napari_sam.plugin.segment_widget import SegmentWidget
from napari_sam.session.compute.engine import NetworkEngine
from napari_sam.testing.fake_engine import FakeEngine
from napari_sam.testing.notification_guard import NotificationGuard

At = tuple[float, float]
_BUTTONS = {"left": Qt.MouseButton.LeftButton, "right": Qt.MouseButton.RightButton}
_MODIFIERS = {
    "": Qt.KeyboardModifier.NoModifier,
    "shift": Qt.KeyboardModifier.ShiftModifier,
    "alt": Qt.KeyboardModifier.AltModifier,
    "control": Qt.KeyboardModifier.ControlModifier,
    "control shift": Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier,
}


class Pointer:
    """Mouse and keys on the canvas, by real events."""

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer

    @property
    def canvas(self) -> Any:
        return canvas_widget(self._viewer)

    def pixel(self, at: At) -> QPoint:
        size = self.canvas.size()
        return QPoint(round(at[0] * (size.width() - 1)), round(at[1] * (size.height() - 1)))

    def of_world(self, row: float, column: float) -> At:
        x, y = canvas_position(self._viewer, row, column)
        size = self.canvas.size()
        return x / max(size.width() - 1, 1), y / max(size.height() - 1, 1)

    def move(self, at: At, button: Any = None, modifier: str = "") -> None:
        position = QPointF(self.pixel(at))
        place = QPointF(self.canvas.mapToGlobal(position.toPoint()))
        held = Qt.MouseButton.NoButton if button is None else _BUTTONS[button]
        event = QMouseEvent(QEvent.Type.MouseMove, position, place, Qt.MouseButton.NoButton, held, _MODIFIERS[modifier])
        QApplication.sendEvent(self.canvas, event)

    def drag(self, path: list[At], button: str, modifier: str, wait_ms: int) -> None:
        """Press at the first place, go through the others, and release at the last; one place is a click."""
        self.move(path[0])
        QTest.mousePress(self.canvas, _BUTTONS[button], _MODIFIERS[modifier], self.pixel(path[0]))
        for at in path[1:]:
            if wait_ms:
                QTest.qWait(wait_ms)
            self.move(at, button, modifier)
        QTest.mouseRelease(self.canvas, _BUTTONS[button], _MODIFIERS[modifier], self.pixel(path[-1]))

    def double_click(self, at: At) -> None:
        QTest.mouseDClick(self.canvas, _BUTTONS["left"], _MODIFIERS[""], self.pixel(at))

    def wheel(self, at: At, notches: int, modifier: str) -> None:
        position = QPointF(self.pixel(at))
        event = QWheelEvent(
            position,
            QPointF(self.canvas.mapToGlobal(position.toPoint())),
            QPoint(),
            QPoint(0, 120 * notches),
            Qt.MouseButton.NoButton,
            _MODIFIERS[modifier],
            Qt.ScrollPhase.NoScrollPhase,
            False,
        )
        QApplication.sendEvent(self.canvas, event)

    def key(self, key: str, modifier: str = "") -> None:
        QTest.keyClick(self.canvas, getattr(Qt.Key, f"Key_{key}"), _MODIFIERS[modifier])

    def press(self, button: QAbstractButton) -> None:
        """A button of the panel, where it can be seen."""
        if button.isVisible():
            QTest.mouseClick(button, _BUTTONS["left"], _MODIFIERS[""], button.rect().center())


class Desk:
    """A viewer with an image of a kind, the panel beside it, and all that is noticed there.

    Parameters
    ----------
    kind, seed
        Of the image.
    engine
        "nano", or "fake" for one that finds what is bright, at once.
    folder
        Where files are saved.
    """

    def __init__(self, kind: str, seed: int, engine: str, folder: Path) -> None:
        self.folder = folder
        self.saved: list[Path] = []
        self.notices = NotificationGuard()
        self._engine = engine
        self._made: dict[Any, Any] = {}
        # Until the process ends.
        self._entered = ExitStack()
        enter = self._entered.enter_context
        # As `napari.run` does: exceptions and warnings become notifications.
        enter(notification_manager)
        enter(self.notices)
        enter(patch.object(QFileDialog, "getSaveFileName", self._ask_where_to))
        enter(patch.object(QFileDialog, "getOpenFileName", self._ask_what_to_open))
        self.viewer = napari.Viewer(show=True)
        self.viewer.window.resize(1000, 700)
        self.pointer = Pointer(self.viewer)
        self.heart = Heartbeat(count_queue=False)
        self.reading: Reading | None = None
        self._dock: Any = None
        self.image_layer = self.add_image(kind, seed)
        self.kind = kind
        self.open_panel()
        QTest.qWait(250)
        self.viewer.reset_view()
        place = QPointF(self.pointer.pixel((0.5, 0.5)))
        # napari's thread that tells what is under the pointer starts when it enters the window.
        QApplication.sendEvent(self.viewer.window._qt_window, QEnterEvent(place, place, place))
        QTest.qWait(50)

    # Window

    @property
    def widget(self) -> Any:
        return None if self.reading is None else self.reading.widget

    @property
    def open(self) -> Reading | None:
        """What the panel says; None while it is closed."""
        return self.reading

    def new_engine(self) -> Any:
        return FakeEngine(ambiguous=True) if self._engine == "fake" else NetworkEngine()

    def open_panel(self) -> None:
        if self.reading is None:
            widget = SegmentWidget(self.viewer, engine=self.new_engine())
            self._dock = self.viewer.window.add_dock_widget(widget, name="Segment", area="right")
            self.reading = Reading(widget)

    def close_panel(self) -> None:
        if self.reading is not None:
            self.reading = None
            self.viewer.window.remove_dock_widget(self._dock)
            self._dock = None

    def add_image(self, kind: str, seed: int) -> Any:
        made = make_image(kind, seed)
        layer = self.viewer.add_image(made.data, name=kind, **made.attributes)
        self._made[layer] = made
        return layer

    # Places

    def somewhere(self, random: Random) -> At:
        return round(random.uniform(0.08, 0.92), 4), round(random.uniform(0.08, 0.92), 4)

    def on_object(self, random: Random) -> At:
        """On an object near the plane in view, or not far from one; anywhere if none is in sight."""
        image = None if self.reading is None else self.reading.image
        if image not in self._made or self.viewer.dims.ndisplay == 3:
            return self.somewhere(random)
        middles = self._made[image].middles
        offset = self.viewer.dims.ndim - image.ndim
        here = np.asarray(self.viewer.dims.point)
        shown = list(self.viewer.dims.displayed)
        hidden = [axis for axis in range(self.viewer.dims.ndim) if axis not in shown]
        world = np.zeros((len(middles), self.viewer.dims.ndim))
        world[:, offset:] = [image.data_to_world(middle) for middle in middles]
        away = np.abs(world[:, hidden] - here[hidden]).sum(axis=1)
        near = list(np.argsort(away)[: max(4, len(away) // 3)])
        chosen = world[random.choice(near)]
        x, y = self.pointer.of_world(*chosen[shown])
        x, y = x + random.gauss(0, 0.006), y + random.gauss(0, 0.006)
        return (round(x, 4), round(y, 4)) if 0.01 < x < 0.99 and 0.01 < y < 0.99 else self.somewhere(random)

    # Time

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Have `stall` tell afterwards how long the event loop stood still."""
        with self.heart.watching():
            yield

    @property
    def stall(self) -> Stall:
        return self.heart.longest

    def wait(self, milliseconds: int) -> None:
        if milliseconds:
            QTest.qWait(milliseconds)
        else:
            QApplication.processEvents()

    def settle(self, seconds: float = 60.0) -> bool:
        """Wait until nothing is computed any more; tell whether that came."""
        until = time.monotonic() + seconds
        quiet = 0
        while time.monotonic() < until:
            if self.reading is None or self.reading.settled:
                quiet += 1
                if quiet == 3:
                    return True
            else:
                quiet = 0
            QTest.qWait(10)
        return False

    # Files

    def _ask_where_to(self, *_: Any) -> tuple[str, str]:
        path = self.folder / f"saved-{len(self.saved)}.ome.tif"
        self.saved.append(path)
        return str(path), ""

    def _ask_what_to_open(self, *_: Any) -> tuple[str, str]:
        found = sorted(self.folder.glob("*.session.json"))
        return (str(found[-1]) if found else ""), ""
