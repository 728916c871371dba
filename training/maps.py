"""Targets of the auxiliary maps."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage


def auxiliary_maps(labels: NDArray[np.int32]) -> NDArray[np.float32]:
    """Foreground, centre proximity and normalised boundary distance of (h, w) labels.

    Returns
    -------
    (3, h / 4, w / 4) in 0..1. The centre of an object is its pixel farthest from the boundary; proximity falls
    linearly from 1 there to 0 at the object's farthest pixel.
    """
    # Computed at stride 2: a quarter of the work, and still twice as fine as the map.
    fine = labels[::2, ::2]
    height, width = fine.shape
    maps = np.zeros((3, height, width), np.float32)
    present = np.bincount(fine.ravel()) > 0
    present[0] = True
    ids = np.flatnonzero(present)
    compact = (np.cumsum(present) - 1)[fine]
    foreground = compact > 0
    if not foreground.any():
        return maps.reshape(3, height // 2, 2, width // 2, 2).mean((2, 4))
    interior = foreground.copy()
    for axis in (0, 1):
        step = np.diff(compact, axis=axis) != 0
        before = [slice(None), slice(None)]
        after = [slice(None), slice(None)]
        before[axis], after[axis] = slice(None, -1), slice(1, None)
        interior[tuple(before)] &= ~step
        interior[tuple(after)] &= ~step
    distance = (ndimage.distance_transform_edt(interior) + 1) * foreground
    rows, columns = np.nonzero(foreground)
    which = compact[rows, columns]
    largest = np.ones(len(ids))
    np.maximum.at(largest, which, distance[rows, columns])
    centres = np.zeros((len(ids), 2))
    deepest = distance[rows, columns] == largest[which]
    centres[which[deepest]] = np.stack([rows[deepest], columns[deepest]], 1)
    radius = np.hypot(rows - centres[which, 0], columns - centres[which, 1])
    farthest = np.ones(len(ids))
    np.maximum.at(farthest, which, radius)
    maps[0] = foreground
    maps[1][rows, columns] = 1 - radius / farthest[which]
    maps[2] = distance / largest[compact]
    return maps.reshape(3, height // 2, 2, width // 2, 2).mean((2, 4))
