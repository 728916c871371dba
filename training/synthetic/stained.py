"""Stained preparations in colour: blood smears and histological sections."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from training.synthetic.camera import photograph_colour, uneven_light
from training.synthetic.shapes import Labels, blobs, depth, per_object, smooth_noise, tidy

Generated = tuple[NDArray[np.generic], Labels]


def blood(rng: np.random.Generator, side: int) -> Generated:
    """Red cells, pale in the middle, and white cells, few or many, with purple nuclei.

    Both a white cell and its nucleus are objects: in some images the one is labelled, in others the other.
    """
    radius = np.exp(rng.uniform(np.log(11), np.log(36)))
    count = int(rng.uniform(0.2, 1.1) * (side / radius) ** 2 / 4) + 3
    labels = blobs(rng, side, count, (0.75 * radius, 1.6 * radius), 0.15, 0.04, 0.25, rng.uniform(0.1, 0.8))
    inside = depth(labels)
    white = np.isin(labels, 1 + np.flatnonzero(rng.random(labels.max()) < rng.uniform(0, rng.choice([0.2, 0.6]))))
    background = np.array([0.95, 0.9, 0.88]) + rng.normal(0, 0.04, 3)
    red = np.array([0.82, 0.5, 0.52]) + rng.normal(0, 0.08, 3)
    plasma = np.array([0.72, 0.7, 0.85]) + rng.normal(0, 0.06, 3)
    purple = np.array([0.35, 0.18, 0.5]) + rng.normal(0, 0.07, 3)
    strength = 1 - rng.uniform(0, 0.8) * np.clip(inside / radius - 0.15, 0, 1) ** rng.uniform(0.5, 1.5)
    strength = (strength * per_object(rng, labels, 0.6, 1.0) * np.clip((inside + 0.5) / 2, 0, 1))[..., None]
    ideal = background + (red - background) * strength
    ideal[white] = (plasma + 0.05 * smooth_noise(rng, (side, side), 3)[..., None])[white]
    lobes = smooth_noise(rng, (side, side), radius * 0.6) > rng.uniform(-0.8, 0.2)
    nucleus = white & (inside > rng.uniform(0.08, 0.3) * radius) & (lobes | (per_object(rng, labels, 0, 1) > 0.6))
    ideal[nucleus] = purple + 0.05 * smooth_noise(rng, (side, side), 2)[nucleus][:, None]
    ideal = ideal * uneven_light(rng, side, 0.04)[..., None]
    if nucleus.any() and rng.random() < 0.35:
        labels = tidy(np.where(white & ~nucleus, 0, labels))
    return photograph_colour(rng, ideal.astype(np.float32)), labels


def histology(rng: np.random.Generator, side: int) -> Generated:
    """Blue-purple nuclei, patchy inside, over fibrous pink tissue with clear gaps."""
    radius = np.exp(rng.uniform(np.log(6), np.log(26)))
    count = int(rng.uniform(0.15, 1.0) * (side / radius) ** 2 / 4) + 3
    labels = blobs(rng, side, count, (0.55 * radius, 1.5 * radius), 0.6, 0.1, 0.3, rng.uniform(0.1, 0.8))
    inside = depth(labels)
    pink = np.array([0.88, 0.62, 0.76]) + rng.normal(0, 0.06, 3)
    violet = np.array([0.42, 0.28, 0.55]) + rng.normal(0, 0.07, 3)
    fibres = ndimage.gaussian_filter(
        rng.standard_normal((side, side)), (rng.uniform(0.7, 2), rng.uniform(3, 12))[:: rng.choice([-1, 1])]
    )
    tissue = 0.05 * smooth_noise(rng, (side, side), radius * 2) + rng.uniform(0.02, 0.08) * fibres / fibres.std()
    ideal = pink + tissue[..., None] * np.array([0.6, 1.2, 0.8])
    gaps = smooth_noise(rng, (side, side), radius * 3) > rng.uniform(1, 2.5)
    ideal[gaps] = 0.95
    patches = rng.uniform(0.05, 0.3) * smooth_noise(rng, (side, side), rng.uniform(1.5, radius / 3 + 1.6))
    stain = per_object(rng, labels, 0.5, 1.0) * np.clip(0.85 + patches, 0.2, 1.2) * np.clip((inside + 0.5) / 2, 0, 1)
    if rng.random() < 0.5:
        # Vesicular nuclei: pale inside, dark rim.
        stain = stain * (1 - rng.uniform(0.1, 0.5) * np.clip(inside / (0.4 * radius), 0, 1))
    ideal = ideal + (violet - ideal) * np.clip(stain, 0, 1)[..., None]
    return photograph_colour(rng, np.clip(ideal, 0, 1).astype(np.float32)), labels
