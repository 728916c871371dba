"""The Labels layers that objects are accepted into, and napari's own painting on them."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Image, Labels, Layer
from numpy.typing import NDArray

from napari_sam.errors import UserError
from napari_sam.labels.edits import PixelChange
from napari_sam.planes.image_source import ImageSource
from napari_sam.plugin.layers.label_obstacles import LabelObstacles, check_writable
from napari_sam.plugin.layers.layer_axes import remembered_axes
from napari_sam.plugin.layers.placement import image_shape, placed_alike, placement_of
from napari_sam.plugin.layers.viewer_context import ViewerContext
from napari_sam.plugin.napari_internals import forget_history
from napari_sam.session.labels_files import FileState
from napari_sam.session.notices import Notice, NoticeKind, Remedy
from napari_sam.session.record.restored import Restored


class LayerTarget:
    """A Labels layer that objects are accepted into.

    Parameters
    ----------
    layer
        The layer.

    Attributes
    ----------
    retyping : bool
        Whether its data are being replaced by the same labels of another type.
    """

    def __init__(self, layer: Labels) -> None:
        self.layer = layer
        self.retyping = False

    @property
    def name(self) -> str:
        """The layer's name."""
        return str(self.layer.name)

    @property
    def array(self) -> Any:
        """The layer's data."""
        return self.layer.data

    def retype(self, dtype: np.dtype[Any]) -> None:
        """Hold the same labels in an array of another integer type; the layer keeps its colours and name."""
        self.retyping = True
        try:
            self.layer.data = np.asarray(self.layer.data).astype(dtype)
        finally:
            self.retyping = False


def new_labels(image: Image, name: str, source: ImageSource | None = None) -> Labels:
    """Make an empty Labels layer on an image: of its shape and at its place.

    uint16 takes the least memory that 65,535 objects fit into, and every program reads it.
    """
    return labels_on(image, np.zeros(image_shape(image), np.uint16), name, source)


def labels_on(image: Image, labels: NDArray[Any], name: str, source: ImageSource | None = None) -> Labels:
    """Make a Labels layer at the place of an image, that remembers the axes which only its file (`source`) tells."""
    return Labels(labels, name=name, metadata=remembered_axes(image, source), **placement_of(image))


class StrokeWatch:
    """A watch on every stroke, fill or erasure in a layer, which has napari's undo on it go through the journal.

    napari keeps a history of its own for each Labels layer. Two histories of the same pixels cannot both be right, so
    while the layer is watched its own one stays empty, and its `undo` and `redo` (which napari's keys call) are the
    journal's.

    Parameters
    ----------
    layer
        The layer.
    on_stroke
        Called with what a stroke changed, after it is in the layer's data.
    undo, redo
        What takes the place of the layer's own.
    """

    def __init__(
        self,
        layer: Labels,
        on_stroke: Callable[[Labels, PixelChange], None],
        undo: Callable[[], None],
        redo: Callable[[], None],
    ) -> None:
        self._layer = layer
        self._on_stroke = on_stroke
        self._closed = False
        forget_history(self._layer)
        layer.undo, layer.redo = undo, redo
        layer.events.paint.connect(self._on_paint)

    def flush(self) -> None:
        """Tell of a stroke that is being drawn, as far as it has come."""
        with self._layer.block_history():
            pass

    def close(self) -> None:
        """Leave the layer to napari."""
        if not self._closed:
            self._closed = True
            self._layer.events.paint.disconnect(self._on_paint)
            del self._layer.undo, self._layer.redo
            forget_history(self._layer)

    def _on_paint(self, event: Any) -> None:
        forget_history(self._layer)
        changes = changes_of(event.value, np.dtype(self._layer.data.dtype))
        for change in changes:
            self._on_stroke(self._layer, change)


