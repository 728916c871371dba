"""Electron microscopy of tissue: dark membranes around processes of like calibre."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from training.synthetic.camera import photograph, uneven_light
from training.synthetic.shapes import Field, Labels, blobs, cells, depth, per_object, smooth_noise

Generated = tuple[NDArray[np.generic], Labels]


def membranes(rng: np.random.Generator, side: int) -> Generated:
    """Processes of neurons, each an object, with vesicles and mitochondria inside them."""
    diameter = np.exp(rng.uniform(np.log(22), np.log(90)))
    labels = _processes(rng, side, diameter)
    ideal = _tissue(rng, labels, diameter)
    organelles, shade = _mitochondria(rng, side, diameter * rng.uniform(0.12, 0.25), labels)
    ideal = np.where(organelles > 0, shade, ideal)
    return photograph(rng, ideal.astype(np.float32), (0.5, 1.3), (40, 800)), labels


def _processes(rng: np.random.Generator, side: int, diameter: float) -> Labels:
    """Cells of uneven size: some neighbours of a fine tiling are joined."""
    labels = cells(rng, side, diameter * 0.8, 0, rng.uniform(0.08, 0.18))
    count = labels.max()
    parent = np.arange(count + 1)
    right = np.stack([labels[:, :-1].ravel(), labels[:, 1:].ravel()], 1)
    pairs = np.unique(right[right[:, 0] != right[:, 1]], axis=0)
    for first, second in pairs[rng.random(len(pairs)) < 0.03]:
        parent[parent == parent[second]] = parent[first]
    return parent[labels].astype(np.int32)


def _tissue(rng: np.random.Generator, labels: Labels, diameter: float) -> Field:
    side = len(labels)
    inside = depth(labels)
    thickness = rng.uniform(1.0, max(1.2, min(diameter / 16, 3)))
    membrane = np.exp(-((inside / thickness) ** 2))
    membrane *= np.clip(1 + 0.3 * smooth_noise(rng, (side, side), diameter / 3), 0.2, 1.2)
    grain = rng.uniform(0.02, 0.08) * smooth_noise(rng, (side, side), rng.uniform(1.2, 2.5))
    ideal = 0.7 + per_object(rng, labels, -0.12, 0.12) + grain - rng.uniform(0.3, 0.6) * membrane
    if rng.random() < 0.6:
        spots = ndimage.gaussian_filter((rng.random((side, side)) > 0.995).astype(float), rng.uniform(0.8, 1.8))
        patchy = np.clip(smooth_noise(rng, (side, side), diameter / 2), 0, 1)
        ideal = ideal - rng.uniform(0.1, 0.5) * spots / max(spots.max(), 1e-6) * patchy
    return (ideal * uneven_light(rng, side, 0.05)).astype(np.float32)


def _mitochondria(rng: np.random.Generator, side: int, radius: float, processes: Labels) -> tuple[Labels, Field]:
    """Long dark bodies with a rim and striped insides, each within one process."""
    count = int(rng.uniform(0.1, 0.4) * (side / radius) ** 2 / 4) + 4
    labels = blobs(rng, side, count, (0.6 * radius, 1.5 * radius), 0.9, 0.12, 0.05)
    interior = depth(processes) > 2
    for label, region in enumerate(ndimage.find_objects(labels), 1):
        if region is None:
            continue
        own, within = labels[region] == label, interior[region]
        owner = np.bincount(processes[region][own & within], minlength=1).argmax()
        kept = own & within & (processes[region] == owner)
        pieces, _ = ndimage.label(kept)
        sizes = np.bincount(pieces.ravel())
        sizes[0] = 0
        kept = pieces == sizes.argmax() if sizes.max() > 0.35 * own.sum() else np.zeros_like(kept)
        labels[region][own & ~kept] = 0
    inside = depth(labels)
    angle = rng.uniform(0, np.pi) + smooth_noise(rng, (side, side), radius * 3)
    rows, columns = np.mgrid[:side, :side]
    stripes = np.sin((rows * np.cos(angle) + columns * np.sin(angle)) * 2 * np.pi / rng.uniform(4, 8))
    tone = rng.uniform(0.3, 0.55) + per_object(rng, labels, -0.07, 0.07)
    shade = tone + rng.uniform(0.02, 0.12) * stripes - rng.uniform(0.05, 0.25) * np.exp(-((inside / 1.8) ** 2))
    return labels, shade.astype(np.float32)
