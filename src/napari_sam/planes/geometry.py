"""A plane of an image, a window on it, and the pixels of an object there."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Plane:
    """A 2-D slice of an image: two displayed axes and an index along every other axis.

    Axes count the axes of an `ImageSource` in data order, without its channel or RGB axis.

    Parameters
    ----------
    axes
        (row axis, column axis): the axes that are displayed, in displayed order (napari may swap them).
    index
        One integer per axis; the entries at `axes` are ignored and stored as 0, so that equal planes compare equal.

    Examples
    --------
    >>> import napari_sam
    >>> plane = napari_sam.Plane((1, 2), (4, 0, 0))  # plane 4 along axis 0 of a z-stack
    >>> plane.shape((8, 80, 100))
    (80, 100)
    """

    axes: tuple[int, int]
    index: tuple[int, ...]

    def __post_init__(self) -> None:
        row, column = self.axes
        if row == column or not all(0 <= axis < len(self.index) for axis in self.axes):
            raise ValueError(f"axes {self.axes} do not name two of {len(self.index)} axes")
        cleared = tuple(0 if axis in self.axes else int(at) for axis, at in enumerate(self.index))
        object.__setattr__(self, "index", cleared)

    @property
    def ndim(self) -> int:
        """Number of axes of the image that this is a plane of."""
        return len(self.index)

    def at(self, axis: int, position: int) -> "Plane":
        """Return the parallel plane at `position` along `axis` (which must not be displayed)."""
        if axis in self.axes:
            raise ValueError(f"axis {axis} is displayed")
        index = list(self.index)
        index[axis] = position
        return replace(self, index=tuple(index))

    def to_data(self, row: float, column: float) -> tuple[float, ...]:
        """Return the data coordinates (one per axis, data order) of a position (row, column) on this plane."""
        coordinates = [float(at) for at in self.index]
        coordinates[self.axes[0]] = row
        coordinates[self.axes[1]] = column
        return tuple(coordinates)

    def from_data(self, coordinates: Sequence[float]) -> tuple[float, float]:
        """Return (row, column) on this plane of data coordinates (one per axis, data order)."""
        return float(coordinates[self.axes[0]]), float(coordinates[self.axes[1]])

    def view_of(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return this plane of an array, (rows, columns), as a view."""
        plane = array[tuple(slice(None) if axis in self.axes else at for axis, at in enumerate(self.index))]
        return plane if self.axes[0] < self.axes[1] else plane.T

    def shape(self, data_shape: Sequence[int]) -> tuple[int, int]:
        """Return (rows, columns) of this plane in an image of shape `data_shape`."""
        return int(data_shape[self.axes[0]]), int(data_shape[self.axes[1]])


