"""Fluorescence of whole cells, alone or touching, with their nuclei: one channel in grey or several in colour."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from training.synthetic.camera import photograph, uneven_light
from training.synthetic.shapes import Field, Labels, depth, smooth_noise
from training.synthetic.territories import NOBODY, Territories, inner, territories, waves

Generated = tuple[NDArray[np.generic], Labels]

PAIRS = (
    ((0, 1, 0), (0, 0, 1)),
    ((1, 0, 0), (0, 0, 1)),
    ((1, 0, 1), (0, 1, 0)),
    ((0, 1, 0), (1, 0, 1)),
    ((1, 0, 0), (0, 1, 0)),
    ((0, 1, 0), (1, 0, 0)),
    ((1, 1, 0), (0, 0.3, 1)),
    ((0.8, 0.8, 0.8), (0, 0.2, 1)),
    ((0, 1, 1), (1, 0, 0)),
    ((1, 0.5, 0), (0, 0.6, 1)),
)
"""Colours in which the cell and the nucleus are shown."""


def whole_cells(rng: np.random.Generator, side: int) -> Generated:
    """Cells with a nucleus, two or none in focus, filled or seen by their membranes.

    Both a cell and its nucleus are objects: in some images the one is labelled, in others the other.
    """
    diameter = float(np.exp(rng.uniform(np.log(15), np.log(140))))
    cells = territories(
        rng,
        side,
        diameter,
        jitter=rng.uniform(0.6, 1),
        elongation=rng.choice([0.2, 0.5, 0.9]),
        aligned=rng.choice([0.0, 0.0, 0.9]),
        sizes=rng.uniform(0.05, 0.3),
        waviness=rng.uniform(0.0, 0.1),
        missing=rng.choice([0.0, rng.uniform(0, 0.6)]),
    )
    outline = rng.uniform(0.75, 1.5) * waves(rng, cells, rng.uniform(0.03, 0.18))
    labels = cells.within(cells.distance < outline)
    inside = depth(labels)
    whole = labels > 0
    one = rng.uniform(0.3, 0.6)
    nucleus = inner(rng, cells, (0.8 * one, 1.15 * one), rng.uniform(0.1, 0.4), 0.35)
    in_focus = whole & (inside > 1)
    in_focus &= cells.each(rng.random(len(cells.radii)) < rng.choice([1.0, rng.uniform(0.6, 1)])) > 0
    if rng.random() < 0.4:
        # Binucleate cells; the nuclei may touch and are two objects.
        two = cells.each(rng.random(len(cells.radii)) < rng.uniform(0.05, 0.4)) > 0
        second = np.where(two, inner(rng, cells, (0.7 * one, one), 0.5, 0.3), NOBODY).astype(np.float32)
        nuclei = cells.within((nucleus < 1) & (nucleus <= second) & in_focus)
        others = cells.within((second < 1) & (second < nucleus) & in_focus)
        nuclei = np.where(others > 0, others + nuclei.max(), nuclei)
        nucleus = np.minimum(nucleus, second)
    else:
        nuclei = cells.within((nucleus < 1) & in_focus)
    body, chromatin = _body(rng, cells, inside, nucleus), _chromatin(rng, cells, nuclei, nucleus, diameter)
    if rng.random() < 0.5:
        body = body + rng.uniform(0.05, 0.4) * ndimage.gaussian_filter(body, diameter * rng.uniform(0.1, 0.4))
    shading = uneven_light(rng, side, 0.12)
    blur, photons = (0.5, float(np.clip(diameter / 20, 0.8, 2))), (8.0, 600.0)
    body = (body * shading + float(rng.choice([0, rng.uniform(0, 0.2)]))).astype(np.float32)
    if rng.random() < 0.45:
        in_body = rng.uniform(-0.85, 0.3) if rng.random() < 0.6 else rng.uniform(0.3, 1.5)
        visible = abs(in_body) > 0.45
        grey = np.clip(body * (1 + min(in_body, 0) * (chromatin > 0)) + max(in_body, 0) * chromatin, 0, None)
        pixels = photograph(rng, grey.astype(np.float32), blur, photons)
        if rng.random() < 0.06:
            pixels = (pixels.max() - pixels).astype(np.uint16)
    else:
        visible = True
        body = body * (1 + rng.uniform(-0.9, 0.2) * (nuclei > 0))
        pixels = _in_colour(
            rng, [photograph(rng, plane.astype(np.float32), blur, photons) for plane in (body, chromatin)]
        )
    if visible and nuclei.any() and rng.random() < 0.25:
        return pixels, nuclei
    return pixels, labels if whole.any() else nuclei


def _body(rng: np.random.Generator, cells: Territories, inside: Field, nucleus: Field) -> Field:
    """Cytoplasm, membrane or both, each cell with its own expression."""
    side, count = len(inside), len(cells.radii)
    radius = float(cells.radii.mean())
    expressed = np.exp(rng.normal(0, rng.uniform(0.05, 0.7), count))
    expressed = cells.each(np.clip(expressed * 0.6, 0.15, 1.5))
    fine = smooth_noise(rng, (side, side), rng.uniform(1.2, 4))
    coarse = smooth_noise(rng, (side, side), max(3.0, radius * rng.uniform(0.15, 0.5)))
    texture = np.clip(1 + rng.uniform(0, 0.4) * fine + rng.uniform(0, 0.4) * coarse, 0.1, 2.5)
    # Spread cells are thickest around the nucleus, detached ones have an edge of full height.
    edge = np.clip(inside / (rng.uniform(0.1, 0.7) * radius + 1), 0.12, 1) ** rng.uniform(0, 1.2)
    around = 1 + rng.uniform(-0.3, 1.5) * np.exp(-np.clip(nucleus - 1, 0, None) / rng.uniform(0.3, 1))
    filled = expressed * texture * edge * around / max(around.max(), 1)
    width = rng.uniform(0.7, max(1.0, 0.08 * radius + 0.6))
    patchy = np.clip(1 + rng.uniform(0, 0.6) * smooth_noise(rng, (side, side), rng.uniform(3, 2 * radius)), 0.05, 2)
    membrane = np.exp(-(((inside - 0.5) / width) ** 2) / 2) * patchy * expressed ** rng.uniform(0, 1)
    way = rng.random()
    share = 1.0 if way < 0.5 else rng.uniform(0, 0.35) if way < 0.75 else rng.uniform(0.3, 1)
    drawn = share * filled + (way >= 0.5) * rng.uniform(0.5, 1) * membrane
    if rng.random() < 0.25:
        # Vesicles and other bright grains around the nucleus.
        grains = np.clip(smooth_noise(rng, (side, side), rng.uniform(1.5, 3.5)) - 1.2, 0, None)
        drawn = drawn + rng.uniform(0.3, 1) * grains * np.exp(-np.clip(nucleus - 1, 0, None)) * expressed
    return np.asarray(np.where(inside > 0, np.clip(drawn, 0, 3), 0), np.float32)


def _chromatin(rng: np.random.Generator, cells: Territories, nuclei: Labels, nucleus: Field, diameter: float) -> Field:
    side = len(nuclei)
    patches = smooth_noise(rng, (side, side), max(1.5, diameter * rng.uniform(0.03, 0.1)))
    texture = np.clip(1 + rng.uniform(0, 0.35) * patches, 0.2, 2)
    if rng.random() < 0.3:
        texture = texture * np.where(patches < -1.2, rng.uniform(0.3, 0.8), 1)
    rounding = np.clip(1.05 - np.minimum(nucleus, 1) ** rng.uniform(2, 12), 0.25, 1)
    return np.where(nuclei > 0, cells.uniform(rng, rng.uniform(0.2, 0.9), 1.0) * texture * rounding, 0)


def _in_colour(rng: np.random.Generator, planes: list[NDArray[np.uint16]]) -> NDArray[np.generic]:
    """Show each plane in its colour, from black to its own brightest, dim or saturated."""
    colours = np.array(PAIRS[rng.integers(len(PAIRS))], np.float32)
    mixed = np.zeros((*planes[0].shape, 3), np.float32)
    for plane, colour in zip(planes, colours, strict=True):
        low, high = np.percentile(plane[::4, ::4], (0.5, 99.7)).astype(np.float32)
        low *= float(rng.choice([0.0, 1.0]))
        shown = np.clip((plane - low) / max(high - low, 1) * np.exp(rng.uniform(-0.8, 0.7)), 0, 1)
        shown = shown ** rng.uniform(0.6, 1.3)
        for channel in np.flatnonzero(colour):
            mixed[..., channel] += colour[channel] * shown
    mixed = np.clip(mixed, 0, 1)
    return (mixed * 255).astype(np.uint8) if rng.random() < 0.75 else (mixed * 30000).astype(np.uint16)
