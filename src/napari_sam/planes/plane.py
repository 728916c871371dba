"""One 2-D slice of an nD image."""

from collections.abc import Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Plane:
    """Which 2-D slice of an image: two displayed axes and an index along every other axis.

    Axes count the axes of an `ImageSource` in data order, without its channel or RGB axis.

    Parameters
    ----------
    axes
        (row axis, column axis): the axes that are displayed, in displayed order (napari may swap them).
    index
        One integer per axis; the entries at `axes` are ignored and stored as 0, so that equal planes compare equal.
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
        """The parallel plane at `position` along `axis` (which must not be displayed)."""
        if axis in self.axes:
            raise ValueError(f"axis {axis} is displayed")
        index = list(self.index)
        index[axis] = position
        return replace(self, index=tuple(index))

    def to_data(self, row: float, column: float) -> tuple[float, ...]:
        """Data coordinates (one per axis, data order) of a position (row, column) on this plane."""
        coordinates = [float(at) for at in self.index]
        coordinates[self.axes[0]] = row
        coordinates[self.axes[1]] = column
        return tuple(coordinates)

    def from_data(self, coordinates: Sequence[float]) -> tuple[float, float]:
        """(row, column) on this plane of data coordinates (one per axis, data order)."""
        return float(coordinates[self.axes[0]]), float(coordinates[self.axes[1]])

    def shape(self, data_shape: Sequence[int]) -> tuple[int, int]:
        """(rows, columns) of this plane in an image of shape `data_shape`."""
        return int(data_shape[self.axes[0]]), int(data_shape[self.axes[1]])