@dataclass(frozen=True)
class Window:
    """A grid of pixels laid over a plane.

    Parameters
    ----------
    origin
        (row, column) in plane coordinates of the *centre* of the window's first pixel. Pixel centres of the
        plane lie on integers.
    step
        Plane pixels per window pixel along (row, column): ``2 ** level``. One factor per axis, since planes may
        be anisotropic.
    shape
        (rows, columns) in window pixels.
    """

    origin: tuple[float, float]
    step: tuple[float, float]
    shape: tuple[int, int]

    def to_plane(self, positions: ArrayLike) -> NDArray[np.float64]:
        """Convert window positions to plane coordinates, both (..., 2) as (row, column)."""
        return np.asarray(positions, float) * self.step + self.origin

    def to_window(self, positions: ArrayLike) -> NDArray[np.float64]:
        """Convert plane coordinates to window positions, both (..., 2) as (row, column)."""
        return (np.asarray(positions, float) - self.origin) / self.step

    def grid(self, box: tuple[int, int, int, int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the window positions of the plane's rows and columns in a box, half-open."""
        rows = (np.arange(box[0], box[2], dtype=float) - self.origin[0]) / self.step[0]
        columns = (np.arange(box[1], box[3], dtype=float) - self.origin[1]) / self.step[1]
        return rows, columns

    def crop(self, row: int, column: int, shape: tuple[int, int]) -> "Window":
        """Return the part of this window that starts at its pixel (row, column) and has `shape` pixels."""
        row0, column0 = self.to_plane((row, column))
        return Window((float(row0), float(column0)), self.step, shape)

    def coarsened(self, factor: int) -> "Window":
        """Return the window whose pixels are blocks of `factor` x `factor` pixels of this one (`shape` must divide)."""
        half = (factor - 1) / 2
        row0, column0 = self.to_plane((half, half))
        return Window(
            (float(row0), float(column0)),
            (self.step[0] * factor, self.step[1] * factor),
            (self.shape[0] // factor, self.shape[1] // factor),
        )

    @property
    def pixels(self) -> int:
        """Number of window pixels."""
        return self.shape[0] * self.shape[1]

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """(row0, column0, row1, column1): outer borders of the window's pixels in plane coordinates."""
        (row0, column0), (row1, column1) = self.to_plane([(-0.5, -0.5), (self.shape[0] - 0.5, self.shape[1] - 0.5)])
        return float(row0), float(column0), float(row1), float(column1)


@dataclass(frozen=True, eq=False)
class Outline:
    """The border that a mask was drawn by.

    Parameters
    ----------
    kind
        "polygon", or "ellipse" or "rectangle" given by their four corners in order.
    vertices
        (n, 2) plane coordinates (row, column), pixel centres on integers.
    """

    kind: str
    vertices: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Mask:
    """An object's pixels on one plane.

    Parameters
    ----------
    box
        (row0, column0, row1, column1), half-open, in plane pixels.
    pixels
        (row1 - row0, column1 - column0) bool.
    predicted_iou
        The decoder's own estimate of the IoU with the true object; NaN where there is none (a label). Nothing keeps
        it between 0 and 1, see `score`.
    logits
        (h, w) float32 low-resolution logits, or None for a binary mask.
    window
        Where the logits lie: one logit per window pixel. None exactly when `logits` is None.
    outline
        The border that it was drawn by; None if it was not drawn.

    Examples
    --------
    >>> import numpy as np
    >>> import napari_sam
    >>> pixels = np.zeros((80, 100), bool)
    >>> pixels[20:30, 40:55] = True
    >>> mask = napari_sam.Mask.from_pixels(pixels)
    >>> mask.box, mask.area
    ((20, 40, 30, 55), 150)
    >>> np.array_equal(mask.painted((80, 100)), pixels)
    True
    """

    box: tuple[int, int, int, int]
    pixels: NDArray[np.bool_]
    predicted_iou: float = float("nan")
    logits: NDArray[np.float32] | None = field(default=None, repr=False)
    window: Window | None = None
    outline: Outline | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        row0, column0, row1, column1 = self.box
        if self.pixels.shape != (row1 - row0, column1 - column0):
            raise ValueError(f"pixels of shape {self.pixels.shape} do not fill the box {self.box}")

    @classmethod
    def from_pixels(cls, pixels: NDArray[np.bool_], origin: tuple[int, int] = (0, 0)) -> Self:
        """Make a mask of the True pixels, cropped to their box; `origin` is the position of ``pixels[0, 0]``."""
        rows = np.flatnonzero(pixels.any(axis=1))
        columns = np.flatnonzero(pixels.any(axis=0))
        if not rows.size:
            return cls((origin[0], origin[1], origin[0], origin[1]), np.zeros((0, 0), bool))
        row0, row1, column0, column1 = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
        return cls(
            (row0 + origin[0], column0 + origin[1], row1 + origin[0], column1 + origin[1]),
            np.ascontiguousarray(pixels[row0:row1, column0:column1]),
        )

    @cached_property
    def area(self) -> int:
        """Number of pixels."""
        return int(np.count_nonzero(self.pixels))

    @property
    def slices(self) -> tuple[slice, slice]:
        """The box as slices of the plane."""
        row0, column0, row1, column1 = self.box
        return slice(row0, row1), slice(column0, column1)

    @property
    def score(self) -> float:
        """The predicted IoU as an IoU can be, and is shown: 0..1, or NaN."""
        return float(np.clip(self.predicted_iou, 0, 1))

    def painted(self, shape: tuple[int, int]) -> NDArray[np.bool_]:
        """Paint the mask on a full plane of `shape`; what lies outside the plane is dropped."""
        plane = np.zeros(shape, bool)
        row0, column0, row1, column1 = self.box
        top, left = max(row0, 0), max(column0, 0)
        bottom, right = min(row1, shape[0]), min(column1, shape[1])
        if bottom > top and right > left:
            plane[top:bottom, left:right] = self.pixels[top - row0 : bottom - row0, left - column0 : right - column0]
        return plane


def overlap(first: Mask, second: Mask) -> float:
    """Compute the intersection over union of two masks on one plane, 0..1; 0 if both are empty."""
    row0, column0 = max(first.box[0], second.box[0]), max(first.box[1], second.box[1])
    row1, column1 = min(first.box[2], second.box[2]), min(first.box[3], second.box[3])
    shared = 0
    if row1 > row0 and column1 > column0:
        a = first.pixels[row0 - first.box[0] : row1 - first.box[0], column0 - first.box[1] : column1 - first.box[1]]
        b = second.pixels[
            row0 - second.box[0] : row1 - second.box[0], column0 - second.box[1] : column1 - second.box[1]
        ]
        shared = int(np.count_nonzero(a & b))
    union = first.area + second.area - shared
    return shared / union if union else 0.0
