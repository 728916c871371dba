"""The place of a layer in the world, and the map from the data of one layer to that of another."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.layers import Image, Layer
from napari.utils.transforms import Affine
from numpy.typing import ArrayLike, NDArray


def image_shape(image: Image) -> tuple[int, ...]:
    """Return the shape of an image layer's data, at full resolution, without its RGB axis."""
    shape = image.level_shapes[0] if image.multiscale else image.data.shape
    return tuple(int(size) for size in shape[: image.ndim])


_ATTRIBUTES = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")


def placement_of(layer: Layer) -> dict[str, Any]:
    """Return the attributes that place a layer in the world, for making another layer of the same axes."""
    return {name: getattr(layer, name) for name in _ATTRIBUTES}


def place(layer: Layer, like: Layer) -> None:
    """Place `layer` where `like` lies; both have the same axes."""
    for name, value in placement_of(like).items():
        setattr(layer, name, value)


def placed_alike(first: Layer, second: Layer) -> bool:
    """Tell whether two layers of the same axes lie alike in the world."""
    for name in _ATTRIBUTES[:4]:
        if not np.allclose(getattr(first, name), getattr(second, name)):
            return False
    return np.allclose(np.asarray(first.affine), np.asarray(second.affine))


def translate_of_part(layer: Layer, corner: Sequence[int]) -> NDArray[np.float64]:
    """Return the `translate` of a layer that holds a part of `layer`'s data, starting at `corner`, at the same place.

    All else that places the layers is the same.
    """
    own = Affine(scale=layer.scale, translate=layer.translate, rotate=layer.rotate, shear=layer.shear)
    return np.asarray(own(np.asarray(corner, float)), float)


@dataclass(frozen=True, eq=False)
class WorldMap:
    """An affine map between the data coordinates of two layers.

    Parameters
    ----------
    matrix
        (m, n): n data axes of the one layer, m of the other.
    offset
        (m,).
    """

    matrix: NDArray[np.float64]
    offset: NDArray[np.float64]

    def __call__(self, positions: ArrayLike) -> NDArray[np.float64]:
        """Return data coordinates (..., m) in the other layer of positions (..., n) in the one."""
        mapped: NDArray[np.float64] = np.asarray(positions, float) @ self.matrix.T + self.offset
        return mapped


def world_map(source: Layer, target: Layer, point: Sequence[float]) -> WorldMap:
    """Return where the data of `source` lies in the data of `target`.

    A layer's axes are the world's last ones. Where `source` has fewer axes than `target`, the world's other coordinates
    are those of `point`; where it has more, those in excess are left out.

    Parameters
    ----------
    source, target
        Layers of any scale, translate, rotation, shear and affine.
    point
        World coordinates of the viewer's sliders.
    """
    ndim = max(source.ndim, target.ndim, len(point))

    def mapped(position: NDArray[np.float64]) -> NDArray[np.float64]:
        world = np.zeros(ndim)
        world[ndim - len(point) :] = point
        world[ndim - source.ndim :] = source.data_to_world(position)
        return np.asarray(target.world_to_data(world), float)

    offset = mapped(np.zeros(source.ndim))
    columns = [mapped(unit) - offset for unit in np.eye(source.ndim)]
    return WorldMap(np.stack(columns, axis=1), offset)
