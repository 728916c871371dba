"""Click, exclude, drag and scroll on the plugin's own layers."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from napari.layers import Layer, Points

DRAG_PIXELS = 5
"""Screen pixels that the mouse must move before a click becomes a drag (chosen, not measured)."""
LEFT, RIGHT = 1, 2
EXCLUDING = frozenset({"Alt", "Control"})
"""Modifiers that turn a left click into an excluding one."""


class GestureTarget(Protocol):
    """A receiver of gestures; positions are the Points layer's data coordinates."""

    def hovered(self, position: np.ndarray, pixel: np.ndarray) -> None:
        """Note that the pointer moved and no button is held; `pixel` is its place on the canvas."""
        ...

    def pressed(self, position: np.ndarray, positive: bool) -> None:
        """Note that a button was pressed: what follows may be a click."""
        ...

    def clicked(self, position: np.ndarray, positive: bool) -> None:
        """Take a click, adding or excluding."""
        ...

    def dragging(self, start: np.ndarray, end: np.ndarray) -> None:
        """Note that a box is being dragged."""
        ...

    def dragged(self, start: np.ndarray, end: np.ndarray) -> None:
        """Take a box that was dragged."""
        ...

    def scribbling(self, path: Sequence[np.ndarray], positive: bool) -> None:
        """Note that a scribble is being drawn."""
        ...

    def scribbled(self, path: Sequence[np.ndarray], positive: bool) -> None:
        """Take a scribble that was drawn."""
        ...

    def scrolled(self, step: int) -> None:
        """Take a turn of the wheel by one notch while Shift was held: 1 towards the user, -1 away."""
        ...


class Gestures:
    """A listener that makes a Points layer in *add* mode the place for gestures; napari's other modes are as ever.

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
        self._watching: Callable[[Points, Any], None] = self._move
        layer.events.mode.connect(self._follow_mode)
        self._follow_mode()

    def start(self) -> None:
        """Listen to gestures: put the layer into *add* mode."""
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
        self._layer.mouse_move_callbacks.append(self._watching)
        self._layer.mouse_pan = False
        self._layer.help = (
            "left click adds, right click or Alt excludes, drag draws a box, Shift and drag scribbles, "
            "hold <space> to pan"
        )

    def _stop_listening(self) -> None:
        if self._listening in self._layer.mouse_drag_callbacks:
            self._layer.mouse_drag_callbacks.remove(self._listening)
        if self._watching in self._layer.mouse_move_callbacks:
            self._layer.mouse_move_callbacks.remove(self._watching)

    def _move(self, layer: Points, event: Any) -> None:
        position = np.asarray(layer.world_to_data(event.position), float)
        self._target.hovered(position, np.asarray(event.pos, float))

    def _drag(self, layer: Points, event: Any) -> Iterator[None]:
        if event.button not in (LEFT, RIGHT):
            return
        positive = event.button == LEFT and not EXCLUDING.intersection(event.modifiers)
        stroke = not positive or "Shift" in event.modifiers
        pressed_at = np.asarray(event.pos, float)
        path = [np.asarray(layer.world_to_data(event.position), float)]
        moved = False
        if "Shift" not in event.modifiers:
            self._target.pressed(path[0], positive)
        event.handled = True
        yield
        while event.type == "mouse_move":
            moved = moved or float(np.linalg.norm(np.asarray(event.pos, float) - pressed_at)) >= DRAG_PIXELS
            if moved:
                path.append(np.asarray(layer.world_to_data(event.position), float))
                if stroke:
                    self._target.scribbling(path, positive)
                else:
                    self._target.dragging(path[0], path[-1])
            event.handled = True
            yield
        if not moved:
            self._target.clicked(path[0], positive)
        elif stroke:
            self._target.scribbled(path, positive)
        else:
            self._target.dragged(path[0], path[-1])


class WheelGesture:
    """Shift and the wheel on some layers, in any of their modes.

    napari itself zooms by the bare wheel, scrolls the slider with Ctrl and the layer list with Alt.

    Parameters
    ----------
    layers
        The layers.
    target
        Who is told.
    """

    def __init__(self, layers: Sequence[Layer], target: GestureTarget) -> None:
        self._target = target
        self._turned = 0.0
        self._layers = tuple(layers)
        self._listening: Callable[[Layer, Any], None] = self._turn
        for layer in layers:
            layer.mouse_wheel_callbacks.append(self._listening)

    def close(self) -> None:
        """Leave the layers to napari."""
        for layer in self._layers:
            layer.mouse_wheel_callbacks.remove(self._listening)

    def _turn(self, _: Layer, event: Any) -> None:
        if "Shift" not in event.modifiers:
            return
        # Some systems turn the wheel's axis when Shift is held.
        self._turned += float(np.clip(np.sum(event.delta), -1, 1))
        while abs(self._turned) >= 1:
            step = 1 if self._turned > 0 else -1
            self._turned -= step
            self._target.scrolled(-step)
        event.handled = True
