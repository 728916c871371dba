"""Cut a rescaled, rotated, mirrored piece out of a training image."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch.nn import functional

from training.config import WindowConfig
from training.image import TrainingImage

LONGEST_SIDE = 4
"""Times the shorter side; longer images count as strips."""


@dataclass(frozen=True)
class Placement:
    """Where a piece lies in its image.

    Attributes
    ----------
    matrix
        (2, 2), from (row, column) offsets in the piece to offsets in the image.
    centre
        (row, column) in the image that the piece's centre shows.
    side
        Of the piece, pixels.
    warp
        (2, k, k) shifts of the places that are shown, (row, column) in image pixels, at points spread evenly over
        the piece from corner to corner; or None.
    """

    matrix: NDArray[np.float64]
    centre: NDArray[np.float64]
    side: int
    warp: NDArray[np.float64] | None = None

    @property
    def zoom(self) -> float:
        """Piece pixels per image pixel."""
        return float(1 / np.sqrt(abs(np.linalg.det(self.matrix))))


def draw_diameter(rng: np.random.Generator, ranges: list[list[float]]) -> float:
    """A diameter, log-uniform within one of the weighted [weight, smallest, largest] ranges."""
    weights = np.array([row[0] for row in ranges])
    _, smallest, largest = ranges[rng.choice(len(ranges), p=weights / weights.sum())]
    return float(np.exp(rng.uniform(np.log(smallest), np.log(largest))))


def draw_placement(
    rng: np.random.Generator, image: TrainingImage, side: int, config: WindowConfig
) -> tuple[int, Placement]:
    """A plane, and a piece in it that shows at least one object at a random diameter."""
    # Slivers, of which dense labels of stacks are full, are drawn less often than bodies.
    diameters = 2 * np.sqrt(image.objects[:, 2] / np.pi)
    index = rng.choice(len(diameters), p=diameters / diameters.sum())
    plane, _, _ = image.objects[index]
    # Strips are mirrored at their long borders instead of being magnified until they fill the piece.
    shorter, longer = sorted(image.labels.shape[1:])
    lowest = max(config.zoom[0], side / max(shorter, longer / LONGEST_SIDE) / (1 + config.mirrored))
    zoom = np.clip(draw_diameter(rng, config.diameters) / diameters[index], lowest, max(lowest, config.zoom[1]))
    row0, row1, column0, column1 = image.boxes[index]
    point = np.array([rng.uniform(row0, row1), rng.uniform(column0, column1)])
    centre = point + rng.uniform(-0.4, 0.4, 2) * side / zoom
    # Images larger than the piece are not left for their mirrored surroundings.
    half = side / zoom / 2
    for axis, length in enumerate(image.labels.shape[1:]):
        centre[axis] = np.clip(centre[axis], half, length - half) if length > 2 * half else length / 2
        if length <= 2 * half:
            centre[axis] += rng.uniform(-0.5, 0.5) * (2 * half - length)
    angle = rng.uniform(0, 2 * np.pi) if rng.random() < 0.6 else rng.integers(4) * np.pi / 2
    ratio = np.exp(rng.normal(0, config.anisotropy) / 2)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    mirror = np.diag([1.0, rng.choice([-1.0, 1.0])])
    matrix = np.diag([ratio, 1 / ratio]) @ rotation @ mirror / zoom
    return int(plane), Placement(matrix, centre, side, _draw_warp(rng, side / zoom, config))


def _draw_warp(rng: np.random.Generator, extent: float, config: WindowConfig) -> NDArray[np.float64] | None:
    if not config.warped or rng.random() >= config.warped:
        return None
    points = int(rng.integers(4, 9))
    return rng.normal(0, rng.uniform(0.25, 1) * config.warp * extent / (points - 1), (2, points, points))


def cut(
    image: TrainingImage, planes: list[int], placement: Placement
) -> tuple[NDArray[np.float32], list[NDArray[np.int32]], NDArray[np.bool_]]:
    """Pixels of the first plane and labels of all of them.

    Returns
    -------
    pixels
        (C, side, side) in the units of the file; reflected beyond the image.
    labels
        One (side, side) per plane; as in the pixels' reflection beyond the image.
    inside
        (side, side), False in that reflection.
    """
    half = placement.side / 2
    corners = placement.matrix @ np.array([[-half, -half, half, half], [-half, half, -half, half]])
    margin = 4 + 2 / placement.zoom + (0 if placement.warp is None else 1.3 * np.abs(placement.warp).max())
    low = np.floor(placement.centre + corners.min(1) - margin).astype(int)
    high = np.ceil(placement.centre + corners.max(1) + margin).astype(int)
    shape = np.array(image.labels.shape[1:])
    low, high = np.clip(low, 0, shape - 1), np.clip(high, 1, shape)
    region = np.s_[low[0] : high[0], low[1] : high[1]]
    source = image.pixels[planes[0]][region].astype(np.float32)
    if placement.zoom < 0.8:
        sigma = 0.4 / placement.zoom
        source = ndimage.gaussian_filter(source, (sigma, sigma, 0), truncate=2.5)
    grid = _sampling_grid(placement, low, high - low)
    pixels = functional.grid_sample(
        torch.from_numpy(source).permute(2, 0, 1)[None], grid, "bilinear", "reflection", align_corners=False
    )[0].numpy()
    labels = [
        functional.grid_sample(
            torch.from_numpy(image.labels[plane][region].astype(np.float32))[None, None],
            grid,
            "nearest",
            "reflection",
            align_corners=False,
        )[0, 0]
        .numpy()
        .astype(np.int32)
        for plane in planes
    ]
    return pixels, labels, (grid[0].abs() <= 1).all(-1).numpy()


def _sampling_grid(placement: Placement, low: NDArray[np.int64], size: NDArray[np.int64]) -> torch.Tensor:
    """(1, side, side, 2) positions (x, y) in -1..1 over a region of `size` pixels that starts at `low`."""
    offsets = np.arange(placement.side) + 0.5 - placement.side / 2
    rows = placement.matrix[0, 0] * offsets[:, None] + placement.matrix[0, 1] * offsets[None] + placement.centre[0]
    columns = placement.matrix[1, 0] * offsets[:, None] + placement.matrix[1, 1] * offsets[None] + placement.centre[1]
    if placement.warp is not None:
        shifts = torch.from_numpy(placement.warp)[None]
        size_here = (placement.side, placement.side)
        rows_by, columns_by = functional.interpolate(shifts, size_here, mode="bicubic", align_corners=True)[0].numpy()
        rows, columns = rows + rows_by, columns + columns_by
    x = (columns - low[1]) / size[1] * 2 - 1
    y = (rows - low[0]) / size[0] * 2 - 1
    return torch.from_numpy(np.stack([x, y], -1)[None].astype(np.float32))
