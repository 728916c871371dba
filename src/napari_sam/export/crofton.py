"""The length of a border, or the area of a surface, from how often lines through the pixels cross it."""

from collections.abc import Sequence
from itertools import product
from math import pi

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import SphericalVoronoi

Offset = tuple[int, ...]


def crossing_weights(spacing: Sequence[float]) -> dict[Offset, float]:
    """Compute how much border one crossing between two neighbouring pixels stands for.

    By the Cauchy-Crofton formula the measure of a border is the mean, over all directions, of how often parallel lines
    cross it, times pi / 2 in a plane (a length) and 2 in space (an area). The lines go through the centres of pixels
    that touch by a side, an edge or a corner: 4 directions in a plane, 13 in space. Each counts as much as the part of
    all directions that is nearest to it, which for pixels that are not cubes are unlike parts (Legland, Kieu, Devaux,
    "Computation of Minkowski measures on 2D and 3D binary images", Image Anal. Stereol. 26, 2007).

    Parameters
    ----------
    spacing
        Size of a pixel along two or three axes.

    Returns
    -------
    dict
        By the offset to the neighbour, one entry per axis; both of two opposite ones are there, and a crossing is to be
        counted from one of its sides only, that of the object.
    """
    ndim = len(spacing)
    offsets = [each for each in product((-1, 0, 1), repeat=ndim) if any(each)]
    steps = np.array(offsets, float) * np.asarray(spacing, float)
    lengths = np.linalg.norm(steps, axis=1)
    # Opposite directions share theirs: a crossing is met along one of both.
    shares = 2 * (_arcs(steps) if ndim == 2 else _sphere_parts(steps / lengths[:, None]))
    factor = (pi / 2 if ndim == 2 else 2.0) * float(np.prod(spacing))
    return {each: float(factor * share / length) for each, share, length in zip(offsets, shares, lengths, strict=True)}


def _arcs(steps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share of the circle that is nearest to each of some directions."""
    angles = np.arctan2(steps[:, 0], steps[:, 1])
    order = np.argsort(angles)
    gaps = np.diff(angles[order], append=angles[order[0]] + 2 * pi)
    shares = np.empty(len(steps))
    shares[order] = (gaps + np.roll(gaps, 1)) / (4 * pi)
    return shares


def _sphere_parts(directions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share of the sphere that is nearest to each of some directions."""
    areas = SphericalVoronoi(directions).calculate_areas()
    shares: NDArray[np.float64] = areas / areas.sum()
    return shares
