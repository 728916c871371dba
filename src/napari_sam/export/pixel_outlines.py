"""The pixels of an object as polygons that run along the edges of its pixels, so that nothing is lost."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_sam.planes.geometry import Mask

Vertex = tuple[int, int]


@dataclass(frozen=True, eq=False)
class PixelPolygon:
    """A polygon around the pixels of one part of an object.

    Parameters
    ----------
    outer
        (n, 2) corners (row, column), clockwise as the image is seen. The pixel (r, c) reaches from corner (r, c) to
        (r + 1, c + 1): pixel centres lie on halves.
    holes
        The same for each of its holes, anticlockwise.
    """

    outer: NDArray[np.int64]
    holes: tuple[NDArray[np.int64], ...] = ()

    @property
    def rings(self) -> tuple[NDArray[np.int64], ...]:
        """The outer ring and then those of the holes."""
        return self.outer, *self.holes


def pixel_polygons(mask: Mask) -> list[PixelPolygon]:
    """Trace an object: one polygon for each of its parts whose pixels hang together by their sides.

    No ring crosses itself or another one, nor meets itself; two may meet in a corner.
    """
    if not mask.area:
        return []
    parts, count = ndimage.label(mask.pixels)
    polygons = []
    for number, box in enumerate(ndimage.find_objects(parts, count)):
        rings = _rings(parts[box] == number + 1)
        origin = (mask.box[0] + box[0].start, mask.box[1] + box[1].start)
        outer = next(ring for ring in rings if _turns_right(ring))
        holes = tuple(ring + origin for ring in rings if ring is not outer)
        polygons.append(PixelPolygon(outer + origin, holes))
    return polygons


def _rings(pixels: NDArray[np.bool_]) -> list[NDArray[np.int64]]:
    """Follow the edges between pixels and background, pixels to the right."""
    across, down = _segments(pixels), _segments(pixels.T)
    # Turned over, right is left.
    follow: tuple[dict[Vertex, list[Vertex]], dict[Vertex, list[Vertex]]] = ({}, {})
    for start, end in across:
        follow[0].setdefault(start, []).append(end)
    for start, end in down:
        follow[1].setdefault(end[::-1], []).append(start[::-1])
    rings = []
    while follow[0]:
        first = next(iter(follow[0]))
        ring, at, before = [first], first, None
        while True:
            axis = (len(ring) + 1) % 2
            step = _next(follow[axis], at, before)
            at, before = step, at
            if at == first and axis == 1:
                break
            ring.append(at)
        rings.append(np.array(ring, np.int64))
    return rings


def _next(follow: dict[Vertex, list[Vertex]], at: Vertex, before: Vertex | None) -> Vertex:
    """Take the way on; where two pixels meet in a corner, the one to the left, so that they stay together."""
    ways = follow[at]
    if len(ways) == 1 or before is None:
        step = ways.pop()
    else:
        heading = (at[0] - before[0], at[1] - before[1])
        step = next(way for way in ways if heading[1] * (way[0] - at[0]) - heading[0] * (way[1] - at[1]) < 0)
        ways.remove(step)
    if not ways:
        del follow[at]
    return step


def _segments(pixels: NDArray[np.bool_]) -> list[tuple[Vertex, Vertex]]:
    """Find the straight pieces along rows, (start, end): to the right above pixels, to the left below them."""
    padded = np.pad(pixels.astype(np.int8), ((1, 1), (1, 1)))
    # Above each row of corners, and below: 1 where pixels begin, -1 where they end.
    steps = np.diff(padded, axis=0)
    changes = np.diff(steps, axis=1)
    rows, columns = np.nonzero(changes)
    segments = []
    before = steps[rows, columns].tolist()
    after = steps[rows, columns + 1].tolist()
    start = 0
    for row, column, left, right in zip(rows.tolist(), columns.tolist(), before, after, strict=True):
        if left:
            ends = (row, start), (row, column)
            segments.append(ends if left > 0 else ends[::-1])
        if right:
            start = column
    return segments


def _turns_right(ring: NDArray[np.int64]) -> bool:
    """Tell whether a ring runs clockwise as the image is seen, rows downwards."""
    rows, columns = ring.T
    return bool(np.dot(columns, np.roll(rows, -1)) - np.dot(rows, np.roll(columns, -1)) > 0)
