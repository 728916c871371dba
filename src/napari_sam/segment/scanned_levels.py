"""Which levels are tried where nothing tells an object's size, and which of them are embedded ahead for that."""

import math

from napari_sam.embedding.layout import LARGE_AREA
from napari_sam.segment.level import extent, level_for, step_at

SCANNED_LEVELS = (-2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0)
"""Levels tried for a single point when nothing tells the object's size."""


def coarsest_level(plane_shape: tuple[int, int], aspect: tuple[float, float], window: int) -> float:
    """The level at which the plane itself takes half the window: any coarser, there is little left to see."""
    return level_for(max(extent((0, 0, plane_shape[0] - 1, plane_shape[1] - 1), aspect)), window / 2)


def scanned_levels(coarsest: float) -> list[float]:
    """The levels that are tried, up to the coarsest that makes sense."""
    return [level for level in SCANNED_LEVELS if level < coarsest] + [coarsest]


def prepared_levels(
    plane_shape: tuple[int, int], aspect: tuple[float, float], window: int, first: float
) -> list[float]:
    """The levels to embed ahead of a click on an object of unknown size.

    All that are coarser than the first one: together they take a third of its time. Of the finer ones, of which each
    would take four times as long as the one before, those at which the plane is no larger than one area.

    Parameters
    ----------
    plane_shape
        (rows, columns) of the plane.
    aspect
        See `pixel_aspect`.
    window
        Side of the network's window.
    first
        The level to begin with.
    """
    others = [level for level in scanned_levels(coarsest_level(plane_shape, aspect, window)) if level != first]
    finer = [level for level in others if level < first and _pixels(plane_shape, aspect, level) <= LARGE_AREA**2]
    return [first, *(level for level in others if level > first), *reversed(finer)]


def _pixels(plane_shape: tuple[int, int], aspect: tuple[float, float], level: float) -> float:
    step = step_at(level, aspect)
    return math.prod(size / along for size, along in zip(plane_shape, step, strict=True))
