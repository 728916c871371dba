"""A label of a label array as a mask."""

from typing import Any

import numpy as np

from napari_sam.labels.blocks import BLOCK_ELEMENTS
from napari_sam.planes.chunks import chunk_shape
from napari_sam.planes.mask import Mask
from napari_sam.planes.plane import Plane
from napari_sam.planes.source import ImageSource


def label_mask(labels: Any, plane: Plane, label: int, within: tuple[slice, slice] = (slice(None), slice(None))) -> Mask:
    """The pixels of one label on one plane.

    Parameters
    ----------
    labels
        Integer array of any number of axes; the plane is read in bands of rows.
    plane
        Which plane.
    label
        Which label.
    within
        (rows, columns) to look in; the whole plane by default.

    Returns
    -------
    Mask
        Cropped; empty where the plane does not hold the label.

    Raises
    ------
    UserError
        If the array has no such plane.
    """
    source = ImageSource(labels)
    height, width = plane.shape(source.shape)
    first, last, _ = within[0].indices(height)
    left, right, _ = within[1].indices(width)
    stored = chunk_shape(labels)
    unit = stored[plane.axes[0]] if stored else 1
    band = max(unit, BLOCK_ELEMENTS // max(right - left, 1) // unit * unit)
    found = []
    # Bands end where chunks end, so that no chunk is read twice.
    row = first
    while row < last:
        end = min((row // unit) * unit + band, last)
        pixels = source.read(plane, slice(row, end), slice(left, right))[..., 0]
        part = Mask.from_pixels(pixels == label, (row, left))
        if part.pixels.size:
            found.append(part)
        row = end
    return _joined(found)


def _joined(parts: list[Mask]) -> Mask:
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return Mask((0, 0, 0, 0), np.zeros((0, 0), bool))
    top, bottom = parts[0].box[0], parts[-1].box[2]
    left, right = min(part.box[1] for part in parts), max(part.box[3] for part in parts)
    pixels = np.zeros((bottom - top, right - left), bool)
    for part in parts:
        row0, column0, row1, column1 = part.box
        pixels[row0 - top : row1 - top, column0 - left : column1 - left] = part.pixels
    return Mask((top, left, bottom, right), pixels)
