"""The object that the user is working on, before it is accepted."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from napari_sam.planes.mask import Mask
from napari_sam.planes.plane import Plane
from napari_sam.prompts.prompt import Prompts
from napari_sam.propagate.propagated_plane import PropagatedPlane
from napari_sam.segment.segmentation import Segmentation
from napari_sam.session.origin import Carried, Origin
from napari_sam.session.question import Question


class PromptKind(StrEnum):
    """The kinds of prompts, as *remove last* counts them."""

    POINT = "point"
    BOX = "box"
    MASK = "mask"
    SCRIBBLE = "scribble"


Given: TypeAlias = tuple[Plane, PromptKind]


@dataclass(frozen=True, eq=False)
class DraftState:
    """What an object in work consists of at one moment; see `Draft` for the fields."""

    label: int | None = None
    refines: bool = False
    questions: Mapping[Plane, Question] = field(default_factory=dict)
    proposal: Mapping[Plane, PropagatedPlane] = field(default_factory=dict)
    order: tuple[Given, ...] = ()
    carried: Carried | None = None

    @property
    def planes(self) -> tuple[Plane, ...]:
        """Planes that it has prompts or masks on."""
        return tuple(dict.fromkeys([*self.questions, *self.proposal]))


@dataclass(eq=False)
class Draft:
    """An object that is not accepted yet: its prompts and masks on any number of planes.

    Parameters
    ----------
    label
        Its id in the labels, or None for the next free one (decided when it is accepted).
    refines
        Whether `label` already has pixels in the labels, which accepting replaces.
    questions
        The prompts of every prompted plane with their answer, where that is there.
    proposal
        Planes that propagation reached.
    order
        (plane, kind) of every prompt in the order they were given.
    carried
        The propagation that reached the planes of the proposal.
    image
        Serial number of the image it is drawn on.
    """

    label: int | None = None
    refines: bool = False
    questions: dict[Plane, Question] = field(default_factory=dict)
    proposal: dict[Plane, PropagatedPlane] = field(default_factory=dict)
    order: tuple[Given, ...] = ()
    carried: Carried | None = None
    image: int = 0

    def __bool__(self) -> bool:
        return bool(self.questions) or bool(self.proposal)

    @property
    def state(self) -> DraftState:
        """All of it, as it is now; later changes of the draft leave it alone (answers that come are in both)."""
        return DraftState(self.label, self.refines, dict(self.questions), dict(self.proposal), self.order, self.carried)

    def restore(self, state: DraftState) -> None:
        """Be as at another moment."""
        self.label, self.refines = state.label, state.refines
        self.questions, self.proposal = dict(state.questions), dict(state.proposal)
        self.order, self.carried = state.order, state.carried

    @property
    def prompts(self) -> dict[Plane, Prompts]:
        """Prompts per plane; never empty ones."""
        return {plane: question.prompts for plane, question in self.questions.items()}

    @property
    def segmentations(self) -> dict[Plane, Segmentation]:
        """The newest answer per prompted plane, with the user's choice of candidate."""
        shown = {plane: question.shown for plane, question in self.questions.items()}
        return {plane: answer for plane, answer in shown.items() if answer is not None}

    @property
    def in_flight(self) -> set[Plane]:
        """Planes whose prompts are being answered."""
        return {plane for plane, question in self.questions.items() if question.in_flight}

    @property
    def key_masks(self) -> dict[Plane, Mask]:
        """The chosen masks of the prompted planes; empty masks are left out."""
        return {plane: answer.mask for plane, answer in self.segmentations.items() if answer.mask.area}

    @property
    def masks(self) -> dict[Plane, Mask]:
        """The object's masks on all planes, key planes before propagated ones; empty masks are left out."""
        masks = {plane: reached.mask for plane, reached in self.proposal.items() if reached.mask is not None}
        for plane, answer in self.segmentations.items():
            masks[plane] = answer.mask
        return {plane: mask for plane, mask in masks.items() if mask.area}

    @property
    def diameter(self) -> float | None:
        """Diameter of the disc that is as large as the largest mask, in plane pixels; None without a mask."""
        area = max((mask.area for mask in self.masks.values()), default=0)
        return 2 * math.sqrt(area / math.pi) if area else None

    def put(self, plane: Plane, question: Question | None) -> None:
        """Replace the prompts on one plane; None for none."""
        old_question = self.questions.get(plane)
        old = Prompts() if old_question is None else old_question.prompts
        prompts = Prompts() if question is None else question.prompts
        if question is None:
            self.questions.pop(plane, None)
        else:
            self.questions[plane] = question
        for kind, before, after in (
            (PromptKind.POINT, len(old.points), len(prompts.points)),
            (PromptKind.SCRIBBLE, len(old.scribbles), len(prompts.scribbles)),
            (PromptKind.BOX, int(old.box is not None), int(prompts.box is not None)),
            (PromptKind.MASK, int(old.mask is not None), int(prompts.mask is not None)),
        ):
            self.order += ((plane, kind),) * max(after - before, 0)
            for _ in range(before - after):
                self._forget_last(plane, kind)
        if old.box is not None and prompts.box is not None and prompts.box != old.box:
            # A new box in the old one's place is the last prompt given.
            self._forget_last(plane, PromptKind.BOX)
            self.order += ((plane, PromptKind.BOX),)

    def choose(self, plane: Plane, candidate: int) -> None:
        """Take another candidate of the answer on one plane."""
        self.questions[plane] = self.questions[plane].choosing(candidate)

    def renew(self, plane: Plane, object_size: float | None) -> None:
        """Forget the answer on one plane: something else will answer."""
        self.questions[plane].renew(object_size)

    def source_of(self, plane: Plane) -> Origin | None:
        """Where the mask shown on a plane comes from; None if there is none."""
        shown = self.questions[plane].shown_from if plane in self.questions else None
        return self.carried if shown is None and plane in self.proposal else shown

    def _forget_last(self, plane: Plane, kind: PromptKind) -> None:
        for at in range(len(self.order) - 1, -1, -1):
            if self.order[at] == (plane, kind):
                self.order = self.order[:at] + self.order[at + 1 :]
                return
