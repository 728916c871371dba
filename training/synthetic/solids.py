"""Label volumes of wavy ellipsoids, lying apart or pressed against each other."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from training.synthetic.shapes import Field, Labels

Points = NDArray[np.float64]
Volume = tuple[int, int, int]
FAR = 2.0


@dataclass(frozen=True, eq=False)
class Solids:
    """Ellipsoids in pixels; planes may be further apart than pixels.

    Attributes
    ----------
    centres
        (N, 3) as (z, row, column).
    axes
        (N, 3, 3): the columns are the semi-axes.
    radii
        (N,), the radii of spheres of the same volumes.
    waviness
        (N,), how far the surface strays, of the radius.
    """

    centres: Points
    axes: Points
    radii: NDArray[np.float64]
    waviness: NDArray[np.float64]


def spread(rng: np.random.Generator, extent: Points, distance: float, density: float) -> Points:
    """Points in a box that keep about a distance, as cells in a tissue do.

    Parameters
    ----------
    extent
        (3,), pixels.
    distance
        That they try to keep.
    density
        Points in a cube of that distance; 1.25 are packed as closely as spheres are without order.
    """
    points = rng.uniform(0, extent, (max(2, int(density * np.prod(extent / distance))), 3))
    for _ in range(12):
        pairs = cKDTree(points).query_pairs(distance, output_type="ndarray")
        apart = points[pairs[:, 0]] - points[pairs[:, 1]]
        length = np.maximum(np.linalg.norm(apart, axis=1, keepdims=True), 1e-3)
        push = apart / length * (distance - length) * 0.4
        for axis in range(3):
            points[:, axis] += np.bincount(pairs[:, 0], push[:, axis], len(points))
            points[:, axis] -= np.bincount(pairs[:, 1], push[:, axis], len(points))
        points = np.clip(points, 0, extent)
    return points


def turned(rng: np.random.Generator, lengths: Points) -> Points:
    """(N, 3, 3) semi-axes of given (N, 3) lengths in random directions."""
    directions, _ = np.linalg.qr(rng.standard_normal((len(lengths), 3, 3)))
    return np.asarray(directions * lengths[:, None])


def fill(solids: Solids, shape: Volume, step: float, waves: Field, gap: float) -> tuple[Labels, Field]:
    """Labels from 1 in the order of the solids, and how deep each voxel lies in its solid.

    Where solids overlap, a voxel belongs to the one whose centre is nearer in units of its size; so what is pressed
    together gets flat faces.

    Parameters
    ----------
    step
        Distance of the planes, pixels.
    waves
        Volume of mean 0 and standard deviation 1 that the surfaces follow.
    gap
        Width of what is left empty between solids that touch, pixels.

    Returns
    -------
    labels, depth
        Depth is in pixels, roughly; 0 outside.
    """
    labels = np.zeros(shape, np.int32)
    nearest, second = np.full(shape, FAR, np.float32), np.full(shape, FAR, np.float32)
    waves = np.clip(waves, -2, 2)
    spacing = np.array([step, 1, 1])
    forms = np.linalg.inv(solids.axes @ solids.axes.transpose(0, 2, 1))
    reaches = np.linalg.norm(solids.axes, axis=2) * (1.1 + 2 * solids.waviness[:, None])
    lows = np.maximum(np.ceil((solids.centres - reaches) / spacing), 0).astype(int)
    highs = np.minimum(np.floor((solids.centres + reaches) / spacing).astype(int) + 1, shape)
    for index in np.flatnonzero((highs > lows).all(1)):
        box = tuple(slice(low, high) for low, high in zip(lows[index], highs[index], strict=True))
        z, row, column = (
            (np.arange(part.start, part.stop) * size - at).astype(np.float32)
            for part, size, at in zip(box, spacing, solids.centres[index], strict=True)
        )
        form = forms[index].astype(np.float32)
        flat = form[0, 0] * z[:, None] ** 2 + form[1, 1] * row**2 + 2 * form[0, 1] * z[:, None] * row
        slope = 2 * (form[0, 2] * z[:, None] + form[1, 2] * row)
        distance = (slope[..., None] + form[2, 2] * column) * column + flat[..., None]
        distance = np.sqrt(np.maximum(distance, 0)) + np.float32(solids.waviness[index]) * waves[box]
        before = nearest[box]
        nearer = distance < before
        second[box] = np.minimum(second[box], np.maximum(distance, before))
        nearest[box] = np.minimum(distance, before)
        labels[box][nearer] = index + 1
    labels[nearest >= 1] = 0
    radii = np.append(0, solids.radii).astype(np.float32)[labels]
    between = (second - nearest) / 2 * radii
    labels[between < gap / 2] = 0
    return labels, np.where(labels > 0, np.minimum((1 - nearest) * radii, between), 0)
