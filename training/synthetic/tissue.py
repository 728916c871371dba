"""Tissue under fluorescence: bright membranes or walls, in an image or a stack, and dense small nuclei in layers."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from training.synthetic.camera import photograph, uneven_light
from training.synthetic.deep_microscope import record
from training.synthetic.mosaic import mosaic
from training.synthetic.shapes import Field, Labels, blobs, broad_noise, cells, depth, per_object, smooth_volume, tidy
from training.synthetic.solids import Points, Solids, Volume, fill, spread, turned
from training.synthetic.stacks import UNSEEN, Tissue, draw_step, in_tissue, stain

Generated = tuple[NDArray[np.generic], Labels]
FULL = (1.35, 1.9)
"""Radius of cells that fill a tissue, in half distances to their neighbours; the least leaves spaces between them."""


def tissue_membranes(rng: np.random.Generator, side: int) -> Generated:
    """A honeycomb of bright walls of varying thickness, with gaps, bright corners, haze and walls of other planes.

    An object is a cell up to the middle of its wall; in a third of the images, up to where the wall begins.
    """
    diameter = np.exp(rng.uniform(np.log(13), np.log(110)))
    side = min(side, max(256, int(18 * diameter)))
    labels = _sheet(rng, side, diameter)
    inside = depth(labels)
    thickness = float(np.clip(diameter * np.exp(rng.uniform(np.log(0.015), np.log(0.08))), 0.6, 7))
    wall = _wall(rng, labels, inside, diameter, thickness)
    ideal = wall + per_object(rng, labels, 0, rng.choice([0.02, 0.15, 0.4]))
    ideal *= 1 + rng.uniform(0, 0.3) * broad_noise(rng, labels.shape, rng.uniform(2, diameter / 2))
    if rng.random() < 0.4:
        ideal = ideal + _contents(rng, inside, diameter)
    other = wall[:: rng.choice([-1, 1]), ::-1] if rng.random() < 0.5 else wall.T
    if rng.random() < 0.5:
        # Walls above and below, out of focus.
        ideal = ideal + rng.uniform(0.1, 0.5) * ndimage.gaussian_filter(other, rng.uniform(1.5, 5), truncate=2.5)
    if rng.random() < 0.5:
        haze = ndimage.gaussian_filter(wall, min(diameter * rng.uniform(0.15, 0.5), 25), truncate=2)
        ideal = ideal + rng.uniform(0.2, 1.2) * haze
    if rng.random() < 0.3:
        gone = broad_noise(rng, labels.shape, side / 3) > rng.uniform(0.3, 1.2)
        kept = ~np.isin(labels, np.flatnonzero(np.bincount(labels[gone], minlength=labels.max() + 1)))
        if kept.any():
            labels = labels * kept
            ideal = np.where(ndimage.binary_dilation(kept, iterations=max(1, int(thickness))), ideal, 0.02)
    if rng.random() < 0.35:
        labels = tidy(np.where(inside > thickness, labels, 0))
    ideal = np.clip(ideal * uneven_light(rng, side, rng.uniform(0, 0.3)), 0, None) + rng.uniform(0, 0.25)
    if rng.random() < 0.06:
        ideal = np.clip(1.2 - ideal, 0.02, None)
    return photograph(rng, ideal.astype(np.float32), (0.4, float(np.clip(diameter / 20, 0.9, 2.2))), (6, 600)), labels


def tissue_membranes_stack(rng: np.random.Generator, side: int) -> Generated:
    """Cells that fill an organ or embryo, of which the walls are bright; they end along z as in the plane."""
    radius = np.exp(rng.uniform(np.log(8), np.log(34)))
    step = draw_step(rng, radius)
    side = min(side, max(128, int(11 * radius)), 320)
    planes = int(rng.integers(10, 15))
    shape = (planes + 2 * UNSEEN, side, side)
    centres = _places(rng, shape, radius, step, rng.uniform(0.9, 1.3))
    solids = _cells(rng, centres, radius * rng.uniform(*FULL), rng.uniform(0, 0.4), rng.uniform(0.02, 0.2))
    labels, inside = fill(solids, shape, step, smooth_volume(rng, shape, radius, step), 0)
    light = _walls(rng, labels, inside, radius, step)
    light += _insides(rng, labels, len(centres))
    pixels = record(rng, light, 0.5 * radius, step, (6, 500), 0.5)
    seen = slice(UNSEEN, UNSEEN + planes)
    return pixels[seen], np.ascontiguousarray(labels[seen])


def dense_nuclei_stack(rng: np.random.Generator, side: int) -> Generated:
    """Nuclei of a plant organ: small to middle ones in layers, of little contrast, with dark nucleoli; walls glow."""
    radius = np.exp(rng.uniform(np.log(5), np.log(18)))
    step = draw_step(rng, radius)
    side = min(side, max(128, int(24 * radius)), 320)
    planes = int(rng.integers(10, 15))
    shape = (planes + 2 * UNSEEN, side, side)
    filled = rng.uniform(0.7, 1.3)
    centres = _places(rng, shape, radius / filled, step, rng.uniform(1.0, 1.3))
    uneven = rng.uniform(0.03, 0.2)
    nuclei = _cells(rng, centres, radius, rng.uniform(0, 0.3), uneven)
    gap = rng.choice([0.0, rng.uniform(0, 1.5)])
    labels, inside = fill(nuclei, shape, step, smooth_volume(rng, shape, radius, step), gap)
    tissue = Tissue(radius, step, 1.0, filled, gap, 0.2, uneven)
    light = stain(rng, labels, inside, tissue, np.zeros(len(centres), bool))
    light *= np.float32(rng.uniform(0.4, 1))
    if rng.random() < 0.75:
        off = rng.normal(0, 0.15, centres.shape) * radius
        small = nuclei.axes * rng.uniform(0.3, 0.55) * np.exp(rng.normal(0, 0.15, (len(centres), 1, 1)))
        dots = Solids(centres + off, small, nuclei.radii * 0.4, np.zeros(len(centres)))
        nucleoli, _ = fill(dots, shape, step, np.zeros(shape, np.float32), 0)
        light[(nucleoli > 0) & (labels > 0)] *= np.float32(rng.uniform(0.0, 0.5))
    if rng.random() < 0.5:
        around = _cells(rng, centres, radius / filled * rng.uniform(*FULL), 0.1, 0.05)
        bodies, away = fill(around, shape, step, np.zeros(shape, np.float32), 0)
        light += np.float32(rng.uniform(0.1, 0.7)) * _walls(rng, bodies, away, radius, step)
        light += np.float32(rng.uniform(0, 0.25)) * (bodies > 0)
    light += np.float32(rng.uniform(0.02, 0.4))
    pixels = record(rng, light, radius, step, (max(3, 40 / radius), 150), 0.8)
    seen = slice(UNSEEN, UNSEEN + planes)
    return pixels[seen], np.ascontiguousarray(labels[seen])


def _sheet(rng: np.random.Generator, side: int, diameter: float) -> Labels:
    """Of mixed sizes, of like ones, or in files as in roots and stems."""
    form = rng.random()
    if form < 0.45:
        return mosaic(rng, side, diameter, rng.uniform(0.05, 0.35), rng.uniform(0, 0.6), rng.choice([0.01, 0.04, 0.1]))
    if form < 0.65:
        return cells(rng, side, diameter, int(rng.integers(0, 4)), rng.uniform(0.01, 0.1))
    rows, columns = np.mgrid[:side, :side]
    turn, bent = rng.uniform(0, np.pi), rng.uniform(0, 0.35) * diameter
    wave = bent * broad_noise(rng, (side, side), 2 * diameter)
    across = rows * np.cos(turn) - columns * np.sin(turn) + wave
    along = rows * np.sin(turn) + columns * np.cos(turn) + rng.uniform(0, 0.4) * wave
    many = int(5 * side / diameter) + 6
    spread_across, length = rng.uniform(0.05, 0.5), rng.uniform(1, 4)
    edges = across.min() + np.cumsum(0.7 * diameter * np.exp(rng.normal(0, spread_across, many)))
    file = np.searchsorted(edges, across.ravel()).reshape(side, side)
    # Cross walls of a file lie where they lie, whatever the next one does; some are oblique.
    labels = np.zeros((side, side), np.int32)
    count = 0
    for number in range(file.max() + 1):
        here = file == number
        if not here.any():
            continue
        own = along[here] + rng.normal(0, 0.3) * across[here]
        sizes = 0.7 * diameter * length * np.exp(rng.normal(0, rng.uniform(0.1, 0.5), many))
        cuts = own.min() - rng.uniform(0, sizes[0]) + np.cumsum(sizes)
        which = np.searchsorted(cuts, own)
        labels[here] = count + 1 + which
        count += int(which.max()) + 1
    return labels


def _wall(rng: np.random.Generator, labels: Labels, inside: Field, diameter: float, thickness: float) -> Field:
    shape = labels.shape
    thick = thickness * np.exp(rng.uniform(0, 0.5) * broad_noise(rng, shape, diameter * rng.uniform(0.4, 2)))
    off = rng.choice([0.0, 0.0, 0.8]) * thickness * (thickness > 2)
    wall = np.exp(-(np.abs((inside - 0.5 - off) / thick) ** np.float32(rng.uniform(1.5, 3))))
    dim = rng.uniform(0, 0.8) * np.clip(broad_noise(rng, shape, diameter * rng.uniform(0.3, 0.8)), 0, 1.2)
    wall *= np.clip(1 - dim, 0.05, 1) * np.clip(1 + rng.uniform(0, 0.4) * broad_noise(rng, shape, 2.5), 0.1, 2)
    wall *= 1 + per_object(rng, labels, -1, 1) * rng.uniform(0, 0.4)
    if rng.random() < 0.4:
        padded = np.pad(labels, ((0, 1), (0, 1)), mode="edge")
        right, down, beyond = padded[:-1, 1:], padded[1:, :-1], padded[1:, 1:]
        corners = ((labels != right) & (labels != down) & (right != down) | (labels != beyond) & (right != down)) & (
            (labels != right) | (down != beyond)
        )
        corners &= (labels != down) | (right != beyond)
        spots = ndimage.gaussian_filter(corners.astype(np.float32), max(0.8, 0.7 * thickness), truncate=2.5)
        wall = wall + rng.uniform(0.2, 0.8) * spots / max(float(np.quantile(spots, 0.999)), 1e-3) * (wall > 0.3)
    return wall.astype(np.float32)


def _contents(rng: np.random.Generator, inside: Field, diameter: float) -> Field:
    """Nuclei, plastids or granules that shine as well, or hollows."""
    side = len(inside)
    size = diameter * rng.uniform(0.06, 0.3)
    count = int(min(0.5 * (side / diameter) ** 2 * rng.uniform(0.5, 6), 150)) + 2
    lumps = blobs(rng, side, count, (max(1.5, 0.6 * size), max(2.5, size)), 0.3, 0.05, 0.1)
    bright = ndimage.gaussian_filter(per_object(rng, lumps, 0.1, 1.0), rng.uniform(0.6, 0.2 * size + 0.7), truncate=2.5)
    return np.asarray(bright * rng.uniform(0.1, 0.8) * np.clip(inside / 2 - 0.5, 0, 1), np.float32)


def _places(rng: np.random.Generator, shape: Volume, radius: float, step: float, density: float) -> Points:
    extent = np.array(shape) * (step, 1, 1)
    centres = spread(rng, extent + 2 * radius, 2 * radius, density) - radius
    taken = in_tissue(rng, centres, extent, 2 * radius) if rng.random() < 0.5 else np.ones(len(centres), bool)
    return centres[taken] if taken.sum() > 12 else centres


def _cells(rng: np.random.Generator, centres: Points, radius: float, elongation: float, uneven: float) -> Solids:
    """Ellipsoids at given places; small ones in some layers, larger ones in others."""
    layers = np.sin(centres @ rng.normal(0, 0.12 / radius, 3) * 4 + rng.uniform(0, 6))
    sizes = np.exp(rng.uniform(0, 0.25) * layers + np.clip(rng.normal(0, uneven, len(centres)), -0.5, 0.4))
    stretch = np.exp(np.clip(rng.normal(0, elongation, (len(centres), 3)), -0.6, 0.6))
    lengths = radius * sizes[:, None] * stretch / stretch.prod(1, keepdims=True) ** (1 / 3)
    waviness = np.full(len(centres), rng.uniform(0, 0.06))
    return Solids(centres, turned(rng, lengths), radius * sizes, waviness)


def _walls(rng: np.random.Generator, labels: Labels, inside: Field, radius: float, step: float) -> Field:
    """Light of walls; brightness varies from place to place and from cell to cell."""
    thickness = max(0.8, radius * np.exp(rng.uniform(np.log(0.03), np.log(0.15))))
    light = np.exp(-((inside / np.float32(thickness)) ** 2)) * (labels > 0)
    patches = smooth_volume(rng, labels.shape, radius * rng.uniform(0.4, 1.2), step)
    light *= np.clip(1 + np.float32(rng.uniform(0, 0.6)) * patches, 0.05, 1.8)
    tone = rng.uniform(rng.uniform(0.3, 1), 1, labels.max() + 1).astype(np.float32)
    return np.asarray(light * tone[labels], np.float32)


def _insides(rng: np.random.Generator, labels: Labels, count: int) -> Field:
    """What shines within the cells, more in some, and the medium outside."""
    tone = rng.uniform(0, rng.choice([0.05, 0.2, 0.4]), count + 1).astype(np.float32) + np.float32(rng.uniform(0, 0.2))
    tone[0] = rng.uniform(0, 0.1)
    return np.asarray(tone[labels], np.float32)
