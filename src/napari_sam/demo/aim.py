"""The places where the demo clicks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_sam.nn.cancel import CancelToken
from napari_sam.planes.geometry import Mask, Plane
from napari_sam.planes.image_source import ImageSource
from napari_sam.prompts.prompt import Point, Prompts
from napari_sam.session.compute.engine import PlaneSegmenter

SMALLEST_OBJECT = 60
"""Pixels below which an object is too small to be seen well (chosen, by eye)."""

SHOWN_SIDE = 1024
"""Pixels per side of the part of a plane in which the demo looks for an object."""


@dataclass(frozen=True)
class Aim:
    """An object to click.

    Parameters
    ----------
    plane
        The plane to click it on.
    row, column
        Where.
    label
        Which of the known labels it is; None where nothing is known.
    """

    plane: Plane
    row: int
    column: int
    label: int | None = None


def middle_plane(source: ImageSource) -> Plane:
    """Return the plane in the middle of every axis in front of the last two."""
    return Plane((source.ndim - 2, source.ndim - 1), tuple(size // 2 for size in source.shape))


def aim_at_known(known: NDArray[np.integer], image: NDArray[Any], scale: Sequence[float] | None = None) -> Aim:
    """Return the known object that a user would begin with, and its innermost point on its largest plane.

    Of the objects that lie whole inside the image, not small and not dim, the one nearest to the centre.

    Parameters
    ----------
    known
        (z, row, column) labels.
    image
        (z, row, column) grey values.
    scale
        Size of a voxel.
    """
    labels = np.unique(known)
    labels = labels[labels > 0]
    boxes = ndimage.find_objects(known)
    whole = np.asarray(
        [
            all(side.start > 0 and side.stop < size for side, size in zip(boxes[label - 1], known.shape, strict=True))
            for label in labels
        ]
    )
    volumes = np.bincount(known.ravel())[labels]
    brightness = np.asarray(ndimage.mean(image, known, labels))
    good = whole & (volumes >= np.median(volumes)) & (brightness >= np.median(brightness))
    chosen = labels[good] if good.any() else labels
    centres = np.asarray(ndimage.center_of_mass(known > 0, known, chosen))
    away = (centres - (np.asarray(known.shape) - 1) / 2) * (scale or 1.0)
    label = int(chosen[np.argmin(np.linalg.norm(away, axis=1))])
    inside = known == label
    z = int(np.argmax(inside.sum(axis=(1, 2))))
    row, column = innermost(inside[z])
    return Aim(Plane((1, 2), (z, 0, 0)), row, column, label)


def aim_at_likely(source: ImageSource, segmenter: PlaneSegmenter, plane: Plane, tries: int = 10) -> Aim:
    """Aim, where nothing is known, at a striking spot at which the model is sure of an object.

    Spots are the brightest and darkest blobs around the centre of the plane.

    Parameters
    ----------
    source, segmenter
        The image, and what segments it.
    plane
        Where to look.
    tries
        How many spots are tried.
    """
    rows, columns = plane.shape(source.shape)
    best, best_score = Aim(plane, rows // 2, columns // 2), 0.0
    for row, column, strength in _spots(source, plane, tries):
        mask = segmenter.segment(plane, Prompts((Point(row, column),)), cancel=CancelToken()).mask
        inside = mask.box[0] > 0 and mask.box[1] > 0 and mask.box[2] < rows and mask.box[3] < columns
        score = mask.predicted_iou * strength
        if SMALLEST_OBJECT <= mask.area <= 0.1 * rows * columns and inside and score > best_score:
            best, best_score = Aim(plane, row, column), score
    return best


def likely_correction(first: Aim, mask: Mask, segmenter: PlaneSegmenter, shape: tuple[int, int]) -> Point:
    """Return, where nothing is known, the click on the mask's rim or beside it after which the model is surest.

    Parameters
    ----------
    first, mask
        The first click, and the mask that it gave.
    segmenter
        What segments the image.
    shape
        (rows, columns) of the plane.
    """
    start = Prompts((Point(first.row, first.column),))
    best, best_score = around(mask, shape)[0], -np.inf
    for click in around(mask, shape):
        corrected = segmenter.segment(first.plane, start.with_point(click), previous=mask, cancel=CancelToken()).mask
        # A correction that turns the object into another one corrects nothing.
        kept = min(corrected.area, mask.area) / max(corrected.area, mask.area, 1)
        score = corrected.predicted_iou * kept
        if score > best_score:
            best, best_score = click, score
    return best


def around(mask: Mask, shape: tuple[int, int]) -> list[Point]:
    """Return, on each side of a mask, a click just inside it that adds, and one just outside that excludes.

    Parameters
    ----------
    mask
        Not empty.
    shape
        (rows, columns) of the plane.
    """
    row0, column0, row1, column1 = mask.box
    margin = max(2, round(0.15 * min(row1 - row0, column1 - column0)))
    rows, columns = np.nonzero(mask.pixels)
    clicks = []
    for along, across in ((rows, columns), (columns, rows)):
        for at in (along.min(), along.max()):
            towards = 1 if at == along.max() else -1
            side = int(np.median(across[along == at]))
            for offset, positive in ((-margin, True), (margin, False)):
                position = (int(at) + towards * offset, side)
                row, column = position if along is rows else position[::-1]
                row, column = row + row0, column + column0
                on = 0 <= row - row0 < row1 - row0 and 0 <= column - column0 < column1 - column0
                on = on and bool(mask.pixels[row - row0, column - column0])
                if on == positive and 0 <= row < shape[0] and 0 <= column < shape[1]:
                    clicks.append(Point(row, column, positive))
    return clicks or [Point(*innermost(mask.painted(shape)))]


def largest_error(found: NDArray[np.bool_], known: NDArray[np.bool_]) -> Point:
    """Return a click into the middle of the largest region that is wrong: positive where something is missing."""
    missing, extra = (_largest_part(wrong) for wrong in (known & ~found, found & ~known))
    positive = int(missing.sum()) >= int(extra.sum())
    row, column = innermost(missing if positive else extra)
    return Point(row, column, positive)


def innermost(pixels: NDArray[np.bool_]) -> tuple[int, int]:
    """Return (row, column) of the pixel farthest from the border of a region; the array's own edge is a border too."""
    depth = ndimage.distance_transform_edt(np.pad(pixels, 1))[1:-1, 1:-1]
    row, column = np.unravel_index(int(np.argmax(depth)), pixels.shape)
    return int(row), int(column)


