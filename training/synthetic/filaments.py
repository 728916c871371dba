"""Bacteria that bend: filaments with septa, chains of short cells, dense lawns of very small ones."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from training.synthetic.camera import photograph, uneven_light
from training.synthetic.colonies import Rods, picture_bacteria
from training.synthetic.mosaic import Worms, worms
from training.synthetic.shapes import Field, Labels, broad_noise, depth, per_object, tidy

Generated = tuple[NDArray[np.generic], Labels]


def filaments(rng: np.random.Generator, side: int) -> Generated:
    """Phase contrast, defocused bright field, stained membranes and stained cytoplasm of bent bacteria."""
    form = rng.choice(["filaments", "chains", "lawn", "single"], p=[0.25, 0.25, 0.3, 0.2])
    width = np.exp(rng.uniform(np.log(5.5), np.log(13 if form == "lawn" else 24)))
    side = min(side, max(256, int(24 * width)))
    bodies = _bodies(rng, side, form, width)
    labels, to_septum = bodies.labels, None
    if form == "chains" or rng.random() < 0.3:
        labels, to_septum = _cut(rng, bodies, width, rng.uniform(1.0, 3.5))
    if rng.random() < 0.5:
        rods = _as_rods(labels, bodies, width)
        return picture_bacteria(rng, labels, rods, width, np.ones((side, side), np.float32))
    septa = np.zeros((side, side), np.float32)
    if rng.random() < 0.6:
        # Walls that do not divide a cell yet.
        phase = bodies.along / (width * rng.uniform(1.5, 4)) + per_object(rng, bodies.labels, 0, 1)
        septa = np.exp(-((((phase % 1) - 0.5) * width * 2.5 / rng.uniform(0.8, 1.6)) ** 2)).astype(np.float32)
        septa *= per_object(rng, labels, 0, 1) > 0.4
    if to_septum is not None:
        septa = np.maximum(septa, np.exp(-((to_septum / 1.2) ** 2)))
    if rng.random() < 0.5:
        return _stained(rng, labels, septa, width), labels
    return _defocused(rng, labels, septa, width, 0.1 if to_septum is None else 0.3), labels


def _bodies(rng: np.random.Generator, side: int, form: str, width: float) -> Worms:
    shortest, longest = {"filaments": (8, 40), "chains": (4, 18), "lawn": (1.6, 5), "single": (1.4, 9)}[form]
    room = rng.uniform(0.7, 1.6) if form == "lawn" else rng.uniform(0.05, 0.7)
    mean = 0.6 * np.sqrt(shortest * longest)
    count = int(np.clip(room * (side / width) ** 2 / mean, 3, 320))
    middles = rng.uniform(0, side, (count, 2))
    if rng.random() < 0.4:
        # A micro-colony, around some middles.
        around = rng.uniform(0.2 * side, 0.8 * side, (int(rng.integers(1, 4)), 2))
        reach = max(1.2 * width, rng.uniform(0.06, 0.2) * side)
        middles = around[rng.integers(len(around), size=count)] + rng.normal(0, reach, (count, 2))
    alike = rng.choice([0.15, 0.5, 3.0])
    field = rng.uniform(0, np.pi) + rng.uniform(0, 1.5) * broad_noise(rng, (side, side), max(8 * width, side / 6))
    places = np.clip(middles, 0, side - 1).astype(int)
    turns = field[places[:, 0], places[:, 1]] + rng.normal(0, alike, count)
    widths = width * np.exp(rng.normal(0, 0.07, count))
    lengths = widths * np.exp(rng.uniform(np.log(shortest), np.log(longest), count))
    bend = rng.uniform(0.02, 0.2) if form in ("filaments", "chains") else rng.uniform(0.02, 0.3)
    overlap = rng.choice([0.02, 0.12])
    bodies = worms(rng, side, middles, widths, lengths, bend, 0.0, rng.choice([0.0, 0.08]), overlap, turns=turns)
    return Worms(tidy(bodies.labels), bodies.along, bodies.across)


def _cut(rng: np.random.Generator, bodies: Worms, width: float, period: float) -> tuple[Labels, Field]:
    """Cells of chains, pinched where they meet, and the distance to that place, pixels."""
    shape = bodies.labels.shape
    # Divisions are uneven: the way along a chain is stretched here and there.
    stretch = (
        rng.uniform(0, 0.5) * period * np.sin(bodies.along / (period * width) + per_object(rng, bodies.labels, 0, 6))
    )
    phase = bodies.along / (period * width) + stretch / (2 * period) + per_object(rng, bodies.labels, 0, 1)
    number = np.floor(phase).astype(np.int64) + 2
    away = np.abs(phase - np.rint(phase)) * period * width
    pinched = rng.uniform(0, 1.0) * np.exp(-((away / (0.25 * width)) ** 2))
    gap = rng.choice([0.0, rng.uniform(0, 0.6)])
    kept = (bodies.labels > 0) & (np.abs(bodies.across) < 1 - pinched) & (away > gap)
    codes = np.where(kept, bodies.labels * (number.max() + 1) + number, 0)
    areas = np.bincount(codes.ravel())
    names = np.cumsum(areas >= max(15, 0.25 * width**2)) * (areas >= max(15, 0.25 * width**2))
    names[0] = 0
    labels = tidy(names[codes].astype(np.int32).reshape(shape))
    return labels, away.astype(np.float32)


def _as_rods(labels: Labels, bodies: Worms, width: float) -> Rods:
    """Where along each cell its pixels lie."""
    owners, along = labels[labels > 0], bodies.along[labels > 0]
    high, low = np.zeros(labels.max() + 1, np.float32), np.full(labels.max() + 1, 1e6, np.float32)
    np.maximum.at(high, owners, along)
    np.minimum.at(low, owners, along)
    middle, length = ((high + low) / 2)[labels], (high - low)[labels]
    return Rods(labels, ((bodies.along - middle) / width).astype(np.float32), (length / width).astype(np.float32))


def _stained(rng: np.random.Generator, labels: Labels, septa: Field, width: float) -> NDArray[np.generic]:
    """Fluorescent membranes, or cytoplasm that is darker at septa; some cells dim, haze of the others."""
    side = len(labels)
    inside = depth(labels, outside_too=False)
    tone = per_object(rng, labels, rng.uniform(0.15, 0.8), 1.0)
    if rng.random() < 0.6:
        thin = rng.uniform(0.7, 0.12 * width + 0.9)
        bright = np.maximum(np.exp(-(((inside - 0.8) / thin) ** 2)), rng.uniform(0.3, 1.2) * septa)
        bright = bright + rng.uniform(0, 0.4)
        spots = np.clip(broad_noise(rng, labels.shape, 0.3 * width + 1), 0, 2)
        bright = bright * (1 + rng.uniform(0, 0.4) * spots)
    else:
        bright = np.clip(inside / (rng.uniform(0.1, 0.45) * width), 0, 1) * (1 - rng.uniform(0.2, 0.8) * septa)
        # Nucleoids, or protein in patches.
        patches = broad_noise(rng, labels.shape, rng.uniform(0.4, 1.5) * width)
        bright = bright * np.clip(1 + rng.uniform(0, 0.5) * patches, 0.2, None)
    bright = (bright * tone * (labels > 0)).astype(np.float32)
    haze = ndimage.gaussian_filter(bright, width * rng.uniform(0.4, 1.5), truncate=2.5)
    ideal = bright + rng.uniform(0, 0.8) * haze + rng.uniform(0.02, 0.3)
    ideal = (ideal * uneven_light(rng, side, 0.1)).astype(np.float32)
    return photograph(rng, ideal, (0.5, max(0.9, width / 7)), (10.0, 500.0))


def _defocused(
    rng: np.random.Generator, labels: Labels, septa: Field, width: float, least: float
) -> NDArray[np.generic]:
    """Faint cells with fringes around them, darker or brighter within by at least so much; grain of the medium."""
    side = len(labels)
    inside = depth(labels)
    own = rng.uniform(0.5, 1.1) * width / 2
    body = (
        np.clip(inside / own, 0, 1)
        * per_object(rng, labels, rng.uniform(0.6, 1), 1.0)
        * (1 - rng.uniform(least, 0.8) * septa)
    )
    sign = rng.choice([-1.0, -1.0, 1.0])
    ideal = sign * rng.uniform(least - 0.1, least + 0.2) * body
    # Fringes outside alternate and fade.
    ring, fade = rng.uniform(0.25, 0.8) * width, rng.uniform(0.3, 1.2) * width
    at = np.clip(-inside, 0, None)
    fringes = np.cos(np.pi * (at / ring - rng.uniform(0.4, 1))) * np.exp(-at / fade) * (inside < 0.5)
    ideal = ideal - sign * rng.uniform(0.05, 0.3) * fringes
    line = np.exp(-(((inside - rng.uniform(0, 0.15) * width) / (0.08 * width + 0.7)) ** 2))
    ideal = ideal + rng.choice([-1.0, 1.0]) * rng.choice([0.0, rng.uniform(0.05, 0.3)]) * line
    ideal = ideal - 0.6 * ndimage.gaussian_filter(ideal, width * rng.uniform(1.5, 4), truncate=2)
    dust = broad_noise(rng, labels.shape, rng.uniform(1.5, width))
    ideal = 0.55 + np.exp(rng.uniform(np.log(0.25), 0)) * ideal + rng.uniform(0, 0.02) * dust
    ideal = np.clip(ideal * uneven_light(rng, side, rng.uniform(0, 0.06)), 0.02, None).astype(np.float32)
    return photograph(rng, ideal, (0.4, max(0.8, width / 7)), (150.0, 5000.0))
