"""Noticing every change of what a Points or Shapes layer holds."""

from collections.abc import Callable
from typing import Any

from napari.layers import Points, Shapes

_PAST = ("added", "changed", "removed")
_PLACEMENT = ("scale", "translate", "rotate", "shear", "affine")


class LayerWatch:
    """Tells when points or shapes are added, moved, retyped, pasted, deleted, get other features, or lie elsewhere.

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
        if str(getattr(event, "action", "changed")) in _PAST:
            self._edited()

    def _on_features(self, _: Any) -> None:
        self._edited()

    def _on_placement(self, _: Any) -> None:
        self._edited()

    def _on_refresh(self, _: Any) -> None:
        """Pasting points and changing a shape's type tell of nothing but a new drawing."""
        if self._signature() != self._seen:
            self._edited()

    def _edited(self) -> None:
        self._seen = self._signature()
        self._on_edit()

    def _signature(self) -> tuple[object, ...]:
        kinds = tuple(self.layer.shape_type) if isinstance(self.layer, Shapes) else ()
        return len(self.layer.data), kinds
