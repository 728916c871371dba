"""The depth of a stack, and the size of a pixel in it as distances are told."""

import math
from collections.abc import Sequence

from napari_sam.errors import UserError
from napari_sam.planes.file_axes import is_time, likeliest_depth, looks_like_channels
from napari_sam.planes.geometry import Plane
from napari_sam.planes.image_source import ImageSource
from napari_sam.planes.units import in_centimeters, unit_symbol


def depth_axis(source: ImageSource, plane: Plane, axis: int | None = None) -> int | None:
    """Find the axis that planes make a volume along.

    Parameters
    ----------
    source
        The image.
    plane
        One of its planes.
    axis
        The one that the user chose; None for the likeliest. Time and channels are none, nor, unless it was chosen, is
        a short axis without a name, which may be channels.

    Raises
    ------
    UserError
        If the chosen axis is displayed, or time or channels.
    """
    names = source.axis_labels or ("",) * source.ndim
    across = likeliest_depth([each for each in range(source.ndim) if each not in plane.axes], names, source.shape)
    if axis is None:
        doubtful = [
            each for each in across if is_time(names[each]) or looks_like_channels(names[each], source.shape[each])
        ]
        return next((each for each in across if each not in doubtful), None)
    # A length that no unnamed axis of channels has: only the name counts here.
    if axis not in across or is_time(names[axis]) or looks_like_channels(names[axis], 2**31):
        raise UserError(f"Axis {axis} is no depth: objects are never edited across time, channels or displayed axes.")
    return axis


def distance_unit(source: ImageSource | None, axes: Sequence[int]) -> tuple[tuple[float, ...], str]:
    """Return the size of a pixel along some axes, and the unit that distances there are told in.

    Of several units of length it is that of the last axis. Where not all of them are lengths, distances count pixels of
    the finest of them: "px".
    """
    sizes = [1.0] * len(axes)
    if source is None or source.scale is None:
        return tuple(sizes), "px"
    sizes = [abs(source.scale[axis]) for axis in axes]
    if not all(math.isfinite(size) and size > 0 for size in sizes):
        return (1.0,) * len(axes), "px"
    units = [] if source.units is None else [unit_symbol(source.units[axis]) for axis in axes]
    lengths = [length for length in map(in_centimeters, units) if length is not None]
    if units and len(lengths) == len(units):
        return tuple(
            size if unit == units[-1] else size * length / lengths[-1]
            for size, unit, length in zip(sizes, units, lengths, strict=True)
        ), units[-1]
    if len(set(units)) > 1:
        return (1.0,) * len(axes), "px"
    return tuple(size / min(sizes) for size in sizes), "px"
