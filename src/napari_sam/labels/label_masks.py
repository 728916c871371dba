"""Labels of any shape and place as masks on a plane."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_sam.labels.label_array import BLOCK_ELEMENTS, number_labels
from napari_sam.planes.geometry import Mask, Plane
from napari_sam.planes.image_source import ImageSource, chunk_shape


def label_mask(labels: Any, plane: Plane, label: int, within: tuple[slice, slice] = (slice(None), slice(None))) -> Mask:
    """Return the pixels of one label on one plane.

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


# A coefficient below this is rounding, and no slope.
_NOTHING = 1e-9


@dataclass(frozen=True, eq=False)
class PlaneInLabels:
    """The place of the pixels of a plane in a label array: ``matrix @ (row, column) + offset``.

    Parameters
    ----------
    matrix
        (m, 2): m axes of the label array, by (row, column) of the plane.
    offset
        (m,) data coordinates in the label array of the plane's pixel (0, 0).
    shape
        (rows, columns) of the plane.
    """

    matrix: NDArray[np.float64]
    offset: NDArray[np.float64]
    shape: tuple[int, int]

    @classmethod
    def itself(cls, plane: Plane, shape: Sequence[int]) -> Self:
        """Place a plane in an array of the image's own `shape`."""
        matrix = np.zeros((plane.ndim, 2))
        matrix[plane.axes[0], 0] = matrix[plane.axes[1], 1] = 1
        return cls(matrix, np.asarray(plane.index, float), plane.shape(shape))


def labels_on_plane(labels: Any, place: PlaneInLabels) -> Iterator[tuple[int, NDArray[Any]]]:
    """Yield the label nearest to every pixel of a plane, in bands of rows; 0 outside the array.

    Parameters
    ----------
    labels
        Integer array; only the box that the plane cuts out of it is read, band by band.
    place
        Where the plane lies in it.

    Yields
    ------
    (first row, (rows, columns) of the array's dtype).
    """
    rows, columns = place.shape
    band = max(BLOCK_ELEMENTS // max(columns, 1), 1)
    for start in range(0, rows, band):
        yield start, _band(labels, place, start, min(start + band, rows))


def whole_plane(labels: Any, place: PlaneInLabels) -> NDArray[Any]:
    """Return the label nearest to every pixel of a plane at once, (rows, columns); see `labels_on_plane`."""
    return np.concatenate([band for _, band in labels_on_plane(labels, place)])


def label_mask_on_plane(labels: Any, place: PlaneInLabels, label: int) -> Mask:
    """Find the pixels of a plane at which one label lies; empty where there are none."""
    found = np.zeros(place.shape, bool)
    for start, values in labels_on_plane(labels, place):
        found[start : start + len(values)] = values == label
    return Mask.from_pixels(found)


def all_masks_on_plane(labels: Any, place: PlaneInLabels) -> dict[int, Mask]:
    """Find the mask of every label that lies on a plane, by label, ascending; 0 is none."""
    return masks_of(whole_plane(labels, place))


def masks_of(plane: NDArray[Any]) -> dict[int, Mask]:
    """Find the mask of every label of a plane that was read, (rows, columns), by label, ascending; 0 is none."""
    ids, numbers = number_labels(plane)
    return {
        int(ids[at]): Mask.from_pixels(numbers[box] == at + 1, (box[0].start, box[1].start))
        for at, box in enumerate(ndimage.find_objects(numbers.astype(np.int32)))
    }


def largest_masks(
    labels: Any, axes: tuple[int, int], ids: Collection[int] | None = None
) -> dict[int, tuple[Plane, Mask]]:
    """Find the plane on which each label has most pixels, and its mask there.

    Parameters
    ----------
    labels
        Integer array; read plane by plane.
    axes
        (row axis, column axis) of the planes.
    ids
        The labels; None for all of them.

    Returns
    -------
    dict
        By label; a label without a pixel is missing.
    """
    shape = tuple(labels.shape)
    largest: dict[int, tuple[Plane, Mask]] = {}
    for index in product(*(range(1) if axis in axes else range(size) for axis, size in enumerate(shape))):
        plane = Plane(axes, index)
        for label, mask in all_masks_on_plane(labels, PlaneInLabels.itself(plane, shape)).items():
            if (ids is None or label in ids) and (label not in largest or mask.area > largest[label][1].area):
                largest[label] = plane, mask
    return largest


def _band(labels: Any, place: PlaneInLabels, start: int, stop: int) -> NDArray[Any]:
    """Return rows `start` to `stop` of the plane."""
    columns = place.shape[1]
    result = np.zeros((stop - start, columns), labels.dtype)
    along_rows = np.arange(start, stop)[:, None]
    along_columns = np.arange(columns)[None, :]
    indices = []
    for (by_row, by_column), offset in zip(place.matrix, place.offset, strict=True):
        # Where an axis follows only one of the two, its index stays one-dimensional: (rows, 1) or (1, columns).
        position: NDArray[np.float64] = np.full((1, 1), offset)
        if abs(by_row) > _NOTHING:
            position = position + by_row * along_rows
        if abs(by_column) > _NOTHING:
            position = position + by_column * along_columns
        indices.append(np.floor(position + 0.5).astype(np.int64))
    inside = np.ones((1, 1), bool)
    for index, size in zip(indices, labels.shape, strict=True):
        inside = inside & (index >= 0) & (index < size)
    inside = np.broadcast_to(inside, result.shape)
    if not inside.any():
        return result
    box, local = [], []
    for index, size in zip(indices, labels.shape, strict=True):
        low, high = int(np.clip(index.min(), 0, size - 1)), int(np.clip(index.max(), 0, size - 1))
        box.append(slice(low, high + 1))
        local.append(np.clip(index - low, 0, high - low))
    read = np.asarray(labels[tuple(box)])
    np.copyto(result, read[tuple(np.broadcast_arrays(*local))], where=inside)
    return result
