"""Transmitted light: bacteria, budding yeast, rings with halos, DIC shading."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from training.synthetic.camera import photograph, uneven_light
from training.synthetic.shapes import Field, Labels, blob, blobs, capsules, depth, per_object, smooth_noise, tidy

Generated = tuple[NDArray[np.generic], Labels]


def rods(rng: np.random.Generator, side: int) -> Generated:
    """Bacteria: dark rods with halos (phase contrast) or bright ones (fluorescence), single, in chains, in colonies."""
    width = np.exp(rng.uniform(np.log(7), np.log(26)))
    filaments = rng.random() < 0.3
    length = (4.0, 16.0) if filaments else (1.3, 5.0)
    count = int(rng.uniform(0.3, 2.5) * (side / width) ** 2 / (30 if filaments else 8)) + 4
    labels = capsules(rng, side, min(count, 400), width, length, rng.choice([0.1, 0.5, 1.5]), rng.uniform(0.2, 0.9))
    inside = depth(labels)
    if rng.random() < 0.5:
        profile = np.clip(inside / (0.35 * width), 0, 1) ** rng.uniform(0.3, 1) * (labels > 0)
        ideal = profile * per_object(rng, labels, 0.4, 1.0) + rng.uniform(0.02, 0.25)
        photons = (15.0, 500.0)
    else:
        body = np.clip(inside / (0.3 * width), 0, 1) * (labels > 0)
        halo = np.exp(-np.clip(-inside, 0, None) / (0.4 * width)) * (labels == 0)
        tone = 1 + 0.15 * per_object(rng, labels, -1, 1)
        ideal = 0.6 - rng.uniform(0.2, 0.5) * body * tone + rng.uniform(0, 0.35) * halo
        photons = (100.0, 3000.0)
    ideal = ideal * uneven_light(rng, side, 0.06)
    return photograph(rng, ideal.astype(np.float32), (0.5, width / 6), photons), labels


def yeast(rng: np.random.Generator, side: int) -> Generated:
    """Budding yeast in bright field or fluorescence; a bud, a third as wide as its mother or wider, is an object."""
    radius = np.exp(rng.uniform(np.log(10), np.log(34)))
    count = int(rng.uniform(0.2, 1.0) * (side / radius) ** 2 / 4) + 2
    labels = blobs(rng, side, count, (0.75 * radius, 1.3 * radius), 0.25, 0.02, 0.1, rng.uniform(0.2, 0.9))
    next_label = labels.max() + 1
    for mother in range(1, next_label):
        rows, columns = np.nonzero(labels == mother)
        if len(rows) < 30 or rng.random() > 0.4:
            continue
        own = np.sqrt(len(rows) / np.pi)
        angle, size = rng.uniform(0, 2 * np.pi), own * rng.uniform(0.35, 0.75)
        centre = (rows.mean() + (own + 0.8 * size) * np.sin(angle), columns.mean() + (own + 0.8 * size) * np.cos(angle))
        region, shape = blob(rng, side, centre, size, 0.2, 0.02)
        free = shape & (labels[region] == 0)
        if free.sum() > max(20, 0.7 * shape.sum()):
            labels[region][free] = next_label
            next_label += 1
    if rng.random() < 0.3:
        inside = depth(labels)
        filled = np.clip(inside / (0.25 * radius), 0, 1) * (labels > 0) * per_object(rng, labels, 0.3, 1)
        vacuole = np.clip((inside - 0.55 * radius) / 2, 0, 1) * rng.uniform(0, 0.8)
        ideal = filled * (1 - vacuole) + rng.uniform(0.02, 0.2)
        return photograph(rng, ideal.astype(np.float32), (0.6, 1.8), (15, 400)), labels
    ideal = _ringed(rng, labels, radius)
    if rng.random() < 0.3:
        # Pillars of traps: brighter and darker than any cell, and none.
        pillars = blobs(rng, side, int(rng.integers(1, 8)), (0.6 * radius, 1.1 * radius), 0.5, 0.03, 0.0)
        pillars[labels > 0] = 0
        pillars = tidy(pillars)
        strength = rng.uniform(0.2, 0.8)
        ideal = 0.5 + strength * (ideal - 0.5) + rng.uniform(1, 2) * (_ringed(rng, pillars, radius) - 0.5)
        ideal = np.clip(ideal, 0.01, None).astype(np.float32)
    return photograph(rng, ideal, (0.5, 1.5), (100, 3000)), labels


def rings(rng: np.random.Generator, side: int) -> Generated:
    """Cells seen only by the rings and halos at their borders, in bright field out of focus."""
    radius = np.exp(rng.uniform(np.log(10), np.log(50)))
    count = int(rng.uniform(0.15, 0.8) * (side / radius) ** 2 / 4) + 2
    labels = blobs(rng, side, count, (0.6 * radius, 1.5 * radius), 0.5, 0.12, 0.15, rng.uniform(0, 0.7))
    return photograph(rng, _ringed(rng, labels, radius), (0.5, 1.5), (100, 3000)), labels


def relief(rng: np.random.Generator, side: int) -> Generated:
    """Differential interference contrast: the slope of the optical thickness along one direction."""
    radius = np.exp(rng.uniform(np.log(10), np.log(45)))
    count = int(rng.uniform(0.15, 1.0) * (side / radius) ** 2 / 4) + 2
    labels = blobs(rng, side, count, (0.6 * radius, 1.5 * radius), 0.5, 0.1, 0.15, rng.uniform(0, 0.8))
    inside = np.clip(depth(labels), 0, None)
    thickness = np.sqrt(np.clip(inside / (rng.uniform(0.3, 1.0) * radius), 0, 1)) * per_object(rng, labels, 0.6, 1)
    grain = smooth_noise(rng, (side, side), rng.uniform(1.5, 5)) * np.where(labels > 0, 1, rng.uniform(0, 0.5))
    thickness = ndimage.gaussian_filter(thickness + rng.uniform(0, 0.06) * grain, rng.uniform(0.7, 2))
    angle = rng.uniform(0, 2 * np.pi)
    slope = np.cos(angle) * np.gradient(thickness, axis=1) + np.sin(angle) * np.gradient(thickness, axis=0)
    ideal = 0.5 + rng.uniform(0.2, 0.4) * slope / max(np.abs(slope).max(), 1e-6)
    ideal = ideal + rng.uniform(0, 0.05) * thickness
    return photograph(rng, (ideal * uneven_light(rng, side, 0.05)).astype(np.float32), (0.3, 1.0), (300, 5000)), labels


def _ringed(rng: np.random.Generator, labels: Labels, radius: float) -> Field:
    """Grey background; a dark and a bright band along each border, and an inside that differs but little."""
    side = len(labels)
    inside = depth(labels)
    width = rng.uniform(0.05, 0.16) * radius + 0.8
    sign = rng.choice([-1.0, 1.0])
    at, apart = rng.uniform(-0.5, 1.2) * width, rng.uniform(1.6, 2.6) * width
    dark = np.exp(-(((inside - at) / width) ** 2))
    bright = np.exp(-(((inside - at + apart) / width) ** 2))
    fringe = np.exp(-(((inside - at - apart) / width) ** 2)) * rng.uniform(0, 0.8)
    body = np.clip(inside / width, 0, 1) * (labels > 0)
    grain = smooth_noise(rng, (side, side), rng.uniform(1.5, radius / 3 + 1.6)) * body
    ideal = 0.5 + sign * (rng.uniform(0.1, 0.3) * (bright + fringe) - rng.uniform(0.1, 0.35) * dark)
    ideal = ideal + body * rng.uniform(-0.12, 0.12) + rng.uniform(0, 0.06) * grain
    return (ideal * uneven_light(rng, side, 0.08)).astype(np.float32)
