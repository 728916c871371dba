"""Smears of blood and bone marrow with the stains of Giemsa, Wright and May-Grünwald: white cells of all kinds."""

import numpy as np
from numpy.typing import NDArray

from training.synthetic.camera import photograph_colour, uneven_light
from training.synthetic.shapes import Field, Labels, blob, depth, smooth_noise, tidy
from training.synthetic.territories import Territories, territories, waves

Generated = tuple[NDArray[np.generic], Labels]

Range = tuple[float, float]
Lineage = tuple[Range, Range, Range, Range, str, float]
"""Lobes, the angle between them, their distance from the middle, their radius; cytoplasm; strength of granules."""

LINEAGES: dict[str, Lineage] = {
    # A round nucleus is one lobe; lengths are of the cell's radius.
    "lymphocyte": ((1, 1), (0, 0), (0.0, 0.15), (0.75, 0.93), "blue", 0.0),
    "blast": ((1, 1), (0, 0), (0.0, 0.15), (0.68, 0.85), "blue", 0.1),
    "plasma cell": ((1, 1), (0, 0), (0.3, 0.5), (0.4, 0.55), "blue", 0.0),
    "erythroblast": ((1, 1), (0, 0), (0.0, 0.3), (0.35, 0.6), "pink", 0.0),
    "monocyte": ((3, 4), (0.5, 0.8), (0.3, 0.4), (0.38, 0.5), "grey", 0.2),
    "myelocyte": ((1, 2), (0.6, 1.2), (0.2, 0.35), (0.5, 0.62), "pale", 0.5),
    "band": ((5, 6), (0.4, 0.6), (0.45, 0.58), (0.2, 0.28), "pale", 0.4),
    "ring": ((6, 6), (0.9, 1.05), (0.45, 0.55), (0.22, 0.3), "pale", 0.3),
    "neutrophil": ((3, 5), (0.8, 1.2), (0.4, 0.55), (0.22, 0.34), "pale", 0.4),
    "eosinophil": ((2, 3), (1.2, 1.7), (0.38, 0.5), (0.3, 0.4), "orange", 1.0),
    "basophil": ((2, 3), (0.9, 1.5), (0.3, 0.45), (0.3, 0.45), "purple", 1.0),
}

CYTOPLASM = {
    "blue": (0.55, 0.62, 0.85),
    "grey": (0.7, 0.7, 0.82),
    "pale": (0.88, 0.8, 0.86),
    "pink": (0.83, 0.66, 0.74),
    "orange": (0.9, 0.62, 0.52),
    "purple": (0.66, 0.54, 0.78),
}


def bone_marrow(rng: np.random.Generator, side: int) -> Generated:
    """White cells with round, kidney-shaped, ring-shaped or lobed nuclei among pale red cells and platelets.

    In some images the white cells are labelled, in others their nuclei, in others white and red cells.
    """
    diameter = float(np.exp(rng.uniform(np.log(20), np.log(190))))
    spacing = diameter * float(rng.choice([rng.uniform(1, 1.3), rng.uniform(1.3, 2.5)]))
    # Far apart on the smear but at least one in the image.
    missing = rng.choice([0.0, rng.uniform(0, 0.7)]) if side > 2.5 * spacing else 0.0
    cells = territories(
        rng, side, spacing, jitter=rng.uniform(0.7, 1), elongation=0.12, sizes=0.14, waviness=0.02, missing=missing
    )
    outline = diameter / spacing * waves(rng, cells, rng.uniform(0.01, 0.06))
    whites = cells.within(cells.distance < outline)
    background = np.array([0.93, 0.9, 0.9]) + rng.normal(0, 0.025, 3) - np.array([0, 0, 1]) * rng.choice([0, 0.08])
    ideal = np.empty((side, side, 3), np.float32)
    ideal[:] = background
    reds = _red_cells(rng, ideal, whites, diameter)
    if rng.random() < 0.6:
        _platelets(rng, ideal, whites, diameter)
    nuclei = _white_cells(rng, ideal, cells, whites, cells.distance / np.maximum(outline, 0.1), diameter)
    # Exposure, white balance and the strength of the stain differ from laboratory to laboratory.
    exposure = (rng.uniform(0.75, 1.03) * rng.uniform(0.96, 1.03, 3)).astype(np.float32)
    ideal = np.clip(ideal, 0.02, 1) ** np.float32(rng.uniform(0.7, 1.5)) * exposure
    pixels = photograph_colour(rng, ideal * uneven_light(rng, side, 0.05)[..., None])
    way = rng.random()
    if way < 0.25 and nuclei.any():
        return pixels, nuclei
    if (way < 0.5 and reds.any()) or not whites.any():
        return pixels, np.where(whites > 0, whites, np.where(reds > 0, reds + whites.max(), 0)).astype(np.int32)
    return pixels, whites


