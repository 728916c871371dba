"""Made-up images of every kind, with the middles of their objects."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class MadeImage:
    """What napari gets, how it lies, and where its objects are in data coordinates, (n, axes)."""

    data: Any
    middles: np.ndarray
    attributes: dict[str, Any] = field(default_factory=dict)


def make_image(kind: str, seed: int) -> MadeImage:
    """The image of a kind."""
    return KINDS[kind](np.random.default_rng(seed))


def _nuclei(random: np.random.Generator, shape: tuple[int, ...], count: int, radius: float) -> tuple[Any, np.ndarray]:
    """Balls in noise, uint16; the depth of a plane is two pixels."""
    middles = np.stack([random.uniform(radius if size > 3 * radius else 0, size - 1, count) for size in shape], axis=1)
    values = random.normal(120, 12, shape)
    steps = np.array([2.0] * (len(shape) - 2) + [1.0, 1.0])
    grid = np.stack(np.meshgrid(*[np.arange(size) for size in shape], indexing="ij"), axis=-1)
    for middle in middles:
        away = np.sqrt((((grid - middle) * steps) ** 2).sum(axis=-1))
        values[away < radius * random.uniform(0.7, 1.2)] += random.uniform(150, 300)
    return np.clip(values, 0, 65535).astype(np.uint16), middles


def _flat(random: np.random.Generator) -> MadeImage:
    return MadeImage(*_nuclei(random, (256, 256), 14, 14))


def _stack(random: np.random.Generator) -> MadeImage:
    return MadeImage(*_nuclei(random, (10, 180, 200), 14, 13), {"scale": (2.0, 1.0, 1.0), "units": ("um",) * 3})


def _five(random: np.random.Generator) -> MadeImage:
    volume, middles = _nuclei(random, (5, 128, 140), 9, 12)
    data = np.stack([np.stack([volume, volume[::-1]]), np.stack([volume[:, ::-1], volume[..., ::-1]])])
    lifted = np.concatenate([np.zeros((len(middles), 2)), middles], axis=1)
    return MadeImage(data, lifted, {"scale": (1.0, 1.0, 2.0, 0.5, 0.5)})


def _rgb(random: np.random.Generator) -> MadeImage:
    values, middles = _nuclei(random, (220, 240), 12, 14)
    grey = (values.astype(float) / values.max() * 255).astype(np.uint8)
    return MadeImage(np.stack([grey, grey // 2, 255 - grey], axis=-1), middles, {"rgb": True})


def _lazy(random: np.random.Generator) -> MadeImage:
    import dask.array

    values, middles = _nuclei(random, (10, 180, 200), 14, 13)
    return MadeImage(dask.array.from_array(values, chunks=(1, 90, 100)), middles, {"contrast_limits": (80, 450)})


def _multiscale(random: np.random.Generator) -> MadeImage:
    values, middles = _nuclei(random, (6, 512, 512), 30, 20)
    return MadeImage([values, values[:, ::2, ::2], values[:, ::4, ::4]], middles, {"contrast_limits": (80, 450)})


def _affine(random: np.random.Generator) -> MadeImage:
    values, middles = _nuclei(random, (8, 160, 180), 12, 13)
    how = {"scale": (3.0, 0.7, 0.7), "rotate": 20.0, "translate": (5.0, -30.0, 12.0), "shear": (0.0, 0.0, 0.1)}
    return MadeImage(values, middles, how)


KINDS: dict[str, Callable[[np.random.Generator], MadeImage]] = {
    "2d": _flat,
    "3d": _stack,
    "5d": _five,
    "rgb": _rgb,
    "lazy": _lazy,
    "multiscale": _multiscale,
    "affine": _affine,
}
