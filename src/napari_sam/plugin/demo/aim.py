"""Where the demo clicks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_sam.nn.cancel import CancelToken
from napari_sam.planes.mask import Mask
from napari_sam.planes.plane import Plane
from napari_sam.planes.source import ImageSource
from napari_sam.prompts.prompt import Point, Prompts
from napari_sam.session.engine import PlaneSegmenter

SMALLEST_OBJECT = 60
"""Pixels below which an object is too small to be seen well."""

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
    """The plane in the middle of every axis in front of the last two."""
    return Plane((source.ndim - 2, source.ndim - 1), tuple(size // 2 for size in source.shape))


def aim_at_known(known: NDArray[np.integer], image: NDArray[Any], scale: Sequence[float] | None = None) -> Aim:
    """The known object that a user would begin with, and its innermost point on its largest plane.

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
    """Where nothing is known: the spot that the model itself finds the best object at.

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
    best, best_score = Aim(plane, rows // 2, columns // 2), -np.inf
    for row, column in _spots(source, plane, tries):
        mask = segmenter.segment(plane, Prompts((Point(row, column),)), cancel=CancelToken()).mask
        inside = mask.box[0] > 0 and mask.box[1] > 0 and mask.box[2] < rows and mask.box[3] < columns
        if SMALLEST_OBJECT <= mask.area <= 0.1 * rows * columns and inside and mask.predicted_iou > best_score:
            best, best_score = Aim(plane, row, column), mask.predicted_iou
    return best


def largest_error(found: NDArray[np.bool_], known: NDArray[np.bool_]) -> Point:
    """A click into the middle of the largest region that is wrong: positive where something is missing."""
    missing, extra = (_largest_part(wrong) for wrong in (known & ~found, found & ~known))
    positive = int(missing.sum()) >= int(extra.sum())
    row, column = innermost(missing if positive else extra)
    return Point(row, column, positive)


def beside(mask: Mask, shape: tuple[int, int]) -> Point:
    """A click that excludes what lies just beside a mask, on the side where the plane has the most room."""
    row0, column0, row1, column1 = mask.box
    gap = max(3, round(0.25 * min(row1 - row0, column1 - column0)))
    middle_row, middle_column = (row0 + row1) // 2, (column0 + column1) // 2
    room = {
        (middle_row, column1 - 1 + gap): shape[1] - column1,
        (middle_row, column0 - gap): column0,
        (row1 - 1 + gap, middle_column): shape[0] - row1,
        (row0 - gap, middle_column): row0,
    }
    row, column = max(room, key=lambda at: room[at])
    return Point(min(max(row, 0), shape[0] - 1), min(max(column, 0), shape[1] - 1), positive=False)


def innermost(pixels: NDArray[np.bool_]) -> tuple[int, int]:
    """(row, column) of the pixel farthest from the border of a region; the array's own edge is a border too."""
    depth = ndimage.distance_transform_edt(np.pad(pixels, 1))[1:-1, 1:-1]
    row, column = np.unravel_index(int(np.argmax(depth)), pixels.shape)
    return int(row), int(column)


def _largest_part(pixels: NDArray[np.bool_]) -> NDArray[np.bool_]:
    parts, count = ndimage.label(pixels)
    if not count:
        return pixels
    return np.asarray(parts == 1 + int(np.argmax(np.bincount(parts.ravel())[1:])))


def _spots(source: ImageSource, plane: Plane, count: int) -> list[tuple[int, int]]:
    """(row, column) of blobs near the middle of a plane, the most striking first."""
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
    return [(int(rows[at]) + region[0].start, int(columns[at]) + region[1].start) for at in order]
