"""Reversible changes of a label array, kept small."""

import zlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray


class WritableArray(Protocol):
    """An array that takes an edit: numpy and zarr arrays, and anything else that is assigned by slices."""

    def __setitem__(self, index: Any, values: Any) -> None:
        """Write `values` at `index`, one slice per axis."""
        ...


@dataclass(frozen=True, eq=False)
class Edit:
    """A reversible change of the labels inside one box.

    Parameters
    ----------
    box
        One slice per axis of the label array: the smallest box around the pixels that change.
    before, after
        The labels inside the box, in the array's own dtype. Empty if nothing changes.
    """

    box: tuple[slice, ...]
    before: NDArray[Any]
    after: NDArray[Any]

    def apply(self, array: WritableArray) -> None:
        """Write the labels as they are after the edit."""
        if self.after.size:
            array[self.box] = self.after

    def revert(self, array: WritableArray) -> None:
        """Write the labels as they were before the edit."""
        if self.before.size:
            array[self.box] = self.before

    @property
    def changed(self) -> int:
        """Number of pixels that change."""
        return int(np.count_nonzero(self.before != self.after))

    @property
    def nbytes(self) -> int:
        """Memory held, in bytes."""
        return self.before.nbytes + self.after.nbytes


Box = tuple[slice, ...]
# Bytes. Chosen, not measured: of less, compressing saves too little to matter.
_WORTH_PACKING = 1 << 12


@dataclass(frozen=True)
class _Packed:
    """An array, compressed where that pays."""

    data: bytes
    dtype: str
    size: int
    compressed: bool

    @classmethod
    def of(cls, values: NDArray[Any]) -> "_Packed":
        if values.size and (values == values.flat[0]).all():
            values, size = values.reshape(-1)[:1], values.size
        else:
            size = values.size
        data = np.ascontiguousarray(values).tobytes()
        compressed = len(data) > _WORTH_PACKING
        return cls(zlib.compress(data, 1) if compressed else data, values.dtype.str, size, compressed)

    def unpacked(self) -> NDArray[Any]:
        """Return the values, one-dimensional; perhaps a single one that stands for all."""
        return np.frombuffer(zlib.decompress(self.data) if self.compressed else self.data, self.dtype)


@dataclass(frozen=True)
class PixelChange:
    """The change that a deed made in a label array.

    Unlike an `Edit`, only the pixels that differ are kept, compressed: a brush stroke or an object of a hundred planes
    takes little memory.

    Parameters
    ----------
    box
        One slice per axis: holds all pixels that change.
    where
        Which pixels of the box change, as bits in C order.
    old, new
        Their labels before and after.
    """

    box: Box
    where: _Packed
    old: _Packed
    new: _Packed

    @classmethod
    def of(cls, box: Box, where: NDArray[np.bool_], old: ArrayLike, new: ArrayLike) -> "PixelChange":
        """Make a change from arrays.

        Parameters
        ----------
        box
            One slice per axis.
        where
            Boolean, of the box's shape.
        old, new
            Labels of the pixels in `where`, in C order; a single value stands for all. Of the array's own dtype.
        """
        count = int(np.count_nonzero(where))
        before, after = (np.broadcast_to(np.asarray(values).reshape(-1), count) for values in (old, new))
        return cls(box, _Packed.of(np.packbits(where)), _Packed.of(before), _Packed.of(after))

    @classmethod
    def from_edit(cls, edit: Edit) -> "PixelChange":
        """Take what an edit changes."""
        where = edit.before != edit.after
        return cls.of(edit.box, where, edit.before[where], edit.after[where])

    @property
    def nbytes(self) -> int:
        """Memory held, in bytes."""
        return len(self.where.data) + len(self.old.data) + len(self.new.data) + 512

    @property
    def count(self) -> int:
        """Number of pixels that change."""
        return self.old.size

    def apply(self, array: Any) -> None:
        """Make the change, where the pixels still are as they were before it."""
        self._exchange(array, self.old, self.new)

    def revert(self, array: Any) -> None:
        """Take the change back, where the pixels still are as it left them.

        Pixels that something else changed meanwhile keep their label.
        """
        self._exchange(array, self.new, self.old)

    def made_on(self, array: Any) -> "PixelChange":
        """Return the same change made on what `array` holds now; nothing is written."""
        where = self.mask()
        current = np.asarray(array[self.box])[where]
        return PixelChange.of(self.box, where, current, self.new.unpacked())

    def mask(self) -> NDArray[np.bool_]:
        """Return which pixels of the box change."""
        shape = tuple(part.stop - part.start for part in self.box)
        bits = self.where.unpacked()
        total = int(np.prod(shape, dtype=np.int64))
        if bits.size < self.where.size:
            bits = np.broadcast_to(bits, self.where.size)
        return np.unpackbits(bits, count=total).astype(bool).reshape(shape)

    def labels(self) -> Counter[int]:
        """Count by how many pixels each label grows; negative where it shrinks."""
        growth: Counter[int] = Counter()
        for packed, sign in ((self.old, -1), (self.new, 1)):
            values, counts = np.unique(packed.unpacked(), return_counts=True)
            if packed.size and values.size == 1:
                counts = np.asarray([packed.size])
            for value, count in zip(values.tolist(), counts.tolist(), strict=True):
                growth[value] += sign * count
        return growth

    def written(self) -> set[int]:
        """Return the labels that it writes."""
        return set(np.unique(self.new.unpacked()).tolist())

    def _exchange(self, array: Any, old: _Packed, new: _Packed) -> None:
        where = self.mask()
        region = np.array(array[self.box])
        current = region[where]
        region[where] = np.where(current == old.unpacked(), new.unpacked(), current)
        array[self.box] = region