def _largest_part(pixels: NDArray[np.bool_]) -> NDArray[np.bool_]:
    parts, count = ndimage.label(pixels)
    if not count:
        return pixels
    return np.asarray(parts == 1 + int(np.argmax(np.bincount(parts.ravel())[1:])))


def _spots(source: ImageSource, plane: Plane, count: int) -> list[tuple[int, int, float]]:
    """Return (row, column, strength 0..1) of blobs near the middle of a plane, the most striking first."""
    region = [
        slice(max(0, size // 2 - SHOWN_SIDE // 2), size // 2 + SHOWN_SIDE // 2) for size in plane.shape(source.shape)
    ]
    pixels = np.nan_to_num(source.read(plane, region[0], region[1]).astype(np.float32).mean(axis=2))
    width = max(4.0, 0.02 * min(pixels.shape))
    blobs = ndimage.gaussian_filter(pixels, width) - ndimage.gaussian_filter(pixels, 3 * width)
    strength = np.abs(blobs) * np.outer(*(np.hanning(size + 2)[1:-1] for size in pixels.shape))
    peaks = (strength == ndimage.maximum_filter(strength, int(3 * width))) & (strength > 0)
    rows, columns = np.nonzero(peaks)
    order = np.argsort(-strength[rows, columns])[:count]
    top = float(strength.max())
    return [
        (
            int(rows[at]) + region[0].start,
            int(columns[at]) + region[1].start,
            float(strength[rows[at], columns[at]]) / top,
        )
        for at in order
    ]