def changes_of(atoms: Iterable[Any], dtype: np.dtype[Any]) -> list[PixelChange]:
    """Return what the atoms of one item of a layer's history changed, as few changes as can be.

    Parameters
    ----------
    atoms
        As `Labels.events.paint` gives them: either (indices, old values, new values), or with a box, a mask in it (None
        for all of it), the old values under the mask, and the new value.
    dtype
        Of the layer's data.
    """
    parts = [_points(atom) for atom in atoms]
    parts = [part for part in parts if part[0].shape[1]]
    if not parts:
        return []
    low = np.min([positions.min(axis=1) for positions, _, _ in parts], axis=0)
    high = np.max([positions.max(axis=1) for positions, _, _ in parts], axis=0) + 1
    box = [(int(start), int(stop)) for start, stop in zip(low, high, strict=True)]
    shape = tuple(stop - start for start, stop in box)
    touched = np.zeros(shape, bool)
    before, after = np.zeros(shape, dtype), np.zeros(shape, dtype)
    for positions, old, new in parts:
        inside = tuple(positions - low[:, None])
        # A brush passes over the same pixels several times: what was there first is what undo brings back.
        first = ~touched[inside]
        before[tuple(along[first] for along in inside)] = np.broadcast_to(old, positions.shape[1])[first]
        touched[inside] = True
        after[inside] = new
    where = touched & (before != after)
    if not where.any():
        return []
    slices = tuple(slice(start, stop) for start, stop in box)
    return [PixelChange.of(slices, where, before[where], after[where])]


def _points(atom: Any) -> tuple[np.ndarray, np.ndarray, Any]:
    """Return positions (axes, n), and the values there before and after."""
    if not hasattr(atom, "slice_key"):
        indices, old, new = atom
        positions = np.stack([np.asarray(along).reshape(-1) for along in np.broadcast_arrays(*indices)])
        return positions.astype(np.intp), np.asarray(old).reshape(-1), np.asarray(new).reshape(-1)
    corner = np.asarray([part.start or 0 for part in atom.slice_key])
    old = np.asarray(atom.old_values)
    mask = np.ones(old.shape, bool) if atom.mask is None else np.asarray(atom.mask)
    positions = np.stack(np.nonzero(mask)) + corner[:, None]
    return positions, old.reshape(-1), atom.new_value


NEW_LABELS_NAME = "objects"


