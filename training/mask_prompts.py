"""Binary masks as users and neighbouring slices give them: near the object's mask, but not equal to it."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage


def deform(rng: np.random.Generator, mask: NDArray[np.bool_], gentle: bool = False) -> NDArray[np.bool_]:
    """Shift, scale, grow or shrink a mask and make its outline wavy.

    Parameters
    ----------
    mask
        (h, w), not empty.
    gentle
        For masks that differ from the target already: half the strength, and often none.

    Returns
    -------
    (h, w), not empty.
    """
    strength = 1.0
    if gentle:
        if rng.random() < 0.6:
            return mask
        strength = 0.5
    rows, columns = np.nonzero(mask)
    diameter = 2 * np.sqrt(len(rows) / np.pi)
    margin = int(0.6 * diameter) + 4
    low = np.maximum([rows.min() - margin, columns.min() - margin], 0)
    high = np.minimum([rows.max() + margin, columns.max() + margin], np.array(mask.shape) - 1) + 1
    piece = mask[low[0] : high[0], low[1] : high[1]]
    inside = ndimage.distance_transform_edt(np.pad(piece, 1))[1:-1, 1:-1]
    depth = inside - ndimage.distance_transform_edt(~piece)
    coarse = np.maximum(np.array(piece.shape) // max(4, int(diameter / rng.uniform(2, 6))), 2)
    waves = rng.normal(0, 0.5 * strength, coarse)
    waves = ndimage.zoom(waves, np.array(piece.shape) / coarse, order=1)
    amplitude = rng.uniform(0, 0.16) * diameter
    offset = rng.normal(0, 0.05) * diameter * strength
    shape = depth + waves * amplitude + offset
    shift = np.clip(rng.normal(0, 0.07 * strength, 2), -0.2, 0.2) * diameter
    zoom = np.exp(rng.normal(0, 0.1 * strength))
    centre = np.array([rows.mean(), columns.mean()]) - low
    moved = ndimage.affine_transform(
        shape, np.eye(2) / zoom, centre - (centre + shift) / zoom, order=1, mode="constant", cval=-diameter
    )
    deformed = np.zeros_like(mask)
    deformed[low[0] : high[0], low[1] : high[1]] = moved > 0
    return deformed if deformed.sum() >= 0.25 * len(rows) else mask


def misplace(rng: np.random.Generator, mask: NDArray[np.bool_], labels: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Move a mask to where it covers no object, as when an object has ended between two slices.

    Parameters
    ----------
    mask
        (h, w), not empty.
    labels
        (h, w) all objects.

    Returns
    -------
    (h, w), not empty; lies on the fewest object pixels among a few random places.
    """
    rows, columns = np.nonzero(mask)
    best, fewest = mask, mask.size
    for _ in range(8):
        row = rows + rng.integers(-rows.min(), mask.shape[0] - rows.max())
        column = columns + rng.integers(-columns.min(), mask.shape[1] - columns.max())
        covered = np.count_nonzero(labels[row, column])
        if covered < fewest:
            fewest = covered
            best = np.zeros_like(mask)
            best[row, column] = True
    return best
