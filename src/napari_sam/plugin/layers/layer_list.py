"""Layers that come and go in the viewer."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from napari.components import ViewerModel
from napari.layers import Labels, Layer


class LayerList:
    """An observer that tells of layers that come, go, have another name or place, and of labels replaced or locked.

    Parameters
    ----------
    viewer
        Whose layers.
    later
        Has a function called once the present event is over.
    on_change
        Called when something about the list is different.
    on_arrived
        Called once after layers came: a file or a sample may bring several, and which is the one to work on shows when
        all are there.
    on_removed
        Told each layer that went.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        later: Callable[[Callable[[], None]], None],
        on_change: Callable[[], None],
        on_arrived: Callable[[], None],
        on_removed: Callable[[Layer], None],
    ) -> None:
        self._layers = viewer.layers
        self._later = later
        self._on_change = on_change
        self._on_arrived = on_arrived
        self._on_removed = on_removed
        self._unnoticed = self._arriving = False
        self._layers.events.inserted.connect(self._inserted)
        self._layers.events.removed.connect(self._removed)
        self._layers.events.reordered.connect(self._renamed)
        for layer in self._layers:
            layer.events.name.connect(self._renamed)
            self._follow(layer)

    @contextmanager
    def unnoticed(self) -> Iterator[None]:
        """Let layers come, inside it, without being told of."""
        before, self._unnoticed = self._unnoticed, True
        try:
            yield
        finally:
            self._unnoticed = before

    def close(self) -> None:
        """Listen no more."""
        self._layers.events.inserted.disconnect(self._inserted)
        self._layers.events.removed.disconnect(self._removed)
        self._layers.events.reordered.disconnect(self._renamed)
        for layer in self._layers:
            layer.events.name.disconnect(self._renamed)
            self._leave(layer)

    def _inserted(self, event: Any) -> None:
        event.value.events.name.connect(self._renamed)
        if self._unnoticed:
            return
        self._follow(event.value)
        self._on_change()
        if not self._arriving:
            self._arriving = True
            self._later(self._arrived)

    def _arrived(self) -> None:
        self._arriving = False
        self._on_arrived()

    def _removed(self, event: Any) -> None:
        event.value.events.name.disconnect(self._renamed)
        self._leave(event.value)
        self._on_removed(event.value)
        self._on_change()

    def _renamed(self) -> None:
        self._on_change()

    def _follow(self, layer: Layer) -> None:
        """Be told of what decides whether labels can be chosen; the plugin's own layers come unnoticed."""
        if isinstance(layer, Labels):
            layer.events.data.connect(self._renamed)
            layer.events.editable.connect(self._renamed)

    def _leave(self, layer: Layer) -> None:
        # Disconnecting what was never connected is no error.
        if isinstance(layer, Labels):
            layer.events.data.disconnect(self._renamed)
            layer.events.editable.disconnect(self._renamed)
