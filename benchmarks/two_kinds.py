"""Generated planes with objects of two kinds, which everything cannot tell apart."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

SIDE = 320
"""Pixels along a side (chosen)."""
SCENES = ("sizes", "texture", "rims", "bright", "shapes", "smear")
"""Large and small nuclei, smooth and granular, filled and hollow, bright and dim, round and rod-shaped; blood cells."""

Field = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class TwoKinds:
    """A plane with objects of two kinds.

    Parameters
    ----------
    image
        (SIDE, SIDE) uint8.
    labels
        (SIDE, SIDE) int32, the objects from 1 on.
    kinds
        Kind of each label, 0 or 1; the first entry is the background's and means nothing.
    """

    image: NDArray[np.uint8]
    labels: NDArray[np.int32]
    kinds: NDArray[np.int_]


def two_kinds(scene: str, seed: int) -> TwoKinds:
    """Generate one of `SCENES`."""
    rng = np.random.default_rng([seed, SCENES.index(scene)])
    smear = scene == "smear"
    light = np.full((SIDE, SIDE), 1.0 if smear else 0.1, np.float32) + np.float32(0.03) * _texture(rng, 30)
    labels, kinds = np.zeros((SIDE, SIDE), np.int32), [0]
    for kind, distance, value in _objects(scene, rng):
        inside = (distance < 1) & (labels == 0)
        if inside.sum() > 20:
            kinds.append(kind)
            labels[inside] = len(kinds) - 1
            light[inside] = value[inside]
    seen = ndimage.gaussian_filter(light, rng.uniform(0.7, 1.5)).clip(0)
    photons = rng.uniform(40, 150)
    noisy = rng.poisson(seen * photons) / photons + rng.normal(0, 0.01, seen.shape)
    return TwoKinds((noisy * 150 + 8).clip(0, 255).astype(np.uint8), labels, np.array(kinds))


def _objects(scene: str, rng: np.random.Generator) -> Iterator[tuple[int, Field, Field]]:
    """Yield the kind, the distance from the middle (1 at the border) and the light of each object."""
    if scene in ("sizes", "smear"):
        large, small = ((19, 26), (8, 12)) if scene == "sizes" else ((20, 27), (11, 14))
        many = ((8, 13), (18, 30)) if scene == "sizes" else ((4, 8), (30, 45))
        radii = [*rng.uniform(*large, rng.integers(*many[0])), *rng.uniform(*small, rng.integers(*many[1]))]
    else:
        radii = list(rng.uniform(11, 16, rng.integers(24, 36)))
    for middle, radius in _placed(rng, radii, 5 if scene == "shapes" else 2):
        kind = int(radius < 15) if scene in ("sizes", "smear") else int(rng.random() < 0.5)
        distance = _blob(rng, middle, radius)
        light = rng.uniform(0.6, 0.9) * (1 + 0.1 * _texture(rng, 3))
        if scene == "texture":
            light = rng.uniform(0.6, 0.8) * (1 + (0.45 * _texture(rng, 1.6) if kind else 0.05 * _texture(rng, 4)))
        elif scene == "rims" and kind:
            light = np.where(distance < 0.72, 0.25, light)
        elif scene == "bright":
            light = light / light.mean() * (rng.uniform(0.3, 0.42) if kind else rng.uniform(0.8, 1.0))
        elif scene == "shapes" and kind:
            distance = _rod(rng, middle, radius)
        elif scene == "smear" and kind:
            light = 0.62 + 0.2 * np.exp(-((distance / 0.45) ** 2))
        elif scene == "smear":
            nucleus = _blob(rng, middle + rng.normal(0, 0.15 * radius, 2), radius * rng.uniform(0.55, 0.7))
            light = np.where(nucleus < 1, 0.35, 0.75) * (1 + 0.08 * _texture(rng, 2))
        yield kind, distance, np.asarray(light, np.float32)


def _placed(rng: np.random.Generator, radii: Sequence[float], gap: float) -> list[tuple[NDArray[np.float64], float]]:
    """Return the middles of discs that do not touch; those that find no room are left out."""
    placed: list[tuple[NDArray[np.float64], float]] = []
    for radius in radii:
        for _ in range(200):
            middle = rng.uniform(0.6 * radius, SIDE - 0.6 * radius, 2)
            if all(np.hypot(*(middle - other)) > radius + size + gap for other, size in placed):
                placed.append((middle, radius))
                break
    return placed


def _blob(rng: np.random.Generator, middle: NDArray[np.float64], radius: float) -> Field:
    down, right = _away(middle)
    angle, longer = rng.uniform(0, np.pi), np.sqrt(rng.uniform(1, 1.3))
    along = (down * np.cos(angle) + right * np.sin(angle)) / longer
    across = (right * np.cos(angle) - down * np.sin(angle)) * longer
    around = np.arctan2(along, across)
    dents = sum(rng.normal(0, 0.08 / waves) * np.cos(waves * around + rng.uniform(0, 2 * np.pi)) for waves in (2, 3, 4))
    return np.asarray(np.hypot(along, across) / (radius * (1 + dents)), np.float32)


def _rod(rng: np.random.Generator, middle: NDArray[np.float64], radius: float) -> Field:
    down, right = _away(middle)
    angle = rng.uniform(0, np.pi)
    along, across = down * np.cos(angle) + right * np.sin(angle), right * np.cos(angle) - down * np.sin(angle)
    return np.asarray(np.hypot((np.abs(along) - radius).clip(0), across) / (0.34 * radius), np.float32)


def _away(middle: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rows, columns = np.mgrid[:SIDE, :SIDE]
    return rows - middle[0], columns - middle[1]


def _texture(rng: np.random.Generator, grain: float) -> Field:
    noise = ndimage.gaussian_filter(rng.normal(size=(SIDE, SIDE)).astype(np.float32), grain)
    return np.asarray(noise / noise.std(), np.float32)