def _red_cells(rng: np.random.Generator, ideal: Field, whites: Labels, diameter: float) -> Labels:
    """Draw discs that are pale in the middle and let the light through where they overlap."""
    side = len(whites)
    red_diameter = max(9.0, diameter * rng.uniform(0.42, 0.8))
    red = np.array([0.85, 0.62, 0.6]) + rng.normal(0, 0.06, 3)
    pallor = rng.uniform(0, 0.9)
    labels = np.zeros((side, side), np.int32)
    layers = int(rng.choice([0, 1, 2], p=(0.12, 0.63, 0.25)))
    for layer in range(layers):
        spacing = red_diameter * rng.uniform(0.98, 1.8)
        cells = territories(
            rng,
            side,
            spacing,
            elongation=0.2,
            sizes=0.08,
            waviness=0.02,
            missing=rng.choice([0.0, rng.uniform(0, 0.9)]),
        )
        reach = cells.distance / (red_diameter / spacing * waves(rng, cells, 0.03, 3))
        drawn = reach < 1
        # Those on which a white cell lies have been pushed away.
        owners = np.bincount(cells.labels[drawn], minlength=len(cells.radii))
        covered = np.bincount(cells.labels[drawn & (whites > 0)], minlength=len(cells.radii))
        drawn &= (covered <= 0.3 * owners)[cells.labels] & (whites == 0)
        dip = np.exp(-((reach / rng.uniform(0.35, 0.6)) ** 2))
        strength = (1 - pallor * dip) * cells.uniform(rng, 0.6, 1.0) * drawn
        ideal *= 1 + (red - 1)[None, None].astype(np.float32) * strength[..., None].astype(np.float32)
        if layer == 0:
            labels = cells.within(drawn)
        else:
            # Where they overlap the one below loses the shared pixels.
            upper = cells.within(drawn)
            labels = tidy(np.where(upper > 0, upper + labels.max(), labels))
    return labels


def _platelets(rng: np.random.Generator, ideal: Field, whites: Labels, diameter: float) -> None:
    """Small granular purple bodies, and grains of stain; none of them is an object."""
    side = len(whites)
    colour = np.array([0.62, 0.45, 0.72]) + rng.normal(0, 0.06, 3)
    for _ in range(int(rng.integers(1, 20))):
        region, shape = blob(rng, side, tuple(rng.uniform(0, side, 2)), diameter * rng.uniform(0.05, 0.14), 0.3, 0.15)
        shape = shape & (whites[region] == 0)
        ideal[region][shape] += (colour - ideal[region][shape]) * rng.uniform(0.5, 1)


