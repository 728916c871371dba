"""From a window of logits to a mask on the plane."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_sam.planes.mask import Mask
from napari_sam.planes.sample_grid import sample_grid
from napari_sam.planes.window import Window

STABILITY_OFFSET = 1.0


def mask_from_logits(
    logits: NDArray[np.float32],
    window: Window,
    plane_shape: tuple[int, int],
    predicted_iou: float,
    anchors: NDArray[np.float64],
) -> Mask:
    """The mask where logits are positive, at the plane's resolution.

    Only the box of the positive logits is interpolated. Of several pieces those stay that hold an anchor; with no
    anchor inside any, the largest.

    Parameters
    ----------
    logits
        (h, w) float32.
    window
        Where they lie: one window pixel per logit.
    plane_shape
        (rows, columns) of the plane; the mask is clipped to it.
    predicted_iou
        The decoder's estimate.
    anchors
        (n, 2) plane coordinates (row, column) that lie on the object: positive points.

    Returns
    -------
    Mask
        Empty where no logit is positive.
    """
    positive = logits > 0
    if positive.any():
        positive = _pieces_with(positive, np.rint(window.to_window(anchors)).astype(int))
    found = ndimage.find_objects(positive.astype(np.uint8))
    if not found:
        return Mask((0, 0, 0, 0), np.zeros((0, 0), bool), predicted_iou, logits, window)
    low = [max(part.start - 1, 0) for part in found[0]]
    high = [min(part.stop, size - 1) for part, size in zip(found[0], logits.shape, strict=True)]
    corners = window.to_plane([low, high])
    row0, column0 = (max(math.ceil(value), 0) for value in corners[0])
    row1, column1 = (min(math.floor(value) + 1, size) for value, size in zip(corners[1], plane_shape, strict=True))
    if row1 <= row0 or column1 <= column0:
        return Mask((0, 0, 0, 0), np.zeros((0, 0), bool), predicted_iou, logits, window)
    rows = (np.arange(row0, row1) - window.origin[0]) / window.step[0]
    columns = (np.arange(column0, column1) - window.origin[1]) / window.step[1]
    # Other pieces may lie in the box as well: drop them, but let the kept ones grow by the half cell
    # that interpolation moves a border.
    kept = np.where(ndimage.binary_dilation(positive, np.ones((3, 3), bool)) | (logits <= 0), logits, -1.0)
    pixels = sample_grid(kept.astype(np.float32), rows, columns) > 0
    cropped = Mask.from_pixels(pixels, (row0, column0))
    return Mask(cropped.box, cropped.pixels, predicted_iou, logits, window)


def stability(logits: NDArray[np.float32]) -> float:
    """IoU of the masks at a threshold raised and lowered by one: near 1 where the border is sharp.

    Kirillov et al., Segment Anything (2023), section 5 ("stable" masks).
    """
    lowered = int(np.count_nonzero(logits > -STABILITY_OFFSET))
    return int(np.count_nonzero(logits > STABILITY_OFFSET)) / lowered if lowered else 0.0


def _pieces_with(positive: NDArray[np.bool_], anchors: NDArray[np.int_]) -> NDArray[np.bool_]:
    pieces, count = ndimage.label(positive)
    if count == 1:
        return positive
    inside = ((anchors >= 0) & (anchors < positive.shape)).all(axis=1) if len(anchors) else np.zeros(0, bool)
    held = {int(pieces[row, column]) for row, column in anchors[inside]} - {0}
    if not held:
        held = {int(np.bincount(pieces.ravel())[1:].argmax()) + 1}
    return np.isin(pieces, sorted(held))
