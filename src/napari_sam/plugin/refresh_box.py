"""Showing a change of a Labels layer without slicing and uploading the whole plane again."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from napari.layers import Labels


def refresh_box(layer: Labels, box: Sequence[slice]) -> None:
    """Show what changed in the layer's data inside a box.

    Of a plane in view only the box goes to the graphics card, as with napari's own brush; nothing does where the plane
    in view is not in the box. Where napari offers no such way (contours, 3-D, thick slices, other versions) the whole
    layer is refreshed.

    Parameters
    ----------
    layer
        The layer, whose `data` has changed already.
    box
        One slice with bounds per axis of the data.
    """
    # In a widget that napari made, layers come in a wrapper that warns of what is used below.
    layer = getattr(layer, "__wrapped__", layer)
    if not layer.visible or not _is_plain(layer):
        layer.refresh(extent=False)
        return
    try:
        _upload(layer, tuple(box))
    except AttributeError:
        # These are napari's own ways, not promised to anyone.
        layer.refresh(extent=False)


def _is_plain(layer: Labels) -> bool:
    """Whether what is shown is one plane of the data as it is."""
    return bool(
        layer.contour == 0
        and not layer.multiscale
        and getattr(layer, "loaded", False)
        and str(getattr(layer, "projection_mode", "none")) == "none"
    )


def _upload(layer: Labels, box: tuple[slice, ...]) -> None:
    shown, point = layer._slice, layer._get_pt_not_disp()
    displayed = tuple(shown.slice_input.displayed)
    if shown.empty or len(displayed) != 2:
        layer.refresh(extent=False)
        return
    index: list[Any] = list(box)
    for axis, at in point.items():
        if not box[axis].start <= at < box[axis].stop:
            return
        index[axis] = int(at)
    values = np.asarray(layer.data[tuple(index)])
    if displayed[0] > displayed[1]:
        values = values.T
    part = tuple(box[axis] for axis in displayed)
    # Where the layer's data is an array in memory this is the same memory.
    shown.image.raw[part] = values
    texture = layer.colormap._data_to_texture(values)
    shown.image.view[part] = texture
    layer.events.labels_update(data=texture, offset=[along.start for along in part])
    layer._update_thumbnail()
