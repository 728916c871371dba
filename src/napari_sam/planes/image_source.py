"""An image of any number of axes, read one region of one plane at a time."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from napari_sam.errors import UserError
from napari_sam.planes.geometry import Plane


def chunk_shape(array: Any) -> tuple[int, ...] | None:
    """Return the largest chunk of an array (zarr, dask, h5py), one length per axis; None if it is not chunked."""
    chunks = getattr(array, "chunks", None)
    if not chunks or len(chunks) != len(array.shape):
        return None
    return tuple(max(1, int(max(chunk) if isinstance(chunk, tuple) else chunk)) for chunk in chunks)


class Array(Protocol):
    """The interface that an image array must offer; numpy, zarr, dask, h5py and tensorstore arrays do."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of every axis."""
        ...

    @property
    def dtype(self) -> DTypeLike:
        """Type of the elements."""
        ...

    def __getitem__(self, index: Any) -> Any:
        """Return the part at `index`: a tuple of integers and slices with positive steps."""
        ...


class ImageSource:
    """An nD image, perhaps lazy, multiscale, RGB or with a channel axis, behind one way of reading it.

    Parameters
    ----------
    data
        One array of shape (axes...,), or a sequence of them from fine to coarse (multiscale). Only ever indexed by
        integers and slices; never converted as a whole.
    rgb
        The last axis holds RGB or RGBA samples; alpha is ignored.
    channel_axis
        The axis that holds channels, if any (negative values count from the end). Not together with `rgb`.
    scale, axis_labels, units
        Size of a pixel, name and unit of every axis, without the channel or RGB axis; kept for outputs.
    path
        Where it was read from, kept for outputs; empty where that is not known.
    channel_names
        Names of the channels, in their order; there may be fewer than channels.
    shown
        Up to three channels that the model is to be shown, in this order; None for the first three.

    Attributes
    ----------
    shape : tuple of int
        Of level 0, without the channel or RGB axis. Planes, windows and prompts count these axes.
    n_channels : int
        1 without a channel axis; 3 for RGB and RGBA.

    Raises
    ------
    UserError
        If the values are not booleans, integers or real floats, or the axes do not fit the data.

    Examples
    --------
    >>> import numpy as np
    >>> import napari_sam
    >>> two_channels = np.zeros((8, 2, 80, 100), np.uint16)
    >>> source = napari_sam.ImageSource(two_channels, channel_axis=1, scale=(0.8, 0.3, 0.3))
    >>> source.shape, source.n_channels
    ((8, 80, 100), 2)
    >>> source.read(napari_sam.Plane((1, 2), (4, 0, 0)), slice(10, 20), slice(30, 60)).shape
    (10, 30, 2)
    """

    def __init__(
        self,
        data: Any,
        *,
        rgb: bool = False,
        channel_axis: int | None = None,
        scale: Sequence[float] | None = None,
        axis_labels: Sequence[str] | None = None,
        units: Sequence[str] | None = None,
        path: str = "",
        channel_names: Sequence[str] | None = None,
        shown: Sequence[int] | None = None,
    ) -> None:
        levels = tuple(data) if isinstance(data, Sequence) else (data,)
        if not levels or not all(hasattr(level, "shape") and hasattr(level, "dtype") for level in levels):
            raise UserError("The image is not an array; give a numpy, zarr or dask array.")
        self._levels: tuple[Array, ...] = levels
        self.dtype: np.dtype[Any] = np.dtype(levels[0].dtype)
        if self.dtype.kind not in "buif":
            raise UserError(f"Images of type {self.dtype} cannot be segmented; convert to integers or real floats.")
        full = tuple(int(size) for size in levels[0].shape)
        if rgb:
            if channel_axis not in (None, -1, len(full) - 1):
                raise UserError("An RGB image has its channels on the last axis.")
            if not full or full[-1] not in (3, 4):
                raise UserError(f"An RGB image needs a last axis of length 3 or 4; the shape is {full}.")
            channel_axis = len(full) - 1
        elif channel_axis is not None:
            if not -len(full) <= channel_axis < len(full):
                raise UserError(f"The image of shape {full} has no axis {channel_axis} to hold channels.")
            channel_axis %= len(full)
        if any(len(level.shape) != len(full) for level in levels):
            raise UserError("The levels of a multiscale image must have the same number of axes.")
        self.path = path
        self.rgb = rgb
        self.channel_axis = channel_axis
        self.n_channels = 3 if rgb else 1 if channel_axis is None else full[channel_axis]
        self.shape = self.level_shape(0)
        self.ndim = len(self.shape)
        if self.ndim < 2:
            raise UserError(f"An image needs at least two axes besides channels; the shape is {full}.")
        if 0 in full:
            raise UserError(f"The image is empty: its shape is {full}.")
        for name, values in (("scale", scale), ("axis_labels", axis_labels), ("units", units)):
            if values is not None and len(values) != self.ndim:
                raise UserError(f"The image has {self.ndim} axes besides channels but {name} has {len(values)}.")
        self.scale = None if scale is None else tuple(float(size) for size in scale)
        self.axis_labels = None if axis_labels is None else tuple(str(label) for label in axis_labels)
        self.units = None if units is None else tuple(str(unit) for unit in units)
        self.channel_names = None if channel_names is None else tuple(str(name) for name in channel_names)
        self.shown = None if shown is None else tuple(int(channel) for channel in shown)
        if self.shown is not None and not all(0 <= channel < self.n_channels for channel in self.shown):
            raise UserError(f"The image has the channels 0 to {self.n_channels - 1}, but {self.shown} are to be shown.")

    @property
    def n_levels(self) -> int:
        """Number of levels; 1 unless multiscale."""
        return len(self._levels)

    @property
    def in_memory(self) -> bool:
        """Tell whether reading costs no more than copying memory."""
        first = self._levels[0]
        return isinstance(first, np.ndarray) and not isinstance(first, np.memmap)

    def array(self, level: int = 0) -> Array:
        """Return the array of one level, with its channel or RGB axis."""
        return self._levels[level]

    def without_channels(self, per_axis: Sequence[int]) -> tuple[int, ...]:
        """Drop the entry of the channel or RGB axis from a tuple with one entry per array axis."""
        return tuple(int(entry) for axis, entry in enumerate(per_axis) if axis != self.channel_axis)

    def level_shape(self, level: int) -> tuple[int, ...]:
        """Return the shape of one level without its channel or RGB axis."""
        return self.without_channels(self._levels[level].shape)

    def factors(self, level: int) -> tuple[float, ...]:
        """Return the level 0 pixels per pixel of `level`, per axis.

        Where the lengths of an axis fit a whole factor up to rounding, it is that factor. Pixel ``j`` of a level
        with factor ``f`` is taken to cover level 0 pixels ``j f`` to ``(j + 1) f``: its centre lies at
        ``(j + 0.5) f - 0.5``.
        """
        factors = []
        for fine, coarse in zip(self.shape, self.level_shape(level), strict=True):
            whole = max(round(fine / coarse), 1)
            factors.append(float(whole) if coarse in (fine // whole, -(-fine // whole)) else fine / coarse)
        return tuple(factors)

    def read(
        self,
        plane: Plane,
        rows: slice,
        columns: slice,
        step: tuple[int, int] = (1, 1),
        level: int = 0,
        channels: Sequence[int] | None = None,
    ) -> NDArray[Any]:
        """Read just one region of one plane.

        Parameters
        ----------
        plane
            Which plane, in level 0 coordinates at every level.
        rows, columns
            The region, in pixels of `level`, clipped to the plane.
        step
            Read every n-th row and column.
        level
            Level to read from.
        channels
            Channels to read, in this order; all by default.

        Returns
        -------
        (rows, columns, channels) array of the image's own dtype; possibly a view.

        Raises
        ------
        UserError
            If the image has no such plane or channel.
        """
        array = self._levels[level]
        chosen = range(self.n_channels) if channels is None else [int(channel) for channel in channels]
        for channel in chosen:
            if not 0 <= channel < self.n_channels:
                raise UserError(f"The image has no channel {channel}: it has {self.n_channels}, counted from 0.")
        spatial = self._index(plane, rows, columns, step, level)
        if self.channel_axis is None:
            pixels = np.asarray(array[spatial])
            return pixels.T[..., np.newaxis] if plane.axes[0] > plane.axes[1] else pixels[..., np.newaxis]
        run = _as_slice(chosen)
        if run is None:
            parts = [self.read(plane, rows, columns, step, level, [channel]) for channel in chosen]
            # Without a dtype numpy gives its own byte order, whatever the image's.
            return np.concatenate(parts, axis=2, dtype=parts[0].dtype)
        axis = self.channel_axis
        pixels = np.asarray(array[(*spatial[:axis], run, *spatial[axis:])])
        order = [plane.axes[0], plane.axes[1]]
        kept = sorted(order)
        # Where the two displayed axes and the channels stand among the three axes that are left.
        before = sum(at < axis for at in kept)
        position = {at: place + (place >= before) for place, at in enumerate(kept)}
        return pixels.transpose(position[order[0]], position[order[1]], before)

    def _index(
        self, plane: Plane, rows: slice, columns: slice, step: tuple[int, int], level: int
    ) -> tuple[int | slice, ...]:
        """Return one integer or slice per axis besides channels."""
        if plane.ndim != self.ndim:
            raise UserError(f"The plane has {plane.ndim} axes but the image has {self.ndim}.")
        shape, factors = self.level_shape(level), self.factors(level)
        index: list[int | slice] = []
        for axis, at in enumerate(plane.index):
            if axis not in plane.axes and not 0 <= at < self.shape[axis]:
                raise UserError(
                    f"Axis {axis} of the image has no position {at}: it goes from 0 to {self.shape[axis] - 1}."
                )
            index.append(min(int(at / factors[axis]), shape[axis] - 1))
        for axis, region, every in zip(plane.axes, (rows, columns), step, strict=True):
            start, stop, _ = slice(region.start, region.stop).indices(shape[axis])
            index[axis] = slice(start, stop, every)
        return tuple(index)


def _as_slice(channels: Sequence[int]) -> slice | None:
    """Return the slice that selects exactly `channels` in order, or None if there is none with a positive step."""
    if len(channels) == 1:
        return slice(channels[0], channels[0] + 1)
    steps = {second - first for first, second in pairwise(channels)}
    if len(steps) == 1 and (step := steps.pop()) > 0:
        return slice(channels[0], channels[-1] + 1, step)
    return None
