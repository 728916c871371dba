"""Adherent cells without a label: phase contrast, DIC, bright field out of focus, quantitative phase."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from training.synthetic.camera import photograph, uneven_light
from training.synthetic.shapes import Field, Labels, depth, smooth_noise
from training.synthetic.territories import Territories, inner, territories, waves

Generated = tuple[NDArray[np.generic], Labels]


def label_free(rng: np.random.Generator, side: int) -> Generated:
    """Spread cells with ruffled borders, thin lamellae and nuclei, among rounded ones; sparse to confluent."""
    diameter = float(np.exp(rng.uniform(np.log(18), np.log(170))))
    cells = territories(
        rng,
        side,
        diameter,
        jitter=rng.uniform(0.7, 1),
        elongation=rng.choice([0.2, 0.7, 1.3]),
        aligned=rng.choice([0.0, 0.0, 0.8]),
        sizes=rng.uniform(0.1, 0.35),
        waviness=rng.uniform(0.0, 0.1),
        missing=rng.choice([0.0, rng.uniform(0, 0.8)]),
    )
    ruffles = (
        min(1, diameter / 50)
        * rng.uniform(0, 0.07)
        * smooth_noise(rng, (side, side), max(2.5, diameter * rng.uniform(0.04, 0.12)))
    )
    outline = rng.uniform(0.7, 1.6) * waves(rng, cells, rng.uniform(0.03, 0.25), 7) + ruffles
    mitotic = cells.each(
        rng.random(len(cells.radii)) < rng.choice([0, 0.05, rng.uniform(0, 0.5), 1], p=(0.3, 0.3, 0.3, 0.1))
    )
    # Rounded cells are smaller, as thick as wide and nearly circles, whatever the axes of their territory.
    round_distance = np.hypot(
        cells.right * cells.each(np.exp(0.9 * cells.stretch)), cells.down * cells.each(np.exp(-0.9 * cells.stretch))
    )
    round_distance /= rng.uniform(0.4, 0.65) * (1 + 0.12 * (outline - outline.mean()))
    reach = np.where(mitotic > 0, round_distance, cells.distance / np.maximum(outline, 0.1)).astype(np.float32)
    labels = cells.within(reach < 1)
    inside = depth(labels)
    thickness = _thickness(rng, cells, inside, reach, mitotic > 0, diameter)
    way = rng.random()
    if way < 0.5:
        ideal = _phase_contrast(rng, thickness, inside, diameter)
    elif way < 0.7:
        angle = rng.uniform(0, 2 * np.pi)
        seen = ndimage.gaussian_filter(thickness, rng.uniform(0.6, 1.5))
        slope = np.cos(angle) * np.gradient(seen, axis=1) + np.sin(angle) * np.gradient(seen, axis=0)
        ideal = slope / max(3 * float(slope.std()), 1e-6)
    elif way < 0.9:
        # Out of focus: the thick focuses the light on one side of the focus and spreads it on the other.
        width = rng.uniform(0.8, max(1.2, 0.05 * diameter))
        fringe = ndimage.gaussian_filter(thickness, width) - ndimage.gaussian_filter(thickness, 2.2 * width)
        ideal = (
            float(rng.choice([-1, 1])) * fringe / max(3 * float(fringe.std()), 1e-6)
            - rng.uniform(-0.3, 0.5) * thickness
        )
    else:
        ideal = thickness * rng.uniform(0.8, 1.6)
    contrast = np.exp(rng.uniform(np.log(0.1), np.log(0.4)))
    dirt = ndimage.gaussian_filter(
        (rng.random((side, side)) < rng.uniform(0, 0.0006)).astype(np.float32), rng.uniform(0.7, 2)
    )
    ideal = 0.5 + contrast * ideal + rng.uniform(-1, 1) * contrast * dirt / max(float(dirt.max()), 1e-6)
    ideal = ideal + rng.uniform(0, 0.06) * contrast * smooth_noise(rng, (side, side), rng.uniform(1, 3))
    ideal = np.clip(ideal * uneven_light(rng, side, rng.uniform(0, 0.09)), 0.01, None)
    return photograph(
        rng, ideal.astype(np.float32), (0.4, float(np.clip(diameter / 30, 0.7, 1.6))), (600, 10000)
    ), labels


def _thickness(
    rng: np.random.Generator,
    cells: Territories,
    inside: Field,
    reach: Field,
    mitotic: NDArray[np.bool_],
    diameter: float,
) -> Field:
    """Optical thickness, about 0..1 of spread cells and up to 2 of rounded ones."""
    side = len(inside)
    shape = (side, side)
    within = np.clip(1 - reach, 0, 1)
    edge = np.clip(inside / (rng.uniform(0.02, 0.12) * diameter + 1), 0, 1)
    lamella, dome = rng.uniform(0.05, 0.45), rng.uniform(0.2, 0.7)
    nucleus = inner(rng, cells, (0.3, 0.45), 0.25, 0.35)
    nuclear = np.clip((1 - nucleus) * rng.uniform(2, 8), 0, 1)
    rim = np.exp(-(((nucleus - 1) * rng.uniform(5, 12)) ** 2))
    grains = smooth_noise(rng, shape, max(1.2, diameter * rng.uniform(0.015, 0.05)))
    coarse = smooth_noise(rng, shape, max(2.5, diameter * rng.uniform(0.06, 0.2)))
    nucleoli = np.clip(smooth_noise(rng, shape, max(1.5, 0.05 * diameter)) - 1.1, 0, 1) * nuclear
    # Organelles crowd around the nucleus, which is smoother.
    crowd = np.exp(-np.clip(nucleus - 1, 0, None) / rng.uniform(0.3, 1.5)) * (1 - 0.7 * nuclear)
    out = lamella * edge + dome * within ** rng.uniform(0.6, 2)
    out = out + rng.uniform(-0.35, 0.45) * nuclear + rng.uniform(0, 0.3) * rim + rng.uniform(0, 0.8) * nucleoli
    out = out + edge * (rng.uniform(0.02, 0.25) * grains * (0.3 + crowd) + rng.uniform(0, 0.12) * coarse)
    ruffled = np.exp(-(((inside - 1) / rng.uniform(1, 0.04 * diameter + 1.5)) ** 2)) * rng.uniform(0, 0.3)
    out = out + ruffled * np.clip(1 + smooth_noise(rng, shape, max(3.0, 0.2 * diameter)), 0, 2)
    ball = np.sqrt(np.clip(1 - reach**2, 0, 1)) * rng.uniform(1, 2.2) + 0.08 * grains
    out = np.where(mitotic, ball, out * cells.uniform(rng, 0.6, 1.1))
    return np.where(inside > 0, out, 0).astype(np.float32)


def _phase_contrast(rng: np.random.Generator, thickness: Field, inside: Field, diameter: float) -> Field:
    """Dark what delays the light, within halos; what delays it by more than half a wave is bright again."""
    wrapped = np.sin(np.minimum(thickness, 2.2) * rng.uniform(1.2, 2.2))
    near = ndimage.gaussian_filter(wrapped, rng.uniform(1.0, 0.06 * diameter + 1.5))
    # A narrow sum of a wide blur would cost most of the time, so that it is taken of every second pixel.
    small = ndimage.gaussian_filter(wrapped[::2, ::2], 0.5 * rng.uniform(0.1, 0.3) * diameter + 1)
    far = np.repeat(np.repeat(small, 2, 0), 2, 1)[: len(wrapped), : len(wrapped)]
    ideal = rng.uniform(0.4, 1.0) * near + rng.uniform(0.3, 1.0) * far - wrapped
    bright = np.exp(-np.clip(-inside, 0, None) / rng.uniform(1, 0.05 * diameter + 1.5)) * (inside < 0)
    thick = np.clip(ndimage.maximum_filter(thickness[::3, ::3], 3), 0, 1.5)
    thick = np.repeat(np.repeat(thick, 3, 0), 3, 1)[: len(wrapped), : len(wrapped)]
    ideal = ideal + rng.uniform(0, 1.2) * bright * thick
    return float(rng.choice([1.3, -1.3], p=(0.88, 0.12))) * ideal
