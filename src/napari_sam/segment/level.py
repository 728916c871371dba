"""The level at which an object is shown to the network."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_sam.embedding.layout import LARGE_AREA
from napari_sam.planes.geometry import Mask, Window
from napari_sam.prompts.prompt import Prompts

# Chosen, not measured by itself: with version 5, objects 43 or 51 network pixels across instead of 36 change a click by
# .003 (training/LOG.md, "Scale with version 5").
LEVELS_PER_OCTAVE = 2
"""Levels are a half apart: objects of similar size share their embeddings."""

# Chosen, not measured: bounds, from pixels magnified 8 times to blocks of 64.
FINEST_LEVEL, COARSEST_LEVEL = -3.0, 6.0

# Chosen, not measured. Most objects were trained at 20 to 80 of a window's 256 pixels (training/configs/nano-9.toml).
LARGEST_SHARE, SMALLEST_SHARE = 1 / 2, 1 / 8
"""A mask whose box takes more or less than this of the window's side is decoded again at another level."""


@dataclass(frozen=True)
class Framing:
    """How much around an object the network is shown.

    Parameters
    ----------
    tight
        Encode no more than a window at a time, but what lies close together at once: faster for a plane on which no
        other click will follow.
    window
        Side of the window, in network pixels, of objects that take at most `LARGEST_SHARE` of it: less to encode and to
        decode than the network's own. None for its own for all, as networks have it that are not fully convolutional.
    whole_levels
        Halfway between two octaves the coarser one is taken: half the pixels, and one encoding for more objects.
    """

    tight: bool = False
    window: int | None = None
    whole_levels: bool = False


ROOMY = Framing()
"""For a plane on which other clicks may follow."""


def pixel_aspect(scale: Sequence[float] | None, axes: tuple[int, int]) -> tuple[float, float]:
    """Return the plane pixels per unit along (row, column), the unit being the smaller side of a pixel.

    Parameters
    ----------
    scale
        Physical size of a pixel along every data axis, or None for square pixels.
    axes
        (row axis, column axis) of the plane.
    """
    if scale is None:
        return 1.0, 1.0
    row, column = abs(scale[axes[0]]), abs(scale[axes[1]])
    if not (0 < row < math.inf and 0 < column < math.inf):
        return 1.0, 1.0
    unit = min(row, column)
    return unit / row, unit / column


def level_for(size: float, network_size: float) -> float:
    """Return the level at which an object `size` units across is about `network_size` network pixels across."""
    level = math.log2(max(size, 1e-3) / network_size)
    return min(max(round(level * LEVELS_PER_OCTAVE) / LEVELS_PER_OCTAVE, FINEST_LEVEL), COARSEST_LEVEL)


def level_holding(extent: float, network_extent: float) -> float:
    """Return the finest level at which `extent` units take at most `network_extent` network pixels."""
    level = math.log2(max(extent, 1e-3) / network_extent)
    return min(max(math.ceil(level * LEVELS_PER_OCTAVE) / LEVELS_PER_OCTAVE, FINEST_LEVEL), COARSEST_LEVEL)


def step_at(level: float, aspect: tuple[float, float]) -> tuple[float, float]:
    """Return the plane pixels per network pixel along (row, column) at a level."""
    return 2.0**level * aspect[0], 2.0**level * aspect[1]


def level_of(step: tuple[float, float], aspect: tuple[float, float]) -> float:
    """Return the level of a step; the inverse of `step_at`."""
    return math.log2(step[0] / aspect[0])


def prompt_box(prompts: Prompts) -> tuple[float, float, float, float] | None:
    """Return (row0, column0, row1, column1) that all prompts lie in, in plane coordinates; None without prompts.

    NaN along an axis where any of their coordinates is.
    """
    rows = [point.row for point in prompts.points]
    columns = [point.column for point in prompts.points]
    for scribble in prompts.scribbles:
        rows += [row for row, _ in scribble.vertices]
        columns += [column for _, column in scribble.vertices]
    if prompts.box is not None:
        rows += [prompts.box.row0, prompts.box.row1]
        columns += [prompts.box.column0, prompts.box.column1]
    if prompts.mask is not None and prompts.mask.area:
        rows += [prompts.mask.box[0], prompts.mask.box[2] - 1]
        columns += [prompts.mask.box[1], prompts.mask.box[3] - 1]
    if not rows:
        return None
    # By numpy: a coordinate that is NaN must not get lost among others.
    (row0, column0), (row1, column1) = np.min([rows, columns], axis=1), np.max([rows, columns], axis=1)
    return float(row0), float(column0), float(row1), float(column1)


def extent(box: tuple[float, float, float, float], aspect: tuple[float, float]) -> tuple[float, float]:
    """Return (height, width) of a box of pixel centres, in units."""
    return (box[2] - box[0] + 1) / aspect[0], (box[3] - box[1] + 1) / aspect[1]


def mask_extent(mask: Mask, aspect: tuple[float, float]) -> tuple[float, float]:
    """Return (height, width) of a mask's box, in units."""
    return (mask.box[2] - mask.box[0]) / aspect[0], (mask.box[3] - mask.box[1]) / aspect[1]


def diameter(mask: Mask, aspect: tuple[float, float]) -> float:
    """Return the diameter of the disc of a mask's area, in units."""
    return 2 * math.sqrt(mask.area / (aspect[0] * aspect[1]) / math.pi)


def touches_inner_edge(mask: Mask, window: Window, plane_shape: tuple[int, int]) -> bool:
    """Tell whether a mask reaches a border of its window that is not a border of the plane."""
    row0, column0, row1, column1 = window.bounds
    # Chosen, not measured: the last pixel, and half of one for where the mask's border is interpolated.
    reach = (1.5 * window.step[0], 1.5 * window.step[1])
    return (
        (mask.box[0] > 0 and mask.box[0] - 0.5 <= row0 + reach[0])
        or (mask.box[1] > 0 and mask.box[1] - 0.5 <= column0 + reach[1])
        or (mask.box[2] < plane_shape[0] and mask.box[2] - 0.5 >= row1 - reach[0])
        or (mask.box[3] < plane_shape[1] and mask.box[3] - 0.5 >= column1 - reach[1])
    )


# Chosen, an octave apart: the logits of neighbouring scales averaged are within .002 of the best scale alone
# (training/LOG.md, "Neighbouring scales"). All seven take 63 ms with version 4 (docs/log-of-measurements.md).
SCANNED_LEVELS = (-2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0)
"""Levels tried for a single point when nothing tells the object's size."""


def coarsest_level(plane_shape: tuple[int, int], aspect: tuple[float, float], window: int) -> float:
    """Return the level at which the plane itself takes half the window: any coarser, there is little left to see."""
    return level_for(max(extent((0, 0, plane_shape[0] - 1, plane_shape[1] - 1), aspect)), window / 2)


def scanned_levels(coarsest: float) -> list[float]:
    """Return the levels that are tried, up to the coarsest that makes sense."""
    return [level for level in SCANNED_LEVELS if level < coarsest] + [coarsest]


def prepared_levels(
    plane_shape: tuple[int, int], aspect: tuple[float, float], window: int, first: float
) -> list[float]:
    """Return the levels to embed ahead of a click on an object of unknown size.

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
