"""The rectangle of a plane, at one level, that a network sees at once."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


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
        """Plane coordinates of window positions, both (..., 2) as (row, column)."""
        return np.asarray(positions, float) * self.step + self.origin

    def to_window(self, positions: ArrayLike) -> NDArray[np.float64]:
        """Window positions of plane coordinates, both (..., 2) as (row, column)."""
        return (np.asarray(positions, float) - self.origin) / self.step

    def crop(self, row: int, column: int, shape: tuple[int, int]) -> "Window":
        """The part of this window that starts at its pixel (row, column) and has `shape` pixels."""
        row0, column0 = self.to_plane((row, column))
        return Window((float(row0), float(column0)), self.step, shape)

    def coarsened(self, factor: int) -> "Window":
        """The window whose pixels are blocks of `factor` x `factor` pixels of this one (`shape` must divide)."""
        half = (factor - 1) / 2
        row0, column0 = self.to_plane((half, half))
        return Window(
            (float(row0), float(column0)),
            (self.step[0] * factor, self.step[1] * factor),
            (self.shape[0] // factor, self.shape[1] // factor),
        )

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """(row0, column0, row1, column1): outer borders of the window's pixels in plane coordinates."""
        (row0, column0), (row1, column1) = self.to_plane([(-0.5, -0.5), (self.shape[0] - 0.5, self.shape[1] - 0.5)])
        return float(row0), float(column0), float(row1), float(column1)
