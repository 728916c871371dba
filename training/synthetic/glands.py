"""Sections of glands and crypts with haematoxylin and eosin."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from training.synthetic.camera import photograph_colour, uneven_light
from training.synthetic.shapes import Field, Labels, depth, smooth_noise
from training.synthetic.territories import Territories, territories, waves

Generated = tuple[NDArray[np.generic], Labels]


@dataclass(frozen=True)
class Place:
    """Each pixel as seen from its gland.

    Attributes
    ----------
    inside
        (h, w) depth below the border, pixels; negative outside.
    turn
        (h, w) direction from the middle, 0..1.
    circumference
        (h, w) of the circle around the middle through the pixel, pixels.
    """

    inside: Field
    turn: Field
    circumference: Field

    @classmethod
    def of(cls, cells: Territories, inside: Field) -> "Place":
        """Measure in glands that are stretched."""
        whole = np.float32(2 * np.pi)
        long = cells.each(np.exp(cells.stretch))
        length = np.hypot(cells.right * long, cells.down / long) * cells.each(cells.radii)
        return cls(inside, np.arctan2(cells.down, cells.right) / whole + np.float32(0.5), whole * length)


def glands(rng: np.random.Generator, side: int) -> Generated:
    """Rings of nuclei around a wall with goblet cells and a lumen, in stroma that is full of other nuclei.

    The whole gland is the object, its lumen included.
    """
    diameter = float(np.exp(rng.uniform(np.log(50), np.log(340))))
    cells = territories(
        rng,
        side,
        diameter,
        jitter=rng.uniform(0.5, 1),
        elongation=rng.choice([0.15, 0.4, 0.6]),
        aligned=rng.choice([0.0, 0.9]),
        sizes=rng.uniform(0.05, 0.3),
        waviness=rng.uniform(0, 0.06),
        missing=rng.choice([0.0, rng.uniform(0, 0.5)]) if diameter < side / 3 else 0.0,
    )
    outline = rng.uniform(0.65, 1.05) * waves(rng, cells, rng.uniform(0.02, 0.12))
    share = np.clip(cells.distance / np.maximum(outline, 0.1), 0, 5)
    # A strip of stroma parts neighbours: what lies near a border between territories is not of the gland.
    strip = rng.uniform(0, 0.04) * diameter
    labels = cells.within(share < 1)
    if strip > 1:
        labels = cells.within(depth(labels) > strip)
    inside = depth(labels)
    place = Place.of(cells, inside)
    nucleus = max(4.0, diameter * rng.uniform(0.035, 0.1))
    violet = np.array([0.42, 0.28, 0.56]) + rng.normal(0, 0.07, 3)
    pink = np.array([0.9, 0.66, 0.78]) + rng.normal(0, 0.05, 3)
    ideal = _stroma(rng, side, pink.astype(np.float32), nucleus)
    within = inside > 0
    # Wall: paler or more purple than the stroma, with vacuoles; then the lumen.
    radius = cells.each(cells.radii)
    wall = radius * cells.uniform(rng, *np.sort(rng.uniform(0.3, 1.0, 2)))
    ripple = 0.2 * nucleus * smooth_noise(rng, (side, side), 2 * nucleus)
    cytoplasm = (pink * rng.uniform(0.85, 1.05) + rng.uniform(-0.3, 0.2) * (pink - violet)).astype(np.float32)
    texture = rng.uniform(0.01, 0.06) * smooth_noise(rng, (side, side), rng.uniform(1.5, 5))
    ideal = np.where(within[..., None], cytoplasm + texture[..., None], ideal)
    vacuole = _radial(rng, cells, place, 1.5 * nucleus * rng.uniform(0.8, 1.6), rng.uniform(2.0, 4.0) * nucleus, 1.5)
    goblets = float(rng.choice([0.0, rng.uniform(0, 1)]))
    clear = np.clip((1 - vacuole) * 4, 0, 1) * (cells.uniform(rng, 0, 1) < goblets) * within
    mucus = np.clip(np.array([0.93, 0.9, 0.95]) + rng.normal(0, 0.03, 3), 0, 1).astype(np.float32)
    ideal = ideal + (mucus - ideal) * clear[..., None] * rng.uniform(0.5, 1)
    lumen = np.clip((inside - wall + ripple) / 1.5, 0, 1) * within
    filling = smooth_noise(rng, (side, side), 1.5 * nucleus) > rng.uniform(0.5, 3)
    empty = np.where(filling[..., None], 0.5 * cytoplasm + 0.45, np.float32(rng.uniform(0.88, 0.98)))
    ideal = ideal + (empty - ideal) * lumen[..., None]
    basal = _radial(
        rng, cells, place, nucleus * rng.uniform(0.7, 1.1), rng.uniform(0.6, 1.1) * nucleus, rng.uniform(1, 2)
    )
    if rng.random() < 0.5:
        deeper = _radial(rng, cells, place, nucleus, rng.uniform(1.6, 2.8) * nucleus, rng.uniform(1, 2))
        basal = np.minimum(basal, deeper)
    own = np.clip((1 - basal) * 0.35 * nucleus, 0, 1) * within * (inside > 0.5)
    others = _scattered_nuclei(rng, side, nucleus, within, inside > 0.9 * wall)
    stain = np.maximum(own, others) * rng.uniform(0.65, 1)
    chromatin = np.clip(1 + rng.uniform(0, 0.2) * smooth_noise(rng, (side, side), max(1.2, nucleus / 5)), 0.4, 1.5)
    dark = 1 + (violet.astype(np.float32) - 1) * chromatin[..., None]
    ideal = ideal + (dark - ideal) * stain[..., None]
    if rng.random() < 0.3:
        # Basement membrane, or the cleft where the gland has shrunk away from the stroma.
        line = np.exp(-(((inside + 0.5) / rng.uniform(0.8, 2.5)) ** 2))
        ideal = ideal + (rng.uniform(0.7, 1) - ideal) * (line * rng.uniform(0.2, 0.9))[..., None]
    strength = np.float32(rng.uniform(0.6, 1.4))
    ideal = np.clip(ideal, 0.02, 1) ** strength * uneven_light(rng, side, 0.03)[..., None]
    return photograph_colour(rng, ideal.astype(np.float32)), labels


def _stroma(rng: np.random.Generator, side: int, pink: Field, nucleus: float) -> Field:
    """Fibres that run together, and clear clefts."""
    across, along = rng.uniform(0.7, 1.5), rng.uniform(3, 8)
    fibres = ndimage.gaussian_filter(
        rng.standard_normal((side, side), np.float32), (across, along)[:: rng.choice([-1, 1])]
    )
    tone = 0.04 * smooth_noise(rng, (side, side), 4 * nucleus) + rng.uniform(0.01, 0.06) * fibres / fibres.std()
    ideal = pink + tone[..., None] * np.array([0.6, 1.2, 0.8], np.float32)
    clefts = smooth_noise(rng, (side, side), nucleus * rng.uniform(1.5, 4)) + 0.5 * fibres / fibres.std()
    ideal[clefts > rng.uniform(1.2, 4)] = rng.uniform(0.88, 0.97)
    return ideal


def _radial(
    rng: np.random.Generator, cells: Territories, place: Place, width: float, at: float, elongation: float
) -> Field:
    """(h, w) distance from the middle of a row of ellipses along each border, 1 at theirs.

    Parameters
    ----------
    width
        Of one and the gap beside it, pixels.
    at
        Mean distance of their middles from the border, pixels.
    elongation
        Ratio of their axes; the long one points inward.
    """
    number = np.maximum(np.round(2 * np.pi * cells.radii / width), 3).astype(np.float32)
    around = place.turn * cells.each(number)
    slot = np.floor(around)
    # The place in a table of random values that belongs to this ellipse.
    which = (slot.astype(np.int32) + 37 * cells.labels) % 4096
    shift, further, larger = rng.random((4096, 3)).astype(np.float32)[which].transpose(2, 0, 1)
    # Its true width depends on how far from the middle of the gland the border is here.
    beside = (around - slot - 0.625 + 0.25 * shift) * place.circumference / cells.each(number)
    size = np.float32(width) * (0.38 + 0.14 * larger)
    inward = place.inside - np.float32(at) * (0.8 + 0.4 * further)
    return np.hypot(beside / size, inward / (size * np.float32(elongation)))


def _scattered_nuclei(
    rng: np.random.Generator, side: int, nucleus: float, within: NDArray[np.bool_], lumen: NDArray[np.bool_]
) -> Field:
    """Stain of the nuclei of stroma: thin ones along the fibres, round ones of lymphocytes; in some images in walls."""
    spacing = nucleus * rng.uniform(1.1, 2.5)
    cells = territories(
        rng,
        side,
        spacing,
        jitter=1.0,
        elongation=rng.choice([0.2, 0.8, 1.4]),
        aligned=rng.choice([0.0, 0.8]),
        sizes=0.2,
        waviness=0.05,
        missing=rng.uniform(0.1, 0.8),
    )
    size = nucleus / spacing * rng.uniform(0.6, 0.95)
    stain = np.clip((1 - cells.distance / size) * 0.35 * nucleus, 0, 1) * cells.uniform(rng, 0.6, 1)
    # Those of the wall's own are kept whole or not at all: by where their middle lies.
    drawn = stain > 0
    all_of_it = np.maximum(np.bincount(cells.labels[drawn], minlength=len(cells.radii)), 1)
    in_glands = np.bincount(cells.labels[drawn & within], minlength=len(cells.radii)) / all_of_it
    in_lumen = np.bincount(cells.labels[drawn & within & lumen], minlength=len(cells.radii)) / all_of_it
    filled = rng.random() < 0.3
    kept = (in_glands < 0.05) | ((in_glands > 0.9) & (in_lumen < 0.05) & (filled | (rng.random(len(in_glands)) < 0.03)))
    return np.where(kept[cells.labels], stain, 0).astype(np.float32)
