"""From a window of logits to a mask on the plane."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_sam.planes.mask import Mask
from napari_sam.planes.sample_grid import sample_grid
from napari_sam.planes.window import Window
from napari_sam.prompts.prompt import Box

SAMPLED_AT_ONCE = 2**17
"""Pixels that are interpolated together: half a megabyte of them."""


def mask_from_logits(
    logits: NDArray[np.float32],
    window: Window,
    plane_shape: tuple[int, int],
    predicted_iou: float,
    anchors: NDArray[np.float64],
    box: Box | None = None,
) -> Mask:
    """The mask where logits are positive, at the plane's resolution.

    Only the box of the positive logits is interpolated. Of several pieces those stay that hold an anchor; with no
    anchor inside any, the one with the largest part in the prompted box, or in the plane.

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
    box
        The prompted box, if any.

    Returns
    -------
    Mask
        Empty where no logit is positive.
    """
    positive = np.zeros(logits.shape, bool)
    # Beyond the plane the encoder saw reflections: an object there is not one.
    on_plane = _part(window, (-0.5, -0.5, plane_shape[0] - 0.5, plane_shape[1] - 0.5))
    positive[on_plane] = logits[on_plane] > 0
    if positive.any():
        boxed = on_plane if box is None else _part(window, box.borders)
        positive = _pieces_with(positive, np.rint(window.to_window(anchors)).astype(int), boxed)
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
    rows = (np.arange(row0, row1) - window.origin[0]) / window.step[0] - low[0]
    columns = (np.arange(column0, column1) - window.origin[1]) / window.step[1] - low[1]
    around = slice(low[0], high[0] + 1), slice(low[1], high[1] + 1)
    positive, within = positive[around], logits[around]
    # Other pieces may lie in the box as well: drop them, but let the kept ones grow by the half cell
    # that interpolation moves a border.
    kept = np.where(ndimage.binary_dilation(positive, np.ones((3, 3), bool)) | (within <= 0), within, np.float32(-1))
    pixels = _positive(kept, rows, columns)
    cropped = Mask.from_pixels(pixels, (row0, column0))
    return Mask(cropped.box, cropped.pixels, predicted_iou, logits, window)


def _positive(
    logits: NDArray[np.float32], rows: NDArray[np.float64], columns: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Where interpolated logits are positive; by bands of rows, since what stays in the cache is faster."""
    positive = np.empty((len(rows), len(columns)), bool)
    band = max(1, SAMPLED_AT_ONCE // len(columns))
    for top in range(0, len(rows), band):
        some = slice(top, top + band)
        np.greater(sample_grid(logits, rows[some], columns), 0, out=positive[some])
    return positive


def _part(window: Window, borders: tuple[float, float, float, float]) -> tuple[slice, slice]:
    """The pixels of a window that lie on what these borders enclose, be it in part."""
    (row0, column0), (row1, column1) = window.to_window([borders[:2], borders[2:]])
    return (
        slice(max(math.floor(row0 + 0.5), 0), max(math.ceil(row1 + 0.5), 0)),
        slice(max(math.floor(column0 + 0.5), 0), max(math.ceil(column1 + 0.5), 0)),
    )


def _pieces_with(
    positive: NDArray[np.bool_], anchors: NDArray[np.int_], region: tuple[slice, slice]
) -> NDArray[np.bool_]:
    """The connected pieces that hold an anchor, or else the one that covers most of `region`."""
    pieces, count = ndimage.label(positive)
    if count == 1:
        return positive
    inside = ((anchors >= 0) & (anchors < positive.shape)).all(axis=1)
    held = {int(pieces[row, column]) for row, column in anchors[inside]} - {0}
    if not held:
        areas = np.bincount(pieces[region].ravel(), minlength=count + 1)[1:]
        held = {int(areas.argmax()) + 1}
    return np.isin(pieces, sorted(held))
