"""Outlines drawn with napari's shapes as masks."""

from collections.abc import Sequence
from dataclasses import replace
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray
from skimage.draw import polygon2mask

from napari_sam.planes.mask import Mask, Outline

ELLIPSE_VERTICES = 96

Vertices = NDArray[np.float64]
"""(n, 2) plane coordinates (row, column)."""


class Outlines:
    """Turns outlines into masks; the same outline gives the same mask, which tells that nothing changed."""

    def __init__(self) -> None:
        self._masks: WeakValueDictionary[tuple[object, ...], Mask] = WeakValueDictionary()

    def mask(self, kind: str, vertices: Vertices, plane_shape: Sequence[int]) -> Mask | None:
        """The pixels whose centres an outline holds.

        Parameters
        ----------
        kind
            "ellipse", given by the four corners around it; anything else is a polygon.
        vertices
            (n, 2) plane coordinates.
        plane_shape
            (rows, columns) of the plane; what lies outside is dropped.

        Returns
        -------
        Mask or None
            None if it holds no pixel of the plane.
        """
        key = _key(kind, vertices)
        known = self._masks.get(key)
        if known is not None:
            return known
        border = _ellipse(vertices) if kind == "ellipse" else vertices
        low = np.maximum(np.floor(border.min(axis=0)).astype(int), 0)
        high = np.minimum(np.ceil(border.max(axis=0)).astype(int) + 1, plane_shape)
        if not np.isfinite(border).all() or (high <= low).any():
            return None
        inside = polygon2mask(tuple(high - low), border - low)  # type: ignore[no-untyped-call]
        mask = Mask.from_pixels(inside, (int(low[0]), int(low[1])))
        if not mask.area:
            return None
        mask = replace(mask, outline=Outline(kind, vertices.copy()))
        self._masks[key] = mask
        return mask

    def know(self, mask: Mask) -> None:
        """A mask was drawn earlier: its outline gives this one again."""
        if mask.outline is not None:
            self._masks[_key(mask.outline.kind, mask.outline.vertices)] = mask


def _key(kind: str, vertices: Vertices) -> tuple[object, ...]:
    return kind, vertices.tobytes()


def _ellipse(corners: Vertices) -> Vertices:
    """The border of the ellipse that four corners (a rectangle of any rotation) hold."""
    center = corners.mean(axis=0)
    along, across = (corners[1] - corners[0]) / 2, (corners[3] - corners[0]) / 2
    angle = np.linspace(0, 2 * np.pi, ELLIPSE_VERTICES, endpoint=False)[:, None]
    border: Vertices = center + np.cos(angle) * along + np.sin(angle) * across
    return border
