"""The painting of the masks of one object as one edit of a label array."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_sam.errors import UserError
from napari_sam.labels.edits import Edit
from napari_sam.labels.label_array import check_fits
from napari_sam.labels.label_masks import label_mask
from napari_sam.planes.geometry import Mask, Plane

NAMED = 3
"""So many of the labels that an object meets are named in a sentence (chosen: as many as can be read at a glance)."""


class Collision(StrEnum):
    """The user's choice for pixels that belong to another label.

    Examples
    --------
    >>> import numpy as np
    >>> import napari_sam
    >>> stack = napari_sam.open_stack(np.zeros((4, 6), np.uint8))
    >>> mask = napari_sam.Mask.from_pixels(np.ones((1, 4), bool))
    >>> there = np.array([[0, 0, 1, 1, 1, 1]] * 4, np.uint8)
    >>> napari_sam.to_labels(stack, {None: mask}, label=2, labels=there.copy())[0]
    array([2, 2, 1, 1, 1, 1], dtype=uint8)
    >>> over = napari_sam.Collision.OVERWRITE
    >>> napari_sam.to_labels(stack, {None: mask}, label=2, labels=there.copy(), collision=over)[0]
    array([2, 2, 2, 2, 1, 1], dtype=uint8)
    """

    KEEP = "keep"
    """They stay the other object's."""
    OVERWRITE = "overwrite"
    """They become the new object's."""
    ASK = "ask"
    """Nothing is written; `Collides` says what would be met."""


class Collides(UserError):
    """The error of a new mask that meets pixels of other labels, where the user wants to be asked.

    Parameters
    ----------
    pixels
        By label, how many of its pixels are met.
    """

    def __init__(self, pixels: Mapping[int, int]) -> None:
        self.pixels = dict(pixels)
        super().__init__(f"The object meets {describe(self.pixels)}: keep them, or overwrite them.")


def describe(pixels: Mapping[int, int]) -> str:
    """Tell how many pixels of which labels, the most first: "34 pixels of label 5 and 3 of label 7"."""
    ordered = sorted(pixels.items(), key=lambda each: -each[1])
    parts = [
        f"{count} {'of' if at else 'pixel of' if count == 1 else 'pixels of'} label {label}"
        for at, (label, count) in enumerate(ordered[:NAMED])
    ]
    rest = ordered[NAMED:]
    if rest:
        parts.append(f"{sum(count for _, count in rest)} of {len(rest)} more")
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


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
    """Make the edit that gives one object its masks. Nothing is written: apply the edit.

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
    Collides
        If pixels of other labels are met and `collision` is to ask.
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
    met: Counter[int] = Counter()
    for plane, mask in pairs:
        met += _put(_view(after, plane, box), plane, mask, box, label, collision)
    if met and collision is Collision.ASK:
        raise Collides(met)
    return _tight(box, before, after)


def paint_all(
    labels: Any,
    plane: Plane,
    objects: Sequence[tuple[int, Mask]],
    collision: Collision,
    *,
    former: Mapping[int, Mask] | None = None,
) -> Edit:
    """Make the edit that gives several objects their masks on one plane. Nothing is written: apply the edit.

    Where two of the objects meet, the earlier one in `objects` has the pixels.

    Parameters
    ----------
    labels, plane
        As for `paint`.
    objects
        (id, mask) of each object.
    collision
        What happens to pixels of labels that are none of the objects.
    former
        By id, where an object has had its pixels on this plane: they are removed first.

    Returns
    -------
    Edit

    Raises
    ------
    UserError
        As for `paint`.
    Collides
        If pixels of other labels are met and `collision` is to ask.
    """
    for label, _ in objects:
        check_fits(label, labels.dtype)
    shape = tuple(int(size) for size in labels.shape)
    _check(plane, shape)
    erased = former or {}
    boxes = [_box(plane, mask, shape) for mask in (*(mask for _, mask in objects), *erased.values())]
    box = _union([box for box in boxes if all(part.stop > part.start for part in box)], len(shape))
    before = np.array(labels[box])
    after = before.copy()
    view = _view(after, plane, box)
    for label, mask in erased.items():
        part, pixels = _meeting(view, plane, mask, box)
        part[pixels & (part == label)] = 0
    met: Counter[int] = Counter()
    mine = np.zeros(view.shape, bool)
    for label, mask in objects:
        free, _ = _meeting(mine, plane, mask, box)
        met += _put(view, plane, mask, box, label, collision, taken=free)
    if met and collision is Collision.ASK:
        raise Collides(met)
    return _tight(box, before, after)


def _check(plane: Plane, shape: tuple[int, ...]) -> None:
    if plane.ndim != len(shape):
        raise UserError(f"The plane has {plane.ndim} axes but the labels have {len(shape)}.")
    for axis, (at, size) in enumerate(zip(plane.index, shape, strict=True)):
        if axis not in plane.axes and not 0 <= at < size:
            raise UserError(f"Axis {axis} of the labels has no position {at}: it goes from 0 to {size - 1}.")


def _box(plane: Plane, mask: Mask, shape: tuple[int, ...]) -> Box:
    """Return the mask's box in the array, clipped to it."""
    box = [slice(at, at + 1) for at in plane.index]
    for axis, start, stop in zip(plane.axes, mask.box[:2], mask.box[2:], strict=True):
        box[axis] = slice(max(start, 0), min(stop, shape[axis]))
    return tuple(box)


