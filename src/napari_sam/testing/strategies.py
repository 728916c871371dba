"""Hypothesis strategies for planes, windows, masks, prompts and labels.

Ranges are (lowest, highest), both inclusive. Coordinates are plane coordinates (row, column), pixel centres on
integers.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from napari_sam.labels.paint import Collision
from napari_sam.planes.geometry import Mask, Plane, Window
from napari_sam.prompts.prompt import Box, Point, Prompts, Scribble

Draw = st.DrawFn
LABEL_DTYPES = (np.uint8, np.uint16, np.int32, np.uint64)


def pairs(lowest: float, highest: float) -> st.SearchStrategy[tuple[float, float]]:
    """Draw two floats of a range: (row, column)."""
    each = st.floats(lowest, highest)
    return st.tuples(each, each)


def int_pairs(lowest: int, highest: int) -> st.SearchStrategy[tuple[int, int]]:
    """Draw two integers of a range: (row, column), or (rows, columns)."""
    each = st.integers(lowest, highest)
    return st.tuples(each, each)


@st.composite
def planes(draw: Draw, shape: Sequence[int]) -> Plane:
    """Draw a plane of an array of `shape`: any two axes displayed, in any order, anywhere along the others."""
    row, column, *_ = draw(st.permutations(range(len(shape))))
    return Plane((row, column), tuple(draw(st.integers(0, size - 1)) for size in shape))


def windows(
    origin: tuple[float, float] = (-40, 160),
    step: tuple[float, float] = (0.2, 9),
    side: tuple[int, int] = (1, 24),
) -> st.SearchStrategy[Window]:
    """Draw windows, with other steps and sides along rows than along columns.

    Parameters
    ----------
    origin
        Range of the place of the first pixel, in plane coordinates.
    step
        Range of the plane pixels per window pixel.
    side
        Range of the length of a side, in window pixels.
    """
    return st.builds(Window, pairs(*origin), pairs(*step), int_pairs(*side))


@st.composite
def regions(draw: Draw, shape: Sequence[int], *, empty: bool = False) -> tuple[slice, ...]:
    """Draw a box in an array of `shape`: one slice per axis; `empty` ones too if wanted."""
    box = []
    for size in shape:
        start = draw(st.integers(0, size - 1))
        box.append(slice(start, draw(st.integers(start if empty else start + 1, size))))
    return tuple(box)


@st.composite
def masks(draw: Draw, side: tuple[int, int] = (1, 9), origin: tuple[int, int] = (-4, 12)) -> Mask:
    """Draw binary masks, empty ones and ones beyond the plane included.

    Parameters
    ----------
    side
        Range of the length of a side, before the mask is cropped to its pixels.
    origin
        Range of the place of the first pixel.
    """
    pixels = draw(arrays(bool, draw(int_pairs(*side))))
    return Mask.from_pixels(pixels, draw(int_pairs(*origin)))


@st.composite
def prompts(
    draw: Draw,
    coordinates: st.SearchStrategy[tuple[float, float]],
    mask: st.SearchStrategy[Mask] | None = None,
) -> Prompts:
    """Draw prompts, perhaps none at all: up to four points, a box, a mask and up to two scribbles.

    Parameters
    ----------
    coordinates
        (row, column) of points, corners and vertices.
    mask
        Of dense mask prompts; None draws none.
    """
    points = st.builds(lambda at, positive: Point(at[0], at[1], positive), coordinates, st.booleans())
    strokes = st.builds(Scribble, st.lists(coordinates, min_size=1, max_size=5).map(tuple), st.booleans())
    boxes = st.builds(lambda one, other: Box(*one, *other), coordinates, coordinates)
    return Prompts(
        tuple(draw(st.lists(points, max_size=4))),
        draw(st.none() | boxes),
        None if mask is None else draw(st.none() | mask),
        tuple(draw(st.lists(strokes, max_size=2))),
    )


def places(shape: Sequence[int]) -> st.SearchStrategy[tuple[float, float]]:
    """Draw (row, column) on a plane of (rows, columns), up to the outer borders of its pixels."""
    rows, columns = shape
    return st.tuples(st.floats(-0.5, rows - 0.51), st.floats(-0.5, columns - 0.51))


def label_arrays(
    shape: Sequence[int], dtypes: Sequence[Any] = LABEL_DTYPES, largest: int = 4
) -> st.SearchStrategy[NDArray[Any]]:
    """Draw labels of `shape`, from 0 to `largest`, of one of some integer dtypes."""
    return st.sampled_from(list(dtypes)).flatmap(
        lambda dtype: arrays(dtype, tuple(shape), elements=st.integers(0, largest))
    )


@st.composite
def object_masks(
    draw: Draw,
    shape: Sequence[int],
    most: int = 3,
    side: tuple[int, int] = (1, 8),
    origin: tuple[int, int] = (-10, 10),
) -> dict[Plane, Mask]:
    """Draw the masks of one object on up to `most` parallel planes of an array of `shape`, three axes or more.

    `side` and `origin` are those of `masks`.
    """
    first = draw(planes(shape))
    axis = draw(st.sampled_from([axis for axis in range(len(shape)) if axis not in first.axes]))
    positions = draw(st.sets(st.integers(0, shape[axis] - 1), max_size=most))
    return {first.at(axis, position): draw(masks(side, origin)) for position in sorted(positions)}


def collisions() -> st.SearchStrategy[Collision]:
    """Draw a choice that writes: keep or overwrite."""
    return st.sampled_from([Collision.KEEP, Collision.OVERWRITE])
