"""Prompts as the network takes them.

The one place where (row, column) becomes the network's (x, y). The network adds the half pixel between
pixel centres on integers and its own frame itself.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_sam.planes.mask import Mask
from napari_sam.planes.window import Window
from napari_sam.prompts.mask_logits import mask_logits
from napari_sam.prompts.prompt import Box, Point, Prompts
from napari_sam.prompts.scribble_points import scribble_points

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
    """(2, 2) centres of the first and the last window pixel, (row, column), in what a box covers.

    The box is given by pixel centres of the plane. Where those are magnified, the outermost pixels of the window lie
    beyond them: what counts is where the outer borders of the pixels are.
    """
    row0, column0, row1, column1 = box.borders
    low, high = window.to_window([(row0, column0), (row1, column1)])
    inset = np.minimum((high - low) / 2, 0.5)
    return np.stack([low + inset, high - inset])


def inner_point(mask: Mask) -> Point:
    """The pixel of a mask that is farthest from its border."""
    distance = ndimage.distance_transform_edt(np.pad(mask.pixels, 1))[1:-1, 1:-1]
    row, column = np.unravel_index(int(distance.argmax()), distance.shape)
    return Point(float(row + mask.box[0]), float(column + mask.box[1]))


def mask_box(mask: Mask) -> Box:
    """The box of a mask as a prompt: its outermost pixel centres."""
    return Box(float(mask.box[0]), float(mask.box[1]), float(mask.box[2] - 1), float(mask.box[3] - 1))
