"""A large edit as many small changes, so that it can be written bit by bit."""

from itertools import product

import numpy as np

from napari_sam.labels.edit import Edit
from napari_sam.labels.pixel_change import PixelChange

TILE = 256


def tiled(edit: Edit, size: int = TILE) -> list[PixelChange]:
    """What an edit changes, in boxes of at most `size` pixels along each axis; no two of them meet.

    Parameters
    ----------
    edit
        The edit.
    size
        Of a tile, along every axis.

    Returns
    -------
    list of PixelChange
        Boxes in which nothing changes are left out; the others are as small as what changes.
    """
    changes = []
    for starts in product(*(range(0, length, size) for length in edit.before.shape)):
        tile = tuple(slice(start, start + size) for start in starts)
        before, after = edit.before[tile], edit.after[tile]
        where = before != after
        if not where.any():
            continue
        box, crop = [], []
        for axis, (start, whole) in enumerate(zip(starts, edit.box, strict=True)):
            along = np.flatnonzero(where.any(axis=tuple(other for other in range(where.ndim) if other != axis)))
            low, high = int(along[0]), int(along[-1]) + 1
            crop.append(slice(low, high))
            box.append(slice(whole.start + start + low, whole.start + start + high))
        inside = where[tuple(crop)]
        changes.append(PixelChange.of(tuple(box), inside, before[where], after[where]))
    return changes
