"""What a user without a network has: watershed and flood fill from the same clicks."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.filters import sobel, threshold_otsu
from skimage.segmentation import flood, watershed

from napari_sam.prompts.prompt import Box, Point

TOLERANCE = 0.2
"""Flood fill: the range of intensity, as a share of the contrast limits."""


class Watershed:
    """Marker-based watershed on the gradient of one plane.

    Markers of the background: negative clicks, what Otsu's threshold puts on the other side than the first click, and
    what lies outside a box. With a threshold of its own it knows more than the clicks say.
    """

    def __init__(self, gray: NDArray[np.float32]) -> None:
        smooth = ndimage.gaussian_filter(gray, 1)
        self.gradient = sobel(smooth)
        self.bright = smooth > (threshold_otsu(smooth) if smooth.max() > smooth.min() else smooth.max())

    def __call__(self, points: Sequence[Point], box: Box | None) -> NDArray[np.bool_]:
        shape = self.gradient.shape
        markers = np.zeros(shape, np.int32)
        seeds = [(round(point.row), round(point.column)) for point in points if point.positive]
        if box is not None and not seeds:
            seeds = [(round((box.row0 + box.row1) / 2), round((box.column0 + box.column1) / 2))]
        markers[ndimage.binary_erosion(self.bright != self.bright[seeds[0]])] = 2
        if box is not None:
            outside = np.ones(shape, bool)
            outside[_inside(box, shape)] = False
            markers[outside] = 2
        for point in points:
            if not point.positive:
                markers[_disc(point.row, point.column, shape)] = 2
        for row, column in seeds:
            markers[_disc(row, column, shape)] = 1
        return np.asarray(watershed(self.gradient, markers) == 1)


class FloodFill:
    """Flood fill from positive clicks, less the flood from negative ones, inside a box if there is one."""

    def __init__(self, gray: NDArray[np.float32]) -> None:
        self.smooth = ndimage.gaussian_filter(gray, 1)

    def __call__(self, points: Sequence[Point], box: Box | None) -> NDArray[np.bool_]:
        answer = np.zeros(self.smooth.shape, bool)
        if box is not None and not points:
            points = [Point((box.row0 + box.row1) / 2, (box.column0 + box.column1) / 2)]
        for point in points:
            region = flood(self.smooth, (round(point.row), round(point.column)), tolerance=TOLERANCE)
            answer = answer | region if point.positive else answer & ~region
        if box is not None:
            inside = np.zeros(answer.shape, bool)
            inside[_inside(box, answer.shape)] = True
            answer &= inside
        return answer


def _disc(row: float, column: float, shape: tuple[int, int], radius: int = 2) -> tuple[slice, slice]:
    return (
        slice(max(round(row) - radius + 1, 0), min(round(row) + radius, shape[0])),
        slice(max(round(column) - radius + 1, 0), min(round(column) + radius, shape[1])),
    )


def _inside(box: Box, shape: tuple[int, int]) -> tuple[slice, slice]:
    return (
        slice(max(round(box.row0), 0), min(round(box.row1) + 1, shape[0])),
        slice(max(round(box.column0), 0), min(round(box.column1) + 1, shape[1])),
    )
