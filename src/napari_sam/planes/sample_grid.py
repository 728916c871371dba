"""Linear interpolation of a 2-D array on a grid of rows and columns."""

import numpy as np
from numpy.typing import NDArray


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
    """The lower neighbour of every position and the share of the upper one."""
    held = np.clip(positions, 0, size - 1)
    lower = np.minimum(held.astype(np.intp), size - 1)
    return lower, (held - lower).astype(np.float32)
