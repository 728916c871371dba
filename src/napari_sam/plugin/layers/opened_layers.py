"""Images that napari cannot open, opened by the readers here, as layers: one for each channel."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Layer

from napari_sam.errors import UserError
from napari_sam.planes.array_view import turned
from napari_sam.planes.channels import channel_label
from napari_sam.planes.file_axes import file_axes
from napari_sam.planes.image_source import Array, ImageSource, chunk_shape
from napari_sam.planes.open_image import open_image
from napari_sam.planes.stored_image import Series
from napari_sam.plugin.layers.layer_axes import own_axes, remembering


def open_in_viewer(viewer: ViewerModel, path: str | Path) -> list[Layer]:
    """Have napari, or one of its plugins, open an image; what these cannot, the readers here do.

    Parameters
    ----------
    viewer
        The viewer.
    path
        See `open_image`.

    Raises
    ------
    UserError
        If nobody can, or napari does not know which of its plugins is to.
    """
    try:
        opened: list[Layer] = viewer.open(str(path), plugin=None)
    # Whatever a reader of another plugin raises.
    except Exception as error:
        try:
            return list(add_opened(viewer, path))
        except UserError as refusal:
            said = " ".join(str(error).split()).rpartition("Original error from plugin ")[2]
            raise UserError(
                f"{Path(path).name} could not be opened. napari says: {said}. Here: {refusal} Or use the menu File."
            ) from error
    return opened


MOST_OPENED = 8
"""So many images of a file are opened at once (chosen: a plate has hundreds)."""


def open_others(viewer: ViewerModel, path: str | Path, shape: Sequence[int]) -> list[Image]:
    """Open the images of a file but the one that is open, eight at most, and add their layers to the viewer.

    Parameters
    ----------
    viewer
        The viewer.
    path
        The file.
    shape
        Of the one that is open.

    Raises
    ------
    UserError
        If the first of them cannot be opened.
    """
    axes = file_axes(path, shape)
    opened: list[Image] = []
    for number in range(MOST_OPENED + 1):
        if axes is not None and number == axes.number:
            continue
        try:
            opened += add_opened(viewer, path, number)
        except UserError:
            if not opened:
                raise
            break
    return opened


def add_opened(viewer: ViewerModel, path: str | Path, series: Series | None = None) -> list[Image]:
    """Open an image and add its layers to the viewer.

    Parameters
    ----------
    viewer
        The viewer.
    path, series
        See `open_image`.

    Raises
    ------
    UserError
        If it cannot be opened.
    """
    source = open_image(path, series=series)
    name = Path(source.path).name if series is None else f"{Path(source.path).name} {series}"
    if source.rgb or source.channel_axis is None:
        return [_added(viewer, source, name, None)]
    return [_added(viewer, source, name, channel) for channel in range(source.n_channels)]


def _added(viewer: ViewerModel, source: ImageSource, name: str, channel: int | None) -> Image:
    levels = [source.array(level) for level in range(source.n_levels)]
    if channel is not None and source.channel_axis is not None:
        rest = [axis for axis in range(len(levels[0].shape)) if axis != source.channel_axis]
        levels = [turned(level, rest, {source.channel_axis: channel}) for level in levels]
    shown = [_for_napari(level) for level in levels]
    layer: Image = viewer.add_image(
        shown if len(shown) > 1 else shown[0],
        name=name if channel is None else f"{name} {channel_label(channel, source.channel_names)}",
        rgb=source.rgb,
        multiscale=len(shown) > 1,
        blending="translucent_no_depth" if not channel else "additive",
        scale=source.scale,
        axis_labels=source.axis_labels,
        units=source.units,
    )
    layer.metadata = remembering(own_axes(layer), source.path)
    return layer


def _for_napari(level: Array) -> Any:
    """Return an array that napari draws piece by piece; it wants more of one than its parts."""
    if isinstance(level, np.ndarray) or hasattr(level, "ndim"):
        return level
    # napari brings it.
    import dask.array

    from_array: Any = dask.array.from_array
    like = np.empty((0,) * len(level.shape), level.dtype)
    return from_array(level, chunks=chunk_shape(level) or level.shape, name=False, meta=like)
