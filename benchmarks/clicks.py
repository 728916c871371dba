"""Clicks of a simulated user, as in the literature on interactive segmentation.

First the point of the object that is farthest from its border, then the middle of the largest error
(Sofiiuk et al., Reviving Iterative Training with Mask Guidance, 2021).
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_sam.prompts.prompt import Box, Point


def first_click(truth: NDArray[np.bool_]) -> Point:
    """The point of an object that is farthest from its border."""
    row, column, _ = _deepest(truth)
    return Point(row, column)


def next_click(truth: NDArray[np.bool_], answer: NDArray[np.bool_]) -> Point | None:
    """A corrective click in the middle of the largest error, or None if there is no error."""
    row, column, missed = _deepest(truth & ~answer)
    false_row, false_column, wrong = _deepest(answer & ~truth)
    if missed == wrong == 0:
        return None
    return Point(row, column) if missed >= wrong else Point(false_row, false_column, positive=False)


def true_box(truth: NDArray[np.bool_]) -> Box:
    """The tight box of an object."""
    rows, columns = np.nonzero(truth)
    return Box(float(rows.min()), float(columns.min()), float(rows.max()), float(columns.max()))


def iou(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """Intersection over union, 0..1."""
    union = int(np.count_nonzero(first | second))
    return int(np.count_nonzero(first & second)) / union if union else 0.0


def _deepest(region: NDArray[np.bool_]) -> tuple[float, float, float]:
    found = ndimage.find_objects(region.astype(np.uint8))
    if not found:
        return 0.0, 0.0, 0.0
    rows, columns = found[0]
    depth = ndimage.distance_transform_edt(np.pad(region[found[0]], 1))[1:-1, 1:-1]
    row, column = np.unravel_index(int(depth.argmax()), depth.shape)
    return float(row + rows.start), float(column + columns.start), float(depth.max())
