"""What lies inside cells in electron micrographs: mitochondria, vesicles, cisternae, droplets."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from training.synthetic.mosaic import Worms, deep_places, within, worms
from training.synthetic.shapes import Field, Labels, blobs, broad_noise, depth, per_object


def place_mitochondria(
    rng: np.random.Generator, hosts: Labels, inside: Field, width: float, count: int, away: float
) -> Worms:
    """Round to long and branched bodies, each inside one host.

    Parameters
    ----------
    hosts, inside
        Labels of the cells, and the depth in them.
    width
        Middle one, pixels.
    count
        How many are tried.
    away
        From the host's border, pixels.
    """
    middles = deep_places(rng, inside, 0.35 * width + away, count)
    many = len(middles)
    wide = width * np.exp(rng.normal(0, rng.uniform(0.05, 0.35), many))
    longest = rng.choice([1.6, 3.0, 7.0])
    long = wide * np.exp(rng.uniform(0, np.log(longest), many))
    branched = rng.choice([0.0, 0.1, 0.4])
    bend, uneven, wavy = rng.uniform(0.05, 0.4), rng.uniform(0, 0.15), rng.uniform(0, 0.1)
    bodies = worms(rng, len(hosts), middles, wide, long, bend, branched, uneven, 0.02, wavy)
    return Worms(within(bodies.labels, hosts, inside, away, 0.6), bodies.along, bodies.across)


def paint_mitochondria(rng: np.random.Generator, bodies: Worms, width: float, cytoplasm: float) -> Field:
    """Grey values inside mitochondria: double membrane, matrix, cristae of one style an image."""
    shape = bodies.labels.shape
    inside = depth(bodies.labels, outside_too=False)
    # Nanometres a pixel set all fine structures at once: what is coarse shows one rim, what is fine two lines.
    thin = max(0.6, width * rng.uniform(0.02, 0.06))
    matrix = cytoplasm + rng.choice([rng.uniform(-0.45, -0.15), rng.uniform(-0.15, 0.15)])
    dark = min(matrix, cytoplasm) - rng.uniform(0.15, 0.35)
    if abs(matrix - cytoplasm) < 0.1:
        # Nothing but the rim shows where they end.
        thin, dark = max(thin, 1.0), dark - 0.15
    shade = np.full(shape, matrix, np.float32) + per_object(rng, bodies.labels, -0.08, 0.08)
    shade += np.float32(rng.uniform(0.01, 0.05)) * broad_noise(rng, shape, max(1.0, thin))
    cristae = _cristae(rng, bodies, width, thin)
    cristae *= np.clip((inside - 2 * thin) / thin, 0, 1) * np.clip(1 + 0.5 * broad_noise(rng, shape, width / 2), 0, 1)
    sign = dark - matrix if rng.random() < 0.65 else rng.uniform(0.05, 0.3)
    shade += np.float32(sign * rng.uniform(0.3, 1)) * cristae
    rim = np.exp(-(((inside - 0.8 * thin) / (0.8 * thin)) ** 2))
    if thin > 1.2:
        rim = np.maximum(rim, np.exp(-(((inside - 3.4 * thin) / (0.7 * thin)) ** 2)))
    strength = rng.uniform(0.6, 1) * np.clip(1 + rng.uniform(0, 0.4) * broad_noise(rng, shape, width / 2), 0.2, 1.2)
    shade += np.float32(dark - matrix) * (rim * strength).astype(np.float32)
    if rng.random() < 0.3:
        granules = (rng.random(shape) > 1 - 2 / width**2).astype(np.float32)
        shade -= np.float32(0.6) * np.clip(ndimage.gaussian_filter(granules, 1.2 * thin) * 8 * thin**2, 0, 1)
    return shade.astype(np.float32)


def _cristae(rng: np.random.Generator, bodies: Worms, width: float, thin: float) -> Field:
    """0..1: plates across, plates along, a maze of tubes, rings of tubes cut across, or next to none."""
    shape = bodies.labels.shape
    period = max(3.0, thin * rng.uniform(3.5, 7))
    wave = broad_noise(rng, shape, period * 2)
    style = rng.choice(["across", "along", "maze", "tubes", "none"], p=[0.4, 0.15, 0.2, 0.15, 0.1])
    if style == "none":
        return np.zeros(shape, np.float32)
    if style == "across":
        phase = bodies.along / period + rng.uniform(0.1, 0.35) * wave + per_object(rng, bodies.labels, 0, 1)
        number = np.floor(phase).astype(int) % 61
        # Each plate grows from one side and ends somewhere.
        side, far = rng.choice([-1.0, 1.0], 61), rng.uniform(-0.6, 1.1, 61)
        reached = bodies.across * side[number] < far[number]
        line = np.abs(phase - np.floor(phase) - 0.5)
        return np.asarray(np.clip(1.4 - line * period / (0.8 * thin), 0, 1) * reached, np.float32)
    if style == "along":
        phase = bodies.across * (0.5 * width / period) + rng.uniform(0.1, 0.4) * wave
        line = np.abs(phase - np.rint(phase))
        return np.asarray(np.clip(1.4 - line * period / (0.8 * thin), 0, 1), np.float32)
    field = broad_noise(rng, shape, 0.8 * period)
    if style == "maze":
        return np.asarray(np.clip(1.3 - np.abs(field) * rng.uniform(2, 4), 0, 1), np.float32)
    return np.asarray(np.clip(1.3 - np.abs(field - 1) * 3.5, 0, 1), np.float32)


def vesicles(rng: np.random.Generator, shape: tuple[int, int], radius: float, density: Field) -> Field:
    """Dark rings with pale middles, or dark dots if small: 0..1 dark, where the density is."""
    places = (rng.random(shape, np.float32) < density * np.float32(0.12 / radius**2)).astype(np.float32)
    outer = ndimage.gaussian_filter(places, radius, truncate=2.5)
    inner = ndimage.gaussian_filter(places, 0.55 * radius, truncate=2.5) if radius > 1.5 else 0
    rings = outer * (6.3 * radius**2) - np.float32(rng.uniform(0.5, 1.1)) * inner * (6.3 * 0.3 * radius**2)
    return np.asarray(np.clip(rings, -0.2, 1), np.float32)


def cisternae(rng: np.random.Generator, shape: tuple[int, int], scale: float, thin: float) -> Field:
    """Thin curved double lines of the endoplasmic reticulum, here and there: 0..1 dark."""
    field = broad_noise(rng, shape, scale)
    off = np.abs(np.abs(field) * scale * np.float32(0.8) - np.float32(1.2 * thin))
    here = np.clip(2 * broad_noise(rng, shape, scale * rng.uniform(0.6, 1.5)) - rng.uniform(0, 1.5), 0, 1)
    return np.asarray(np.clip(1.3 - off / np.float32(0.8 * thin), 0, 1) * here, np.float32)


def droplets(
    rng: np.random.Generator, ideal: Field, free: NDArray[np.bool_], radius: float, count: int
) -> tuple[Field, NDArray[np.bool_]]:
    """Put lipid droplets, lysosomes and vacuoles where it is free: round, even or mottled, dark, grey or white."""
    side = len(ideal)
    round_ones = blobs(rng, side, count, (0.3 * radius, radius), 0.15, 0.03, 0.0)
    hit = np.bincount(round_ones[~free], minlength=round_ones.max() + 1) > 0
    hit[0] = True
    round_ones = np.where(hit[round_ones], 0, round_ones)
    if not round_ones.any():
        return ideal, round_ones > 0
    inside = depth(round_ones, outside_too=False)
    tone = per_object(rng, round_ones, *rng.choice([(0.0, 0.2), (0.1, 0.5), (0.6, 1.0), (0.0, 1.0)]))
    tone += rng.choice([0.0, rng.uniform(0, 0.15)]) * broad_noise(rng, (side, side), max(1.5, 0.3 * radius))
    tone -= rng.choice([0.0, rng.uniform(0.1, 0.5)]) * np.exp(-((inside / rng.uniform(0.8, 2)) ** 2))
    return np.where(round_ones > 0, tone, ideal).astype(np.float32), round_ones > 0
