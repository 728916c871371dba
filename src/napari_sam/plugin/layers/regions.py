"""The parts of an image that everything is looked for in: a plane, what is visible of it, a rectangle, the stack."""

from enum import StrEnum

import numpy as np
from napari.layers import Shapes

from napari_sam.errors import UserError
from napari_sam.plugin.layers.placement import world_map
from napari_sam.plugin.layers.viewer_context import ViewerContext

Region = tuple[float, float, float, float]
"""(row0, column0, row1, column1), borders in plane coordinates."""


class Where(StrEnum):
    """A part of what is in view."""

    PLANE = "This plane"
    VISIBLE = "What is visible"
    RECTANGLE = "In the selected rectangle"
    STACK = "The whole stack"


def region_in_view(context: ViewerContext, where: Where) -> Region | None:
    """Return the region that is meant; None for whole planes.

    Parameters
    ----------
    context
        The viewer, and the image.
    where
        Which part.

    Raises
    ------
    UserError
        If no plane is in view, or no rectangle is selected.
    """
    image, _, view = context.in_view()
    if where in (Where.PLANE, Where.STACK):
        return None
    if where is Where.VISIBLE:
        (row, column), (rows, columns) = view.center, view.extent
        return row - rows / 2, column - columns / 2, row + rows / 2, column + columns / 2
    layer = _with_selection(context)
    if layer is None:
        raise UserError("Select a rectangle first: draw one in a Shapes layer, with napari's rectangle tool.")
    corners = np.concatenate([layer.data[at] for at in _selected(layer)])
    there = np.array([view.plane.from_data(at) for at in world_map(layer, image, context.point)(corners)])
    (row0, column0), (row1, column1) = there.min(axis=0).tolist(), there.max(axis=0).tolist()
    return row0, column0, row1, column1


def _with_selection(context: ViewerContext) -> Shapes | None:
    """Find the Shapes layer with the rectangle that is meant: the active one before the topmost."""
    active = context.viewer.layers.selection.active
    layers = [active, *reversed(context.viewer.layers)]
    shapes = [layer for layer in layers if isinstance(layer, Shapes) and layer.visible]
    return next((layer for layer in shapes if _selected(layer)), None)


def _selected(layer: Shapes) -> list[int]:
    """Return the places of the shapes that are selected; the only one of a layer need not be."""
    selected = sorted(int(at) for at in layer.selected_data if at < len(layer.data))
    return selected or ([0] if len(layer.data) == 1 else [])
