"""From the masks of one object to one edit of a label array."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_sam.errors import UserError
from napari_sam.labels.collision import Collision
from napari_sam.labels.edit import Edit
from napari_sam.labels.ids import check_fits
from napari_sam.labels.to_mask import label_mask
from napari_sam.planes.mask import Mask
from napari_sam.planes.plane import Plane

Box = tuple[slice, ...]


def paint(
    labels: Any,
    masks: Mapping[Plane, Mask] | Iterable[tuple[Plane, Mask]],
    label: int,
    collision: Collision,
    *,
    replace: bool = True,
    earlier: Box | None = None,
) -> Edit:
    """The edit that gives one object its masks. Nothing is written: apply the edit.

    Parameters
    ----------
    labels
        Integer array of any number of axes (numpy, zarr, ...); only the object's box is held in memory.
    masks
        The object's mask on each plane; what lies outside the plane is dropped.
    label
        The object's id, at least 1.
    collision
        What happens to pixels of other labels.
    replace
        The object's earlier pixels on these planes are removed. Pass False for a new id: nothing is searched then.
    earlier
        A box, one slice per axis, known to hold all earlier pixels of the object; the whole planes are searched
        without it.

    Returns
    -------
    Edit
        Its box is the smallest around the pixels that change.

    Raises
    ------
    UserError
        If the label does not fit the array's type or the array has no such plane.
    """
    if label < 1:
        raise ValueError(f"an object's label is at least 1, not {label}")
    check_fits(label, labels.dtype)
    shape = tuple(int(size) for size in labels.shape)
    pairs = list(masks.items() if isinstance(masks, Mapping) else masks)
    boxes = []
    for plane, mask in pairs:
        _check(plane, shape)
        boxes.append(_box(plane, mask, shape))
        if replace:
            within = (slice(None), slice(None)) if earlier is None else (earlier[plane.axes[0]], earlier[plane.axes[1]])
            boxes.append(_box(plane, label_mask(labels, plane, label, within), shape))
    box = _union([box for box in boxes if all(part.stop > part.start for part in box)], len(shape))
    before = np.array(labels[box])
    after = before.copy()
    if replace:
        for plane, _ in pairs:
            view = _view(after, plane, box)
            view[view == label] = 0
    for plane, mask in pairs:
        _put(_view(after, plane, box), plane, mask, box, label, collision)
    return _tight(box, before, after)


def _check(plane: Plane, shape: tuple[int, ...]) -> None:
    if plane.ndim != len(shape):
        raise UserError(f"The plane has {plane.ndim} axes but the labels have {len(shape)}.")
    for axis, (at, size) in enumerate(zip(plane.index, shape, strict=True)):
        if axis not in plane.axes and not 0 <= at < size:
            raise UserError(f"Axis {axis} of the labels has no position {at}: it goes from 0 to {size - 1}.")


def _box(plane: Plane, mask: Mask, shape: tuple[int, ...]) -> Box:
    """The mask's box in the array, clipped to it."""
    box = [slice(at, at + 1) for at in plane.index]
    for axis, start, stop in zip(plane.axes, mask.box[:2], mask.box[2:], strict=True):
        box[axis] = slice(max(start, 0), min(stop, shape[axis]))
    return tuple(box)


def _union(boxes: list[Box], ndim: int) -> Box:
    """The smallest box around all; an empty one at the origin if there are none."""
    if not boxes:
        return (slice(0, 0),) * ndim
    return tuple(
        slice(min(part.start for part in along), max(part.stop for part in along)) for along in zip(*boxes, strict=True)
    )


def _view(inside: NDArray[Any], plane: Plane, box: Box) -> NDArray[Any]:
    """The (rows, columns) view of a plane in an array that covers `box`; empty if the box misses the plane."""
    index: list[Any] = [slice(None)] * inside.ndim
    for axis, (at, part) in enumerate(zip(plane.index, box, strict=True)):
        if axis not in plane.axes:
            if not part.start <= at < part.stop:
                return np.empty((0, 0), inside.dtype)
            index[axis] = at - part.start
    view: NDArray[Any] = inside[tuple(index)]
    return view.T if plane.axes[0] > plane.axes[1] else view


def _put(view: NDArray[Any], plane: Plane, mask: Mask, box: Box, label: int, collision: Collision) -> None:
    rows, columns = (box[axis] for axis in plane.axes)
    row0, column0, row1, column1 = mask.box
    top, bottom = max(row0, rows.start), min(row1, rows.stop)
    left, right = max(column0, columns.start), min(column1, columns.stop)
    if bottom <= top or right <= left or not view.size:
        return
    target = view[top - rows.start : bottom - rows.start, left - columns.start : right - columns.start]
    painted = mask.pixels[top - row0 : bottom - row0, left - column0 : right - column0]
    if collision is Collision.KEEP:
        painted = painted & ((target == 0) | (target == label))
    target[painted] = label


def _tight(box: Box, before: NDArray[Any], after: NDArray[Any]) -> Edit:
    """The edit, cropped to the pixels that change."""
    changed = before != after
    inner = []
    for axis in range(changed.ndim):
        along = np.flatnonzero(changed.any(axis=tuple(other for other in range(changed.ndim) if other != axis)))
        inner.append(slice(int(along[0]), int(along[-1]) + 1) if along.size else slice(0, 0))
    crop = tuple(inner)
    return Edit(
        tuple(slice(part.start + own.start, part.start + own.stop) for part, own in zip(box, crop, strict=True)),
        before[crop].copy(),
        after[crop].copy(),
    )
