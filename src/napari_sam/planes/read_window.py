"""A window of a plane as the network's three-channel input."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_sam.errors import UserError
from napari_sam.planes.contrast import Contrast, exact_in_float32
from napari_sam.planes.geometry import Plane, Window
from napari_sam.planes.image_source import ImageSource
from napari_sam.planes.resample import AxisSampling, resample, sample_axis

# Chosen, not measured: a bound for memory, far above a window of 1024 x 1024 read at its own resolution.
MAX_LAZY_BYTES = 64 * 2**20
_ROUNDING = 1 + 1e-6


@dataclass(frozen=True)
class WindowReading:
    """The stored pixels that a window is computed from.

    Parameters
    ----------
    level
        Level of a multiscale image; 0 otherwise.
    stride
        Every n-th (row, column) of that level is read; above 1 detail is skipped, not averaged.
    rows, columns
        The sampling along the two axes, in pixels of the level divided by `stride`.
    """

    level: int
    stride: tuple[int, int]
    rows: AxisSampling
    columns: AxisSampling

    @property
    def skips_pixels(self) -> bool:
        """Tell whether pixels are skipped to bound memory, so that fine texture may alias."""
        return self.stride != (1, 1)

    def n_pixels(self) -> int:
        """Return the number of pixels that are read, per channel."""
        rows, columns = self.rows.stored, self.columns.stored
        return int(rows.stop - rows.start) * int(columns.stop - columns.start)


def plan_reading(source: ImageSource, plane: Plane, window: Window, n_channels: int = 1) -> WindowReading:
    """Choose the level and stride from which to read a window.

    The coarsest level that is at least as fine as the window, of those that do not merge planes; if that still
    means more than 64 MB of an image that is not in memory, a level that merges planes too, then strides.
    """
    most = MAX_LAZY_BYTES // (source.dtype.itemsize * n_channels)
    reading = _plan(source, plane, window, _level(source, plane, window, merge_planes=False), (1, 1))
    if source.in_memory or reading.n_pixels() <= most:
        return reading
    level = _level(source, plane, window, merge_planes=True)
    stride = [1, 1]
    while (reading := _plan(source, plane, window, level, (stride[0], stride[1]))).n_pixels() > most:
        factors = source.factors(level)
        left = [step / factors[axis] / by for step, axis, by in zip(window.step, plane.axes, stride, strict=True)]
        along = left.index(max(left))
        if left[along] * stride[along] < stride[along] + 1:
            break
        stride[along] += 1
    return reading


def read_window(
    source: ImageSource,
    plane: Plane,
    window: Window,
    contrast: Contrast,
    channels: Sequence[int] | None = None,
) -> NDArray[np.float32]:
    """Read a window of a plane, resampled to the window's grid.

    Where the window's step is above 1 the plane is smoothed first (a Gaussian of 0.45 steps, partly by averaging
    blocks or by a coarser level); between pixels it is interpolated linearly; beyond the border it is mirrored
    about the centres of the outermost pixels, repeatedly if need be.

    Parameters
    ----------
    source, plane, window
        What to read.
    contrast
        Limits of all channels of the source.
    channels
        One to three channels to show; by default the first three.

    Returns
    -------
    (3, h, w) float32, 0 and 1 at the contrast limits, not clipped. One channel is repeated, two become
    (first, second, their mean).

    Raises
    ------
    UserError
        If the image has no such plane or channel, or more than three channels are asked for.
    """
    chosen = list(range(min(source.n_channels, 3)) if channels is None else channels)
    if not 1 <= len(chosen) <= 3:
        raise UserError(f"Choose one to three channels to segment on, not {len(chosen)}.")
    reading = plan_reading(source, plane, window, len(chosen))
    rows, columns = reading.rows.stored, reading.columns.stored
    pixels = source.read(
        plane,
        slice(rows.start * reading.stride[0], (rows.stop - 1) * reading.stride[0] + 1),
        slice(columns.start * reading.stride[1], (columns.stop - 1) * reading.stride[1] + 1),
        reading.stride,
        reading.level,
        chosen,
    )
    return _as_three(_stretched(pixels, reading, contrast.select(chosen)))


def network_picture(source: ImageSource, plane: Plane, contrast: Contrast, side: int) -> NDArray[np.uint8]:
    """Return a small picture of a plane as the model is shown it.

    Parameters
    ----------
    source, plane
        What to show, with the channels that the source is to be shown by.
    contrast
        Limits of all channels of the source.
    side
        Pixels along the longer side.

    Returns
    -------
    (h, w, 3) uint8; red, green and blue are the three inputs of the model.
    """
    rows, columns = plane.shape(source.shape)
    step = max(rows, columns, side) / side
    window = Window(((step - 1) / 2,) * 2, (step, step), (max(int(rows / step), 1), max(int(columns / step), 1)))
    shown = read_window(source, plane, window, contrast, source.shown)
    return np.asarray(np.clip(shown * 255, 0, 255), np.uint8).transpose(1, 2, 0)


def _level(source: ImageSource, plane: Plane, window: Window, *, merge_planes: bool) -> int:
    """Return the coarsest level at least as fine as the window."""
    fitting = 0
    for level in range(1, source.n_levels):
        factors = source.factors(level)
        fine = all(factors[axis] <= step * _ROUNDING for axis, step in zip(plane.axes, window.step, strict=True))
        whole = all(factor == 1 for axis, factor in enumerate(factors) if axis not in plane.axes)
        if fine and (whole or merge_planes):
            fitting = level
    return fitting


def _plan(source: ImageSource, plane: Plane, window: Window, level: int, stride: tuple[int, int]) -> WindowReading:
    shape, factors = source.level_shape(level), source.factors(level)
    rows, columns = (
        sample_axis(
            ((window.origin[at] + 0.5) / factors[axis] - 0.5) / stride[at],
            window.step[at] / factors[axis] / stride[at],
            window.shape[at],
            -(-shape[axis] // stride[at]),
            pitch=factors[axis] * stride[at],
            width=factors[axis],
        )
        for at, axis in enumerate(plane.axes)
    )
    return WindowReading(level, stride, rows, columns)


def _stretched(pixels: NDArray[Any], reading: WindowReading, contrast: Contrast) -> NDArray[np.float32]:
    """Compute the (channels, h, w) window of the pixels read, with contrast applied."""
    if exact_in_float32(pixels.dtype):
        # Stretching is linear and so may follow resampling, where there are fewer pixels; unless some are not finite.
        with np.errstate(all="ignore"):
            sampled = resample(pixels, reading.rows, reading.columns)
        if pixels.dtype.kind != "f" or np.isfinite(sampled).all():
            return contrast.apply(sampled.transpose(1, 2, 0)).transpose(2, 0, 1)
    return resample(contrast.apply(pixels), reading.rows, reading.columns)


def _as_three(channels: NDArray[np.float32]) -> NDArray[np.float32]:
    if len(channels) == 1:
        return np.repeat(channels, 3, axis=0)
    if len(channels) == 2:
        return np.concatenate([channels, channels.mean(axis=0, keepdims=True)])
    return np.ascontiguousarray(channels)
