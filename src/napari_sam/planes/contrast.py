"""Contrast limits of an image: measured once for the whole stack, applied to every window of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_sam.errors import UserError
from napari_sam.planes.geometry import Plane
from napari_sam.planes.image_source import ImageSource, chunk_shape

# The networks were trained on images scaled by the same percentiles, among others (training/image.py).
PERCENTILES = (0.5, 99.5)
# The size of the sample is chosen, not measured: it bounds what is read of a stack that is larger than memory.
MAX_CHUNKS = 64
_SAMPLES_PER_SIDE = 128
_VIRTUAL_CHUNK = 1024
_ENOUGH_PIXELS = 512 * 512
# Of 597 training images three have values so far above their limits (in ranges between the limits).
_FAR_ABOVE = 4.0
# In two of these, where nuclei cover less than half a percent, neighbours in the ground correlate by .28 and .32; in
# the third, membranes with a few bright spots, by .96.
_CORRELATION_OF_NOISE = 0.6
# Chosen: fewer bright neighbours are hot pixels.
_FEWEST_BRIGHT = 6


@dataclass(frozen=True)
class Contrast:
    """Linear contrast limits, one pair per channel.

    Parameters
    ----------
    limits
        (low, high) per channel, in the image's own values.
    has_nonfinite
        Whether the sample that the limits were measured on held NaN or infinite values.
    """

    limits: tuple[tuple[float, float], ...]
    has_nonfinite: bool = False

    @property
    def constant(self) -> bool:
        """Tell whether no channel has any contrast: every window will be zeros."""
        return all(not high > low for low, high in self.limits)

    def select(self, channels: Sequence[int]) -> "Contrast":
        """Select the limits of some of the channels, in the given order."""
        return Contrast(tuple(self.limits[channel] for channel in channels), self.has_nonfinite)

    def apply(self, pixels: NDArray[Any]) -> NDArray[np.float32]:
        """Map the limits to 0 and 1.

        Parameters
        ----------
        pixels
            (h, w, channels) of any real dtype.

        Returns
        -------
        (h, w, channels) float32; 0 at low, 1 at high, not clipped; 0 where the value is NaN or infinite and in
        channels whose limits coincide.
        """
        low = np.array([low for low, _ in self.limits])
        with np.errstate(all="ignore"):
            gain = 1 / np.array([high - low for low, high in self.limits])
            gain[~(np.isfinite(gain) & (gain > 0))] = 0
            work = np.dtype(np.float32 if exact_in_float32(pixels.dtype) else np.float64)
            stretched: NDArray[Any] = np.subtract(pixels, low.astype(work), dtype=work)
            np.multiply(stretched, gain.astype(work), out=stretched)
            result = stretched.astype(np.float32, copy=False)
        if pixels.dtype.kind == "f":
            finite = np.isfinite(result)
            if not finite.all():
                result[~finite] = 0
        return result


def exact_in_float32(dtype: np.dtype[Any]) -> bool:
    """Tell whether every value of `dtype` is a float32."""
    return np.can_cast(dtype, np.float32)


def measure_contrast(source: ImageSource, axes: tuple[int, int]) -> Contrast:
    """Measure contrast limits on a sample of the image.

    The limits are the percentiles 0.5 and 99.5 of every channel over pieces spread evenly over the whole stack; of
    a multiscale image, over its coarsest level that still shows something. At most 64 chunks are read (or one per
    channel, where channels are stored apart and there are more). RGB images of 8 bits keep (0, 255).

    Parameters
    ----------
    source
        The image.
    axes
        The displayed axes (row, column).

    Returns
    -------
    Contrast
        If the percentiles coincide (few bright pixels on a flat ground) the extremes are taken instead; if these
        coincide too, `Contrast.constant` is True. Where a few bright objects lie on a ground of noise, which the
        percentiles would stretch, the upper limit is that of the objects. NaN and infinite values are ignored, and
        noted.

    Raises
    ------
    UserError
        If the sample holds nothing but NaN and infinite values: what is segmented there would be made up.
    """
    if source.dtype == np.bool_:
        return Contrast(((0.0, 1.0),) * source.n_channels)
    if source.rgb and source.dtype == np.uint8:
        return Contrast(((0.0, 255.0),) * source.n_channels)
    pieces = list(_pieces(source, axes))
    sample = np.concatenate([piece.reshape(-1, source.n_channels) for piece in pieces])
    if sample.dtype.kind == "f" and not np.isfinite(sample).any():
        raise UserError("No pixel of this image is a number (all that were looked at are NaN or infinite).")
    limits, nonfinite = [], False
    for channel, values in enumerate(sample.T):
        finite = values
        if values.dtype.kind == "f":
            finite = values[np.isfinite(values)].astype(np.float64)
            nonfinite = nonfinite or finite.size < values.size
        if not finite.size:
            limits.append((0.0, 0.0))
            continue
        low, high = (float(limit) for limit in np.percentile(finite, PERCENTILES))
        if not high > low:
            low, high = float(finite.min()), float(finite.max())
        else:
            high = _raised(low, high, float(finite.max()), [piece[..., channel] for piece in pieces])
        limits.append((low, high))
    return Contrast(tuple(limits), nonfinite)


def _raised(low: float, high: float, largest: float, pieces: Sequence[NDArray[Any]]) -> float:
    """Return the upper limit: that of bright objects, if what lies between the limits is nothing but noise.

    Bright are values far above the limits that have a bright neighbour in the sample; noise has neighbours that do not
    correlate.
    """
    bound = high + _FAR_ABOVE * (high - low)
    if largest <= bound:
        return high
    bright_values, together, alone = [], 0.0, 0.0
    for piece in pieces:
        with np.errstate(invalid="ignore"):
            bright = piece > bound
        near = np.zeros_like(bright)
        for axis in (0, 1):
            for shift in (1, -1):
                one, other = (_shifted(bright.ndim, axis, each) for each in (shift, -shift))
                near[one] |= bright[other]
        bright_values.append(piece[bright & near])
        ground = np.clip(np.nan_to_num(piece.astype(np.float64), nan=low), low, high)
        ground -= np.median(ground)
        # The blurred rims of objects are no ground.
        ground[bright | near] = 0
        for axis in (0, 1):
            first, second = ground[_shifted(2, axis, 1)], ground[_shifted(2, axis, -1)]
            together += float((first * second).sum())
            alone += float((first**2 + second**2).sum()) / 2
    values = np.concatenate(bright_values)
    if values.size < _FEWEST_BRIGHT or together > _CORRELATION_OF_NOISE * alone:
        return high
    return float(np.median(values))


def _shifted(ndim: int, axis: int, by: int) -> tuple[slice, ...]:
    """Return the part of an array without its first (`by` 1) or last (-1) position along an axis."""
    return tuple(slice(None) if each != axis else slice(1, None) if by > 0 else slice(None, -1) for each in range(ndim))


def _pieces(source: ImageSource, axes: tuple[int, int]) -> Iterator[NDArray[Any]]:
    """Read strided pieces (h, w, channels) of at most `MAX_CHUNKS` chunks, each from one plane of its chunk."""
    level = max(
        (at for at in range(source.n_levels) if prod(source.level_shape(at)[axis] for axis in axes) >= _ENOUGH_PIXELS),
        default=0,
    )
    shape, factors = source.level_shape(level), source.factors(level)
    stored = chunk_shape(source.array(level))
    budget = MAX_CHUNKS
    if stored is None:
        chunks = tuple(_VIRTUAL_CHUNK if axis in axes else 1 for axis in range(source.ndim))
    else:
        chunks = source.without_channels(stored)
        if source.channel_axis is not None:
            budget = max(1, MAX_CHUNKS // ceil(source.n_channels / stored[source.channel_axis]))
    grid = tuple(ceil(size / chunk) for size, chunk in zip(shape, chunks, strict=True))
    total = prod(grid)
    count = min(total, budget)
    # One random chunk out of each of `count` equal runs: even over the slow axes, in step with nothing.
    edges = np.linspace(0, total, count + 1).astype(np.int64)
    for flat in np.random.default_rng(0).integers(edges[:-1], edges[1:]):
        starts = [int(at) * chunk for at, chunk in zip(np.unravel_index(int(flat), grid), chunks, strict=True)]
        stops = [min(start + chunk, size) for start, chunk, size in zip(starts, chunks, shape, strict=True)]
        middle = [
            min(int(((start + stop - 1) // 2 + 0.5) * factor), size - 1)
            for start, stop, factor, size in zip(starts, stops, factors, source.shape, strict=True)
        ]
        rows, columns = (slice(starts[axis], stops[axis]) for axis in axes)
        step = tuple(ceil((stops[axis] - starts[axis]) / _SAMPLES_PER_SIDE) for axis in axes)
        yield source.read(Plane(axes, tuple(middle)), rows, columns, (step[0], step[1]), level)
