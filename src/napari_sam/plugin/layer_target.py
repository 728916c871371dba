"""A Labels layer as the labels that objects are accepted into."""

from typing import Any

import numpy as np
from napari.layers import Image, Labels
from numpy.typing import NDArray

from napari_sam.errors import UserError
from napari_sam.plugin.image_shape import image_shape
from napari_sam.plugin.placement import placement_of


class LayerTarget:
    """A Labels layer that objects are accepted into.

    Parameters
    ----------
    layer
        The layer.
    """

    def __init__(self, layer: Labels) -> None:
        self.layer = layer

    @property
    def name(self) -> str:
        """The layer's name."""
        return str(self.layer.name)

    @property
    def array(self) -> Any:
        """The layer's data."""
        return self.layer.data


def check_writable(layer: Labels) -> None:
    """Say no to labels that napari shows but that cannot be written.

    Raises
    ------
    UserError
        For multiscale, dask, read-only and locked labels.
    """
    if layer.multiscale:
        raise UserError(f"'{layer.name}' is multiscale and cannot be edited; choose a single-scale Labels layer.")
    if not hasattr(layer.data, "__setitem__") or type(layer.data).__module__.startswith("dask."):
        raise UserError(
            f"'{layer.name}' is read on demand and cannot be edited; load it into memory, or choose new labels."
        )
    if not layer.editable:
        raise UserError(f"'{layer.name}' is locked (not editable): unlock it, or choose other labels to accept into.")
    if isinstance(layer.data, np.ndarray) and not layer.data.flags.writeable:
        raise UserError(f"'{layer.name}' is read-only; duplicate the layer, or choose new labels.")


def new_labels(image: Image, name: str) -> Labels:
    """An empty Labels layer on an image: of its shape and at its place.

    uint16 takes the least memory that 65,535 objects fit into, and every program reads it.
    """
    return labels_on(image, np.zeros(image_shape(image), np.uint16), name)


def labels_on(image: Image, labels: NDArray[Any], name: str) -> Labels:
    """A Labels layer at the place of an image."""
    return Labels(labels, name=name, **placement_of(image))
