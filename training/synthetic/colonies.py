"""Bacteria packed side by side: micro-colonies, and the channels of mother machines."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from training.synthetic.camera import photograph, uneven_light
from training.synthetic.shapes import Field, Labels, depth, per_object, smooth_noise, tidy

Generated = tuple[NDArray[np.generic], Labels]

SMALLEST_SHARE = 0.6
"""Of a rod's own area, that must be left of it where two patches of a colony meet."""


@dataclass(frozen=True)
class Rods:
    """Rods in rows, laid end to end.

    Attributes
    ----------
    labels
        (h, w).
    along
        (h, w) distance of each pixel from the middle of its rod along it, in widths.
    lengths
        (h, w) length of each pixel's rod, in widths.
    """

    labels: Labels
    along: Field
    lengths: Field


def rows_of_rods(
    rng: np.random.Generator,
    along: Field,
    row: NDArray[np.int64],
    across: Field,
    length: tuple[float, float],
    filaments: float,
    gap: float,
) -> Rods:
    """Lay rods end to end in every row.

    Parameters
    ----------
    along, across
        (h, w) coordinates in widths: along the rows, and from the middle of each pixel's own row.
    row
        (h, w) which row a pixel lies in.
    length
        Smallest and largest, in widths.
    filaments
        Share of rods that are up to four times as long.
    gap
        Largest distance between two rods of a row, in widths.
    """
    labels = np.zeros(along.shape, np.int32)
    middle, lengths = np.zeros_like(along), np.ones_like(along)
    count = 0
    for number in np.unique(row):
        here = row == number
        places = along[here]
        low, high = places.min(), places.max()
        many = int((high - low) / length[0]) + 3
        long = np.exp(rng.uniform(*np.log(length), many)) * np.where(rng.random(many) < filaments, rng.uniform(2, 4), 1)
        apart = np.minimum(rng.exponential(0.25 * gap, many), gap)
        starts = low - rng.uniform(0, 1) * long[0] + np.concatenate([[0], np.cumsum(long + apart)[:-1]])
        which = np.clip(np.searchsorted(starts, places, side="right") - 1, 0, many - 1)
        at = places - starts[which] - long[which] / 2
        slim = rng.uniform(0.86, 0.97, many)[which]
        # Those about to divide are pinched in the middle, and still one.
        pinched = np.where(rng.random(many) < 0.3, rng.uniform(0, 0.25, many), 0)[which] * np.exp(-((at / 0.35) ** 2))
        beyond = np.maximum(np.abs(at) - (long[which] - slim) / 2, 0)
        inside = np.hypot(beyond, across[here]) < slim / 2 * (1 - pinched)
        labels[here] = np.where(inside, count + 1 + which, 0)
        middle[here], lengths[here] = at, long[which]
        count += many
    return Rods(labels, middle, lengths)


def colony(rng: np.random.Generator, side: int) -> Generated:
    """Rods packed into patches of one direction each: phase contrast with halos, bright field, fluorescence."""
    width = np.exp(rng.uniform(np.log(7), np.log(26)))
    rows, columns = np.mgrid[:side, :side].astype(float)
    patches = int(rng.integers(1, 7))
    seeds = rng.uniform(0, side, (patches, 2))
    noise = np.stack([smooth_noise(rng, (side, side), 3 * width) for _ in range(2)], -1)
    where = np.stack([rows, columns], -1) + width * noise
    patch = cKDTree(seeds).query(where.reshape(-1, 2))[1].reshape(side, side)
    angles = rng.uniform(0, np.pi, patches)[patch]
    reach = width * rng.uniform(4, 12)
    bend = rng.uniform(0.01, 0.045) * reach
    down = (rows + bend * smooth_noise(rng, (side, side), reach)) / width
    right = (columns + bend * smooth_noise(rng, (side, side), reach)) / width
    along = right * np.cos(angles) + down * np.sin(angles)
    across = -right * np.sin(angles) + down * np.cos(angles)
    row = np.floor(across).astype(np.int64)
    length, filaments = (rng.uniform(1.4, 2.5), rng.uniform(3, 6)), rng.choice([0.0, 0.0, 0.15])
    spread = int(np.ptp(row)) + 1
    rods = rows_of_rods(
        rng, along, row - row.min() + patch * spread, across - row - 0.5, length, filaments, rng.uniform(0.05, 0.6)
    )
    labels = _colonies(rng, _whole_ones(rods, width), width)
    return picture_bacteria(rng, labels, rods, width, np.ones((side, side), np.float32))


