"""From the data of one layer to the data of another, through the world."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from napari.layers import Layer
from numpy.typing import ArrayLike, NDArray


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
        """Data coordinates (..., m) in the other layer of positions (..., n) in the one."""
        mapped: NDArray[np.float64] = np.asarray(positions, float) @ self.matrix.T + self.offset
        return mapped


def world_map(source: Layer, target: Layer, point: Sequence[float]) -> WorldMap:
    """Where the data of `source` lies in the data of `target`.

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
