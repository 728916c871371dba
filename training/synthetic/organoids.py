"""Organoids, spheroids, oocytes and embryos in bright field and phase contrast."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from training.synthetic.camera import photograph, uneven_light
from training.synthetic.shapes import Field, Labels, depth, smooth_noise, tidy
from training.synthetic.territories import Territories, inner, territories, waves

Generated = tuple[NDArray[np.generic], Labels]


def organoids(rng: np.random.Generator, side: int) -> Generated:
    """Round or budding bodies of very different sizes: cysts, dense ones, eggs in their zona; some out of focus."""
    spacing = float(np.exp(rng.uniform(np.log(34), np.log(290))))
    eggs = rng.random() < 0.2
    labels, drawn, owner = _layer(rng, side, spacing, eggs, rng.choice([0.0, rng.uniform(0, 0.6)]))
    if rng.random() < 0.4:
        # Others lie partly above them and let the light through; what both cover belongs to the upper.
        upper, shown, _ = _layer(rng, side, spacing * rng.uniform(0.6, 1.2), eggs, rng.uniform(0.5, 0.9))
        areas = np.bincount(labels.ravel())
        hidden = np.bincount(labels[upper > 0], minlength=len(areas)) > rng.uniform(0.1, 0.4) * areas
        hidden[0] = False
        # Their halos go with them.
        gone = np.zeros(owner.max() + 1, bool)
        gone[owner[hidden[labels]]] = True
        drawn = np.where(gone[owner], 0, drawn) + shown
        labels = tidy(np.where(upper > 0, upper + len(areas), np.where(hidden[labels], 0, labels)).astype(np.int32))
    contrast = np.exp(rng.uniform(np.log(0.15), np.log(0.5)))
    ground = rng.uniform(0, 0.12) * smooth_noise(rng, (side, side), rng.uniform(2, 12))
    if rng.random() < 0.5:
        # Single cells and debris in the gel.
        specks = (rng.random((side, side)) < rng.uniform(0, 0.001)).astype(np.float32)
        specks = ndimage.gaussian_filter(specks, rng.uniform(0.8, 2.5))
        ground = ground + float(rng.choice([-1, 1])) * rng.uniform(0.3, 1) * specks / max(float(specks.max()), 1e-6)
    if rng.random() < 0.3:
        shade = smooth_noise(rng, (side, side), spacing)
        ground = ground + rng.uniform(0, 0.15) * shade
    sign = float(rng.choice([1.0, -1.0], p=(0.88, 0.12)))
    ideal = np.clip(rng.uniform(0.45, 0.75) + sign * contrast * (drawn + ground), 0.02, 1.5)
    ideal = ideal * uneven_light(rng, side, rng.uniform(0, 0.08))
    blur = (0.4, float(np.clip(spacing / 40, 0.8, 1.8)))
    pixels = photograph(rng, ideal.astype(np.float32), blur, (300, 10000))
    if rng.random() < 0.2:
        # A colour camera sees grey with a tint.
        tint = np.array([1, 1, 1]) - rng.uniform(0, 0.2, 3)
        light = pixels / np.percentile(pixels[::4, ::4], 99.5) * rng.uniform(0.7, 1)
        return (255 * np.clip(light[..., None] * tint, 0, 1)).astype(np.uint8), labels
    return pixels, labels


def _layer(
    rng: np.random.Generator, side: int, spacing: float, eggs: bool, missing: float
) -> tuple[Labels, Field, Labels]:
    """Bodies that do not overlap, how much each pixel differs from the background, and whose territory it is."""
    cells = territories(
        rng,
        side,
        spacing,
        jitter=rng.uniform(0.7, 1),
        elongation=rng.choice([0.08, 0.3]),
        sizes=rng.uniform(0.05, 0.25),
        waviness=rng.choice([0.0, rng.uniform(0, 0.05)]),
        missing=missing if spacing < side / 3 else 0.0,
    )
    count = len(cells.radii)
    # Mostly too small to touch, and then as round as they want to be.
    largest = float(rng.choice([0.8, 1.1], p=(0.75, 0.25)))
    smallest = largest * (rng.uniform(0.75, 0.95) if eggs else rng.uniform(0.3, 0.95))
    radius = np.exp(rng.uniform(np.log(smallest), np.log(largest), count)).astype(np.float32)
    reach = cells.distance / (cells.each(radius) * waves(rng, cells, 0.01 if eggs else rng.uniform(0.01, 0.13), 6))
    if not eggs and rng.random() < 0.35:
        for _ in range(int(rng.integers(1, 4))):
            budding = cells.each(rng.random(count) < rng.uniform(0.2, 0.9)) > 0
            bud = inner(rng, cells, (0.4 * smallest, 0.4 * largest), 0.9 * largest, 0.2)
            reach = np.where(budding, np.minimum(reach, bud), reach)
    labels = cells.within(reach < 1)
    inside = depth(labels)
    drawn = _eggs(rng, cells, inside, reach) if eggs else _bodies(rng, cells, inside, reach)
    if rng.random() < 0.6:
        # Some lie above or below the plane in focus.
        blurred = _softened(drawn, rng.uniform(1.5, max(2.0, 0.05 * spacing)))
        away = cells.each(rng.random(count) < rng.uniform(0, 0.6)) > 0
        drawn = np.where(away, blurred, drawn)
    return labels, drawn, cells.labels


def _softened(image: Field, sigma: float) -> Field:
    """Blur of every second pixel, as wide ones take long."""
    small = ndimage.gaussian_filter(ndimage.uniform_filter(image, 2)[::2, ::2], sigma / 2)
    return np.repeat(np.repeat(small, 2, 0), 2, 1)[: len(image), : len(image)]


def _bodies(rng: np.random.Generator, cells: Territories, inside: Field, reach: Field) -> Field:
    """Cysts with a bright lumen, bodies that are dark throughout and all between, around 0 outside."""
    side, count = len(inside), len(cells.radii)
    mean = float(cells.radii.mean())
    deep = np.clip(1 - reach, 0, 1)
    # 0 is a cyst, 1 a dense body; the older ones of an image are denser.
    dense = cells.each(np.clip(rng.uniform(-0.2, 1.2) + rng.normal(0, rng.uniform(0.05, 0.5), count), 0, 1))
    wall = rng.uniform(0.04, 0.35) * mean + 1
    rim = np.exp(-(((inside - 0.3 * wall) / (0.5 * wall)) ** 2))
    thin = np.exp(-(((inside - 1) / rng.uniform(0.8, 0.03 * mean + 1.2)) ** 2))
    halo = np.exp(-((inside + 1.5) ** 2) / (2 * rng.uniform(1, 0.06 * mean + 1.2) ** 2)) * (inside < 0)
    inner_line = np.exp(-(((inside - wall) / rng.uniform(0.8, 0.04 * mean + 1.2)) ** 2))
    fine = smooth_noise(rng, (side, side), rng.uniform(1.2, 3.5))
    coarse = smooth_noise(rng, (side, side), max(3.0, mean * rng.uniform(0.08, 0.3)))
    lumen = np.clip((inside - wall) / (0.4 * wall + 1), 0, 1)
    debris = np.clip(coarse - 0.7, 0, 1.5) * lumen * cells.uniform(rng, 0, 1)
    within = inside > 0
    cyst = -rng.uniform(0.3, 1.2) * rim + rng.uniform(-0.15, 0.5) * lumen + rng.uniform(-0.2, 0.6) * inner_line
    cyst = cyst - rng.uniform(0, 1.0) * debris
    body = -(np.clip(deep * rng.uniform(1.5, 6), 0, 1) ** rng.uniform(0.5, 1.2)) * rng.uniform(0.5, 1.3)
    drawn = (1 - dense) * cyst + dense * body - rng.uniform(0, 0.6) * thin
    grain = rng.uniform(0.03, 0.25) * fine + rng.uniform(0, 0.25) * coarse
    drawn = (drawn + grain * np.maximum(dense, rim)) * cells.uniform(rng, rng.uniform(0.35, 0.9), 1.0)
    return np.where(within, drawn, rng.uniform(-0.2, 0.8) * halo).astype(np.float32)


def _eggs(rng: np.random.Generator, cells: Territories, inside: Field, reach: Field) -> Field:
    """Granular eggs, whole or cleft, within a clear zona that belongs to them."""
    side, count = len(inside), len(cells.radii)
    mean = float(cells.radii.mean())
    shape = (side, side)
    zona = rng.uniform(0.1, 0.2)
    line = rng.uniform(0.8, 0.025 * mean + 1.0)
    outer = np.exp(-(((inside - 1) / line) ** 2))
    inner_edge = np.exp(-(((1 - reach - zona) * mean / line) ** 2))
    plasm = inner(rng, cells, (0.72 - zona / 2, 0.97 - zona), 0.06, 0.05, 0.02)
    if rng.random() < 0.5:
        # Blastomeres: several discs within the zona.
        plasm = np.minimum.reduce(
            [inner(rng, cells, (0.28, 0.48), 0.42, 0.15, 0.02) for _ in range(int(rng.integers(2, 5)))]
        )
    plasm = np.where(1 - reach < 0.7 * zona, 2, plasm)
    body = np.clip((1 - plasm) * 0.5 * mean, 0, 1)
    edge = np.exp(-(((1 - plasm) * mean / (1.5 * line)) ** 2))
    grain = smooth_noise(rng, shape, rng.uniform(1.2, max(2.0, 0.06 * mean)))
    tone = cells.each(rng.uniform(-0.5, 0.2) + rng.normal(0, 0.1, count))
    drawn = tone * body + rng.uniform(0.05, 0.3) * grain * body - rng.uniform(0.2, 0.8) * edge
    drawn = drawn + rng.uniform(-0.1, 0.4) * (1 - body) * (inside > 0)
    drawn = drawn - rng.uniform(0.3, 1.0) * outer - rng.uniform(0.1, 0.8) * inner_edge
    halo = np.exp(np.minimum(inside, 0) / rng.uniform(1, 0.06 * mean + 1.5))
    return np.where(inside > 0, drawn, rng.uniform(0, 0.6) * halo).astype(np.float32)
