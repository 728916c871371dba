"""Resampling: along one axis as one sparse matrix, and on a grid of rows and columns."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

# Chosen by what is left of the amplitude, see `blur_sigma`; not compared in segmentation.
BLUR_PER_STEP = 0.45
_FULL_BLUR_STEP = 1.25
# Standard deviations at which the Gaussian ends: as scipy.ndimage does.
_TRUNCATE = 4.0


def blur_sigma(step: float) -> float:
    """Return the sigma, in input pixels, of the Gaussian before taking one sample every `step` pixels.

    0.45 step: 37 % of the amplitude is left at the new Nyquist frequency, 2 % at the new sampling frequency. Faded
    in between steps 1 and 1.25, so that nothing jumps where a step passes 1.
    """
    return BLUR_PER_STEP * step * min(max((step - 1) / (_FULL_BLUR_STEP - 1), 0), 1)


def mirrored(positions: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Reflect positions into 0 .. size - 1 about the centres of the border pixels, as often as it takes."""
    if size == 1:
        return np.zeros_like(positions)
    folded: NDArray[np.int64] = np.mod(positions, 2 * (size - 1))
    return np.where(folded < size, folded, 2 * (size - 1) - folded)


@dataclass(frozen=True)
class AxisSampling:
    """The plan by which one axis of a window is computed from an axis of `size` stored pixels.

    Parameters
    ----------
    first, count
        The stored pixels ``first .. first + count - 1`` are needed; those beyond the border are mirrored.
    block
        They are first averaged in blocks of this many (`count` is a multiple).
    positions
        Where to sample, in blocks from the first one's centre.
    sigma
        Standard deviation of the Gaussian on the blocks.
    size
        Length of the stored axis.
    """

    first: int
    count: int
    block: int
    positions: NDArray[np.float64]
    sigma: float
    size: int

    @property
    def stored(self) -> slice:
        """The stored pixels to read: nothing beyond the border, and no more than needed."""
        inside = self._inside()
        return slice(int(inside.min()), int(inside.max()) + 1)

    @property
    def is_slice(self) -> bool:
        """Tell whether the stored pixels are the result, without arithmetic."""
        return self.block == 1 and self.sigma == 0 and np.array_equal(self.positions, np.arange(self.count))

    @property
    def crosses_border(self) -> bool:
        """Tell whether pixels beyond the border are needed."""
        return self.first < 0 or self.first + self.count > self.size

    def extend(self, pixels: NDArray[Any], axis: int) -> NDArray[Any]:
        """Mirror the `stored` pixels into those needed."""
        if not self.crosses_border:
            return pixels
        inside = self._inside()
        extended: NDArray[Any] = np.take(pixels, inside - inside.min(), axis=axis)
        return extended

    def matrix(self) -> csr_array:
        """Return the (samples, blocks) float32 matrix of the Gaussian followed by linear interpolation."""
        radius = ceil(_TRUNCATE * self.sigma)
        taps = np.exp(-0.5 * (np.arange(-radius, radius + 1) / self.sigma) ** 2) if radius else np.ones(1)
        taps /= taps.sum()
        left = np.floor(self.positions)
        right_share = (self.positions - left)[:, np.newaxis]
        weights = (1 - right_share) * np.append(taps, 0) + right_share * np.insert(taps, 0, 0)
        columns = left.astype(np.int64)[:, np.newaxis] + np.arange(-radius, radius + 2)
        kept = (columns >= 0) & (columns < self.count // self.block)
        starts = np.insert(np.cumsum(kept.sum(axis=1)), 0, 0)
        return csr_array(
            (weights[kept].astype(np.float32), columns[kept].astype(np.int32), starts.astype(np.int32)),
            shape=(len(self.positions), self.count // self.block),
        )

    def _inside(self) -> NDArray[np.int64]:
        return mirrored(np.arange(self.first, self.first + self.count), self.size)


def sample_axis(
    origin: float, step: float, count: int, size: int, pitch: float = 1.0, width: float = 1.0
) -> AxisSampling:
    """Plan one axis.

    Parameters
    ----------
    origin, step, count
        Sample at ``origin + step * (0 .. count - 1)``, in stored pixels.
    size
        Number of stored pixels.
    pitch
        Plane pixels per stored pixel.
    width
        Plane pixels that a stored pixel averages: `pitch` for a level of a pyramid, 1 if stored by skipping.
    """
    wanted = blur_sigma(step * pitch) / pitch
    block = max(1, floor(step / 2)) if wanted > 0 else 1
    # What averaging has blurred already: a mean of n pixels has the variance (n^2 - 1) / 12.
    have = (width**2 - 1) / pitch**2 / 12 + (block**2 - 1) / 12
    sigma = sqrt(max(wanted**2 - have, 0)) / block
    # So narrow a Gaussian has one tap.
    if sigma < 1e-3:
        sigma = 0.0
    # Blocks are counted from pixel 0, not from the window, so that a part of a window reads as the window does.
    positions = (origin + step * np.arange(count) - (block - 1) / 2) / block
    # Positions within rounding of a centre lie on it: reading at step 1 is then a plain slice.
    whole = np.rint(positions)
    positions = np.where(np.abs(positions - whole) < 1e-6, whole, positions)
    margin = ceil(_TRUNCATE * sigma)
    first = floor(positions[0]) - margin
    stop = ceil(positions[-1]) + margin + 1
    return AxisSampling(first * block, (stop - first) * block, block, positions - first, sigma, size)


def resample(pixels: NDArray[Any], rows: AxisSampling, columns: AxisSampling) -> NDArray[np.float32]:
    """Apply two plans to their `stored` pixels.

    Parameters
    ----------
    pixels
        (rows.stored, columns.stored, channels) of any real dtype.

    Returns
    -------
    (channels, len(rows.positions), len(columns.positions)) float32.
    """
    pixels = columns.extend(rows.extend(pixels, 0), 1)
    if rows.block > 1:
        pixels = _mean_of([pixels[at :: rows.block] for at in range(rows.block)])
    if columns.block > 1:
        pixels = _mean_of([pixels[:, at :: columns.block] for at in range(columns.block)])
    sampled = np.ascontiguousarray(pixels, np.float32)
    if not rows.is_slice:
        height, width, channels = sampled.shape
        sampled = (rows.matrix() @ sampled.reshape(height, -1)).reshape(-1, width, channels)
    if columns.is_slice:
        return np.ascontiguousarray(sampled.transpose(2, 0, 1))
    height, width, channels = sampled.shape
    across = np.ascontiguousarray(sampled.transpose(1, 2, 0)).reshape(width, channels * height)
    across = (columns.matrix() @ across).reshape(-1, channels, height)
    return np.ascontiguousarray(across.transpose(1, 2, 0))


def _mean_of(parts: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
    """Average equal shapes in float32; several times as fast as ``reshape`` and ``mean`` along the new axis."""
    total = parts[0].astype(np.float32)
    for part in parts[1:]:
        total += part
    total /= len(parts)
    return total


def sample_grid(
    values: NDArray[np.float32],
    rows: NDArray[np.float64],
    columns: NDArray[np.float64],
    outside: float | None = None,
) -> NDArray[np.float32]:
    """Interpolate `values` at every pair of a row and a column.

    The grid is separable, which is an order of magnitude faster than interpolation at scattered positions.

    Parameters
    ----------
    values
        (h, w) float32.
    rows, columns
        Positions along either axis, pixel centres on integers.
    outside
        Value beyond the outer border of the pixels; None repeats the border.

    Returns
    -------
    (len(rows), len(columns)) float32.
    """
    row, row_share = _neighbours(rows, values.shape[0])
    column, column_share = _neighbours(columns, values.shape[1])
    below, right = np.minimum(row + 1, values.shape[0] - 1), np.minimum(column + 1, values.shape[1] - 1)
    lines = _blended(values, 0, row, below, row_share[:, None])
    sampled = _blended(lines, 1, column, right, column_share)
    if outside is not None:
        sampled[(rows < -0.5) | (rows > values.shape[0] - 0.5)] = outside
        sampled[:, (columns < -0.5) | (columns > values.shape[1] - 0.5)] = outside
    return sampled


def _blended(
    values: NDArray[np.float32],
    axis: int,
    first: NDArray[np.intp],
    second: NDArray[np.intp],
    share: NDArray[np.float32],
) -> NDArray[np.float32]:
    blended = np.take(values, first, axis)
    blended *= 1 - share
    others = np.take(values, second, axis)
    others *= share
    blended += others
    return blended


def _neighbours(positions: NDArray[np.float64], size: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Find the lower neighbour of every position and the share of the upper one."""
    held = np.clip(positions, 0, size - 1)
    lower = np.minimum(held.astype(np.intp), size - 1)
    return lower, (held - lower).astype(np.float32)
