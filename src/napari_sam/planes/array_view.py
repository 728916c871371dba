"""Views of arrays that are read when needed: axes in another order, positions picked, many arrays seen as one."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from napari_sam.planes.image_source import Array, chunk_shape


class ArrayView:
    """An array with some axes picked at one position and the others in another order; nothing is copied.

    Parameters
    ----------
    array
        The array; only ever indexed by integers and slices.
    order
        The axis of `array` for each axis of the view.
    picked
        Positions along the axes of `array` that the view lacks.

    Raises
    ------
    ValueError
        If an axis is named twice or not at all.
    """

    def __init__(self, array: Array, order: Sequence[int], picked: dict[int, int] | None = None) -> None:
        self._array, self._order, self._picked = array, tuple(order), dict(picked or {})
        if sorted((*self._order, *self._picked)) != list(range(len(array.shape))):
            raise ValueError(f"{self._order} and {self._picked} are not all axes of {array.shape}")

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of every axis."""
        return tuple(int(self._array.shape[axis]) for axis in self._order)

    @property
    def dtype(self) -> DTypeLike:
        """Type of the elements."""
        return self._array.dtype

    @property
    def chunks(self) -> tuple[int, ...] | None:
        """The largest chunk; None if the array is not chunked."""
        stored = chunk_shape(self._array)
        return None if stored is None else tuple(stored[axis] for axis in self._order)

    def __getitem__(self, index: Any) -> NDArray[Any]:
        """Return the part at `index`: integers and slices, for the last axes perhaps none; or an ellipsis."""
        parts = _whole_index(index, len(self._order))
        inner: list[Any] = [0] * len(self._array.shape)
        for axis, at in self._picked.items():
            inner[axis] = at
        for axis, part in zip(self._order, parts, strict=True):
            inner[axis] = part
        pixels: NDArray[Any] = np.asarray(self._array[tuple(inner)])
        kept = [axis for axis, part in zip(self._order, parts, strict=True) if isinstance(part, slice)]
        stored = sorted(kept)
        return pixels.transpose([stored.index(axis) for axis in kept])


def turned(array: Array, order: Sequence[int], picked: dict[int, int] | None = None) -> Array:
    """Return a view with axes in another order: numpy's own of what is in memory, else an `ArrayView`."""
    if isinstance(array, np.ndarray):
        index = tuple((picked or {}).get(axis, slice(None)) for axis in range(array.ndim))
        kept = sorted(order)
        view: NDArray[Any] = array[index].transpose([kept.index(axis) for axis in order])
        return view
    return ArrayView(array, order, picked)


# Chosen: neighbouring planes are asked for again and again while an object is carried through them.
_KEPT_PLANES = 4


class PlaneFiles:
    """A stack whose planes lie in files of their own, each read when it is needed.

    Parameters
    ----------
    read
        Reads the plane of a number.
    count
        How many there are.
    first
        The first of them; all have its shape and type.
    """

    def __init__(self, read: Callable[[int], NDArray[Any]], count: int, first: NDArray[Any]) -> None:
        self.shape = (count, *first.shape)
        self.dtype: DTypeLike = first.dtype
        self.chunks = (1, *first.shape)
        self._read = lru_cache(maxsize=_KEPT_PLANES)(read)

    def __getitem__(self, index: Any) -> NDArray[Any]:
        """Return the part at `index`: integers and slices, for the last axes perhaps none; or an ellipsis."""
        at, *rest = _whole_index(index, len(self.shape))
        if not isinstance(at, slice):
            plane: NDArray[Any] = self._read(int(at))[tuple(rest)]
            return plane
        wanted = range(*at.indices(self.shape[0]))
        # Of an empty part the shape is that of any.
        planes = np.stack([self._read(position)[tuple(rest)] for position in wanted or (0,)])
        return planes if wanted else planes[:0]


class ChannelStack:
    """Channels that are arrays of their own, seen as one array with an axis of channels in front; nothing is copied.

    Parameters
    ----------
    channels
        One array for each, alike in shape and type.
    """

    def __init__(self, channels: Sequence[Array]) -> None:
        first = channels[0]
        self._channels = tuple(channels)
        self.shape = (len(channels), *(int(size) for size in first.shape))
        self.dtype: DTypeLike = first.dtype
        stored = chunk_shape(first)
        self.chunks = None if stored is None else (1, *stored)

    def __getitem__(self, index: Any) -> NDArray[Any]:
        """Return the part at `index`: integers and slices, for the last axes perhaps none; or an ellipsis."""
        at, *rest = _whole_index(index, len(self.shape))
        if not isinstance(at, slice):
            return np.asarray(self._channels[at][tuple(rest)])
        wanted = self._channels[at]
        channels = np.stack([np.asarray(channel[tuple(rest)]) for channel in wanted or self._channels[:1]])
        return channels if wanted else channels[:0]


def _whole_index(index: Any, ndim: int) -> tuple[Any, ...]:
    """Return one integer or slice per axis."""
    parts = index if isinstance(index, tuple) else (index,)
    if Ellipsis in parts:
        at = parts.index(Ellipsis)
        parts = (*parts[:at], *(slice(None),) * (ndim - len(parts) + 1), *parts[at + 1 :])
    return (*parts, *(slice(None),) * (ndim - len(parts)))
