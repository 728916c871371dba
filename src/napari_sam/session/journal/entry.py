"""One thing that was done."""

from dataclasses import dataclass, field
from enum import StrEnum
from itertools import count
from typing import TypeVar

from napari_sam.labels.collision import Collision
from napari_sam.session.journal.draft_patch import DraftPatch
from napari_sam.session.journal.held import Held
from napari_sam.session.journal.labels_patch import LabelsPatch
from napari_sam.session.journal.spill import Parcel, SpillFolder
from napari_sam.session.target import Target

_P = TypeVar("_P", DraftPatch, LabelsPatch)
_serials = count()


class Kind(StrEnum):
    """What was done, in the user's words."""

    PROMPT = "prompt"
    CHOOSE = "candidate"
    PROPAGATE = "propagation"
    DROP = "rejected planes"
    REJECT = "rejected object"
    ACCEPT = "accepted object"
    BATCH = "several objects"
    PAINT = "brush stroke"
    REOPEN = "reopened object"
    RENAME = "new name"
    RELABEL = "new id"
    DELETE = "deleted object"
    LABEL = "id of the next object"


@dataclass(eq=False)
class Entry:
    """One thing that was done, and how to take it back.

    Parameters
    ----------
    kind
        What was done.
    draft
        What it changed about the object in work, if anything.
    labels
        What it changed in labels, if anything.
    target
        Those labels; also the ones that an id in `draft` means.
    collision
        For accepts: what happens to pixels of other labels.
    pending
        For accepts: whether the labels are yet to be written.
    serial
        Counts entries.
    """

    kind: Kind
    draft: Parcel[DraftPatch] | None = None
    labels: Parcel[LabelsPatch] | None = None
    target: Target | None = None
    collision: Collision | None = None
    pending: bool = False
    serial: int = field(default_factory=lambda: next(_serials))
    _held: Held | None = field(default=None, init=False, repr=False)

    @property
    def in_memory(self) -> bool:
        """Whether any of what it holds is in memory."""
        return any(not parcel.spilled for parcel in self._parcels)

    def count_in(self, held: Held) -> None:
        """Have what it holds counted there, until it is dropped."""
        self._held = held
        for parcel in self._parcels:
            parcel.count_in(held)

    def weigh(self) -> None:
        """Find out again what it holds: answers may have come since."""
        for parcel in self._parcels:
            if not parcel.spilled:
                parcel.weighs(parcel.content().nbytes)

    def change_draft(self, patch: DraftPatch | None) -> None:
        """Hold another change of the object in work."""
        self.draft = self._exchanged(self.draft, patch)

    def change_labels(self, patch: LabelsPatch | None) -> None:
        """Hold another change of the labels."""
        self.labels = self._exchanged(self.labels, patch)

    def spill(self, folder: SpillFolder) -> None:
        """Put what it holds on disk."""
        for parcel in self._parcels:
            parcel.spill(folder)

    def drop(self) -> None:
        """It is not needed any more."""
        for parcel in self._parcels:
            parcel.drop()
        self._held = None

    @property
    def _parcels(self) -> tuple[Parcel[DraftPatch] | Parcel[LabelsPatch], ...]:
        return tuple(parcel for parcel in (self.draft, self.labels) if parcel is not None)

    def _exchanged(self, old: Parcel[_P] | None, patch: _P | None) -> Parcel[_P] | None:
        if old is not None:
            old.drop()
        if patch is None:
            return None
        parcel = Parcel(patch, patch.nbytes)
        if self._held is not None:
            parcel.count_in(self._held)
        return parcel
