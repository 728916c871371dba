"""A small picture of an image with the outlines of its labels."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage.segmentation import find_boundaries

from napari_sam.planes.contrast import Contrast
from napari_sam.planes.geometry import Plane
from napari_sam.planes.image_source import ImageSource

SIDE = 360
"""Longer side of a picture in pixels (chosen: three beside each other on a page)."""
_COLORS = np.array(
    [(255, 80, 80), (90, 220, 90), (90, 160, 255), (255, 210, 60), (240, 110, 240), (70, 230, 220), (255, 150, 60)],
    np.uint8,
)


def write_picture(
    path: Path, source: ImageSource, contrast: Contrast, labels: NDArray[Any], axes: tuple[int, int]
) -> None:
    """Write a JPEG of the plane that holds the most labelled pixels.

    Parameters
    ----------
    path
        Where to.
    source, contrast
        The image.
    labels
        (axes...) of the image.
    axes
        (row axis, column axis) of the planes; negative numbers count from the last.
    """
    rows, columns = (axis % labels.ndim for axis in axes)
    plane = _fullest(labels, (rows, columns))
    every = max(1, -(-max(plane.shape(source.shape)) // SIDE))
    pixels = source.read(plane, slice(None), slice(None), (every, every))
    shown = (np.clip(contrast.apply(pixels), 0, 1) * 255).astype(np.uint8)
    ids = plane.view_of(labels)[::every, ::every]
    # Small images are enlarged, so that an outline does not hide what it surrounds.
    grown = max(1, SIDE // max(ids.shape))
    ids, shown = (each.repeat(grown, 0).repeat(grown, 1) for each in (ids, shown))
    colored = _colored(shown)
    edges = find_boundaries(ids, mode="inner")  # type: ignore[no-untyped-call]
    colored[edges] = _COLORS[ids[edges] % len(_COLORS)]
    Image.fromarray(colored).save(path, "JPEG", quality=85, subsampling=0)


def _fullest(labels: NDArray[Any], axes: tuple[int, int]) -> Plane:
    """Return the plane with the most labelled pixels; the middle one where there are none."""
    counts = np.count_nonzero(labels, axis=axes)
    at = (
        np.unravel_index(int(np.argmax(counts)), counts.shape) if counts.any() else [size // 2 for size in counts.shape]
    )
    index = iter(at)
    return Plane(axes, tuple(0 if axis in axes else int(next(index)) for axis in range(labels.ndim)))


def _colored(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return (h, w, channels) as (h, w, 3): one channel grey, two as red and green, of more the first three."""
    channels = pixels.shape[2]
    if channels == 1:
        return pixels.repeat(3, axis=2)
    if channels == 2:
        pixels = np.concatenate([pixels, np.zeros_like(pixels[..., :1])], axis=2)
    return pixels[..., :3].copy()
