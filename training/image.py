"""One labelled image or stack to cut training windows from."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

SMALLEST_AREA = 20


@dataclass(frozen=True)
class TrainingImage:
    """An image with instance labels.

    Attributes
    ----------
    name
        Where it comes from.
    pixels
        (Z, H, W, C) in the data type of the file; C is 1 or 3.
    labels
        (Z, H, W) integers, 0 where there is no object.
    limits
        (C, 2) percentiles 0.5 and 99.5 of each channel over the whole stack; 0 and 255 for 8-bit colour.
    objects
        (N, 3) integers: plane, label, area in pixels, of every object section of at least 20 pixels.
    boxes
        (N, 4) integers: first row, last row + 1, first column, last column + 1 of each of them.
    complete
        Whether every object is labelled.
    """

    name: str
    pixels: NDArray[np.generic]
    labels: NDArray[np.integer]
    limits: NDArray[np.float32]
    objects: NDArray[np.int64]
    boxes: NDArray[np.int64]
    complete: bool = True


def make_training_image(
    name: str, pixels: NDArray[np.generic], labels: NDArray[np.integer], *, complete: bool = True
) -> TrainingImage | None:
    """Measure contrast limits and objects; None if there is no object.

    Parameters
    ----------
    name
        Where it comes from.
    pixels
        (H, W), (H, W, C) or, if `labels` has three axes, (Z, H, W).
    labels
        (H, W) or (Z, H, W).
    complete
        Whether every object is labelled.
    """
    if labels.ndim == 2:
        labels, pixels = labels[None], pixels[None]
    if pixels.ndim == 3:
        pixels = pixels[..., None]
    pixels = _three_or_one_channel(pixels)
    labels = labels.astype(np.int32)
    objects, boxes = [], []
    for z, plane in enumerate(labels):
        areas = np.bincount(plane.ravel())
        for label, box in enumerate(ndimage.find_objects(plane), 1):
            if box is not None and areas[label] >= SMALLEST_AREA:
                objects.append((z, label, areas[label]))
                boxes.append((box[0].start, box[0].stop, box[1].start, box[1].stop))
    if not objects:
        return None
    return TrainingImage(name, pixels, labels, contrast_limits(pixels), np.array(objects), np.array(boxes), complete)


def contrast_limits(pixels: NDArray[np.generic]) -> NDArray[np.float32]:
    """(C, 2) limits of (Z, H, W, C) pixels, as the product measures them."""
    channels = pixels.shape[-1]
    if channels == 3 and pixels.dtype == np.uint8:
        return np.array([(0, 255)] * 3, np.float32)
    step = max(1, int(np.sqrt(pixels[..., 0].size / 1e6)))
    sample = pixels[:, ::step, ::step].reshape(-1, channels)
    return np.percentile(sample, (0.5, 99.5), axis=0).T.astype(np.float32)


def _three_or_one_channel(pixels: NDArray[np.generic]) -> NDArray[np.generic]:
    channels = pixels[..., :3]
    if channels.shape[-1] == 2:
        return channels[..., :1]
    if channels.shape[-1] == 3 and (channels == channels[..., :1]).all():
        return channels[..., :1]
    return channels
