"""Channels of an image in napari: layers that are channels of one image, and layers with a slider over channels."""

from collections.abc import Sequence

import numpy as np
from napari.layers import Image
from napari.layers.utils.stack_utils import stack_to_images

from napari_sam.errors import UserError
from napari_sam.planes.array_view import ChannelStack
from napari_sam.planes.channels import channel_label
from napari_sam.planes.file_axes import FEW, is_unnamed
from napari_sam.planes.image_source import ImageSource
from napari_sam.plugin.layers.layer_axes import LayerAxes, path_of, remembering
from napari_sam.plugin.layers.placement import image_shape, placed_alike

MOST_CHANNELS = 32
"""A slider over more positions is hardly one over channels (chosen)."""


def sibling_channels(image: Image, layers: Sequence[Image]) -> list[Image]:
    """Return the layers that are channels of one image with `image`, itself among them, in the order of `layers`.

    They come from the same file (or none of them from any), have the same shape and type, and lie alike in the world.
    """
    if image.rgb:
        return [image]
    return [layer for layer in layers if layer is image or _is_sibling(image, layer)]


def _is_sibling(image: Image, other: Image) -> bool:
    return (
        not other.rgb
        and other.multiscale == image.multiscale
        and image_shape(other) == image_shape(image)
        and np.dtype(other.dtype) == np.dtype(image.dtype)
        and path_of(other) == path_of(image)
        and placed_alike(image, other)
    )


def stacked_source(channels: Sequence[Image], axes: LayerAxes, shown: Sequence[int]) -> ImageSource:
    """Return layers as the channels of one image.

    Parameters
    ----------
    channels
        All of them, see `sibling_channels`.
    axes
        Those of each.
    shown
        Numbers of those that the model is shown.
    """
    levels = [[*layer.data] if layer.multiscale else [layer.data] for layer in channels]
    return ImageSource(
        [ChannelStack([level[at] for level in levels]) for at in range(len(levels[0]))],
        channel_axis=0,
        scale=axes.scale,
        axis_labels=axes.names,
        units=axes.units,
        path=path_of(channels[0]),
        channel_names=[layer.name for layer in channels],
        shown=shown,
    )


def channel_slider(shape: Sequence[int], axes: LayerAxes) -> int | None:
    """Return the axis of a layer that holds channels by its name, or, being last and short, most likely; else None.

    Parameters
    ----------
    shape
        Of the layer's data, without an RGB axis.
    axes
        Its axes.
    """
    for axis, name in enumerate(axes.names):
        if name.lower() == "c" and 1 < shape[axis] <= MOST_CHANNELS:
            return axis
    nameless = all(is_unnamed(name) for name in axes.names)
    if nameless and len(shape) > 2 and 1 < shape[-1] <= FEW < min(shape[-3:-1]):
        return len(shape) - 1
    return None


def split_channels(layer: Image, axis: int, axes: LayerAxes) -> list[Image]:
    """Make a layer of each channel, as napari's *Split Stack* does, with names and axes of the file.

    Parameters
    ----------
    layer
        The layer; it stays as it is.
    axis
        Its axis of channels.
    axes
        Its axes.

    Raises
    ------
    UserError
        If it is rotated, sheared or moved by an affine map, which napari does not keep.
    """
    turned = [np.asarray(layer.rotate), np.asarray(layer.affine)]
    if any(not np.allclose(matrix, np.eye(len(matrix))) for matrix in turned) or np.any(layer.shear):
        raise UserError(
            f"'{layer.name}' is rotated or sheared, which is lost in splitting: split its data in a script."
        )
    rest = [at for at in range(layer.ndim) if at != axis]
    made: list[Image] = stack_to_images(layer, axis)
    for number, channel in enumerate(made):
        channel.name = f"{layer.name} {channel_label(number, axes.channel_names)}"
        channel.axis_labels = [layer.axis_labels[at] for at in rest]
        channel.units = [layer.units[at] for at in rest]
        channel.metadata = {**layer.metadata, **remembering(axes.only(rest), path_of(layer))}
    return made
