"""Many cells at once: every pixel with its nearest seed and its place relative to it.

All outlines and inner parts are then functions of that place, computed for all cells in one go, so that an image of
hundreds of cells takes no longer than one of ten.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.synthetic.shapes import Field, Labels, smooth_noise, tidy

MISSING = 1e6
"""Added to the squared distance from a seed that is none."""

NOBODY = 1e3
"""Distance of what no cell owns."""


@dataclass(frozen=True)
class Territories:
    """Cells that share the image, before their outlines are drawn.

    Attributes
    ----------
    labels
        (h, w) the seed that each pixel belongs to, from 1.
    right, down
        (h, w) place relative to it along its long and short axis, in its own radii.
    radii
        (count + 1,) radius of each cell, pixels; neighbours of one size touch where the place has length 1.
    stretch
        (count + 1,) some the logarithm of the ratio of its axes.
    """

    labels: Labels
    right: Field
    down: Field
    radii: Field
    stretch: Field

    @property
    def distance(self) -> Field:
        """(h, w) from the seed, in its own radii."""
        return np.hypot(self.right, self.down)

    def each(self, values: NDArray[np.generic]) -> Field:
        """Give (h, w) of one value for each cell."""
        return np.asarray(values, np.float32)[self.labels]

    def uniform(self, rng: np.random.Generator, low: float, high: float) -> Field:
        """(h, w) random value for each cell."""
        return self.each(rng.uniform(low, high, len(self.radii)))

    def within(self, mask: NDArray[np.bool_]) -> Labels:
        """Label what lies within the mask, of every cell its largest piece."""
        return tidy(np.where(mask, self.labels, 0))


def territories(
    rng: np.random.Generator,
    side: int,
    diameter: float,
    *,
    jitter: float = 0.8,
    elongation: float = 0.3,
    aligned: float = 0.0,
    sizes: float = 0.2,
    waviness: float = 0.1,
    missing: float = 0.0,
) -> Territories:
    """Share the image among the seeds of a shaken grid.

    Parameters
    ----------
    diameter
        Mean distance of the seeds, pixels.
    jitter
        How far the seeds leave the grid, of its spacing.
    elongation
        Standard deviation of the logarithm of the ratio of the axes.
    aligned
        How far all cells are turned the same way, 0..1.
    sizes
        Standard deviation of the logarithm of the radius.
    waviness
        Displacement of the borders, of the diameter.
    missing
        Share of places without a seed.
    """
    grid = int(np.ceil(side / diameter)) + 5
    count = grid * grid
    here = np.indices((grid, grid), np.float32) - 2 + rng.uniform(0, 1, (2, 1, 1))
    here[1] += 0.5 * (np.arange(grid) % 2)[:, None]
    seeds = ((here + rng.uniform(-0.5, 0.5, here.shape) * jitter) * diameter).reshape(2, -1).astype(np.float32)
    radii = (0.5 * diameter * np.exp(rng.normal(0, sizes, count + 1))).astype(np.float32)
    stretch = np.abs(rng.normal(0, elongation, count + 1)).astype(np.float32) / 2
    angle = (rng.uniform(0, np.pi) + (1 - aligned) * rng.uniform(-np.pi / 2, np.pi / 2, count + 1)).astype(np.float32)
    # To the own axes: turned, then long or short.
    across = np.stack([np.sin(angle), np.cos(angle)]) / (radii * np.exp(stretch))
    along = np.stack([np.cos(angle), -np.sin(angle)]) / (radii * np.exp(-stretch))
    far = np.zeros(count)
    far[rng.random(count) < missing] = MISSING
    seed = np.stack([*seeds, *across[:, 1:], *along[:, 1:], far], 1).astype(np.float32)
    rows, columns = (np.ascontiguousarray(places) for places in np.indices((side + 1, side + 1), np.float32))
    plain = rows[:side, :side], columns[:side, :side]
    if waviness:
        for places in (rows, columns):
            places += waviness * diameter * smooth_noise(rng, rows.shape, 0.4 * diameter)
    # The border is sought at every pixel only where the nearest seeds of every second or fourth one differ.
    stride = 2 if diameter < 40 else 4
    some = np.s_[::stride, ::stride]
    coarse = _nearest(
        seed, _around(rows[some], columns[some], here[:, 0, 0], grid, diameter), rows[some], columns[some]
    )
    last, first = (np.minimum((np.arange(side) + step) // stride, len(coarse) - 1) for step in (stride - 1, 0))
    corners = [coarse[np.ix_(i, j)] for i in (first, last) for j in (first, last)]
    nearest = corners[0]
    unsure = np.nonzero((corners[1] != nearest) | (corners[2] != nearest) | (corners[3] != nearest))
    candidates = [corner[unsure] for corner in corners]
    nearest[unsure] = _nearest(seed, candidates, rows[unsure], columns[unsure])
    right, down, squared = _place(seed[nearest], *plain)
    # Where all around are missing nobody owns the pixel.
    right[squared >= MISSING] = NOBODY
    return Territories(nearest + 1, right, down, radii, stretch)


def _around(
    rows: Field, columns: Field, offset: NDArray[np.float64], grid: int, diameter: float
) -> list[NDArray[np.int32]]:
    """Number the nine seeds of each place's part of the grid and of the parts beside it."""
    row = np.clip(np.round(rows / diameter - offset[0]).astype(np.int32), 1, grid - 2)
    column = np.clip(np.round(columns / diameter - offset[1] - 0.5 * (row % 2)).astype(np.int32), 1, grid - 2)
    base = row * grid + column
    return [base + i * grid + j for i in (-1, 0, 1) for j in (-1, 0, 1)]


