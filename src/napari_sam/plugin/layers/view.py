"""The plane of an image layer that the viewer shows, and bringing a place into view."""

from dataclasses import dataclass

import numpy as np
from napari.components import Dims, ViewerModel
from napari.layers import Image

from napari_sam.planes.geometry import Plane
from napari_sam.plugin.napari_internals import camera_of


@dataclass(frozen=True)
class View:
    """A plane in view.

    Parameters
    ----------
    plane
        The plane.
    center
        (row, column) in the middle of what is visible of it.
    extent
        (rows, columns) visible.
    """

    plane: Plane
    center: tuple[float, float]
    extent: tuple[float, float]


def displayed_axes(dims: Dims, ndim: int) -> tuple[int, int]:
    """Return the (row, column) axes that a layer of `ndim` axes shows; a layer's axes are the viewer's last ones."""
    offset = dims.ndim - ndim
    order = [axis - offset for axis in dims.order if axis >= offset]
    return order[-2], order[-1]


def resolve_view(dims: Dims, layer: Image) -> View | str:
    """Return the plane of `layer` in view, or one sentence that says why there is none.

    Parameters
    ----------
    dims
        The viewer's dims.
    layer
        The image layer.
    """
    if dims.ndisplay != 2:
        return "The view is 3-D: switch to 2-D (the square button below the layer list) to segment."
    if layer.ndim < 2:
        return "This image has a single axis; segmenting needs planes."
    axes = displayed_axes(dims, layer.ndim)
    shape = layer.level_shapes[0] if layer.multiscale else layer.data.shape
    position = np.asarray(layer.world_to_data(np.asarray(dims.point)), float)
    index = [0 if axis in axes else int(np.round(position[axis])) for axis in range(layer.ndim)]
    if any(not 0 <= at < shape[axis] for axis, at in enumerate(index) if axis not in axes):
        return "The slider is beyond the image: move it back to a plane of the image."
    factors = layer.downsample_factors[layer.data_level] if layer.multiscale else np.ones(layer.ndim)
    corners = np.asarray(layer.corner_pixels, float)[:, list(axes)] * np.asarray(factors, float)[list(axes)]
    full = np.asarray([shape[axis] for axis in axes], float)
    corners = np.clip(corners, 0, full - 1)
    if not (corners[1] > corners[0]).all():
        corners = np.stack([np.zeros(2), full - 1])
    center, extent = corners.mean(axis=0), corners[1] - corners[0] + 1
    return View(Plane(axes, tuple(index)), (float(center[0]), float(center[1])), (float(extent[0]), float(extent[1])))


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
