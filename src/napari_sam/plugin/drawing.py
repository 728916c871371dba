"""Shapes to be put into a Shapes layer."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_sam.planes.mask import Outline
from napari_sam.planes.plane import Plane
from napari_sam.plugin.layer_prompts import Axes
from napari_sam.prompts.prompt import Box, Scribble


@dataclass(frozen=True, eq=False)
class Drawing:
    """One shape.

    Parameters
    ----------
    kind
        napari's name for it.
    vertices
        (n, ndim) data coordinates.
    axes
        Displayed axes of the plane that it is on.
    positive
        Whether it adds.
    """

    kind: str
    vertices: NDArray[np.float64]
    axes: Axes
    positive: bool = True

    @property
    def key(self) -> tuple[object, ...]:
        """What makes it look as it does."""
        return self.kind, self.vertices.tobytes(), self.axes, self.positive

    @classmethod
    def of_box(cls, plane: Plane, box: Box) -> "Drawing":
        """A rectangle around the box's pixels."""
        row0, column0, row1, column1 = box.borders
        corners = [(row0, column0), (row0, column1), (row1, column1), (row1, column0)]
        return cls("rectangle", _lifted(plane, np.asarray(corners)), plane.axes)

    @classmethod
    def of_scribble(cls, plane: Plane, scribble: Scribble) -> "Drawing":
        """A path; napari's have two vertices at least."""
        vertices = [*scribble.vertices, *scribble.vertices][: max(len(scribble.vertices), 2)]
        return cls("path", _lifted(plane, np.asarray(vertices)), plane.axes, scribble.positive)

    @classmethod
    def of_outline(cls, plane: Plane, outline: Outline) -> "Drawing":
        """What the outline was drawn as."""
        return cls(outline.kind, _lifted(plane, outline.vertices), plane.axes)


def _lifted(plane: Plane, vertices: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray([plane.to_data(row, column) for row, column in vertices], float)
