"""The target that accepted objects are written into, its objects, and what is still to be written."""

from collections import deque
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from math import prod
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import DTypeLike

from napari_sam.errors import UserError
from napari_sam.labels.edits import Box, Growth, PixelChange, hull
from napari_sam.session.labels.object_row import Extent, LabelsPatch, ObjectRow


class Target(Protocol):
    """A label array that objects are accepted into."""

    @property
    def name(self) -> str:
        """Name that the user knows it by."""
        ...

    @property
    def array(self) -> Any:
        """The labels, (axes...) of an integer dtype, as long as the image along every axis.

        Anything that reads and writes boxes given as a tuple of slices.
        """
        ...

    def retype(self, dtype: np.dtype[Any]) -> None:
        """Hold the same labels in an array of another integer type."""
        ...


class ArrayTarget:
    """A bare array as a target.

    Parameters
    ----------
    array
        The labels.
    name
        What the user knows them by.
    """

    def __init__(self, array: Any, name: str = "labels") -> None:
        self.array = array
        self.name = name

    def retype(self, dtype: np.dtype[Any]) -> None:
        """Hold the same labels in a copy of another integer type."""
        self.array = np.asarray(self.array).astype(dtype)


def refuse_read_only(array: Any) -> None:
    """Refuse labels that cannot be written to, as far as the array tells.

    Raises
    ------
    UserError
        For read-only numpy and zarr arrays.
    """
    if getattr(array, "read_only", False) or not getattr(getattr(array, "flags", None), "writeable", True):
        raise UserError(
            "The labels cannot be written to: they are read-only. Make them writable again, or choose other labels."
        )


SLICE_ELEMENTS = 2**18
SLICE_CHANGES = 48
"""So much is written at once, which takes a few milliseconds; a single change that is larger is not divided.

7 ms at most, of 840 masks on 20 planes of 1024 x 1024, which took 703 ms in one go.
"""


@dataclass(frozen=True, eq=False)
class _PendingChange:
    array: Any
    change: PixelChange
    forward: bool

    @property
    def elements(self) -> int:
        return prod(part.stop - part.start for part in self.change.box)

    def write(self) -> None:
        refuse_read_only(self.array)
        if self.forward:
            self.change.apply(self.array)
        else:
            self.change.revert(self.array)

    def unwrite(self) -> None:
        _PendingChange(self.array, self.change, not self.forward).write()


class PendingPixels:
    """Changes that count as made and are yet to be written; only the main thread puts and writes.

    Whatever reads labels to change them has them written first, all or those in its box, so that it never meets half
    of a deed. What could not be written, as the labels are read-only or their disk is full, is owed still.
    """

    def __init__(self) -> None:
        self._owed: deque[_PendingChange] = deque()
        self._untold: list[Box] = []
        # Whether it comes from several deeds, which have to be done in their order where they meet.
        self._several = False

    def __bool__(self) -> bool:
        return bool(self._owed)

    def put(self, array: Any, changes: Iterable[PixelChange], *, forward: bool = True) -> None:
        """Have changes, which do not meet each other, made later, or taken back; after those that were put before.

        The array is the one of this moment, whatever takes its place meanwhile.
        """
        self._several = bool(self._owed)
        self._owed.extend(_PendingChange(array, change, forward) for change in changes)

    def write(self, box: Box | None = None) -> None:
        """Write all that is owed, or at least what meets a box."""
        left: deque[_PendingChange] = deque()
        try:
            while self._owed:
                each = self._owed[0]
                if box is None or self._several or _meet(each.change.box, box):
                    self._write(each)
                else:
                    left.append(each)
                self._owed.popleft()
        finally:
            self._owed.extendleft(reversed(left))

    def write_some(self) -> None:
        """Write one slice of it."""
        elements = count = 0
        while self._owed and (count == 0 or elements + self._owed[0].elements <= SLICE_ELEMENTS):
            owed = self._owed[0]
            self._write(owed)
            self._owed.popleft()
            elements, count = elements + owed.elements, count + 1
            if count == SLICE_CHANGES:
                break

    def written_box(self) -> Box | None:
        """Return the box around all that was written since this was asked last; None if nothing was."""
        boxes, self._untold = self._untold, []
        return hull(boxes)

    def _write(self, owed: _PendingChange) -> None:
        owed.write()
        self._untold.append(owed.change.box)


def _meet(one: Box, other: Box) -> bool:
    return all(a.start < b.stop and b.start < a.stop for a, b in zip(one, other, strict=True))


def _write_all(array: Any, changes: Iterable[PixelChange], *, forward: bool = True) -> None:
    """Make changes, or take them back, one after another; where one of them fails, none is made."""
    made: list[_PendingChange] = []
    try:
        for change in changes:
            each = _PendingChange(array, change, forward)
            each.write()
            made.append(each)
    except Exception:
        for each in reversed(made):
            with suppress(Exception):
                each.unwrite()
        raise


_V = TypeVar("_V")