def _nearest(seed: Field, candidates: list[NDArray[np.int32]], rows: Field, columns: Field) -> NDArray[np.int32]:
    nearest = candidates[0].copy()
    best = np.full(rows.shape, np.inf, np.float32)
    for which in candidates:
        squared = _place(seed[which], rows, columns)[2]
        nearer = squared < best
        np.copyto(best, squared, where=nearer)
        np.copyto(nearest, which, where=nearer)
    return nearest


def _place(its: Field, rows: Field, columns: Field) -> tuple[Field, Field, Field]:
    """Place relative to a seed, along its axes, and its squared length."""
    y, x = rows - its[..., 0], columns - its[..., 1]
    right = y * its[..., 2] + x * its[..., 3]
    down = y * its[..., 4] + x * its[..., 5]
    return right, down, right * right + down * down + its[..., 6]


def waves(rng: np.random.Generator, cells: Territories, amplitude: float, most: int = 5) -> Field:
    """(h, w) factor around 1 of each cell's radius in the direction of the pixel, with up to `most` waves around."""
    theta = np.arctan2(cells.down, cells.right)
    out = np.ones_like(theta)
    count = len(cells.radii)
    for frequency in range(2, most + 1):
        height = cells.each(amplitude * rng.normal(0, 1, count) / (frequency - 1))
        out += height * np.cos(frequency * theta + cells.uniform(rng, 0, 6.3))
    return out


def inner(
    rng: np.random.Generator,
    cells: Territories,
    radius: tuple[float, float],
    off: float,
    elongation: float,
    waviness: float = 0.06,
) -> Field:
    """(h, w) distance from the middle of a wavy ellipse in each cell, 1 at its border.

    Parameters
    ----------
    radius
        Smallest and largest, of the cell's.
    off
        How far its middle may lie from that of the cell, of the cell's radius.
    elongation
        Standard deviation of the logarithm of the ratio of the axes.
    waviness
        Amplitude of the outline's waves, of the radius.
    """
    count = len(cells.radii)
    turn, at, away = rng.uniform(0, 2 * np.pi, (3, count))
    away = off * np.sqrt(away / (2 * np.pi))
    # As seen in the picture, not as stretched with the cell: nuclei are rounder than their cells.
    long = cells.each(np.exp(cells.stretch))
    right = (cells.right - cells.each(away * np.cos(at))) * long
    down = (cells.down - cells.each(away * np.sin(at))) / long
    ratio = np.exp(np.abs(rng.normal(0, elongation, count)) / 2)
    size = rng.uniform(*radius, count)
    cosine, sine = np.cos(turn), np.sin(turn)
    first = right * cells.each(cosine / ratio / size) + down * cells.each(sine / ratio / size)
    second = down * cells.each(cosine * ratio / size) - right * cells.each(sine * ratio / size)
    distance = np.hypot(first, second)
    if waviness:
        theta = np.arctan2(second, first)
        for frequency in (2, 3):
            height = cells.each(waviness * rng.normal(0, 1, count))
            distance = distance * (1 + height * np.cos(frequency * theta + cells.uniform(rng, 0, 6.3)))
    return np.asarray(distance, np.float32)
