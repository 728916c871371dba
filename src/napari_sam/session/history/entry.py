"""The entry of the journal: one thing that was done, and what it changed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import count
from typing import Generic, TypeVar

from napari_sam.labels.paint import Collision
from napari_sam.planes.geometry import Mask, Plane
from napari_sam.segment.segmentation import Segmentation
from napari_sam.session.history.spill import HeldBytes, Spillable, SpillFolder
from napari_sam.session.labels.edit_description import EditDescription
from napari_sam.session.labels.object_row import LabelsPatch
from napari_sam.session.labels.target import Target
from napari_sam.session.object.draft import DraftState, Given, PromptRequest, PropagationOrigin
from napari_sam.volume.carry import PropagatedPlane


def masks_of(request: PromptRequest | None) -> Iterable[Mask]:
    """Yield every mask that a request holds."""
    if request is None:
        return
    for mask in (request.prompts.mask, request.fed):
        if mask is not None:
            yield mask
    for answer in (request.answer, request.former):
        yield from _candidates(answer)


def weight(masks: Iterable[Mask]) -> int:
    """Count the bytes held by masks; one that comes several times counts once."""
    distinct = {id(mask): mask for mask in masks}
    return sum(
        mask.pixels.nbytes + 256 + (0 if mask.logits is None else mask.logits.nbytes) for mask in distinct.values()
    )


def _candidates(answer: Segmentation | None) -> Iterable[Mask]:
    return () if answer is None else answer.candidates


_V = TypeVar("_V")


@dataclass(frozen=True, eq=False)
class _Entries(Generic[_V]):
    """The difference between two mappings, and the order of their keys where that is different."""

    changed: dict[Plane, tuple[_V | None, _V | None]]
    keys: tuple[tuple[Plane, ...], tuple[Plane, ...]] | None

    @classmethod
    def between(cls, before: Mapping[Plane, _V], after: Mapping[Plane, _V]) -> "_Entries[_V]":
        changed = {
            plane: (before.get(plane), after.get(plane))
            for plane in {**before, **after}
            if before.get(plane) is not after.get(plane)
        }
        keys = tuple(before), tuple(after)
        return cls(changed, keys if keys[0] != keys[1] else None)

    def moved(self, values: Mapping[Plane, _V], to: int) -> dict[Plane, _V]:
        """Return `values` with the changes made (`to` 1) or taken back (`to` 0)."""
        merged: dict[Plane, _V | None] = {**values, **{plane: pair[to] for plane, pair in self.changed.items()}}
        order = tuple(values) if self.keys is None else self.keys[to]
        ordered = {plane: merged[plane] for plane in (*order, *merged) if plane in merged}
        return {plane: value for plane, value in ordered.items() if value is not None}


@dataclass(frozen=True, eq=False)
class _Tail(Generic[_V]):
    """The difference between two sequences after what they have in common."""

    common: int
    tails: tuple[tuple[_V, ...], tuple[_V, ...]]

    @classmethod
    def between(cls, before: tuple[_V, ...], after: tuple[_V, ...]) -> "_Tail[_V]":
        common = 0
        for old, new in zip(before, after, strict=False):
            if old is not new:
                break
            common += 1
        return cls(common, (before[common:], after[common:]))

    def moved(self, values: tuple[_V, ...], to: int) -> tuple[_V, ...]:
        return values[: self.common] + self.tails[to]


@dataclass(frozen=True, eq=False)
class DraftPatch:
    """The difference between two states of the object in work; only what differs is held.

    Parameters
    ----------
    label, refines, carried
        Before and after.
    requests, proposal, order
        Differences of the fields of `DraftState`.
    """

    label: tuple[int | None, int | None]
    refines: tuple[bool, bool]
    requests: _Entries[PromptRequest]
    proposal: _Entries[PropagatedPlane]
    order: _Tail[Given]
    carried: tuple[PropagationOrigin | None, PropagationOrigin | None]

    @classmethod
    def between(cls, before: DraftState, after: DraftState) -> "DraftPatch":
        """Find what changed from one state to another."""
        return cls(
            (before.label, after.label),
            (before.refines, after.refines),
            _Entries.between(before.requests, after.requests),
            _Entries.between(before.proposal, after.proposal),
            _Tail.between(before.order, after.order),
            (before.carried, after.carried),
        )

    def moved(self, state: DraftState, *, forward: bool) -> DraftState:
        """Return `state` with the change made, or taken back."""
        to = int(forward)
        return DraftState(
            self.label[to] if self.label[0] != self.label[1] else state.label,
            self.refines[to] if self.refines[0] != self.refines[1] else state.refines,
            self.requests.moved(state.requests, to),
            self.proposal.moved(state.proposal, to),
            self.order.moved(state.order, to),
            self.carried[to] if self.carried[0] is not self.carried[1] else state.carried,
        )

    @property
    def nbytes(self) -> int:
        """Memory held, roughly."""
        return weight(self._masks()) + 64 * sum(len(tail) for tail in self.order.tails) + 512

    def _masks(self) -> Iterable[Mask]:
        for pair in self.requests.changed.values():
            for request in pair:
                yield from masks_of(request)
        for planes in self.proposal.changed.values():
            for reached in planes:
                if reached is not None and reached.mask is not None:
                    yield reached.mask


_P = TypeVar("_P", DraftPatch, LabelsPatch)
_serials = count()


class EntryKind(StrEnum):
    """The kind of thing that was done, in the user's words."""

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
    MERGE = "merged objects"
    SPLIT = "split object"
    RESHAPE = "reshaped objects"
    LABEL = "id of the next object"
    WIDEN = "wider labels"


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
    edit
        For edits of accepted objects: what was asked for.
    serial
        Counts entries.
    """

    kind: EntryKind
    draft: Spillable[DraftPatch] | None = None
    labels: Spillable[LabelsPatch] | None = None
    target: Target | None = None
    collision: Collision | None = None
    pending: bool = False
    edit: EditDescription | None = None
    serial: int = field(default_factory=lambda: next(_serials))
    _held: HeldBytes | None = field(default=None, init=False, repr=False)

    @property
    def in_memory(self) -> bool:
        """Tell whether any of what it holds is in memory."""
        return any(not parcel.spilled for parcel in self._parcels)

    def count_in(self, held: HeldBytes) -> None:
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
        """Drop it: it is not needed any more."""
        for parcel in self._parcels:
            parcel.drop()
        self._held = None

    @property
    def _parcels(self) -> tuple[Spillable[DraftPatch] | Spillable[LabelsPatch], ...]:
        return tuple(parcel for parcel in (self.draft, self.labels) if parcel is not None)

    def _exchanged(self, old: Spillable[_P] | None, patch: _P | None) -> Spillable[_P] | None:
        if old is not None:
            old.drop()
        if patch is None:
            return None
        parcel = Spillable(patch, patch.nbytes)
        if self._held is not None:
            parcel.count_in(self._held)
        return parcel
