"""Stacks of fluorescent nuclei: single ones, embryos and dense tissue, with what is out of focus above and below."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.shares import draw_by_share
from training.synthetic.deep_microscope import record
from training.synthetic.shapes import Field, Labels, smooth_volume
from training.synthetic.solids import Points, Solids, Volume, fill, spread, turned

Generated = tuple[NDArray[np.generic], Labels]
UNSEEN = 2
"""Planes above and below the stack whose nuclei shine into it."""


@dataclass(frozen=True)
class Tissue:
    """How nuclei lie.

    Attributes
    ----------
    radius
        Mean, pixels.
    step
        Distance of the planes, pixels.
    density
        See `spread`.
    fill
        Diameter of a nucleus, of the distance to the next one.
    gap
        Dark seam between nuclei that touch, pixels.
    elongation
        Standard deviation of the logarithms of the axes.
    uneven
        Standard deviation of the logarithm of the radius.
    """

    radius: float
    step: float
    density: float
    fill: float
    gap: float
    elongation: float
    uneven: float


def nuclei_stack(rng: np.random.Generator, side: int) -> Generated:
    """Nuclei in a culture, a spheroid or an embryo: few or many, mostly round, from clear to noisy."""
    radius = np.exp(rng.uniform(np.log(5), np.log(28)))
    tissue = Tissue(
        radius,
        draw_step(rng, radius),
        np.exp(rng.uniform(np.log(0.15), np.log(1.2))),
        rng.uniform(0.6, 1.15),
        rng.choice([0.0, rng.uniform(0, 1.5)]),
        rng.uniform(0, 0.4),
        rng.uniform(0.03, 0.3),
    )
    return _make(rng, side, tissue, (8, 600), (0.0, 0.2), 0.5)


def tissue_stack(rng: np.random.Generator, side: int) -> Generated:
    """Close-packed nuclei with thin seams or none, dim and noisy, as in plant organs and late embryos."""
    radius = np.exp(rng.uniform(np.log(5), np.log(24)))
    tissue = Tissue(
        radius,
        draw_step(rng, radius),
        rng.uniform(1.0, 1.4),
        rng.uniform(0.8, 1.35),
        rng.choice([0.0, rng.uniform(0, 2)]),
        rng.uniform(0, 0.25),
        rng.uniform(0.03, 0.2),
    )
    # What is small needs more light to be seen at all.
    return _make(rng, side, tissue, (max(2, 30 / radius), 80), (0.05, 0.6), 0.8)


def draw_step(rng: np.random.Generator, radius: float) -> float:
    """A distance of the planes with which a nucleus spans 3 to 20 of them."""
    span = np.exp(rng.uniform(np.log(3), np.log(20)))
    return float(np.clip(2 * radius / span, 1, 10))


def _make(
    rng: np.random.Generator,
    side: int,
    tissue: Tissue,
    photons: tuple[float, float],
    background: tuple[float, float],
    hazy: float,
) -> Generated:
    # Small nuclei are many: a smaller stack has enough of them.
    side = min(side, max(128, int(32 * tissue.radius)))
    planes = int(rng.integers(10, 17))
    shape = (planes + 2 * UNSEEN, side, side)
    solids, condensed = _draw_solids(rng, shape, tissue)
    waves = smooth_volume(rng, shape, tissue.radius * rng.uniform(0.7, 1.5), tissue.step)
    labels, depth = fill(solids, shape, tissue.step, waves, tissue.gap)
    light = stain(rng, labels, depth, tissue, condensed)
    around = smooth_volume(rng, shape, tissue.radius * rng.uniform(2, 8), tissue.step)
    light += rng.uniform(*background) * np.clip(1 + rng.uniform(0, 0.35) * around, 0, None)
    pixels = record(rng, light, tissue.radius, tissue.step, photons, hazy)
    seen = slice(UNSEEN, UNSEEN + planes)
    return pixels[seen], np.ascontiguousarray(labels[seen])


def _draw_solids(rng: np.random.Generator, shape: Volume, tissue: Tissue) -> tuple[Solids, NDArray[np.bool_]]:
    """Nuclei where the tissue is, and which of them are condensed for division."""
    extent = np.array(shape) * (tissue.step, 1, 1)
    distance = 2 * tissue.radius / tissue.fill
    beyond = tissue.radius
    centres = spread(rng, extent + 2 * beyond, distance, tissue.density) - beyond
    taken = in_tissue(rng, centres, extent, distance)
    centres = centres[taken] if taken.sum() > 12 else centres
    count = len(centres)
    radii = tissue.radius * np.exp(np.clip(rng.normal(0, tissue.uneven, count), -0.7, 0.5))
    stretch = np.exp(np.clip(rng.normal(0, tissue.elongation, (count, 3)), -0.6, 0.6))
    condensed = rng.random(count) < rng.choice([0.0, rng.uniform(0, 0.1)])
    # Plates and rods of chromosomes.
    stretch[condensed] = (0.45, 1.1, 1.1) * np.exp(rng.normal(0, 0.2, (condensed.sum(), 3)))
    lengths = radii[:, None] * np.where(
        condensed[:, None], 0.7 * stretch, stretch / stretch.prod(1, keepdims=True) ** (1 / 3)
    )
    waviness = rng.uniform(0, rng.uniform(0.02, 0.14), count)
    return Solids(centres, turned(rng, lengths), lengths.prod(1) ** (1 / 3), waviness), condensed


def in_tissue(rng: np.random.Generator, centres: Points, extent: Points, distance: float) -> NDArray[np.bool_]:
    """Which places are taken: all, or those in a ball, its shell, a bent layer, or around some middles."""
    form = draw_by_share(rng, {"all": 0.45, "ball": 0.15, "shell": 0.1, "layer": 0.15, "clusters": 0.15})
    if form in ("ball", "shell"):
        radius = extent[1] * rng.uniform(0.3, 0.6)
        middle = extent * (rng.uniform(-0.5, 1.5), rng.uniform(0.3, 0.7), rng.uniform(0.3, 0.7))
        away = np.linalg.norm(centres - middle, axis=1)
        kept = away < radius
        return np.asarray(kept & (away > radius - rng.uniform(1, 2) * distance) if form == "shell" else kept)
    if form == "layer":
        tilt = rng.normal(0, 0.4, 2) * extent[0] / extent[1]
        height = extent[0] * rng.uniform(0.2, 0.8) + (centres[:, 1:] - extent[1:] / 2) @ tilt
        return np.asarray(abs(centres[:, 0] - height) < rng.uniform(0.4, 1.2) * distance)
    if form == "clusters":
        middles = rng.uniform(0, extent, (int(rng.integers(2, 7)), 3))
        away = np.linalg.norm(centres[:, None] - middles, axis=2).min(1)
        return np.asarray(away < extent[1] * rng.uniform(0.15, 0.3))
    return np.ones(len(centres), bool)


def stain(
    rng: np.random.Generator, labels: Labels, depth: Field, tissue: Tissue, condensed: NDArray[np.bool_]
) -> Field:
    """Light of each voxel: brightness of the nucleus, chromatin, nucleoli; and debris outside."""
    shape, radius, step = labels.shape, tissue.radius, tissue.step
    brightness = np.exp(rng.normal(0, rng.uniform(0.03, 0.5), len(condensed)))
    dim = rng.random(len(condensed)) < rng.choice([0.0, rng.uniform(0, 0.5)])
    brightness[dim] *= rng.uniform(0.15, 0.7, dim.sum())
    brightness[condensed] *= rng.uniform(1.3, 3)
    light = np.append(0, np.minimum(brightness, 4)).astype(np.float32)[labels]
    light *= np.clip((depth + 0.5) / (rng.uniform(0.05, 0.5) * radius + 0.7), 0, 1) ** np.float32(rng.uniform(0.3, 1))
    grain = smooth_volume(rng, shape, rng.uniform(1.5, 0.4 * radius + 1.6), step)
    light *= np.clip(1 + rng.uniform(0, 0.4) * grain, 0.1, None)
    if rng.random() < 0.4:
        # Nucleoli, or bright spots of dense chromatin.
        spots = smooth_volume(rng, shape, max(2.0, radius * rng.uniform(0.2, 0.45)), step) > rng.uniform(1.1, 1.7)
        light[spots] *= rng.choice([rng.uniform(0.2, 0.8), rng.uniform(1.3, 2)])
    if rng.random() < 0.15:
        light *= 1 - rng.uniform(0.1, 0.5) * np.clip(depth / (0.35 * radius), 0, 1)
    if rng.random() < 0.15:
        # Bright walls or vessels, which are no objects.
        scale = radius * rng.uniform(3, 8)
        sheet = abs(smooth_volume(rng, shape, scale, step) - rng.uniform(0.5, 2)) < rng.uniform(1, 0.4 * radius) / scale
        light[sheet & (labels == 0)] += rng.uniform(0.2, 1.5)
    for _ in range(int(rng.integers(0, 40)) if rng.random() < 0.5 else 0):
        at = rng.integers(0, shape)
        size = int(rng.integers(1, 2 + max(1, int(radius / 6))))
        light[at[0], at[1] : at[1] + size, at[2] : at[2] + size] += rng.uniform(0.5, 3)
    return light
