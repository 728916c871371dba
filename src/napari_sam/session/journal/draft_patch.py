"""What a deed changed about the object in work."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from napari_sam.planes.mask import Mask
from napari_sam.planes.plane import Plane
from napari_sam.propagate.propagated_plane import PropagatedPlane
from napari_sam.session.draft import DraftState, Given
from napari_sam.session.journal.weight import masks_of, weight
from napari_sam.session.origin import Carried
from napari_sam.session.question import Question

_V = TypeVar("_V")


@dataclass(frozen=True, eq=False)
class _Entries(Generic[_V]):
    """What is different between two mappings, and the order of their keys where that is."""

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
        """`values` with the changes made (`to` 1) or taken back (`to` 0)."""
        merged: dict[Plane, _V | None] = {**values, **{plane: pair[to] for plane, pair in self.changed.items()}}
        order = tuple(values) if self.keys is None else self.keys[to]
        ordered = {plane: merged[plane] for plane in (*order, *merged) if plane in merged}
        return {plane: value for plane, value in ordered.items() if value is not None}


@dataclass(frozen=True, eq=False)
class _Tail(Generic[_V]):
    """What is different between two sequences after what they have in common."""

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
    questions, proposal, order
        Differences of the fields of `DraftState`.
    """

    label: tuple[int | None, int | None]
    refines: tuple[bool, bool]
    questions: _Entries[Question]
    proposal: _Entries[PropagatedPlane]
    order: _Tail[Given]
    carried: tuple[Carried | None, Carried | None]

    @classmethod
    def between(cls, before: DraftState, after: DraftState) -> "DraftPatch":
        """What changed from one state to another."""
        return cls(
            (before.label, after.label),
            (before.refines, after.refines),
            _Entries.between(before.questions, after.questions),
            _Entries.between(before.proposal, after.proposal),
            _Tail.between(before.order, after.order),
            (before.carried, after.carried),
        )

    def moved(self, state: DraftState, *, forward: bool) -> DraftState:
        """`state` with the change made, or taken back."""
        to = int(forward)
        return DraftState(
            self.label[to] if self.label[0] != self.label[1] else state.label,
            self.refines[to] if self.refines[0] != self.refines[1] else state.refines,
            self.questions.moved(state.questions, to),
            self.proposal.moved(state.proposal, to),
            self.order.moved(state.order, to),
            self.carried[to] if self.carried[0] is not self.carried[1] else state.carried,
        )

    @property
    def nbytes(self) -> int:
        """Memory held, roughly."""
        return weight(self._masks()) + 64 * sum(len(tail) for tail in self.order.tails) + 512

    def _masks(self) -> Iterable[Mask]:
        for pair in self.questions.changed.values():
            for question in pair:
                yield from masks_of(question)
        for planes in self.proposal.changed.values():
            for reached in planes:
                if reached is not None and reached.mask is not None:
                    yield reached.mask
