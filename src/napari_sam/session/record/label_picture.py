"""A small picture of a file of labels, and how many objects it holds."""

from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_sam.planes.geometry import Plane
from napari_sam.planes.open_image import open_image

SIDE = 96
"""Longest side of the picture, in pixels: enough to tell states of one file apart in a list (chosen)."""


def picture_of(path: Path) -> tuple[int, Image.Image]:
    """Read a file of labels plane by plane; return the number of its objects, and all planes laid upon each other.

    Raises
    ------
    UserError
        If it cannot be read.
    ValueError
        If it holds no labels.
    """
    source = open_image(path)
    if source.rgb or source.n_channels > 1 or source.dtype.kind not in "iub":
        raise ValueError(f"{path.name} holds no labels")
    ids: set[int] = set()
    seen: NDArray[np.int64] | None = None
    others, axes = source.shape[:-2], (source.ndim - 2, source.ndim - 1)
    for index in product(*map(range, others)):
        pixels = source.read(Plane(axes, (*index, 0, 0)), slice(None), slice(None))[..., 0]
        # Where a run of pixels begins its id is met: a small part of them, whatever the type.
        begins = np.ones(pixels.shape, bool)
        np.not_equal(pixels[:, 1:], pixels[:, :-1], out=begins[:, 1:])
        ids.update(np.unique(pixels[begins]).tolist())
        small = _shrunk(pixels)
        seen = small if seen is None else np.where(seen == 0, small, seen)
    return len(ids - {0}), _coloured(np.zeros((1, 1), np.int64) if seen is None else seen)


def _shrunk(pixels: NDArray[np.generic]) -> NDArray[np.int64]:
    """Take the highest id of each block, so that small objects stay."""
    step = max(1, -(-max(pixels.shape) // SIDE))
    rows, columns = (-(-size // step) for size in pixels.shape)
    padded = np.zeros((rows * step, columns * step), pixels.dtype)
    padded[: pixels.shape[0], : pixels.shape[1]] = pixels
    # First whole rows, which is fast, then the few that are left.
    by_row = padded.reshape(rows, step, -1).max(1)
    return np.asarray(by_row.reshape(rows, columns, step).max(2), np.int64)


def _coloured(ids: NDArray[np.int64]) -> Image.Image:
    """Give each id a hue, black to the ground; steps of the golden ratio tell neighbours apart."""
    hues = (ids * 0.6180339887 % 1 * 255).astype(np.uint8)
    full = np.full_like(hues, 255)
    hsv = np.stack([hues, np.where(ids == 0, 0, 170).astype(np.uint8), np.where(ids == 0, 0, full)], axis=-1)
    return Image.frombytes("HSV", (ids.shape[1], ids.shape[0]), hsv.astype(np.uint8).tobytes()).convert("RGB")
