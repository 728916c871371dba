"""Where a layer lies in the world, carried over to other layers."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from napari.layers import Layer
from napari.utils.transforms import Affine
from numpy.typing import NDArray

_ATTRIBUTES = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")


def placement_of(layer: Layer) -> dict[str, Any]:
    """The attributes that place a layer in the world, for making another layer of the same axes."""
    return {name: getattr(layer, name) for name in _ATTRIBUTES}


def place(layer: Layer, like: Layer) -> None:
    """Place `layer` where `like` lies; both have the same axes."""
    for name, value in placement_of(like).items():
        setattr(layer, name, value)


def placed_alike(first: Layer, second: Layer) -> bool:
    """Whether two layers of the same axes lie alike in the world."""
    for name in _ATTRIBUTES[:4]:
        if not np.allclose(getattr(first, name), getattr(second, name)):
            return False
    return np.allclose(np.asarray(first.affine), np.asarray(second.affine))


def translate_of_part(layer: Layer, corner: Sequence[int]) -> NDArray[np.float64]:
    """The `translate` of a layer that holds a part of `layer`'s data, starting at `corner`, at the same place.

    All else that places the layers is the same.
    """
    own = Affine(scale=layer.scale, translate=layer.translate, rotate=layer.rotate, shear=layer.shear)
    return np.asarray(own(np.asarray(corner, float)), float)
