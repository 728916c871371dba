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
    lines = values[row] * (1 - row_share)[:, None] + values[below] * row_share[:, None]
    sampled = lines[:, column] * (1 - column_share) + lines[:, right] * column_share
    if outside is not None:
        sampled[(rows < -0.5) | (rows > values.shape[0] - 0.5)] = outside
        sampled[:, (columns < -0.5) | (columns > values.shape[1] - 0.5)] = outside
    return np.asarray(sampled, np.float32)


def _neighbours(positions: NDArray[np.float64], size: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """The lower neighbour of every position and the share of the upper one."""
    held = np.clip(positions, 0, size - 1)
    lower = np.minimum(held.astype(np.intp), size - 1)
    return lower, (held - lower).astype(np.float32)
