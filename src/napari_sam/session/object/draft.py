"""The object in work: what was asked about it, what came back, and where each mask came from."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import count
from typing import Any, TypeAlias

from napari_sam.discover.proposals import ProposalOrigin, Wanted
from napari_sam.planes.geometry import Mask, Plane, Window
from napari_sam.prompts.prompt import Prompts
from napari_sam.segment.segmentation import Segmentation, Setup
from napari_sam.volume.carry import PropagatedPlane
from napari_sam.volume.evidence import REVISION

_serials = count()


def next_serial() -> int:
    """Return a number that no other request, or propagation, has."""
    return next(_serials)


@dataclass(frozen=True)
class FoundOrigin:
    """The origin of an object that was found with everything else on its plane, see `Everything`.

    Parameters
    ----------
    origin
        Which proposal it was.
    confidence
        How sure that was, 0..1.
    wanted
        What was wanted of all proposals when it was accepted.
    likeness
        How likely it was an object like the examples, 0..1; None where there were none.
    """

    origin: ProposalOrigin
    confidence: float
    wanted: Wanted
    likeness: float | None = None


@dataclass(eq=False)
class PromptOrigin:
    """The origin of an answer: what the model was asked about one plane.

    Parameters
    ----------
    plane, prompts
        Where, and what the user said.
    object_size
        How large the object was thought to be: diameter in plane pixels; None where nothing was known.
    fed
        Where the mask came from that was fed back to the model; None for none.
    fed_logits
        Whether it was fed back as logits; else it was a dense prompt.
    setup, areas
        What answered; known when the answer is there. See `SegmentStep`.
    found
        Where the user asked nothing, but the object was found with all others; the prompt is what it was found by.
    """

    plane: Plane
    prompts: Prompts
    object_size: float | None = None
    fed: "Origin | None" = None
    fed_logits: bool = False
    setup: Setup | None = None
    areas: tuple[Window, ...] = ()
    found: FoundOrigin | None = None
    serial: int = field(default_factory=next_serial)


@dataclass(frozen=True)
class CandidateOrigin:
    """The origin of a mask: one of the candidates that came of a request; None for the one that the model chose."""

    asked: PromptOrigin
    chosen: int | None = None


@dataclass(eq=False)
class PropagationOrigin:
    """The origin of the masks of a propagation.

    Parameters
    ----------
    plane
        Any of the planes along which it went.
    axis, first, last
        The axis, and the first and last position along it, inclusive.
    keys
        Where the masks of the key planes came from, by position.
    views
        Whether three views voted.
    reached
        How many planes it reached so far; one that three views changed counts twice.
    complete
        Whether it went as far as it could.
    setup, areas
        What computed it so far. See `PropagateStep`.
    revision
        See `REVISION`.
    """

    plane: Plane
    axis: int
    first: int
    last: int
    keys: dict[int, CandidateOrigin]
    views: bool = False
    reached: int = 0
    complete: bool = False
    setup: Setup | None = None
    areas: tuple[Window, ...] = ()
    revision: int = REVISION
    serial: int = field(default_factory=next_serial)


Origin: TypeAlias = CandidateOrigin | PropagationOrigin


@dataclass(eq=False)
class PromptRequest:
    """The prompts of an object on one plane, all that the answer depends on, and the answer once it is there.

    Whoever holds a request that was made earlier (the journal) holds its answer too: to bring it back is to show it
    at once.

    Parameters
    ----------
    plane, prompts
        Where, and what the user said.
    fed
        The mask that is fed back to the model besides the prompts; forgotten once the answer is there.
    fed_from
        Where `fed` comes from; None for none.
    object_size
        How large the object was thought to be: diameter in plane pixels; None where nothing was known.
    answer
        What the model said; None while that is not known.
    chosen
        The candidate that the user chose; None for the model's own choice.
    former, former_from
        What is shown until the answer is there: the answer to the plane's former prompts, and where it comes from.
    in_flight
        Whether the answer is being computed.
    failed
        Whether computing the answer raised something.
    """

    plane: Plane
    prompts: Prompts
    fed: Mask | None = None
    fed_from: Origin | None = None
    object_size: float | None = None
    answer: Segmentation | None = None
    chosen: int | None = None
    former: Segmentation | None = None
    former_from: Origin | None = None
    in_flight: bool = False
    failed: bool = False
    asked: PromptOrigin = field(init=False)
    serial: int = field(default_factory=next_serial)

    def __post_init__(self) -> None:
        self.asked = self._as_asked()

    def __getstate__(self) -> dict[str, Any]:
        # What comes back from disk is not being computed.
        return {**self.__dict__, "in_flight": False}

    @property
    def shown(self) -> Segmentation | None:
        """The answer with the user's choice; the former one until it is there."""
        if self.answer is None:
            return self.former
        return self.answer if self.chosen is None else replace(self.answer, chosen=self.chosen)

    @property
    def shown_from(self) -> Origin | None:
        """Origin of what is shown; None if nothing is shown."""
        return self.former_from if self.answer is None else CandidateOrigin(self.asked, self.chosen)

    def choosing(self, candidate: int) -> "PromptRequest":
        """Return the same request and answer, with another candidate chosen."""
        chosen = replace(self, chosen=candidate, serial=next_serial())
        chosen.asked = self.asked
        return chosen

    def again(self) -> "PromptRequest":
        """Return the same request and answer, for prompts that are again as they were."""
        again = replace(self, serial=next_serial(), in_flight=False)
        again.asked = self.asked
        return again

    def renew(self, object_size: float | None) -> None:
        """Forget the answer, and what was fed back: something else will answer."""
        self.former, self.former_from, self.answer, self.chosen = self.shown, self.shown_from, None, None
        self.fed, self.fed_from, self.object_size = None, None, object_size
        self.asked = self._as_asked()

    def take(self, answer: Segmentation, setup: Setup | None = None) -> None:
        """Take the answer, and what computed it."""
        self.asked.areas, self.asked.setup = answer.areas, setup
        self.answer, self.former, self.former_from, self.fed = answer, None, None, None
        self.in_flight = self.failed = False

    def _as_asked(self) -> PromptOrigin:
        logits = self.fed is not None and self.fed.logits is not None
        return PromptOrigin(self.plane, self.prompts, self.object_size, self.fed_from, logits)