class TargetLayers:
    """The chooser, maker and watcher of the Labels layers that objects are accepted into.

    Parameters
    ----------
    context
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
        context: ViewerContext,
        unnoticed: Callable[[], AbstractContextManager[None]],
        undo: Callable[[], None],
        redo: Callable[[], None],
        on_change: Callable[[], None],
        later: Callable[[Callable[[], None]], None],
    ) -> None:
        self._context = context
        self._unnoticed = unnoticed
        self._undo = undo
        self._redo = redo
        self._on_change = on_change
        self._later = later
        self._to_insert: Labels | None = None
        self._targets: dict[Labels, LayerTarget] = {}
        self._strokes: dict[Labels, StrokeWatch] = {}
        self._seen: dict[Labels, FileState] = {}
        self._obstacles = LabelObstacles(context.session.scheduler, on_change)
        # The session tells this whenever labels are chosen, or gone.
        context.session.label_changed.connect(self._show_locked)

    @property
    def offered(self) -> dict[Labels, str]:
        """All Labels layers of the user's, the topmost first, and why one cannot be chosen; "" where it can."""
        source = self._context.session.image.source
        if source is None:
            return {}
        return {
            layer: self._obstacles.of(layer, source.shape)
            for layer in reversed(self._context.viewer.layers)
            if isinstance(layer, Labels) and not self._context.is_own(layer)
        }

    @property
    def fitting(self) -> list[Labels]:
        """The Labels layers that can be chosen, the topmost first."""
        return [layer for layer, obstacle in self.offered.items() if not obstacle]

    def hint(self, layer: Labels) -> str:
        """Say what is to be known of a layer that can be chosen; "" for nothing."""
        image = self._context.image
        if image is None or layer.ndim != image.ndim or placed_alike(layer, image):
            return ""
        return (
            f"'{layer.name}' lies elsewhere than '{image.name}' (another scale or translate): "
            "objects are written pixel by pixel and appear displaced."
        )

    @property
    def chosen(self) -> Labels | None:
        """The chosen layer; None for one that is yet to be made."""
        target = self._context.session.labels.target
        return target.layer if isinstance(target, LayerTarget) else None

    def choose(self, layer: Labels | None) -> None:
        """Accept objects into another layer; None for one that is made when first needed."""
        context = self._context
        context.tell("")
        try:
            if layer is None:
                context.session.labels.choose(None)
            else:
                check_writable(layer)
                source = context.session.image.source
                obstacle = "" if source is None else self._obstacles.of(layer, source.shape)
                if obstacle:
                    raise UserError(obstacle)
                target = self._target_of(layer)
                context.session.labels.choose(target)
                self._note_file(layer, target)
                context.tell(self.hint(layer))
        except UserError as error:
            context.tell(str(error))
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
        session, image = self._context.session, self._context.image
        if session.labels.target is not None or image is None or self._context.own is None:
            return
        if not session.current.draft.masks and not session.current.draft.in_flight and not wanted:
            return
        self._to_insert = layer = new_labels(image, NEW_LABELS_NAME, session.image.source)
        session.labels.choose(self._target_of(layer), next_label=1)
        self._later(self._insert_pending)

    def _insert_pending(self) -> None:
        layer, self._to_insert = self._to_insert, None
        if layer is not None:
            self._insert(layer)
            self._on_change()

    def add_restored(self, restored: Restored) -> LayerTarget:
        """Add a layer, on the chosen image, of labels that were read back from disk, with their objects.

        Raises
        ------
        UserError
            If no image is chosen, or they do not fit it.
        """
        image = self._context.image
        if image is None:
            raise UserError("Choose the image that the session was made on first.")
        layer = labels_on(image, restored.labels, restored.name, self._context.session.image.source)
        target = LayerTarget(layer)
        self._context.session.labels.restore(target, restored)
        self._insert(layer)
        self._follow(layer, target)
        self._on_change()
        return target

    def note_arrivals(self) -> None:
        """Note the state of the files that new layers came from, which may change before they are chosen."""
        for layer in self._context.viewer.layers:
            if isinstance(layer, Labels) and layer not in self._seen and layer.source.path:
                state = FileState.of(Path(layer.source.path))
                if state is not None:
                    self._seen[layer] = state

    def _note_file(self, layer: Labels, target: LayerTarget) -> None:
        """Tell the session of the file that napari read a layer from."""
        files, path = self._context.session.files, layer.source.path
        if path and Path(path).is_file() and files.path_of(target) is None:
            files.use(target, Path(path), self._seen.get(layer))

    def flush(self) -> None:
        """Tell the session of strokes that are being drawn, as far as they have come."""
        for strokes in self._strokes.values():
            strokes.flush()

    def removed(self, layer: Layer) -> None:
        """Forget a layer that left the viewer."""
        if isinstance(layer, Labels):
            self._seen.pop(layer, None)
        if layer in self._targets:
            target = self._targets.pop(layer)
            self._strokes.pop(layer).close()
            layer.events.data.disconnect(self._on_data)
            layer.events.editable.disconnect(self._on_editable)
            self._context.session.labels.forget(target)

    def close(self, *, window: bool) -> None:
        """Leave the layers to napari; `window` if its window closes."""
        if not window:
            self._insert_pending()
        self._context.session.label_changed.disconnect(self._show_locked)
        for layer in self._targets:
            layer.events.editable.disconnect(self._on_editable)
        for strokes in self._strokes.values():
            strokes.close()
        self._strokes.clear()

    def _on_editable(self) -> None:
        self._show_locked()
        self._on_change()

    def _show_locked(self) -> None:
        """Show a notice while the chosen labels are locked."""
        layer, notice = self.chosen, None
        if layer is not None and not layer.editable and not layer.multiscale:
            sentence = f"'{layer.name}' is locked (not editable): nothing can be accepted into it. Unlock it to go on."
            tip = "Make the layer editable again."
            notice = Notice(sentence, (Remedy("Unlock", tip, partial(setattr, layer, "editable", True)),))
        self._context.session.notices.show(NoticeKind.LOCKED, notice)

    def _target_of(self, layer: Labels) -> LayerTarget:
        if layer not in self._targets:
            self._follow(layer, LayerTarget(layer))
        return self._targets[layer]

    def _follow(self, layer: Labels, target: LayerTarget) -> None:
        self._targets[layer] = target
        self._strokes[layer] = StrokeWatch(layer, self._painted, self._undo, self._redo)
        layer.events.data.connect(self._on_data)
        layer.events.editable.connect(self._on_editable)

    def _insert(self, layer: Labels) -> None:
        """Add a layer below the plugin's own, or above the image; what is active stays so."""
        layers, own, image = self._context.viewer.layers, self._context.own, self._context.image
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
        """Forget labels that were replaced as a whole: what was accepted into them cannot be undone in the new ones."""
        target = self._targets.get(event.source)
        if target is not None and not target.retyping:
            chosen = self._context.session.labels.target is target
            self._context.session.labels.forget(target)
            if chosen:
                self.choose(event.source)

    def _painted(self, layer: Labels, change: PixelChange) -> None:
        """Tell the session of a stroke on a layer that is or was chosen."""
        if layer in self._targets:
            self._context.session.labels.painted(self._targets[layer], change)
