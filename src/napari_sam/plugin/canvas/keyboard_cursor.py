"""Placing prompts without a mouse."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import numpy as np
from napari.layers import Layer, Points

from napari_sam.errors import UserError
from napari_sam.planes.geometry import Plane
from napari_sam.plugin.canvas.canvas import Canvas
from napari_sam.plugin.layers.placement import place, placement_of
from napari_sam.plugin.layers.view import View, camera_of
from napari_sam.plugin.viewer_context import ViewerContext
from napari_sam.prompts.prompt import Box

CURSOR_NAME = "Segment: cursor"
_SIZE_PIXELS, _STEP_PIXELS, _LARGER = 21, 4, 10
_DIRECTIONS = {"Up": (-1, 0), "Down": (1, 0), "Left": (0, -1), "Right": (0, 1)}


class KeyboardCursor:
    """A cross on the plane in view that the arrow keys move, and keys that prompt where it is.

    While it is on, these keys of the clicks layer are its own; napari's come back when it is off.

    Parameters
    ----------
    context
        The viewer and the session.
    canvas
        Where its prompts go.
    redraw
        Shows the session's prompts again, without a box that was begun.
    unnoticed
        Inside it, layers come and go without the plugin taking notice.
    on_change
        Told `active` when it is different.

    Attributes
    ----------
    active : bool
        Whether it is on.
    layer : Points or None
        The layer that shows it.
    """

    def __init__(
        self,
        context: ViewerContext,
        canvas: Canvas,
        redraw: Callable[[], None],
        unnoticed: Callable[[], AbstractContextManager[None]],
        on_change: Callable[[bool], None],
    ) -> None:
        self._context = context
        self._canvas = canvas
        self._redraw = redraw
        self._unnoticed = unnoticed
        self._on_change = on_change
        self._at = (0.0, 0.0)
        self._plane: Plane | None = None
        self._corner: tuple[float, float] | None = None
        self._clicks: Points | None = None
        self.layer: Points | None = None
        self._keys: dict[str, Callable[[], None]] = {
            "D": lambda: self._click(True),
            "Shift-D": lambda: self._click(False),
            "I": self._box,
            "PageUp": lambda: self._turn_page(1),
            "PageDown": lambda: self._turn_page(-1),
        }
        for key, direction in _DIRECTIONS.items():
            self._keys[key] = self._mover(direction, 1)
            self._keys[f"Shift-{key}"] = self._mover(direction, _LARGER)

    @property
    def active(self) -> bool:
        """Tell whether the cursor is on."""
        return self.layer is not None

    @property
    def position(self) -> tuple[float, float]:
        """(row, column) on the plane in view."""
        return self._at

    def toggle(self) -> None:
        """Turn it on, in the middle of the view, or off.

        Raises
        ------
        UserError
            If no plane is in view.
        """
        if self.active:
            self.stop()
            return
        image, own, view = self._context.in_view()
        own.draw()
        self._clicks = own.prompts.points
        self.layer = Points(
            ndim=image.ndim,
            name=CURSOR_NAME,
            symbol="cross",
            face_color="white",
            border_color="black",
            canvas_size_limits=(0, 10_000),
            **placement_of(image),
        )
        self.layer.editable = False
        layers = self._context.viewer.layers
        self._context.extra.append(self.layer)
        with self._unnoticed():
            layers.insert(layers.index(self._clicks), self.layer)
            layers.selection.active = self._clicks
        for key, deed in self._keys.items():
            self._clicks.bind_key(key, self._bound(deed), overwrite=True)
        self._plane = None
        self._show(view)
        self._on_change(True)

    def stop(self) -> None:
        """Turn it off."""
        layer, self.layer = self.layer, None
        if layer is None:
            return
        self._drop_box()
        self._context.extra.remove(layer)
        if self._clicks is not None:
            for key in self._keys:
                self._clicks.bind_key(key, None)
        if layer in self._context.viewer.layers:
            with self._unnoticed():
                active = self._context.viewer.layers.selection.active
                self._context.viewer.layers.remove(layer)
                self._context.viewer.layers.selection.active = active
        self._on_change(False)

    def removed(self, layer: Layer) -> None:
        """Turn the cursor off if the layer that left the viewer was the cursor's."""
        if layer is self.layer:
            self.stop()

    def follow(self) -> None:
        """Follow the viewer to another plane or zoom."""
        if self.layer is None:
            return
        view = self._context.resolve()
        if isinstance(view, View):
            self._show(view)
        else:
            self.layer.data = np.zeros((0, self.layer.ndim))

    def raise_to_top(self) -> None:
        """Bring its layer right below the clicks, where nothing hides it."""
        layers = self._context.viewer.layers
        if self.layer is not None and self._clicks in layers:
            layers.move(layers.index(self.layer), layers.index(self._clicks))

    def _bound(self, deed: Callable[[], None]) -> Callable[[Points], None]:
        def press(_: Points) -> None:
            self._context.tell("")
            self._context.try_to(deed)

        return press

    def _mover(self, direction: tuple[int, int], times: int) -> Callable[[], None]:
        return lambda: self._move(direction, times)

    def _move(self, direction: tuple[int, int], times: int) -> None:
        _, _, view = self._context.in_view()
        step = times * max(1.0, round(_STEP_PIXELS * self._context.screen_pixel))
        self._at = (self._at[0] + direction[0] * step, self._at[1] + direction[1] * step)
        self._show(view)
        self._keep_in_sight(view)
        if self._corner is None:
            self._canvas.hovered(self._position(view), np.asarray(self._at) / self._context.screen_pixel)
        else:
            self._canvas.dragging(*self._borders(view, self._corner))

    def _click(self, positive: bool) -> None:
        _, _, view = self._context.in_view()
        self._canvas.clicked(self._position(view), positive)

    def _box(self) -> None:
        """Set the first corner of a box, or the second one."""
        _, _, view = self._context.in_view()
        if self._corner is None:
            self._corner = self._at
            self._context.tell("One corner of a box: move to the opposite one and press I again.")
            return
        corner, self._corner = self._corner, None
        if corner == self._at:
            raise UserError("A box needs two corners: press I, move, and press I again.")
        self._canvas.dragged(*self._borders(view, corner))

    def _turn_page(self, step: int) -> None:
        """Go to the next plane along the slider that was used last."""
        dims = self._context.viewer.dims
        axis = dims.last_used if dims.last_used in dims.not_displayed else (*dims.not_displayed, None)[0]
        if axis is None:
            raise UserError("This image has a single plane.")
        dims.set_current_step(axis, int(np.clip(dims.current_step[axis] + step, 0, dims.nsteps[axis] - 1)))

    def _drop_box(self) -> None:
        if self._corner is not None:
            self._corner = None
            self._redraw()

    def _borders(self, view: View, corner: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
        """Return where a mouse would drag from and to: both corners are pixels inside the box."""
        row0, column0, row1, column1 = Box(*corner, *self._at).borders
        plane = view.plane
        return np.asarray(plane.to_data(row0, column0), float), np.asarray(plane.to_data(row1, column1), float)

    def _position(self, view: View) -> np.ndarray:
        return np.asarray(view.plane.to_data(*self._at), float)

    def _show(self, view: View) -> None:
        """Draw it, inside the image, and let napari's own cursor be there too."""
        source, layer = self._context.session.image.source, self.layer
        if source is None or layer is None or self._context.image is None:
            return
        if self._plane is None or self._plane.axes != view.plane.axes:
            self._at = (float(round(view.center[0])), float(round(view.center[1])))
        if self._plane != view.plane:
            self._drop_box()
        self._plane = view.plane
        rows, columns = view.plane.shape(source.shape)
        self._at = (min(max(self._at[0], 0.0), rows - 1.0), min(max(self._at[1], 0.0), columns - 1.0))
        place(layer, self._context.image)
        layer.data = self._position(view)[None]
        layer.size = _SIZE_PIXELS * self._context.screen_pixel
        layer.selected_data = set()
        self._context.viewer.cursor.position = tuple(self._context.world(self._position(view)))

    def _keep_in_sight(self, view: View) -> None:
        """Move the camera after it where it leaves the visible part."""
        away = [
            abs(at - middle) > extent / 2 for at, middle, extent in zip(self._at, view.center, view.extent, strict=True)
        ]
        if any(away):
            world = self._context.world(self._position(view))
            camera = camera_of(self._context.viewer)
            center = [float(world[axis]) for axis in self._context.viewer.dims.displayed]
            camera.center = (*tuple(camera.center)[: 3 - len(center)], *center)
