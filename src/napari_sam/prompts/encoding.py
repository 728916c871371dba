"""Prompts as the network takes them.

The one place where (row, column) becomes the network's (x, y). The network adds the half pixel between
pixel centres on integers and its own frame itself.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_sam.planes.geometry import Mask, Window
from napari_sam.planes.resample import sample_grid
from napari_sam.prompts.prompt import Box, Point, Prompts, Scribble

CERTAIN = 6.9
"""Logit of a pixel that a binary mask calls inside: a probability of 0.999."""

STRONGEST = 16.0
"""Former logits are clipped to plus or minus this, so that a network can still change its mind (chosen)."""


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
    """Return the rows and columns of `grid` at which the pixels of `window` lie."""
    ends = grid.to_window(window.to_plane([(0, 0), (window.shape[0] - 1, window.shape[1] - 1)]))
    return np.linspace(ends[0, 0], ends[1, 0], window.shape[0]), np.linspace(ends[0, 1], ends[1, 1], window.shape[1])


SPACING_SHARE = 1 / 16
"""Distance between points along a scribble, as a share of the window's side (chosen, not measured)."""

FEWEST_POINTS, MOST_POINTS = 3, 6
"""Points that one scribble becomes at least and at most. Two, its ends, say too little: the bundled model then finds
less than with a single click in the middle. A long one has them farther apart."""


def scribble_points(scribble: Scribble, window: Window) -> NDArray[np.float64]:
    """Place points along a scribble, evenly spaced, its ends among them.

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


NEGATIVE, POSITIVE, UPPER_LEFT, LOWER_RIGHT = 0, 1, 2, 3


@dataclass(frozen=True, eq=False)
class EncodedPrompts:
    """One object's prompts in the frame of one window.

    Attributes
    ----------
    points
        (1, K, 2) float32, (x, y) in window pixels, pixel centres on integers.
    labels
        (1, K) int64: 1 positive, 0 negative, 2 upper left and 3 lower right corner of a box.
    mask
        (1, 1, h, w) float32 logits, or None.
    """

    points: NDArray[np.float32]
    labels: NDArray[np.int64]
    mask: NDArray[np.float32] | None


def encode_prompts(prompts: Prompts, window: Window, mask_stride: int, previous: Mask | None = None) -> EncodedPrompts:
    """Encode an object's prompts for a network.

    A mask prompt without any other goes along with its box and an inner point: alone it can collapse to the whole
    window. Where the user clicked or scribbled as well, the inner point stays and the box goes, since a correction may
    lie outside.

    A scribble is several points (see `scribble_points`), positive or negative as it is. The decoder has no token mask:
    only prompts of equal token counts share a batch, so scribbles of different lengths are decoded one by one.

    Parameters
    ----------
    prompts
        The prompts, in plane coordinates.
    window
        The window that is decoded.
    mask_stride
        Window pixels per mask logit.
    previous
        The mask that the prompts correct; its logits replace the mask prompt.

    Returns
    -------
    EncodedPrompts
    """
    points, box = list(prompts.points), prompts.box
    for scribble in prompts.scribbles:
        points += [
            Point(float(row), float(column), scribble.positive) for row, column in scribble_points(scribble, window)
        ]
    given = bool(points)
    if prompts.mask is not None and prompts.mask.area:
        if not any(point.positive for point in points):
            points.append(inner_point(prompts.mask))
        if box is None and not given:
            box = mask_box(prompts.mask)
    positions = np.reshape([(point.row, point.column) for point in points], (-1, 2))
    labels = [POSITIVE if point.positive else NEGATIVE for point in points]
    placed = window.to_window(positions)
    if box is not None:
        placed = np.concatenate([placed, _corners(box, window)])
        labels += [UPPER_LEFT, LOWER_RIGHT]
    dense = previous if previous is not None else prompts.mask
    return EncodedPrompts(
        np.ascontiguousarray(placed[None, :, ::-1], np.float32),
        np.asarray([labels], np.int64).reshape(1, -1),
        None if dense is None else mask_logits(dense, window.coarsened(mask_stride))[None, None],
    )


def _corners(box: Box, window: Window) -> NDArray[np.float64]:
    """Return (2, 2) centres of the first and the last window pixel, (row, column), in what a box covers.

    The box is given by pixel centres of the plane. Where those are magnified, the outermost pixels of the window lie
    beyond them: what counts is where the outer borders of the pixels are.
    """
    row0, column0, row1, column1 = box.borders
    low, high = window.to_window([(row0, column0), (row1, column1)])
    inset = np.minimum((high - low) / 2, 0.5)
    return np.stack([low + inset, high - inset])


def inner_point(mask: Mask) -> Point:
    """Find the pixel of a mask that is farthest from its border."""
    distance = ndimage.distance_transform_edt(np.pad(mask.pixels, 1))[1:-1, 1:-1]
    row, column = np.unravel_index(int(distance.argmax()), distance.shape)
    return Point(float(row + mask.box[0]), float(column + mask.box[1]))


def mask_box(mask: Mask) -> Box:
    """Return the box of a mask as a prompt: its outermost pixel centres."""
    return Box(float(mask.box[0]), float(mask.box[1]), float(mask.box[2] - 1), float(mask.box[3] - 1))