def _union(boxes: list[Box], ndim: int) -> Box:
    """Return the smallest box around all; an empty one at the origin if there are none."""
    if not boxes:
        return (slice(0, 0),) * ndim
    return tuple(
        slice(min(part.start for part in along), max(part.stop for part in along)) for along in zip(*boxes, strict=True)
    )


def _view(inside: NDArray[Any], plane: Plane, box: Box) -> NDArray[Any]:
    """Return the (rows, columns) view of a plane in an array that covers `box`; empty if the box misses the plane."""
    index: list[Any] = [slice(None)] * inside.ndim
    for axis, (at, part) in enumerate(zip(plane.index, box, strict=True)):
        if axis not in plane.axes:
            if not part.start <= at < part.stop:
                return np.empty((0, 0), inside.dtype)
            index[axis] = at - part.start
    view: NDArray[Any] = inside[tuple(index)]
    return view.T if plane.axes[0] > plane.axes[1] else view


def _put(
    view: NDArray[Any],
    plane: Plane,
    mask: Mask,
    box: Box,
    label: int,
    collision: Collision,
    taken: NDArray[np.bool_] | None = None,
) -> Counter[int]:
    """Paint a mask into the plane's view; return how many pixels of which other labels it meets.

    `taken`, where given, is what of the mask's place is not to be painted, and takes in what is.
    """
    target, painted = _meeting(view, plane, mask, box)
    if taken is not None and painted.size:
        painted = painted & ~taken
    others = painted & (target != 0) & (target != label)
    if collision is not Collision.OVERWRITE:
        painted = painted & ~others
    met = Counter(dict(zip(*(each.tolist() for each in np.unique(target[others], return_counts=True)), strict=True)))
    target[painted] = label
    if taken is not None and painted.size:
        taken |= painted
    return met


def _meeting(view: NDArray[Any], plane: Plane, mask: Mask, box: Box) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Find the part of the plane's view that the mask's box covers, and the mask's pixels there; both may be empty."""
    rows, columns = (box[axis] for axis in plane.axes)
    row0, column0, row1, column1 = mask.box
    top, bottom = max(row0, rows.start), min(row1, rows.stop)
    left, right = max(column0, columns.start), min(column1, columns.stop)
    if bottom <= top or right <= left or not view.size:
        return np.empty((0, 0), view.dtype), np.empty((0, 0), bool)
    part = view[top - rows.start : bottom - rows.start, left - columns.start : right - columns.start]
    return part, mask.pixels[top - row0 : bottom - row0, left - column0 : right - column0]


def _tight(box: Box, before: NDArray[Any], after: NDArray[Any]) -> Edit:
    """Crop the edit to the pixels that change."""
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
