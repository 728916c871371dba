"""Splitting an accepted object by clicks: a mode in which each click on it is one of its parts."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import numpy as np
from napari.layers import Layer, Points
from numpy.typing import NDArray

from napari_sam.errors import UserError
from napari_sam.planes.geometry import Plane
from napari_sam.plugin.layers.placement import placement_of
from napari_sam.plugin.layers.viewer_context import ViewerContext
from napari_sam.prompts.prompt import Point
from napari_sam.session.labels.target import Target

SPLIT_NAME = "Segment: split"
_SIZE_PIXELS = 11
"""Of a click on the screen (chosen: about as large as other clicks)."""


class SplitClicks:
    """The clicks by which an object is to be split, in a layer of their own as long as the mode lasts.

    Parameters
    ----------
    context
        The viewer and the session.
    unnoticed
        Inside it, layers come and go without the plugin taking notice.
    on_change
        Told `active` when it is different.

    Attributes
    ----------
    layer : Points or None
        The layer that shows them, each with its number.
    label : int or None
        The object; None until the first click says.
    clicks : list of (Plane, Point)
        One for each part.
    """

    def __init__(
        self,
        context: ViewerContext,
        unnoticed: Callable[[], AbstractContextManager[None]],
        on_change: Callable[[bool], None],
    ) -> None:
        self._context = context
        self._unnoticed = unnoticed
        self._on_change = on_change
        self.layer: Points | None = None
        self.label: int | None = None
        self.clicks: list[tuple[Plane, Point]] = []
        self._target: Target | None = None

    @property
    def active(self) -> bool:
        """Whether clicks are parts of an object."""
        return self.layer is not None

    def start(self, label: int | None) -> None:
        """Let the next clicks be parts of an object; None for the one that the first click is on.

        Raises
        ------
        UserError
            If no plane is in view.
        """
        image, own, _ = self._context.in_view()
        self.stop()
        own.draw()
        self.label, self.clicks = label, []
        self._target = self._context.session.labels.target
        self.layer = Points(
            ndim=image.ndim,
            name=SPLIT_NAME,
            symbol="diamond",
            face_color="#ffd400",
            border_color="black",
            size=_SIZE_PIXELS * self._context.screen_pixel,
            canvas_size_limits=(0, 10_000),
            features={"part": np.zeros(0, int)},
            text={"string": "{part}", "color": "#ffd400", "anchor": "upper_left"},
            **placement_of(image),
        )
        self.layer.editable = False
        layers = self._context.viewer.layers
        self._context.extra.append(self.layer)
        with self._unnoticed():
            layers.insert(layers.index(own.prompts.points), self.layer)
            layers.selection.active = own.prompts.points
        self._on_change(True)
        self._tell()

    def stop(self) -> None:
        """Leave the mode; nothing is split."""
        layer, self.layer = self.layer, None
        if layer is None:
            return
        self.label, self.clicks, self._target = None, [], None
        self._context.extra.remove(layer)
        layers = self._context.viewer.layers
        if layer in layers:
            with self._unnoticed():
                active = layers.selection.active
                layers.remove(layer)
                layers.selection.active = active
        self._on_change(False)
        # What there was to be done in it.
        self._context.tell("")

    def removed(self, layer: Layer) -> None:
        """Leave the mode if the layer that left the viewer was the one of the clicks."""
        if layer is self.layer:
            self.stop()

    def follow_labels(self) -> None:
        """Leave the mode if the labels that hold the object are gone, or others were chosen."""
        if self.active and self._context.session.labels.target is not self._target:
            self.stop()

    def click(self, position: NDArray[np.float64]) -> None:
        """Take a click as one more part.

        Raises
        ------
        UserError
            If it is not on the object.
        """
        _, _, view = self._context.in_view()
        row, column = view.plane.from_data(tuple(position))
        point = Point(row, column)
        label = self._context.session.edits.label_at(view.plane, point)
        if label <= 0 or (self.label is not None and label != self.label):
            whose = "an object" if self.label is None else f"object {self.label}"
            raise UserError(f"That is not on {whose}: click once in each part of it; Esc leaves splitting.")
        self.label = label
        self.clicks.append((view.plane, point))
        self._show()

    def remove_last(self) -> None:
        """Take the last click back.

        Raises
        ------
        UserError
            If there is none.
        """
        if not self.clicks:
            raise UserError("There is no click to take back; Esc leaves splitting.")
        self.clicks.pop()
        self._show()

    def _show(self) -> None:
        if self.layer is None:
            return
        places = [plane.to_data(point.row, point.column) for plane, point in self.clicks]
        self.layer.data = np.array(places, float).reshape(len(places), self.layer.ndim)
        self.layer.features = {"part": np.arange(1, len(places) + 1)}
        self.layer.refresh()
        self._tell()

    def _tell(self) -> None:
        whose = "the object" if self.label is None else f"object {self.label}"
        parts = f"{len(self.clicks)} so far. " if self.clicks else ""
        self._context.tell(f"Click once in each part of {whose}. {parts}Enter splits, U takes back, Esc leaves.")