def channels(rng: np.random.Generator, side: int) -> Generated:
    """A mother machine: rods end to end in parallel channels that are closed at one end and open into a trench."""
    width = np.exp(rng.uniform(np.log(8), np.log(28)))
    rows, columns = np.mgrid[:side, :side].astype(float)
    turn = rng.normal(0, 0.03)
    spacing = rng.uniform(1.5, 7) * width
    across = columns * np.cos(turn) - rows * np.sin(turn) + rng.uniform(0, spacing)
    along = columns * np.sin(turn) + rows * np.cos(turn)
    channel = np.floor(across / spacing).astype(np.int64)
    off = (across / spacing - channel - 0.5) * spacing / width
    length = (rng.uniform(1.4, 2.2), rng.uniform(2.5, 5))
    rods = rows_of_rods(rng, along / width, channel, off, length, rng.choice([0.0, 0.1]), rng.uniform(0, 0.8))
    first, last = side * rng.uniform(-0.3, 0.25), side * rng.uniform(0.55, 1.4)
    filled = rng.uniform(0.5, 1.05, int(np.ptp(channel)) + 1) * (rng.random(int(np.ptp(channel)) + 1) > 0.1)
    end = (first + (last - first) * filled)[channel - channel.min()]
    labels = _kept(rods.labels, (along > first) & (along < end) & (along < last))
    inner = rng.uniform(0.5, 0.75)
    tube = np.clip((inner - np.abs(off)) * width / 2 + 0.5, 0, 1) * np.clip((along - first) / 2 + 1, 0, 1)
    wall = np.exp(-(((np.abs(off) - inner) * width / rng.uniform(1, 3)) ** 2)) * (along > first)
    trench = np.clip((along - last) / rng.uniform(1, 8), 0, 1)
    light = 1 + rng.uniform(-0.35, 0.5) * tube * (1 - trench) + rng.uniform(-0.5, 0.6) * wall * (1 - trench)
    light = light + trench * (rng.uniform(-0.3, 0.8) + 0.1 * smooth_noise(rng, (side, side), width))
    pixels, labels = picture_bacteria(rng, labels, rods, width, np.clip(light, 0.1, None).astype(np.float32))
    turns = int(rng.integers(4))
    return np.ascontiguousarray(np.rot90(pixels, turns)), np.ascontiguousarray(np.rot90(labels, turns))


def _whole_ones(rods: Rods, width: float) -> Labels:
    """Rods of which the borders of patches have left most; the image's border may cut them."""
    areas = np.bincount(rods.labels.ravel())
    own = np.zeros(len(areas))
    own[rods.labels.ravel()] = (rods.lengths.ravel() - 0.2) * 0.9 * width**2
    cut = [rods.labels[0], rods.labels[-1], rods.labels[:, 0], rods.labels[:, -1]]
    own[np.concatenate(cut)] = 0
    return np.where((areas > SMALLEST_SHARE * own)[rods.labels], rods.labels, 0)


def _colonies(rng: np.random.Generator, labels: Labels, width: float) -> Labels:
    """Rods within wavy colonies; seldom all of them."""
    if rng.random() < 0.15:
        return tidy(labels)
    side = len(labels)
    rows, columns = np.ogrid[:side, :side]
    centres = rng.uniform(0.1 * side, 0.9 * side, (int(rng.integers(1, 4)), 2))
    away = np.min([np.hypot(rows - row, columns - column) for row, column in centres], axis=0)
    radius = max(rng.uniform(0.12, 0.5) * side, 1.5 * width)
    kept = _kept(labels, away + 1.5 * width * smooth_noise(rng, (side, side), 4 * width) < radius)
    return kept if kept.any() else tidy(labels)


def _kept(labels: Labels, region: NDArray[np.bool_]) -> Labels:
    """Rods of which most lies in the region."""
    areas = np.bincount(labels.ravel())
    inside = np.bincount(labels[region], minlength=len(areas))
    return tidy(np.where((inside > 0.5 * areas)[labels], labels, 0))


def picture_bacteria(rng: np.random.Generator, labels: Labels, rods: Rods, width: float, light: Field) -> Generated:
    """Fluorescence or phase contrast of bacteria of a width, lit as given."""
    side = len(labels)
    inside = depth(labels)
    body = np.clip(inside / (rng.uniform(0.15, 0.4) * width), 0, 1) * (labels > 0)
    septum = np.exp(-((rods.along / 0.12) ** 2)) * (rods.lengths > 3)
    septum = septum * (per_object(rng, labels, 0, 1) > 0.5) * rng.uniform(0, 0.7)
    tone = per_object(rng, labels, rng.uniform(0.5, 0.95), 1.0)
    way = rng.random()
    if way < 0.25:
        membrane = rng.random() < 0.4
        profile = np.exp(-((inside / rng.uniform(0.8, 0.16 * width + 1)) ** 2)) if membrane else body
        bright = (labels > 0) * profile * tone + septum * (labels > 0) * (0.8 if membrane else -0.6) * profile
        haze = ndimage.gaussian_filter(bright, width * rng.uniform(0.5, 1.5)) * rng.uniform(0, 0.5)
        ideal = np.clip(bright, 0, None) + haze + rng.uniform(0.02, 0.25) * light
        photons = (15.0, 500.0)
    else:
        # The ring of a phase contrast lens lets coarse structures through as their opposite: halos outside,
        # shade-off within, so that a dense colony is paler in its middle.
        pale = rng.uniform(0, 0.6) * np.clip(inside / (0.5 * width) - 0.35, 0, 1)
        dense = body * tone * (1 - pale) * (1 - septum)
        dense = dense.astype(np.float32)
        near = ndimage.gaussian_filter(dense, width * rng.uniform(0.5, 1.0), truncate=3)
        far = ndimage.gaussian_filter(dense, width * rng.uniform(1.5, 4.0), truncate=2.5)
        strength = rng.uniform(0.15, 0.5) if way < 0.85 else rng.uniform(-0.25, -0.08)
        halo = rng.uniform(0.1, 0.7) * near + rng.uniform(0.1, 0.7) * far
        ideal = 0.55 * light - strength * (dense - halo)
        photons = (100.0, 3000.0)
    ideal = np.clip(ideal * uneven_light(rng, side, 0.06), 0.01, None).astype(np.float32)
    return photograph(rng, ideal, (0.5, max(0.8, width / 8)), photons), labels