def hull(boxes: Iterable[Box]) -> Box | None:
    """Return the smallest box around all of them; None if there are none."""
    given = list(boxes)
    if not given:
        return None
    return tuple(
        slice(min(part.start for part in along), max(part.stop for part in along)) for along in zip(*given, strict=True)
    )


# Side of the boxes that an edit is divided into. Chosen, not measured.
TILE = 256


def tiled(edit: Edit, size: int = TILE) -> list[PixelChange]:
    """Split what an edit changes into boxes of at most `size` pixels along each axis; no two of them meet.

    Parameters
    ----------
    edit
        The edit.
    size
        Of a tile, along every axis.

    Returns
    -------
    list of PixelChange
        Boxes in which nothing changes are left out; the others are as small as what changes.
    """
    changes = []
    for starts in product(*(range(0, length, size) for length in edit.before.shape)):
        tile = tuple(slice(start, start + size) for start in starts)
        before, after = edit.before[tile], edit.after[tile]
        where = before != after
        if not where.any():
            continue
        box, crop = [], []
        for axis, (start, whole) in enumerate(zip(starts, edit.box, strict=True)):
            along = np.flatnonzero(where.any(axis=tuple(other for other in range(where.ndim) if other != axis)))
            low, high = int(along[0]), int(along[-1]) + 1
            crop.append(slice(low, high))
            box.append(slice(whole.start + start + low, whole.start + start + high))
        inside = where[tuple(crop)]
        changes.append(PixelChange.of(tuple(box), inside, before[where], after[where]))
    return changes


@dataclass(frozen=True)
class Growth:
    """The effect of changes of pixels on the labels that they write or take away.

    Parameters
    ----------
    pixels
        By label, by how many pixels it grows; negative where it shrinks.
    boxes
        By label, a box that holds all pixels that it gets.
    """

    pixels: Counter[int]
    boxes: dict[int, Box]

    @classmethod
    def of(cls, changes: Iterable[PixelChange]) -> Self:
        """Find the growth by several changes, one after another."""
        pixels: Counter[int] = Counter()
        boxes: dict[int, list[Box]] = {}
        for change in changes:
            pixels.update(change.labels())
            for label in change.written():
                boxes.setdefault(label, []).append(change.box)
        hulls = {label: hull(each) for label, each in boxes.items()}
        return cls(pixels, {label: box for label, box in hulls.items() if box is not None})
