"""A scribble as the points that a network takes in its place."""

import math

import numpy as np
from numpy.typing import NDArray

from napari_sam.planes.window import Window
from napari_sam.prompts.prompt import Scribble

SPACING_SHARE = 1 / 16
"""Distance between points along a scribble, as a share of the window's side."""

FEWEST_POINTS, MOST_POINTS = 3, 6
"""Points that one scribble becomes at least and at most. Two, its ends, say too little: the bundled model then finds
less than with a single click in the middle. A long one has them farther apart."""


def scribble_points(scribble: Scribble, window: Window) -> NDArray[np.float64]:
    """Points along a scribble, evenly spaced, its ends among them.

    A network has no token for a stroke and pays for every point, so the points are as far apart as the window makes
    worthwhile: the same stroke becomes more points at a finer level.

    Parameters
    ----------
    scribble
        The scribble.
    window
        The window that is decoded.

    Returns
    -------
    (n, 2) plane coordinates (row, column), 1 <= n <= `MOST_POINTS`; a single one for a stroke without length.
    """
    vertices = np.asarray(scribble.vertices, float)
    steps = np.linalg.norm(np.diff(window.to_window(vertices), axis=0), axis=1)
    along = np.concatenate([[0.0], np.cumsum(steps)])
    length = float(along[-1])
    if not length > 0:
        return vertices[:1]
    spacing = SPACING_SHARE * max(window.shape)
    count = min(max(math.floor(length / spacing) + 1, FEWEST_POINTS), MOST_POINTS)
    at = np.linspace(0.0, length, count)
    return np.stack([np.interp(at, along, vertices[:, axis]) for axis in (0, 1)], axis=1)
