"""The Labels layers that objects are accepted into."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from napari.layers import Labels, Layer

from napari_sam.errors import UserError
from napari_sam.labels.pixel_change import PixelChange
from napari_sam.plugin.layer_target import LayerTarget, check_writable, labels_on, new_labels
from napari_sam.plugin.placement import placed_alike
from napari_sam.plugin.stage import Stage
from napari_sam.plugin.strokes import StrokeWatch
from napari_sam.session.restored import Restored

NEW_LABELS_NAME = "objects"


class TargetLayers:
    """Chooses, makes and watches them.

    Parameters
    ----------
    stage
        The viewer and the session.
    unnoticed
        Inside it, layers come and go without the plugin taking notice.
    undo, redo
        What napari's undo and redo on such a layer do.
    on_change
        Called when another layer is chosen.
    later
        Has a function called once the present event is over.
    """

    def __init__(
        self,
        stage: Stage,
        unnoticed: Callable[[], AbstractContextManager[None]],
        undo: Callable[[], None],
        redo: Callable[[], None],
        on_change: Callable[[], None],
        later: Callable[[Callable[[], None]], None],
    ) -> None:
        self._stage = stage
        self._unnoticed = unnoticed
        self._undo = undo
        self._redo = redo
        self._on_change = on_change
        self._later = later
        self._to_insert: Labels | None = None
        self._targets: dict[Labels, LayerTarget] = {}
        self._strokes: dict[Labels, StrokeWatch] = {}

    @property
    def fitting(self) -> list[Labels]:
        """The Labels layers that fit the image, the topmost first."""
        source = self._stage.session.source
        if source is None:
            return []
        return [
            layer
            for layer in reversed(self._stage.viewer.layers)
            if isinstance(layer, Labels)
            and not self._stage.is_own(layer)
            and not layer.multiscale
            and tuple(layer.data.shape) == source.shape
        ]

    @property
    def chosen(self) -> Labels | None:
        """The chosen layer; None for one that is yet to be made."""
        target = self._stage.session.target
        return target.layer if isinstance(target, LayerTarget) else None

    def choose(self, layer: Labels | None) -> None:
        """Accept objects into another layer; None for one that is made when first needed."""
        stage = self._stage
        stage.tell("")
        try:
            if layer is None:
                stage.session.set_target(None)
            else:
                check_writable(layer)
                stage.session.set_target(self._target_of(layer))
                if stage.image is not None and not placed_alike(layer, stage.image):
                    stage.tell(
                        f"'{layer.name}' lies elsewhere than '{stage.image.name}' (another scale or translate): "
                        "objects are written pixel by pixel and appear displaced."
                    )
        except UserError as error:
            stage.tell(str(error))
        self._on_change()

    def ensure(self, *, wanted: bool = False) -> None:
        """Make a layer if none is chosen and there is something, or `wanted`; it goes below the plugin's own.

        It comes into the viewer a moment later: building what shows and controls it takes napari so long that what is
        written into the layer at once had better not come on top.

        Raises
        ------
        UserError
            If the one that is chosen cannot be written.
        """
        if self.chosen is not None:
            check_writable(self.chosen)
        session, image = self._stage.session, self._stage.image
        if session.target is not None or image is None or self._stage.own is None:
            return
        if not session.draft.masks and not session.draft.in_flight and not wanted:
            return
        self._to_insert = layer = new_labels(image, NEW_LABELS_NAME)
        session.set_target(self._target_of(layer), next_label=1)
        self._later(self._insert_pending)

    def _insert_pending(self) -> None:
        layer, self._to_insert = self._to_insert, None
        if layer is not None:
            self._insert(layer)
            self._on_change()

    def add_restored(self, restored: Restored) -> LayerTarget:
        """A layer, on the chosen image, of labels that were read back from disk, with their objects.

        Raises
        ------
        UserError
            If no image is chosen, or they do not fit it.
        """
        image = self._stage.image
        if image is None:
            raise UserError("Choose the image that the session was made on first.")
        layer = labels_on(image, restored.labels, restored.name)
        target = LayerTarget(layer)
        self._stage.session.restore_target(target, restored)
        self._insert(layer)
        self._follow(layer, target)
        self._on_change()
        return target

    def flush(self) -> None:
        """Tell the session of strokes that are being drawn, as far as they have come."""
        for strokes in self._strokes.values():
            strokes.flush()

    def removed(self, layer: Layer) -> None:
        """A layer left the viewer."""
        if layer in self._targets:
            target = self._targets.pop(layer)
            self._strokes.pop(layer).close()
            layer.events.data.disconnect(self._on_data)
            self._stage.session.forget_target(target)

    def close(self, *, window: bool) -> None:
        """Leave the layers to napari; `window` if its window closes."""
        if not window:
            self._insert_pending()
        for strokes in self._strokes.values():
            strokes.close()
        self._strokes.clear()

    def _target_of(self, layer: Labels) -> LayerTarget:
        if layer not in self._targets:
            self._follow(layer, LayerTarget(layer))
        return self._targets[layer]

    def _follow(self, layer: Labels, target: LayerTarget) -> None:
        self._targets[layer] = target
        self._strokes[layer] = StrokeWatch(layer, self._painted, self._undo, self._redo)
        layer.events.data.connect(self._on_data)

    def _insert(self, layer: Labels) -> None:
        """Add a layer below the plugin's own, or above the image; what is active stays so."""
        layers, own, image = self._stage.viewer.layers, self._stage.own, self._stage.image
        active = layers.selection.active
        at = len(layers)
        if own is not None and own.preview.layer in layers:
            at = layers.index(own.preview.layer)
        elif image in layers:
            at = layers.index(image) + 1
        with self._unnoticed():
            layers.insert(at, layer)
            # At once: no key may reach the new layer that is meant for the one that was active.
            layers.selection.active = active

    def _on_data(self, event: Any) -> None:
        """The labels were replaced as a whole: what was accepted into the former ones cannot be undone in these."""
        target = self._targets.get(event.source)
        if target is not None:
            chosen = self._stage.session.target is target
            self._stage.session.forget_target(target)
            if chosen:
                self.choose(event.source)

    def _painted(self, layer: Labels, change: PixelChange) -> None:
        """A stroke on a layer that is or was chosen."""
        if layer in self._targets:
            self._stage.session.painted(self._targets[layer], change)
