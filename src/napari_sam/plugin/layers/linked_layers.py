"""Points and Shapes layers of the user's that count as prompts, and noticing their changes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.layers import Points, Shapes

from napari_sam.plugin.layers.layer_prompts import Axes, ToImage
from napari_sam.plugin.napari_internals import is_drawing

DRAWN_BY_CORNERS = ("add_polygon", "add_polygon_lasso", "add_path", "add_polyline")
"""Modes of a Shapes layer in which a shape grows corner by corner."""
_PAST = ("added", "changed", "removed")
_PLACEMENT = ("scale", "translate", "rotate", "shear", "affine")


class LayerWatch:
    """A watch on points or shapes: added, moved, retyped, pasted, deleted, with other features, or lying elsewhere.

    Parameters
    ----------
    layer
        The layer.
    on_edit
        Called afterwards.
    """

    def __init__(self, layer: Points | Shapes, on_edit: Callable[[], None]) -> None:
        self.layer = layer
        self._on_edit = on_edit
        self._seen = self._signature()
        layer.events.data.connect(self._on_data)
        layer.events.features.connect(self._on_features)
        layer.events.set_data.connect(self._on_refresh)
        for name in _PLACEMENT:
            layer.events[name].connect(self._on_placement)

    def close(self) -> None:
        """Listen no more."""
        self.layer.events.data.disconnect(self._on_data)
        self.layer.events.features.disconnect(self._on_features)
        self.layer.events.set_data.disconnect(self._on_refresh)
        for name in _PLACEMENT:
            self.layer.events[name].disconnect(self._on_placement)

    def _on_data(self, event: Any) -> None:
        # napari tells twice: before, in the present tense, and afterwards.
        action = str(getattr(event, "action", "changed"))
        if action not in _PAST:
            return
        if action == "added" and self._begun:
            # It is told of again when it is finished.
            self._seen = self._signature()
            return
        self._edited()

    def _on_features(self, _: Any) -> None:
        self._edited()

    def _on_placement(self, _: Any) -> None:
        self._edited()

    def _on_refresh(self, _: Any) -> None:
        """Notice points being pasted and a shape's type changing, which tell of nothing but a new drawing."""
        if self._signature() != self._seen and not is_drawing(self.layer):
            self._edited()

    @property
    def _begun(self) -> bool:
        """Whether the last shape is the first corner of a drawing, which the pointer has not left yet."""
        if not isinstance(self.layer, Shapes) or str(self.layer.mode) not in DRAWN_BY_CORNERS or not self.layer.data:
            return False
        corners = np.asarray(self.layer.data[-1])
        return bool((corners == corners[0]).all())

    def _edited(self) -> None:
        self._seen = self._signature()
        self._on_edit()

    def _signature(self) -> tuple[object, ...]:
        kinds = tuple(self.layer.shape_type) if isinstance(self.layer, Shapes) else ()
        return len(self.layer.data), kinds


@dataclass(frozen=True, eq=False)
class Link:
    """A linked layer.

    Parameters
    ----------
    layer
        The layer.
    to_image
        From its data coordinates to the image's.
    axes
        Displayed axes of its prompts, where it does not tell them.
    """

    layer: Points | Shapes
    to_image: ToImage
    axes: Axes


class LinkedLayers:
    """The linked layers, each of which is watched.

    Parameters
    ----------
    on_edit
        Called when one is different.
    """

    def __init__(self, on_edit: Callable[[], None]) -> None:
        self._on_edit = on_edit
        self._links: list[tuple[Link, LayerWatch]] = []

    def __iter__(self) -> Iterator[Link]:
        return iter([link for link, _ in self._links])

    def __len__(self) -> int:
        return len(self._links)

    def add(self, link: Link) -> bool:
        """Watch one more; whether it was not among them yet."""
        if any(link.layer is each.layer for each in self):
            return False
        self._links.append((link, LayerWatch(link.layer, self._on_edit)))
        return True

    def clear(self) -> list[Points | Shapes]:
        """Watch none any more; which it were."""
        links, self._links = self._links, []
        for _, watch in links:
            watch.close()
        return [link.layer for link, _ in links]