class ObjectTable:
    """The objects that were accepted into one target.

    Parameters
    ----------
    target
        The labels.

    Attributes
    ----------
    next_label : int or None
        The next free id; None while that is not known.
    rows : dict
        Accepted objects by label.
    extents : dict
        By label, where its pixels are: for the rows, and for labels that were not there when the target was chosen.
    unwritten : PendingPixels
        Pixels that are changed as far as the object table tells, and not yet in the array.
    revision : int
        Another one after everything that changes pixels, rows or extents.
    """

    def __init__(self, target: Target) -> None:
        self.target = target
        self.next_label: int | None = None
        self.rows: dict[int, ObjectRow] = {}
        self.extents: dict[int, Extent] = {}
        self.unwritten = PendingPixels()
        self.revision = 0
        self._first: int | None = None
        self._seen = 0

    def starts_at(self, label: int) -> None:
        """Note that ids below `label` may be in use, and none from it on, but for those that were seen since."""
        label = max(label, self._seen + 1)
        self.next_label = label
        if self._first is None:
            self._first = label

    def fill(self, rows: Mapping[int, ObjectRow], extents: Mapping[int, Extent]) -> None:
        """Fill in the objects that are there already."""
        self.rows.update(rows)
        self.extents.update(extents)

    @property
    def began_empty(self) -> bool:
        """True if there were no labels at all when the target was chosen, as far as that is known."""
        return self._first == 1

    def saw(self, label: int) -> tuple[int | None, int | None]:
        """Note that `label` is in use; later objects get higher ids. Return the next id before and after."""
        before = self.next_label
        if before is None:
            self._seen = max(self._seen, label)
        elif label >= before:
            self.next_label = label + 1
        return before, self.next_label

    def follows(self, label: int) -> bool:
        """Tell whether it is known where all pixels of a label are."""
        new = self._first is not None and label >= self._first
        return label != 0 and (new or label in self.extents)

    def make(
        self,
        pixels: Iterable[PixelChange] = (),
        rows: Mapping[int, ObjectRow | None] | None = None,
        *,
        areas: Mapping[int, Extent] | None = None,
        uses: int = 0,
        written: bool = False,
        growth: Growth | None = None,
    ) -> LabelsPatch:
        """Change pixels and rows together.

        Parameters
        ----------
        pixels
            Changes of the label array, in order.
        rows
            By label, the new row, or None to remove it.
        areas
            By label, where its pixels are once that is done, for labels of which it was not known.
        uses
            The largest id that is in use from now on.
        written
            Whether the pixels are in the array already.
        growth
            What the changes of the pixels do to labels, where that was found out before: then they are many, and are
            left to `unwritten`.

        Returns
        -------
        LabelsPatch
            What to give to `exchange` to take it back.

        Raises
        ------
        UserError
            If the labels cannot be written to; nothing is different then.
        """
        pixels, rows = tuple(pixels), dict(rows or {})
        if pixels and not written:
            refuse_read_only(self.target.array)
        self.unwritten.write()
        if growth is not None:
            self.unwritten.put(self.target.array, pixels)
        elif not written:
            _write_all(self.target.array, pixels)
        self.revision += 1
        changed_rows = {label: (self.rows.get(label), row) for label, row in rows.items()}
        _put(self.rows, rows)
        extents = {**self._extents_after(growth or Growth.of(pixels)), **(areas or {})}
        changed_extents = {label: (self.extents.get(label), extent) for label, extent in extents.items()}
        _put(self.extents, extents)
        return LabelsPatch(pixels, changed_rows, changed_extents, self.saw(uses) if uses else (None, None))

    def retype(self, dtype: DTypeLike) -> LabelsPatch:
        """Have the labels held in an array of another integer type; return what to give to `exchange`."""
        before, after = np.dtype(self.target.array.dtype), np.dtype(dtype)
        self.revision += 1
        self.unwritten.write()
        self.target.retype(after)
        return LabelsPatch(dtype=(before.name, after.name))

    def exchange(self, patch: LabelsPatch, *, forward: bool, later: bool = False) -> None:
        """Take a change back, or make it again; with `later`, its pixels are left to `unwritten`.

        Raises
        ------
        UserError
            If the labels cannot be written to; nothing is different then.
        """
        if patch.pixels:
            refuse_read_only(self.target.array)
        if patch.dtype is not None:
            self._turn(np.dtype(patch.dtype[int(forward)]))
        pixels = patch.pixels if forward else patch.pixels[::-1]
        if later:
            self.unwritten.put(self.target.array, pixels, forward=forward)
        else:
            self.unwritten.write()
            _write_all(self.target.array, pixels, forward=forward)
        self.revision += 1
        to = int(forward)
        _put(self.rows, {label: pair[to] for label, pair in patch.rows.items()})
        _put(self.extents, {label: pair[to] for label, pair in patch.extents.items()})
        if patch.next_label[0] != patch.next_label[1] and self.next_label == patch.next_label[1 - to]:
            self.next_label = patch.next_label[to]

    def _turn(self, dtype: np.dtype[Any]) -> None:
        """Have the labels of another type, unless ids that something else wrote meanwhile do not fit into it."""
        array = self.target.array
        self.unwritten.write()
        if np.can_cast(array.dtype, dtype) or int(np.max(array, initial=0)) <= np.iinfo(dtype).max:
            self.target.retype(dtype)

    def _extents_after(self, growth: Growth) -> dict[int, Extent | None]:
        after: dict[int, Extent | None] = {}
        for label, count in growth.pixels.items():
            known = self.extents.get(label)
            if not self.follows(label):
                continue
            boxes = [*([] if known is None else [known.box]), *([growth.boxes[label]] if label in growth.boxes else [])]
            box = hull(boxes)
            if box is not None:
                area = count + (0 if known is None else known.area)
                after[label] = Extent(area, box) if area or label in self.rows else None
        return after


def _put(values: dict[int, _V], changes: Mapping[int, _V | None]) -> None:
    for key, value in changes.items():
        if value is None:
            values.pop(key, None)
        else:
            values[key] = value
