"""napari's own painting on a Labels layer, as changes that the session's journal can undo."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from napari.layers import Labels

from napari_sam.labels.pixel_change import PixelChange


class StrokeWatch:
    """Tells of every stroke, fill or erasure in a layer, and has napari's undo on that layer go through the journal.

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
        self._forget_own_history()
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
            self._forget_own_history()

    def _on_paint(self, event: Any) -> None:
        self._forget_own_history()
        changes = changes_of(event.value, np.dtype(self._layer.data.dtype))
        for change in changes:
            self._on_stroke(self._layer, change)

    def _forget_own_history(self) -> None:
        for name in ("_undo_history", "_redo_history"):
            own = getattr(self._layer, name, None)
            if own is not None:
                own.clear()


def changes_of(atoms: Iterable[Any], dtype: np.dtype[Any]) -> list[PixelChange]:
    """What the atoms of one item of a layer's history changed, as few changes as can be.

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
    """Positions (axes, n), and the values there before and after."""
    if not hasattr(atom, "slice_key"):
        indices, old, new = atom
        positions = np.stack([np.asarray(along).reshape(-1) for along in np.broadcast_arrays(*indices)])
        return positions.astype(np.intp), np.asarray(old).reshape(-1), np.asarray(new).reshape(-1)
    corner = np.asarray([part.start or 0 for part in atom.slice_key])
    old = np.asarray(atom.old_values)
    mask = np.ones(old.shape, bool) if atom.mask is None else np.asarray(atom.mask)
    positions = np.stack(np.nonzero(mask)) + corner[:, None]
    return positions, old.reshape(-1), atom.new_value
