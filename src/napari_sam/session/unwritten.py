"""Pixels that the journal has already, and that the labels get bit by bit, so that the window does not stand still."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from math import prod
from typing import Any

from napari_sam.labels.pixel_change import Box, PixelChange, hull

SLICE_ELEMENTS = 2**18
SLICE_CHANGES = 48
"""So much is written at once, which takes a few milliseconds; a single change that is larger is not divided."""


@dataclass(frozen=True, eq=False)
class _Owed:
    array: Any
    change: PixelChange
    forward: bool

    @property
    def elements(self) -> int:
        return prod(part.stop - part.start for part in self.change.box)

    def write(self) -> None:
        if self.forward:
            self.change.apply(self.array)
        else:
            self.change.revert(self.array)


class Unwritten:
    """Changes that count as made and are yet to be written; only the main thread puts and writes.

    Whatever reads labels to change them has them written first, all or those in its box, so that it never meets half
    of a deed.
    """

    def __init__(self) -> None:
        self._owed: deque[_Owed] = deque()
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
        self._owed.extend(_Owed(array, change, forward) for change in changes)

    def write(self, box: Box | None = None) -> None:
        """Write all that is owed, or at least what meets a box."""
        owed, self._owed = self._owed, deque()
        for each in owed:
            if box is None or self._several or _meet(each.change.box, box):
                self._write(each)
            else:
                self._owed.append(each)

    def write_some(self) -> None:
        """Write one slice of it."""
        elements = count = 0
        while self._owed and (count == 0 or elements + self._owed[0].elements <= SLICE_ELEMENTS):
            owed = self._owed.popleft()
            self._write(owed)
            elements, count = elements + owed.elements, count + 1
            if count == SLICE_CHANGES:
                break

    def written_box(self) -> Box | None:
        """Around all that was written since this was asked last; None if nothing was."""
        boxes, self._untold = self._untold, []
        return hull(boxes)

    def _write(self, owed: _Owed) -> None:
        owed.write()
        self._untold.append(owed.change.box)


def _meet(one: Box, other: Box) -> bool:
    return all(a.start < b.stop and b.start < a.stop for a, b in zip(one, other, strict=True))