class PromptKind(StrEnum):
    """The kinds of prompts, as *remove last* counts them."""

    POINT = "point"
    BOX = "box"
    MASK = "mask"
    SCRIBBLE = "scribble"


Given: TypeAlias = tuple[Plane, PromptKind]


@dataclass(frozen=True, eq=False)
class DraftState:
    """The state of an object in work at one moment; see `Draft` for the fields."""

    label: int | None = None
    refines: bool = False
    requests: Mapping[Plane, PromptRequest] = field(default_factory=dict)
    proposal: Mapping[Plane, PropagatedPlane] = field(default_factory=dict)
    order: tuple[Given, ...] = ()
    carried: PropagationOrigin | None = None

    @property
    def planes(self) -> tuple[Plane, ...]:
        """Planes that it has prompts or masks on."""
        return tuple(dict.fromkeys([*self.requests, *self.proposal]))


@dataclass(eq=False)
class Draft:
    """An object that is not accepted yet: its prompts and masks on any number of planes.

    Parameters
    ----------
    label
        Its id in the labels, or None for the next free one (decided when it is accepted).
    refines
        Whether `label` already has pixels in the labels, which accepting replaces.
    requests
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
    requests: dict[Plane, PromptRequest] = field(default_factory=dict)
    proposal: dict[Plane, PropagatedPlane] = field(default_factory=dict)
    order: tuple[Given, ...] = ()
    carried: PropagationOrigin | None = None
    image: int = 0

    def __bool__(self) -> bool:
        return bool(self.requests) or bool(self.proposal)

    @property
    def state(self) -> DraftState:
        """All of it, as it is now; later changes of the draft leave it alone (answers that come are in both)."""
        return DraftState(self.label, self.refines, dict(self.requests), dict(self.proposal), self.order, self.carried)

    def restore(self, state: DraftState) -> None:
        """Be as at another moment."""
        self.label, self.refines = state.label, state.refines
        self.requests, self.proposal = dict(state.requests), dict(state.proposal)
        self.order, self.carried = state.order, state.carried

    @property
    def prompts(self) -> dict[Plane, Prompts]:
        """Prompts per plane; never empty ones."""
        return {plane: request.prompts for plane, request in self.requests.items()}

    @property
    def segmentations(self) -> dict[Plane, Segmentation]:
        """The newest answer per prompted plane, with the user's choice of candidate."""
        shown = {plane: request.shown for plane, request in self.requests.items()}
        return {plane: answer for plane, answer in shown.items() if answer is not None}

    @property
    def in_flight(self) -> set[Plane]:
        """Planes whose prompts are being answered."""
        return {plane for plane, request in self.requests.items() if request.in_flight}

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

    def put(self, plane: Plane, request: PromptRequest | None) -> None:
        """Replace the prompts on one plane; None for none."""
        old_question = self.requests.get(plane)
        old = Prompts() if old_question is None else old_question.prompts
        prompts = Prompts() if request is None else request.prompts
        if request is None:
            self.requests.pop(plane, None)
        else:
            self.requests[plane] = request
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
        self.requests[plane] = self.requests[plane].choosing(candidate)

    def renew(self, plane: Plane, object_size: float | None) -> None:
        """Forget the answer on one plane: something else will answer."""
        self.requests[plane].renew(object_size)

    def source_of(self, plane: Plane) -> Origin | None:
        """Find where the mask shown on a plane comes from; None if there is none."""
        shown = self.requests[plane].shown_from if plane in self.requests else None
        return self.carried if shown is None and plane in self.proposal else shown

    def _forget_last(self, plane: Plane, kind: PromptKind) -> None:
        for at in range(len(self.order) - 1, -1, -1):
            if self.order[at] == (plane, kind):
                self.order = self.order[:at] + self.order[at + 1 :]
                return
