"""A made-up stack that is as large as we like, quickly."""

import numpy as np
from numpy.typing import NDArray

TILE = 256


def large_stack(planes: int, side: int, seed: int = 0) -> tuple[NDArray[np.uint8], list[tuple[int, int, int]]]:
    """Bright balls on a noisy ground, the same in every tile of 256 x 256 pixels.

    Parameters
    ----------
    planes, side
        The stack is (planes, side, side).
    seed
        Of the noise and the balls' places.

    Returns
    -------
    (NDArray[np.uint8], list[tuple[int, int, int]])
        The stack, and (plane, row, column) of the middles of the balls on the grid of a tile, in the middle tile.
    """
    random = np.random.default_rng(seed)
    tile = random.normal(40, 8, (planes, TILE, TILE)).astype(np.float32)
    z, row, column = np.ogrid[:planes, :TILE, :TILE]
    centers = []
    for grid_row in (48, 128, 208):
        for grid_column in (48, 128, 208):
            at = np.array([random.uniform(0.45, 0.55) * planes, *(np.array([grid_row, grid_column]))], float)
            at[1:] += random.uniform(-8, 8, 2)
            radius = random.uniform(16, 24)
            depth = ((z - at[0]) * 3) ** 2 + (row - at[1]) ** 2 + (column - at[2]) ** 2
            tile += 110 * (depth < radius**2)
            centers.append(at)
    pixels = np.clip(tile, 0, 255).astype(np.uint8)
    times = -(-side // TILE)
    stack = np.ascontiguousarray(np.tile(pixels, (1, times, times))[:, :side, :side])
    middle = times // 2 * TILE
    return stack, [(round(at[0]), round(at[1]) + middle, round(at[2]) + middle) for at in centers]
