"""Fluorescence: nuclei, dim or crowded, and epithelia with bright membranes."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from training.synthetic.camera import photograph, uneven_light
from training.synthetic.shapes import Labels, blobs, cells, depth, per_object, smooth_noise

Generated = tuple[NDArray[np.generic], Labels]


def nuclei(rng: np.random.Generator, side: int) -> Generated:
    """Textured nuclei over a haze of others out of focus; many of them dim, touching or both."""
    radius = np.exp(rng.uniform(np.log(6), np.log(32)))
    count = int(rng.uniform(0.15, 1.1) * (side / radius) ** 2 / 4) + 3
    labels = blobs(rng, side, count, (0.6 * radius, 1.6 * radius), 0.35, 0.06, 0.3, rng.uniform(0, 0.8))
    inside = depth(labels)
    brightness = per_object(rng, labels, rng.uniform(0.15, 0.8), 1.0)
    texture = 1 + rng.uniform(0, 0.35) * smooth_noise(rng, (side, side), rng.uniform(1.5, radius / 2 + 1.6))
    rounding = np.clip(inside / (rng.uniform(0.05, 0.7) * radius + 1), 0, 1) ** rng.uniform(0.3, 1)
    ideal = brightness * texture * np.where(labels > 0, rounding, 0)
    if rng.random() < 0.3:
        dark = smooth_noise(rng, (side, side), max(2.0, radius / 4)) > 1.3
        ideal *= np.where(dark, rng.uniform(0.3, 0.8), 1)
    if rng.random() < 0.6:
        others = blobs(rng, side, count, (0.6 * radius, 1.6 * radius), 0.35, 0.06, 1.0)
        haze = ndimage.gaussian_filter(per_object(rng, others, 0.1, 0.8), radius * rng.uniform(0.25, 0.8))
        ideal = ideal + haze * rng.uniform(0.1, 0.6)
    ideal = ideal * uneven_light(rng, side, 0.15) + rng.uniform(0, 0.3)
    return photograph(rng, ideal.astype(np.float32), (0.5, max(1.0, radius / 8)), (8, 800)), labels


def epithelium(rng: np.random.Generator, side: int) -> Generated:
    """A gapless sheet with bright membranes of uneven strength; often nuclei or cytoplasm shine through."""
    diameter = np.exp(rng.uniform(np.log(16), np.log(80)))
    labels = cells(rng, side, diameter, int(rng.integers(0, 4)), rng.uniform(0.02, 0.12))
    inside = depth(labels)
    thickness = rng.uniform(0.6, 2.5)
    membrane = np.exp(-((inside / thickness) ** 2) / 2)
    uneven = np.clip(1 + rng.uniform(0, 0.5) * smooth_noise(rng, (side, side), rng.uniform(3, diameter)), 0.1, 2)
    ideal = membrane * uneven + per_object(rng, labels, 0, rng.uniform(0, 0.5))
    if rng.random() < 0.3:
        ideal = ideal + rng.uniform(0, 0.6) * np.clip(inside / (diameter / 3) - 0.4, 0, 1)
    if rng.random() < 0.4:
        spots = ndimage.gaussian_filter((rng.random((side, side)) > 0.997).astype(float), rng.uniform(0.7, 2))
        ideal = ideal + spots / max(spots.max(), 1e-6) * rng.uniform(0, 0.8)
    ideal = ideal * uneven_light(rng, side, 0.15) + rng.uniform(0, 0.2)
    if rng.random() < 0.35:
        # A colony: the sheet ends somewhere.
        gone = smooth_noise(rng, (side, side), side / 3) > rng.uniform(0.2, 1)
        lost = np.unique(labels[gone])
        keep = ~np.isin(labels, lost)
        labels = labels * keep
        ideal = np.where(ndimage.binary_dilation(keep), ideal, rng.uniform(0, 0.15))
    return photograph(rng, ideal.astype(np.float32), (0.4, 1.6), (10, 500)), labels


def cytoplasm(rng: np.random.Generator, side: int) -> Generated:
    """Spread cells, filled, with a brighter or darker nucleus; the whole cell is the object."""
    radius = np.exp(rng.uniform(np.log(14), np.log(48)))
    count = int(rng.uniform(0.3, 1.2) * (side / radius) ** 2 / 4) + 3
    labels = blobs(rng, side, count, (0.6 * radius, 1.5 * radius), 0.7, 0.2, 0.5, rng.uniform(0.2, 0.8))
    inside = depth(labels)
    brightness = per_object(rng, labels, 0.25, 0.9)
    nucleus = np.clip((inside - 0.45 * radius) / 2, 0, 1) * rng.uniform(-0.8, 0.9)
    texture = 1 + rng.uniform(0, 0.4) * smooth_noise(rng, (side, side), rng.uniform(2, 8))
    rounding = np.clip(inside / (0.4 * radius), 0.2, 1) ** rng.uniform(0, 1)
    ideal = np.where(labels > 0, brightness * texture * rounding * (1 + nucleus), 0) + rng.uniform(0, 0.2)
    return photograph(rng, (ideal * uneven_light(rng, side, 0.1)).astype(np.float32), (0.6, 2.0), (10, 500)), labels
