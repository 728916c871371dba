"""Click, exclude and drag on the plugin's Points layer."""

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np
from napari.layers import Points

DRAG_PIXELS = 5
"""Screen pixels that the mouse must move before a click becomes a drag."""
LEFT, RIGHT = 1, 2
EXCLUDING = frozenset({"Alt", "Control"})
"""Modifiers that turn a left click into an excluding one."""


class GestureTarget(Protocol):
    """Who is told of gestures; positions are the Points layer's data coordinates."""

    def clicked(self, position: np.ndarray, positive: bool) -> None:
        """A click, adding or excluding."""
        ...

    def dragging(self, start: np.ndarray, end: np.ndarray) -> None:
        """A box is being dragged."""
        ...

    def dragged(self, start: np.ndarray, end: np.ndarray) -> None:
        """A box was dragged."""
        ...


class Gestures:
    """Makes a Points layer in *add* mode the place for gestures; napari's other modes are as ever.

    napari's own way of adding points gives way: it takes any button and modifier as the same click, and pans on drag.

    Parameters
    ----------
    layer
        The layer.
    target
        Who is told.
    """

    def __init__(self, layer: Points, target: GestureTarget) -> None:
        self._layer = layer
        self._target = target
        self._listening: Callable[[Points, Any], Iterator[None]] = self._drag
        layer.events.mode.connect(self._follow_mode)
        self._follow_mode()

    def start(self) -> None:
        """Listen: put the layer into *add* mode."""
        if str(self._layer.mode) == "add":
            self._follow_mode()
        else:
            self._layer.mode = "add"

    def close(self) -> None:
        """Leave the layer to napari."""
        self._layer.events.mode.disconnect(self._follow_mode)
        self._layer.mode = "pan_zoom"
        self._stop_listening()

    def _follow_mode(self, _: Any = None) -> None:
        callbacks = self._layer.mouse_drag_callbacks
        self._stop_listening()
        if str(self._layer.mode) != "add":
            return
        for callback in list(callbacks):
            if getattr(callback, "__module__", "").startswith("napari.layers.points"):
                callbacks.remove(callback)
        callbacks.insert(0, self._listening)
        self._layer.mouse_pan = False
        self._layer.help = "left click adds, right click or Alt excludes, drag draws a box, hold <space> to pan"

    def _stop_listening(self) -> None:
        if self._listening in self._layer.mouse_drag_callbacks:
            self._layer.mouse_drag_callbacks.remove(self._listening)

    def _drag(self, layer: Points, event: Any) -> Iterator[None]:
        if event.button not in (LEFT, RIGHT):
            return
        positive = event.button == LEFT and not EXCLUDING.intersection(event.modifiers)
        pressed_at = np.asarray(event.pos, float)
        start = np.asarray(layer.world_to_data(event.position), float)
        end, moved = start, False
        event.handled = True
        yield
        while event.type == "mouse_move":
            moved = moved or float(np.linalg.norm(np.asarray(event.pos, float) - pressed_at)) >= DRAG_PIXELS
            if moved and positive:
                end = np.asarray(layer.world_to_data(event.position), float)
                self._target.dragging(start, end)
            event.handled = True
            yield
        if not moved:
            self._target.clicked(start, positive)
        elif positive:
            self._target.dragged(start, end)
