"""Labels of any shape and place, laid on a plane of an image."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_sam.labels.blocks import BLOCK_ELEMENTS
from napari_sam.planes.mask import Mask
from napari_sam.planes.plane import Plane

_NOTHING = 1e-9


@dataclass(frozen=True, eq=False)
class PlaneInLabels:
    """Where the pixels of a plane lie in a label array: ``matrix @ (row, column) + offset``.

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
        """A plane in an array of the image's own `shape`."""
        matrix = np.zeros((plane.ndim, 2))
        matrix[plane.axes[0], 0] = matrix[plane.axes[1], 1] = 1
        return cls(matrix, np.asarray(plane.index, float), plane.shape(shape))


def labels_on_plane(labels: Any, place: PlaneInLabels) -> Iterator[tuple[int, NDArray[Any]]]:
    """The label nearest to every pixel of a plane, in bands of rows; 0 outside the array.

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


def label_mask_on_plane(labels: Any, place: PlaneInLabels, label: int) -> Mask:
    """The pixels of a plane at which one label lies; empty where there are none."""
    found = np.zeros(place.shape, bool)
    for start, values in labels_on_plane(labels, place):
        found[start : start + len(values)] = values == label
    return Mask.from_pixels(found)


def all_masks_on_plane(labels: Any, place: PlaneInLabels) -> dict[int, Mask]:
    """The mask of every label that lies on a plane, by label, ascending; 0 is none."""
    whole = np.concatenate([values for _, values in labels_on_plane(labels, place)])
    ids, numbered = np.unique(whole, return_inverse=True)
    numbered = numbered.reshape(place.shape).astype(np.int32)
    masks = {}
    # Numbers start at 0, boxes at 1.
    for number, box in enumerate(ndimage.find_objects(numbered + 1)):
        label = int(ids[number])
        if label > 0 and box is not None:
            masks[label] = Mask.from_pixels(numbered[box] == number, (box[0].start, box[1].start))
    return masks


def _band(labels: Any, place: PlaneInLabels, start: int, stop: int) -> NDArray[Any]:
    """Rows `start` to `stop` of the plane."""
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
