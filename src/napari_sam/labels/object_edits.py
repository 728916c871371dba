"""Edits of objects as changes of pixels: what is read and what changes where one is merged, split or reshaped."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_sam.errors import UserError
from napari_sam.labels.edits import PixelChange
from napari_sam.labels.label_array import Box
from napari_sam.labels.morphology import Reshaping, reshaped
from napari_sam.labels.splitting import AsksOfAPlane, ask_for_parts, share_by_shape
from napari_sam.nn.cancel import CancelToken
from napari_sam.planes.geometry import Mask, Plane
from napari_sam.prompts.prompt import Point


@dataclass(frozen=True)
class Space:
    """A plane or a volume of an nD array, in which objects are edited: its spatial axes, and where it lies on others.

    Parameters
    ----------
    axes
        The two or three axes of space, ascending.
    index
        One integer per axis of the array; those of `axes` count for nothing.
    """

    axes: tuple[int, ...]
    index: tuple[int, ...]

    def within(self, box: Box) -> Box | None:
        """Return the part of a box that lies in it; None if none does."""
        part = tuple(
            each if axis in self.axes else slice(at, at + 1)
            for axis, (each, at) in enumerate(zip(box, self.index, strict=True))
        )
        inside = all(
            each.start <= at < each.stop
            for axis, (each, at) in enumerate(zip(box, self.index, strict=True))
            if axis not in self.axes
        )
        return part if inside else None

    def whole(self, shape: Sequence[int]) -> Box:
        """Return all of it."""
        return tuple(
            slice(0, int(size)) if axis in self.axes else slice(at, at + 1)
            for axis, (size, at) in enumerate(zip(shape, self.index, strict=True))
        )

    def around(self, box: Box, margin: Sequence[int], shape: Sequence[int]) -> Box:
        """Return a box of it with a margin along each of its axes, as far as the array goes."""
        wider = list(box)
        for axis, more in zip(self.axes, margin, strict=True):
            wider[axis] = slice(max(box[axis].start - more, 0), min(box[axis].stop + more, int(shape[axis])))
        return tuple(wider)

    def read(self, array: Any, box: Box) -> NDArray[Any]:
        """Read a box of it, without the other axes."""
        return np.asarray(array[box]).reshape([box[axis].stop - box[axis].start for axis in self.axes])


def all_spaces(shape: Sequence[int], axes: Sequence[int]) -> Iterator[Space]:
    """Yield every plane or volume of an array that lies along some axes."""
    positions = [range(1) if axis in axes else range(int(size)) for axis, size in enumerate(shape)]
    for index in product(*positions):
        yield Space(tuple(sorted(axes)), index)


def _change(array: Any, box: Box, region: NDArray[Any], after: NDArray[Any]) -> PixelChange | None:
    """Make the change of a box from one array of labels to another, both without the other axes."""
    where = region != after
    if not where.any():
        return None
    shape = tuple(part.stop - part.start for part in box)
    dtype = np.dtype(array.dtype)
    return PixelChange.of(box, where.reshape(shape), region[where].astype(dtype), after[where].astype(dtype))


def reshape_change(
    array: Any,
    space: Space,
    box: Box,
    label: int,
    reshaping: Reshaping,
    spacing: Sequence[float],
    rivals: NDArray[Any] | None = None,
) -> tuple[PixelChange | None, bool]:
    """Find what a treatment of one object changes; only its box and a margin are read.

    Parameters
    ----------
    array
        The labels.
    space, box
        Where the object is treated, and a box that holds its pixels there.
    label, reshaping, rivals
        See `reshaped`.
    spacing
        Size of a pixel along each axis of the space.

    Returns
    -------
    (PixelChange or None, bool)
        What changes, None for nothing; and whether the object would have been gone, and is left as it is.

    Raises
    ------
    UserError
        If the distance is longer than the labels.
    """
    longest = max(array.shape[axis] * size for axis, size in zip(space.axes, spacing, strict=True))
    if reshaping.distance > longest:
        raise UserError(
            f"A distance of {reshaping.distance:g} is longer than the labels, which are {longest:g} long at most: it "
            "counts in the unit of their scale."
        )
    wider = space.around(box, reshaping.margin(spacing), array.shape)
    region = space.read(array, wider)
    own = region == label
    if not own.any():
        return None, False
    pixels = reshaped(region, label, reshaping, spacing, rivals)
    if not pixels.any():
        return None, True
    after = np.where(own, 0, region)
    after[pixels] = label
    return _change(array, wider, region, after), False


def repaint_change(array: Any, box: Box, label: int, new: int) -> PixelChange | None:
    """Find what changes where all pixels of a label in a box become another one."""
    region = np.asarray(array[box])
    return _change(array, box, region, np.where(region == label, new, region))


Clicks = Mapping[int, tuple[int, ...]]
"""By number of a part, from 1: the pixel that was clicked in it, one index per axis of the array."""


def split_change(
    array: Any,
    space: Space,
    box: Box,
    label: int,
    clicks: Clicks,
    new: Mapping[int, int],
    spacing: Sequence[float],
    known: NDArray[np.int32] | None = None,
) -> PixelChange | None:
    """Find what changes where an object is split; pixels beside it stay.

    Parameters
    ----------
    array, space, label
        The labels, where, and the object.
    box
        One that holds its pixels there.
    clicks
        The parts.
    new
        By number of a part, its id.
    spacing
        Size of a pixel along each axis of the space.
    known
        (axes of the space...) of the box: parts of which it is known where they are; see `share_by_shape`.

    Raises
    ------
    UserError
        If a click is not on the object, or there are fewer than two.
    """
    region = space.read(array, box)
    own = region == label
    seeds = np.zeros(own.shape, np.int32) if known is None else np.where(own, known, 0).astype(np.int32)
    places: dict[tuple[int, ...], int] = {}
    for part, pixel in clicks.items():
        at = tuple(pixel[axis] - box[axis].start for axis in space.axes)
        inside = space.within(tuple(slice(each, each + 1) for each in pixel)) is not None
        if not inside or not all(0 <= each < size for each, size in zip(at, own.shape, strict=True)) or not own[at]:
            raise UserError(f"A click is not on object {label}: click once in each part of it.")
        if at in places:
            raise UserError("Two clicks are on the same pixel: click once in each part.")
        places[at] = part
        seeds[at] = part
    if len(clicks) < 2:
        raise UserError("Click in two parts at least: each click is one of them.")
    shares = share_by_shape(own, seeds, max(clicks), spacing)
    ids = np.zeros(max(clicks) + 1, np.int64)
    for part, given in new.items():
        ids[part] = given
    return _change(array, box, region, np.where(own, ids[shares], region))


def known_parts(
    segmenter: AsksOfAPlane,
    array: Any,
    space: Space,
    box: Box,
    label: int,
    clicks: Mapping[int, tuple[Plane, Point]],
    cancel: CancelToken | None = None,
) -> NDArray[np.int32]:
    """Ask for the parts of an object on each plane with clicks in several of them; see `ask_for_parts`.

    Returns
    -------
    (axes of the space...) int32 of the box: number of the part; 0 where none is known.

    Raises
    ------
    UserError
        If the model cannot answer.
    """
    known = np.zeros([box[axis].stop - box[axis].start for axis in space.axes], np.int32)
    planes: dict[Plane, dict[int, Point]] = {}
    for part, (plane, point) in clicks.items():
        planes.setdefault(plane, {})[part] = point
    for plane, points in planes.items():
        if len(points) < 2:
            continue
        across = [axis for axis in space.axes if axis not in plane.axes]
        flat = tuple(
            slice(plane.index[axis], plane.index[axis] + 1) if axis in across else part for axis, part in enumerate(box)
        )
        own = Space(tuple(sorted(plane.axes)), plane.index).read(array, flat) == label
        turned = plane.axes[0] > plane.axes[1]
        rows, columns = (box[axis].start for axis in plane.axes)
        mask = Mask.from_pixels(own.T if turned else own, (rows, columns))
        shares = ask_for_parts(segmenter, plane, mask, points, cancel)
        at: list[Any] = []
        for axis in space.axes:
            if axis in across:
                at.append(plane.index[axis] - box[axis].start)
            else:
                inside = mask.slices[plane.axes.index(axis)]
                at.append(slice(inside.start - box[axis].start, inside.stop - box[axis].start))
        known[tuple(at)] = shares.T if turned else shares
    return known
