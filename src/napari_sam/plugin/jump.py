"""Bringing a place of an image into view."""

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image

from napari_sam.planes.plane import Plane
from napari_sam.plugin.view import View, camera_of, displayed_axes, resolve_view


def jump_to(viewer: ViewerModel, image: Image, plane: Plane, center: tuple[float, float]) -> None:
    """Show a plane of an image, with a position on it in view; where it is in view already, nothing moves.

    Parameters
    ----------
    viewer
        The viewer.
    image
        The image layer.
    plane
        The plane; the viewer's axes are put in order for it.
    center
        (row, column) on it.
    """
    offset = viewer.dims.ndim - image.ndim
    if displayed_axes(viewer.dims, image.ndim) != plane.axes:
        shown = [axis + offset for axis in plane.axes]
        viewer.dims.order = (*(axis for axis in viewer.dims.order if axis not in shown), *shown)
    world = image.data_to_world(plane.to_data(*center))
    for axis, at in enumerate(world):
        if axis not in plane.axes:
            viewer.dims.set_point(axis + offset, float(at))
    view = resolve_view(viewer.dims, image)
    if isinstance(view, View) and not _sees(view, center):
        camera = camera_of(viewer)
        camera.center = (*camera.center[:-2], *(float(world[axis]) for axis in plane.axes))


def _sees(view: View, position: tuple[float, float]) -> bool:
    away = np.abs(np.subtract(position, view.center))
    return bool((away <= np.divide(view.extent, 2)).all())
