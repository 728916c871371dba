"""A mask, binary or with logits, laid on the grid on which a network takes mask prompts."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_sam.planes.mask import Mask
from napari_sam.planes.sample_grid import sample_grid
from napari_sam.planes.window import Window

CERTAIN = 6.9
"""Logit of a pixel that a binary mask calls inside: a probability of 0.999."""

STRONGEST = 16.0
"""Former logits are clipped to plus or minus this, so that a network can still change its mind."""


def mask_logits(mask: Mask, window: Window) -> NDArray[np.float32]:
    """Lay a mask on a grid as logits.

    Logits of a former decode are interpolated where they lie; a binary mask becomes plus or minus
    `CERTAIN`, graded by how much of a grid pixel it covers. What lies outside is background.

    Parameters
    ----------
    mask
        The mask.
    window
        The grid: one pixel per logit.

    Returns
    -------
    (h, w) float32, the window's shape.
    """
    if mask.logits is not None and mask.window is not None:
        if mask.window == window:
            return np.clip(mask.logits, -STRONGEST, STRONGEST)
        rows, columns = _positions_in(mask.window, window)
        return np.clip(sample_grid(mask.logits, rows, columns, outside=-CERTAIN), -STRONGEST, STRONGEST)
    # A coarser grid would step over pixels: average over its footprint first (odd, to stay where it is).
    footprint = [2 * math.floor(step / 2) + 1 for step in window.step]
    pixels = np.pad(mask.pixels.astype(np.float32), [(size, size) for size in footprint])
    if max(footprint) > 1:
        pixels = ndimage.uniform_filter(pixels, footprint, mode="constant")
    labelled = Window((mask.box[0] - footprint[0], mask.box[1] - footprint[1]), (1.0, 1.0), pixels.shape)
    rows, columns = _positions_in(labelled, window)
    coverage = sample_grid(pixels, rows, columns, outside=0.0)
    return (2 * coverage - 1) * np.float32(CERTAIN)


def _positions_in(grid: Window, window: Window) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rows and columns of `grid` at which the pixels of `window` lie."""
    ends = grid.to_window(window.to_plane([(0, 0), (window.shape[0] - 1, window.shape[1] - 1)]))
    return np.linspace(ends[0, 0], ends[1, 0], window.shape[0]), np.linspace(ends[0, 1], ends[1, 1], window.shape[1])
