"""Copying clicks from one plane to another.

napari's own keys paste points only on layers of two axes (0.9 raises on more); these take their place on the plugin's
Points layer.
"""

from collections.abc import Callable
from dataclasses import dataclass

from napari.layers import Points

from napari_sam.planes.plane import Plane
from napari_sam.plugin.prompt_layers import PromptLayers
from napari_sam.prompts.prompt import Point


@dataclass(frozen=True)
class _Copied:
    axes: tuple[int, int]
    points: tuple[Point, ...]


class ClickClipboard:
    """Ctrl+C and Ctrl+V on the plugin's Points layer.

    Parameters
    ----------
    layers
        The plugin's prompt layers.
    view
        Tells the plane in view; None if there is none.
    """

    def __init__(self, layers: PromptLayers, view: Callable[[], Plane | None]) -> None:
        self._layers = layers
        self._view = view
        self._copied: _Copied | None = None
        layers.points.bind_key("Control-C", lambda _: self.copy(), overwrite=True)
        layers.points.bind_key("Control-V", lambda _: self.paste(), overwrite=True)

    def copy(self) -> None:
        """Remember the selected clicks; those of one view, should they be of several."""
        layer: Points = self._layers.points
        chosen = [each for each in self._layers.found_in(layer) if each.at in layer.selected_data]
        if chosen:
            axes = chosen[0].plane.axes
            points = [each.prompt for each in chosen if each.plane.axes == axes and isinstance(each.prompt, Point)]
            self._copied = _Copied(axes, tuple(points))

    def paste(self) -> None:
        """Add the remembered clicks to the plane in view, at the same places, and select them."""
        plane = self._view()
        if self._copied is None or plane is None or plane.axes != self._copied.axes:
            return
        before = len(self._layers.points.data)
        for point in self._copied.points:
            self._layers.add_point(plane, point)
        self._layers.set_defaults()
        self._layers.points.selected_data = set(range(before, len(self._layers.points.data)))
