"""Blend two masks of one object on one plane."""

import numpy as np
from scipy import ndimage

from napari_sam.planes.mask import Mask


def blend(first: Mask, second: Mask, weight: float) -> Mask:
    """The mask between two, by their signed distances to the border (shape-based interpolation).

    Raya and Udupa, Shape-based interpolation of multidimensional objects, IEEE TMI 9 (1990).

    Parameters
    ----------
    first, second
        Two masks on one plane, not empty.
    weight
        Share of `second`, 0..1.

    Returns
    -------
    Mask
        Its predicted IoU is the weighted mean of the two; no logits.
    """
    row0, column0 = min(first.box[0], second.box[0]) - 1, min(first.box[1], second.box[1]) - 1
    row1, column1 = max(first.box[2], second.box[2]) + 1, max(first.box[3], second.box[3]) + 1
    distances = []
    for mask in (first, second):
        pixels = np.zeros((row1 - row0, column1 - column0), bool)
        pixels[
            mask.box[0] - row0 : mask.box[2] - row0,
            mask.box[1] - column0 : mask.box[3] - column0,
        ] = mask.pixels
        distances.append(ndimage.distance_transform_edt(pixels) - ndimage.distance_transform_edt(~pixels))
    between = Mask.from_pixels((1 - weight) * distances[0] + weight * distances[1] > 0, (row0, column0))
    trust = (1 - weight) * first.predicted_iou + weight * second.predicted_iou
    return Mask(between.box, between.pixels, trust)
