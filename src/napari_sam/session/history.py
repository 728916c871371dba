"""Undo and redo of accepted objects, bounded by bytes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_sam.labels.edit import Edit
from napari_sam.session.draft import Draft
from napari_sam.session.target import Target


@dataclass(frozen=True, eq=False)
class Accept:
    """An accepted object.

    Parameters
    ----------
    target
        The labels it was written into.
    edit
        What changed in them.
    label
        Its id there.
    draft
        The object as it was when accepted, so that undoing brings its prompts back.
    """

    target: Target
    edit: Edit
    label: int
    draft: Draft

    @property
    def nbytes(self) -> int:
        """Memory held, roughly."""
        masks = sum(mask.pixels.nbytes for mask in self.draft.masks.values())
        for answer in self.draft.segmentations.values():
            masks += sum(mask.logits.nbytes for mask in answer.candidates if mask.logits is not None)
        for reached in self.draft.proposal.values():
            if reached.mask is not None and reached.mask.logits is not None:
                masks += reached.mask.logits.nbytes
        return self.edit.nbytes + masks


class History:
    """A stack of accepts with a position in it.

    Parameters
    ----------
    max_bytes
        The oldest accepts are forgotten when the stack holds more; the newest is always kept.
    """

    def __init__(self, max_bytes: int = 512 * 2**20) -> None:
        self._max_bytes = max_bytes
        self._done: list[Accept] = []
        self._undone: list[Accept] = []

    @property
    def can_undo(self) -> bool:
        """Whether there is an accept to undo."""
        return bool(self._done)

    @property
    def can_redo(self) -> bool:
        """Whether there is an accept to redo."""
        return bool(self._undone)

    @property
    def nbytes(self) -> int:
        """Memory held, roughly."""
        return sum(accept.nbytes for accept in (*self._done, *self._undone))

    def record(self, accept: Accept) -> None:
        """Put an accept on top; what was undone before can no longer be redone."""
        self._undone.clear()
        self._done.append(accept)
        held = self.nbytes
        while held > self._max_bytes and len(self._done) > 1:
            held -= self._done.pop(0).nbytes

    def undo(self) -> Accept | None:
        """Take the newest accept back, in its target too; None if there is none."""
        if not self._done:
            return None
        accept = self._done[-1]
        exchange(accept.target.array, accept.edit.box, accept.edit.after, accept.edit.before)
        self._undone.append(self._done.pop())
        return accept

    def redo(self) -> Accept | None:
        """Do the accept that was undone last again, in its target too; None if there is none."""
        if not self._undone:
            return None
        accept = self._undone[-1]
        exchange(accept.target.array, accept.edit.box, accept.edit.before, accept.edit.after)
        self._done.append(self._undone.pop())
        return accept

    def forget(self, belongs: Callable[[Accept], bool]) -> None:
        """Drop the accepts that `belongs` says True for, without changing any labels."""
        self._done = [accept for accept in self._done if not belongs(accept)]
        self._undone = [accept for accept in self._undone if not belongs(accept)]


def exchange(array: Any, box: tuple[slice, ...], old: NDArray[Any], new: NDArray[Any]) -> None:
    """Write `new` into the box of `array` where it still holds `old`.

    Pixels that something else changed meanwhile (a brush stroke) keep their value.
    """
    current = np.asarray(array[box])
    array[box] = np.where(current == old, new, current)
