"""The layout of encoded areas on a plane.

An *area* is what is encoded at once; a prompt is decoded on a *window* cut out of it. Networks that are not fully
convolutional have areas of exactly one window.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_sam.planes.geometry import Window

if TYPE_CHECKING:
    # It needs torch, which a window waits for only when there is an image.
    from napari_sam.nn.network import NetworkSizes

MARGIN = 32
"""Network pixels of reflected context around a plane: what nano's encoder shrinks to one; chosen, not measured."""

SMALL_AREA = 512
"""Side of the area encoded for one click, in network pixels.

Chosen: nano takes about 50 ms for it on one thread (docs/log-of-measurements.md), and clicks beside it need no more.
"""

LARGE_AREA = 1024
"""Largest side of an area that is encoded ahead, in network pixels; the side that published networks have (chosen)."""


@dataclass(frozen=True)
class AreaLayout:
    """The layout of areas and windows of one network on a plane at one level.

    Parameters
    ----------
    plane_shape
        (rows, columns) of the plane in plane pixels.
    step
        Plane pixels per network pixel along (row, column).
    window
        Side of the window that is decoded.
    multiple
        Sides of areas are multiples of this.
    stride
        Windows are cut at multiples of this.
    growing
        Whether areas may be larger than a window.
    """

    plane_shape: tuple[int, int]
    step: tuple[float, float]
    window: int
    multiple: int
    stride: int
    growing: bool

    @classmethod
    def of(
        cls,
        network: "NetworkSizes",
        plane_shape: tuple[int, int],
        step: tuple[float, float],
        window: int | None = None,
    ) -> "AreaLayout":
        """Return the layout of `network`; with a `window` other than its own, which it must be able to decode."""
        return cls(
            plane_shape,
            step,
            network.window if window is None else window,
            network.encode_multiple,
            network.stride,
            network.fully_convolutional,
        )

    def around(self, center: tuple[float, float], tight: bool = False) -> Window:
        """Return the area to encode for a prompt at `center` (row, column in plane coordinates).

        A tight one is no larger than a window: four times as fast, but the next click may need another.
        """
        side = SMALL_AREA if self.growing and not tight else self.window
        spans = [self._span(axis, center[axis], side) for axis in (0, 1)]
        return self._area(spans[0], spans[1])

    def covering(self) -> Iterator[Window]:
        """Return areas that together hold a window around every place of the plane."""
        for rows in self._tiles(0):
            for columns in self._tiles(1):
                yield self._area(rows, columns)

    def cut(self, area: Window, center: tuple[float, float]) -> tuple[int, int]:
        """Return (row, column) in `area`, in network pixels, of the window around `center` that lies inside it."""
        place = area.to_window(center)
        corner = []
        for axis in (0, 1):
            start = round((float(place[axis]) + 0.5 - self.window / 2) / self.stride) * self.stride
            corner.append(min(max(start, 0), area.shape[axis] - self.window))
        return corner[0], corner[1]

    def holds(self, area: Window, center: tuple[float, float]) -> bool:
        """Tell whether `area` gives a prompt at `center` as much context as an area around it would."""
        if min(area.shape) < self.window:
            return False
        row, column = self.cut(area, center)
        cut = area.crop(row, column, (self.window, self.window)).bounds
        for axis in (0, 1):
            lowest, highest = -MARGIN * self.step[axis], self.plane_shape[axis] + MARGIN * self.step[axis]
            quarter = self.window * self.step[axis] / 4
            if center[axis] - cut[axis] < quarter and cut[axis] > lowest + 1:
                return False
            if cut[axis + 2] - center[axis] < quarter and cut[axis + 2] < highest - 1:
                return False
        return True

    def _extent(self, axis: int) -> float:
        """Return the network pixels that the plane takes along an axis."""
        return self.plane_shape[axis] / self.step[axis]

    def _whole(self, axis: int, limit: int) -> tuple[float, int] | None:
        """Return the span of an area that holds the whole axis, if it is not longer than `limit`."""
        extent = self._extent(axis)
        needed = max(extent + 2 * MARGIN, self.window) if self.growing else max(extent, self.window)
        side = math.ceil(needed / self.multiple) * self.multiple
        # Whole pixels: at full resolution an area is then a plain slice of the image.
        return None if side > limit else (float(math.floor((extent - side) / 2)), side)

    def _span(self, axis: int, center: float, side: int) -> tuple[float, int]:
        """Return (start in network pixels from the plane's border, side) of an area around `center`."""
        whole = self._whole(axis, side)
        if whole is not None:
            return whole
        start = (center + 0.5) / self.step[axis] - side / 2
        margin = MARGIN if self.growing else 0
        lowest, highest = -margin, self._extent(axis) + margin - side
        # Clicks close to each other share an area: starts lie on a coarse grid.
        start = round(start / (side / 4)) * (side / 4)
        return float(math.floor(min(max(start, lowest), highest))), side

    def _tiles(self, axis: int) -> list[tuple[float, int]]:
        side = LARGE_AREA if self.growing else self.window
        whole = self._whole(axis, side)
        if whole is not None:
            return [whole]
        margin, overlap = (MARGIN, self.window) if self.growing else (0, side // 2)
        length = math.ceil(self._extent(axis)) + 2 * margin - overlap
        if self.growing:
            # No more areas than it takes, and each no larger than that many need to be.
            count = math.ceil(length / (side - overlap))
            side = math.ceil((length / count + overlap) / self.multiple) * self.multiple
        last = length + overlap - margin - side
        return [(float(start), side) for start in [*range(-margin, last, side - overlap), last]]

    def _area(self, rows: tuple[float, int], columns: tuple[float, int]) -> Window:
        origin = ((rows[0] + 0.5) * self.step[0] - 0.5, (columns[0] + 0.5) * self.step[1] - 0.5)
        return Window(origin, self.step, (rows[1], columns[1]))
