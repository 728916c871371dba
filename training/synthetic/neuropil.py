"""Electron micrographs of brains: neurites of very mixed calibre, and the mitochondria in them and in other cells."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from training.synthetic.camera import photograph, uneven_light
from training.synthetic.mosaic import mosaic
from training.synthetic.organelles import (
    cisternae,
    droplets,
    paint_mitochondria,
    place_mitochondria,
    vesicles,
)
from training.synthetic.shapes import Field, Labels, broad_noise, depth, per_object

Generated = tuple[NDArray[np.generic], Labels]


def neuropil(rng: np.random.Generator, side: int) -> Generated:
    """Neurites with their membranes; the organelles inside belong to them. The border is mid-membrane.

    In a fifth of the images the membrane is left out, as some annotators do.
    """
    diameter = np.exp(rng.uniform(np.log(16), np.log(90)))
    side = min(side, max(256, int(10 * diameter)))
    labels = _neurites(rng, side, diameter)
    inside = depth(labels)
    thickness = float(np.clip(diameter * rng.uniform(0.025, 0.065), 0.8, 4))
    ideal, pale = _cytoplasm(rng, labels, diameter, thickness)
    if rng.random() < 0.35:
        ideal = _nucleus(rng, ideal, inside, diameter)
    ideal = _with_mitochondria(rng, ideal, labels, inside, diameter, thickness, pale)
    ideal = _membrane(rng, ideal, labels, inside, diameter, thickness)
    if rng.random() < 0.2:
        labels = np.where(inside > 0.8 * thickness, labels, 0)
    return _section(rng, ideal, diameter), labels


def mitochondria(rng: np.random.Generator, side: int) -> Generated:
    """Mitochondria of 12 to 200 pixels among membranes, cisternae, vesicles and droplets, which are no objects."""
    width = np.exp(rng.uniform(np.log(9), np.log(80)))
    side = min(side, max(256, int(10 * width)))
    diameter = width * rng.uniform(2.2, 8)
    hosts = _neurites(rng, side, diameter)
    inside = depth(hosts)
    thickness = float(np.clip(width * rng.uniform(0.03, 0.1), 0.8, 4))
    ideal, pale = _cytoplasm(rng, hosts, diameter, thickness)
    if rng.random() < 0.5:
        thin = max(0.8, 0.04 * width)
        ideal -= np.float32(rng.uniform(0.1, 0.4)) * cisternae(rng, (side, side), width * rng.uniform(0.8, 2), thin)
    if rng.random() < 0.3:
        ideal = _nucleus(rng, ideal, inside, diameter)
    count = int(rng.uniform(0.15, 1.0) * (side / width) ** 2 / 3) + 3
    bodies = place_mitochondria(rng, hosts, inside, width, min(count, 90), thickness + 0.5)
    if not bodies.labels.any():
        # No cell had room: they lie wherever they want.
        anywhere = np.ones_like(hosts)
        bodies = place_mitochondria(rng, anywhere, np.full(hosts.shape, side, np.float32), width, 8, 0)
    painted = paint_mitochondria(rng, bodies, width, pale)
    if rng.random() < 0.5:
        free = (bodies.labels == 0) & (inside > thickness)
        ideal, _ = droplets(rng, ideal, free, width * rng.uniform(0.3, 1.0), int(rng.integers(3, 30)))
    ideal = _membrane(rng, ideal, hosts, inside, diameter, thickness)
    ideal = np.where(bodies.labels > 0, painted, ideal)
    return _section(rng, ideal, width), bodies.labels


def _neurites(rng: np.random.Generator, side: int, diameter: float) -> Labels:
    labels = mosaic(rng, side, diameter, rng.uniform(0.25, 0.8), rng.uniform(0.2, 1.3), rng.uniform(0.05, 0.16))
    if rng.random() < 0.5:
        # Some neighbours are joined: profiles with arms and bays.
        pairs = np.stack([labels[:, :-1].ravel(), labels[:, 1:].ravel()], 1)
        codes = pairs[pairs[:, 0] != pairs[:, 1]] @ (labels.max() + 1, 1)
        pairs = np.column_stack(np.divmod(np.unique(codes), labels.max() + 1))
        parent = np.arange(labels.max() + 1)
        for first, second in pairs[rng.random(len(pairs)) < 0.04]:
            parent[parent == parent[second]] = parent[first]
        numbers = np.cumsum(np.bincount(parent[1:]) > 0)
        labels = numbers[parent][labels].astype(np.int32)
    return labels


def _cytoplasm(rng: np.random.Generator, labels: Labels, diameter: float, thickness: float) -> tuple[Field, float]:
    """Grey of the cells with ribosomes, microtubules and vesicles; and the middle one of it."""
    shape = labels.shape
    pale = rng.uniform(0.55, 0.85)
    spread = rng.choice([0.02, 0.06, 0.15])
    ideal = pale + per_object(rng, labels, -spread, spread)
    if rng.random() < 0.3:
        # Some processes are darker than the rest: glia, or dying ones.
        ideal -= np.float32(rng.uniform(0.1, 0.3)) * (per_object(rng, labels, 0, 1) > 0.85)
    ideal += np.float32(rng.uniform(0.01, 0.06)) * broad_noise(rng, shape, rng.uniform(1.2, 2.5))
    ideal += np.float32(rng.uniform(0, 0.04)) * broad_noise(rng, shape, max(2.0, diameter * rng.uniform(0.1, 0.3)))
    fine = max(0.7, 0.5 * thickness)
    if rng.random() < 0.6:
        # Microtubules cut across: dots, in some of the profiles.
        dots = vesicles(rng, shape, fine, (per_object(rng, labels, -1, 1)).clip(0, 1))
        ideal -= np.float32(rng.uniform(0.1, 0.4)) * dots
    if rng.random() < 0.5:
        density = np.clip(broad_noise(rng, shape, diameter / 2) - rng.uniform(0.2, 1), 0, 1)
        density *= per_object(rng, labels, -1, 1).clip(0, 1)
        radius = max(0.9, thickness * rng.uniform(0.7, 1.6))
        ideal -= np.float32(rng.uniform(0.15, 0.5)) * vesicles(rng, shape, radius, density * rng.uniform(1, 4))
    if rng.random() < 0.3:
        lines = cisternae(rng, shape, max(8.0, 0.6 * diameter), max(0.7, 0.5 * thickness))
        ideal -= np.float32(rng.uniform(0.1, 0.4)) * lines * (per_object(rng, labels, 0, 1) > 0.5)
    return ideal.astype(np.float32), pale


def _nucleus(rng: np.random.Generator, ideal: Field, inside: Field, diameter: float) -> Field:
    """Nuclei in the largest profiles, with an envelope and clumps of chromatin."""
    edge = max(0.45 * diameter, rng.uniform(0.35, 0.7) * float(inside.max()))
    # Envelopes are round even where the cell has corners.
    away = (
        ndimage.gaussian_filter(inside, 0.15 * edge, truncate=2)
        - edge
        + 0.1 * edge * broad_noise(rng, inside.shape, edge)
    )
    if away.max() < 0.3 * edge:
        return ideal
    clumps = np.clip(
        broad_noise(rng, inside.shape, max(2.0, edge * rng.uniform(0.05, 0.25))) - rng.uniform(-0.5, 1), 0, 1
    )
    nucleus = ideal + rng.uniform(-0.15, 0.1) - rng.uniform(0.05, 0.3) * clumps
    ideal = np.where(away > 0, nucleus, ideal)
    line = np.exp(-((away / max(1.0, 0.02 * edge)) ** 2))
    return np.asarray(ideal - rng.uniform(0.2, 0.45) * line, np.float32)


def _with_mitochondria(
    rng: np.random.Generator,
    ideal: Field,
    labels: Labels,
    inside: Field,
    diameter: float,
    thickness: float,
    pale: float,
) -> Field:
    width = max(6.0, diameter * rng.uniform(0.2, 0.6))
    count = int(rng.uniform(0.03, 0.25) * labels.max() * 2) + int(rng.integers(0, 6))
    bodies = place_mitochondria(rng, labels, inside, width, min(count, 60), thickness)
    if not bodies.labels.any():
        return ideal
    return np.where(bodies.labels > 0, paint_mitochondria(rng, bodies, width, pale), ideal)


def _membrane(
    rng: np.random.Generator, ideal: Field, labels: Labels, inside: Field, diameter: float, thickness: float
) -> Field:
    """Dark lines along the borders: single or with a pale cleft, smeared where oblique, thick at synapses."""
    shape = labels.shape
    contrast = rng.uniform(0.2, 0.65)
    tilt = broad_noise(rng, shape, diameter * rng.uniform(0.3, 1))
    oblique = np.clip(tilt - rng.uniform(0.6, 1.8), 0, 1.5)
    # The same membrane through a section of finite thickness: wider, and paler in return.
    wide = thickness * (1 + np.float32(rng.uniform(0.5, 3)) * oblique)
    cleft = rng.choice([0.0, 0.9]) * thickness * (thickness > 1.6)
    line = np.exp(-(((inside - 0.5 - cleft) / wide) ** 2)) * (thickness / wide) ** np.float32(rng.uniform(0.2, 1))
    line *= np.clip(1 + rng.uniform(0, 0.35) * broad_noise(rng, shape, rng.uniform(3, max(4, diameter / 2))), 0.15, 1.3)
    ideal = ideal - contrast * line
    if rng.random() < 0.5:
        # Densities of synapses lie on one side of the membrane.
        where = np.clip(broad_noise(rng, shape, max(4.0, diameter / 3)) - rng.uniform(1.2, 2), 0, 0.4) * 2.5
        thick = np.exp(-((inside / (thickness * rng.uniform(2, 4))) ** 2)) * (per_object(rng, labels, 0, 1) > 0.5)
        ideal = ideal - rng.uniform(0.3, 0.8) * where * thick
    return ideal.astype(np.float32)


def _section(rng: np.random.Generator, ideal: Field, scale: float) -> NDArray[np.generic]:
    """Contrast of the stain, folds, precipitate, knife marks; then the camera."""
    side = len(ideal)
    gain = np.exp(np.clip(rng.normal(-0.1, 0.4), -0.8, 0.8))
    ideal = np.clip(0.5 + gain * (ideal - ideal.mean()), 0.02, 1.3)
    if rng.random() < 0.2:
        ideal = ideal / (1 + np.exp(-8 * (ideal - 0.4)))
    rows, columns = np.ogrid[:side, :side]
    angle = rng.uniform(0, np.pi)
    if rng.random() < 0.12:
        off = rows * np.cos(angle) + columns * np.sin(angle) - rng.uniform(0.2, 0.8) * side
        off = off + rng.uniform(2, 12) * broad_noise(rng, (side, side), side / 4)
        ideal = ideal * (1 - rng.uniform(0.2, 0.6) * np.exp(-((off / rng.uniform(2, 12)) ** 2)))
    if rng.random() < 0.15:
        spots = broad_noise(rng, (side, side), rng.uniform(3, max(4, scale / 5))) > rng.uniform(2.6, 3.4)
        ideal = np.where(spots, ideal * rng.uniform(0.1, 0.6), ideal)
    if rng.random() < 0.15:
        marks = broad_noise(rng, (side, side), rng.uniform(1.5, 8))[:, :1]
        marks = marks if rng.random() < 0.5 else marks.T
        ideal = ideal + rng.uniform(0.01, 0.04) * marks
    ideal = np.clip(ideal * uneven_light(rng, side, rng.uniform(0, 0.09)), 0.01, 1.5)
    if rng.random() < 0.08:
        # Back-scattered electrons, not inverted.
        ideal = 1.05 - np.minimum(ideal, 1)
    blurred = (0.3, float(np.clip(scale / 25, 0.8, 2.2)))
    return photograph(rng, ideal.astype(np.float32), blurred, (40, 2000))