def _white_cells(
    rng: np.random.Generator, ideal: Field, cells: Territories, whites: Labels, reach: Field, diameter: float
) -> Labels:
    """Draw cytoplasm, granules and nuclei; return the nuclei."""
    side, count = len(whites), len(cells.radii)
    names = list(LINEAGES)
    # One or two lineages prevail, in blood others than in marrow or leukaemia.
    shares = rng.dirichlet(np.full(len(names), rng.choice([0.15, 1.0])))
    kinds = [LINEAGES[names[i]] for i in rng.choice(len(names), count, p=shares)]
    own = cells.labels[whites > 0]
    right, down = (
        places[whites > 0] * np.exp(way * cells.stretch)[own] for places, way in ((cells.right, 1), (cells.down, -1))
    )
    scale = reach[whites > 0] / np.maximum(cells.distance[whites > 0], 1e-3)
    right, down = right * scale, down * scale
    nucleus = _nuclear_distance(rng, kinds, own, right, down)
    inside = depth(whites)[whites > 0]
    shape = (side, side)
    fine = smooth_noise(rng, shape, max(1.0, diameter * rng.uniform(0.01, 0.03)))[whites > 0]
    coarse = smooth_noise(rng, shape, max(1.5, diameter * rng.uniform(0.05, 0.12)))[whites > 0]
    granules = np.array([kind[5] for kind in kinds], np.float32)[own]
    body = np.array([CYTOPLASM[kind[4]] for kind in kinds]) + rng.normal(0, 0.05, 3) + rng.normal(0, 0.03, (count, 3))
    strength = rng.uniform(0.3, 1.2)
    grain_colour = (np.array([0.6, 0.3, 0.55]) + rng.normal(0, 0.1, 3)).astype(np.float32)
    colour = 1 + np.float32(strength) * (body.astype(np.float32)[own] - 1)
    colour = colour + 0.06 * rng.uniform(0, 1) * coarse[:, None]
    dark = np.clip(fine - 0.6, 0, 1) * granules * rng.uniform(0.2, 1)
    colour = colour + (grain_colour - colour) * dark[:, None]
    if rng.random() < 0.4:
        # Vacuoles.
        colour = np.where((coarse > 1.7)[:, None], 0.5 * colour + 0.47, colour)
    # Basophilic cytoplasm is deepest at its edge.
    deeper = np.exp(-inside / (0.06 * diameter + 1)) * rng.uniform(-0.1, 0.2)
    colour = colour - deeper[:, None] * np.array([1.0, 0.9, 0.5], np.float32)
    purple = np.array([0.42, 0.25, 0.58]) + rng.normal(0, 0.07, 3) + rng.normal(0, 0.03, (count, 3))
    chromatin = np.clip(1 + rng.uniform(0, 0.25) * coarse + rng.uniform(0, 0.12) * fine, 0.4, 1.4)
    if rng.random() < 0.4:
        chromatin = np.where(coarse > 1.5, rng.uniform(0.5, 0.9), chromatin)
    solid = np.clip((1 - nucleus) * 0.3 * diameter, 0, 1) * np.clip(inside - 0.5, 0, 1) * rng.uniform(0.75, 1)
    stained = 1 + (purple.astype(np.float32)[own] - 1) * (chromatin * rng.uniform(0.8, 1.15))[:, None]
    colour = colour + (stained - colour) * solid[:, None]
    ideal[whites > 0] = colour
    nuclei = np.zeros_like(whites)
    nuclei[whites > 0] = np.where((nucleus < 1) & (inside > 1), whites[whites > 0], 0)
    return nuclei


def _nuclear_distance(
    rng: np.random.Generator, kinds: list[Lineage], own: NDArray[np.int32], right: Field, down: Field
) -> Field:
    """Distance from the nearest lobe's middle, 1 at its border: discs on an arc, and bridges between them."""
    count = len(kinds)
    ranges = np.array([kind[:4] for kind in kinds])
    lobes, step, away, size = (low + (high - low) * rng.random(count) for low, high in ranges.transpose(1, 2, 0))
    lobes = np.round(lobes)
    most = int(lobes.max())
    start = rng.uniform(0, 2 * np.pi, count)
    best = np.full(own.shape, np.inf, np.float32)
    for lobe in range(most):
        angle = start + lobe * step + rng.normal(0, 0.08, count)
        reach = away * np.exp(rng.normal(0, 0.1, count))
        radius = np.where(lobe < lobes, size * np.exp(rng.normal(0, 0.1, count)), 1e-3)
        turn = rng.uniform(0, np.pi, count)
        ratio = np.exp(np.abs(rng.normal(0, 0.2, count)) / 2)
        cosine, sine = np.cos(turn), np.sin(turn)
        table = np.stack(
            [
                reach * np.cos(angle),
                reach * np.sin(angle),
                cosine / ratio / radius,
                sine / ratio / radius,
                cosine * ratio / radius,
                sine * ratio / radius,
            ],
            1,
        ).astype(np.float32)[own]
        x, y = right - table[:, 0], down - table[:, 1]
        best = np.minimum(best, np.hypot(x * table[:, 2] + y * table[:, 3], y * table[:, 4] - x * table[:, 5]))
    theta = np.arctan2(down, right)
    first = start.astype(np.float32)[own]
    since = np.mod(theta - first, np.float32(2 * np.pi))
    between = since < ((lobes - 1) * step).astype(np.float32)[own]
    bridge = np.abs(np.hypot(right, down) - away.astype(np.float32)[own])
    bridge /= (size * rng.uniform(0.15, 0.6, count)).astype(np.float32)[own]
    best = np.where(between, np.minimum(best, bridge), best)
    ripple = 1 + 0.05 * np.cos(3 * theta + first) + 0.03 * np.cos(5 * theta - 2 * first)
    return np.asarray(best * ripple, np.float32)
