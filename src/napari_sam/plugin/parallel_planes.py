"""A plane of an image, and those that lie like it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from napari_sam.planes.plane import Plane


@dataclass(frozen=True)
class ParallelPlanes:
    """The planes at every position along some axes.

    Parameters
    ----------
    plane
        One of them.
    shape
        The image's.
    along
        The axes, none of which is displayed; none of them for the one plane alone.
    """

    plane: Plane
    shape: tuple[int, ...]
    along: tuple[int, ...] = ()

    @classmethod
    def everywhere(cls, plane: Plane, shape: Sequence[int]) -> "ParallelPlanes":
        """All planes of an image that lie like one of them."""
        return cls(plane, tuple(shape), tuple(axis for axis in range(plane.ndim) if axis not in plane.axes))

    def last(self, ndim: int) -> "ParallelPlanes":
        """Those along the image's last `ndim` axes only."""
        return ParallelPlanes(
            self.plane, self.shape, tuple(axis for axis in self.along if axis >= self.plane.ndim - ndim)
        )

    def __iter__(self) -> Iterator[Plane]:
        for positions in product(*(range(self.shape[axis]) for axis in self.along)):
            index = list(self.plane.index)
            for axis, at in zip(self.along, positions, strict=True):
                index[axis] = at
            yield Plane(self.plane.axes, tuple(index))

    def __contains__(self, plane: object) -> bool:
        return (
            isinstance(plane, Plane)
            and plane.axes == self.plane.axes
            and all(
                0 <= at < self.shape[axis] if axis in self.along else at == self.plane.index[axis]
                for axis, at in enumerate(plane.index)
                if axis not in plane.axes
            )
        )
