"""The record of how an object came about, from which it can be computed again; and back."""

from collections import Counter
from dataclasses import dataclass
from typing import TypeAlias

from napari_sam.planes.geometry import Mask, Plane, Window
from napari_sam.prompts.prompt import Prompts
from napari_sam.segment.segmentation import Segmentation, Setup
from napari_sam.session.object.draft import (
    CandidateOrigin,
    DraftState,
    FoundOrigin,
    Given,
    Origin,
    PromptKind,
    PromptOrigin,
    PromptRequest,
    PropagationOrigin,
)
from napari_sam.volume.carry import PropagatedPlane


@dataclass(frozen=True)
class SegmentStep:
    """The step in which the model was asked about one plane.

    Parameters
    ----------
    plane
        The plane.
    prompts
        What the user said there.
    object_size
        Diameter in plane pixels that was expected of the object; None where nothing was known.
    corrects
        Which earlier step (its position among the object's steps) gave the mask that was fed back: an answer on the
        same plane, or a propagation that reached it. None if nothing was fed back.
    with_logits
        Whether that mask was fed back as logits; else it was a dense prompt.
    chosen
        The candidate that the user chose; None for the model's own choice.
    setup
        What computed the answer.
    areas
        The areas of the plane that were encoded for it, in the order in which they were used: the same object on
        another area has slightly other logits.
    found
        Which proposal it was, where the model was asked about everything on the plane: the prompt is the point and
        `areas` the one area of it. Versions before 0.2 knew none.
    """

    plane: Plane
    prompts: Prompts
    object_size: float | None = None
    corrects: int | None = None
    with_logits: bool = False
    chosen: int | None = None
    setup: Setup | None = None
    areas: tuple[Window, ...] = ()
    found: FoundOrigin | None = None


@dataclass(frozen=True)
class PropagateStep:
    """The step in which the object was carried along an axis.

    Parameters
    ----------
    plane
        Any of the planes.
    axis
        The axis.
    start, stop
        First and last position that it was to go to, inclusive; None for the image's ends.
    keys
        (position, step) of every key plane it started from: which step gave the mask there.
    reached
        How many planes were reached before it was stopped; None if it was not.
    setup, areas
        See `SegmentStep`.
    views
        Whether three views voted; versions before 0.2 knew one.
    revision
        See `napari_sam.volume.evidence.REVISION`; before that was recorded it was 1.
    """

    plane: Plane
    axis: int
    start: int | None
    stop: int | None
    keys: tuple[tuple[int, int], ...]
    reached: int | None = None
    setup: Setup | None = None
    areas: tuple[Window, ...] = ()
    views: bool = False
    revision: int = 1


Step: TypeAlias = SegmentStep | PropagateStep


@dataclass(frozen=True, eq=False)
class PlaneRecord:
    """An object on one plane. A plane that was prompted and had been reached by a propagation has two of them.

    Parameters
    ----------
    plane
        The plane.
    asked
        Which step has the prompts that the user gave there; None if a propagation reached it.
    shown
        Which step gave the candidates: `asked`, an earlier step where that has no answer, or the propagation. None
        where there is no answer at all.
    candidates
        What was found, without logits; empty where there is no answer.
    chosen
        Which candidate stands for the object.
    confidence
        Of the propagation; None where the plane was prompted.
    """

    plane: Plane
    asked: int | None
    shown: int | None
    candidates: tuple[Mask, ...] = ()
    chosen: int = 0
    confidence: float | None = None

    @property
    def mask(self) -> Mask | None:
        """The object's mask; None where there is no answer."""
        return self.candidates[self.chosen] if self.candidates else None


@dataclass(frozen=True, eq=False)
class ObjectRecord:
    """An object: how it was made and what came of it.

    Parameters
    ----------
    label
        Its id in the labels; None while it has none.
    name
        What the user calls it; empty for none.
    steps
        What it was made by; a step refers to earlier ones only.
    planes
        The planes that it has prompts or masks on.
    order
        (plane, "point", "scribble", "box" or "mask") of every prompt, in the order in which they were given.
    refines
        Whether the label had pixels before, which its masks replace.
    """

    label: int | None
    name: str
    steps: tuple[Step, ...]
    planes: tuple[PlaneRecord, ...]
    order: tuple[tuple[Plane, str], ...] = ()
    refines: bool = False


def record_of(state: DraftState, label: int | None, name: str = "") -> ObjectRecord:
    """Make the record of an object.

    Parameters
    ----------
    state
        The object.
    label
        Its id; None while it has none.
    name
        What the user calls it.
    """
    steps = _Steps()
    planes = []
    for plane, request in state.requests.items():
        shown, origin = request.shown, request.shown_from
        planes.append(
            PlaneRecord(
                plane,
                steps.number(CandidateOrigin(request.asked))
                if request.answer is None
                else steps.number(_answer(request)),
                None if shown is None or origin is None else steps.number(origin),
                () if shown is None else shown.candidates,
                0 if shown is None else shown.chosen,
            )
        )
    for plane, reached in state.proposal.items():
        if reached.mask is not None:
            planes.append(
                PlaneRecord(
                    plane,
                    None,
                    None if state.carried is None else steps.number(state.carried),
                    (reached.mask,),
                    0,
                    reached.confidence,
                )
            )
    order = tuple((plane, str(kind)) for plane, kind in state.order)
    return ObjectRecord(label, name, tuple(steps.steps), tuple(planes), order, state.refines)


def _answer(request: PromptRequest) -> CandidateOrigin:
    return CandidateOrigin(request.asked, request.chosen)


class _Steps:
    """The steps in an order in which each follows those that it refers to."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self._numbers: dict[tuple[int, int | None], int] = {}

    def number(self, origin: Origin) -> int:
        # Not recursive: an object may have been corrected a thousand times.
        waiting = [origin]
        while waiting:
            newest = waiting[-1]
            missing = [each for each in _needed(newest) if _key(each) not in self._numbers]
            if missing:
                waiting.extend(missing)
                continue
            waiting.pop()
            if _key(newest) not in self._numbers:
                self._numbers[_key(newest)] = len(self.steps)
                self.steps.append(self._step(newest))
        return self._numbers[_key(origin)]

    def _step(self, origin: Origin) -> Step:
        if isinstance(origin, CandidateOrigin):
            asked = origin.asked
            return SegmentStep(
                asked.plane,
                asked.prompts,
                asked.object_size,
                None if asked.fed is None else self._numbers[_key(asked.fed)],
                asked.fed_logits,
                origin.chosen,
                asked.setup,
                asked.areas,
                asked.found,
            )
        return PropagateStep(
            origin.plane,
            origin.axis,
            origin.first,
            origin.last,
            tuple((position, self._numbers[_key(key)]) for position, key in sorted(origin.keys.items())),
            None if origin.complete else origin.reached,
            origin.setup,
            origin.areas,
            origin.views,
            origin.revision,
        )


def _key(origin: Origin) -> tuple[int, int | None]:
    return (origin.asked.serial, origin.chosen) if isinstance(origin, CandidateOrigin) else (origin.serial, None)


def _needed(origin: Origin) -> list[Origin]:
    if isinstance(origin, CandidateOrigin):
        return [] if origin.asked.fed is None else [origin.asked.fed]
    return list(origin.keys.values())


def state_of(record: ObjectRecord) -> DraftState:
    """Return the object that a record is of; its answers have no logits.

    Raises
    ------
    ValueError
        If the record contradicts itself.
    """
    origins = _origins(record)
    requests: dict[Plane, PromptRequest] = {}
    proposal: dict[Plane, PropagatedPlane] = {}
    carried = None
    for each in record.planes:
        origin = None if each.shown is None else origins[each.shown]
        if each.asked is None:
            proposal[each.plane] = PropagatedPlane(
                each.plane.index[origin.axis] if isinstance(origin, PropagationOrigin) else 0,
                each.mask,
                each.confidence or 0.0,
            )
            carried = origin if isinstance(origin, PropagationOrigin) else carried
        else:
            requests[each.plane] = _request(each, record, origins, origin)
    order = _order(record, {plane: request.prompts for plane, request in requests.items()})
    return DraftState(record.label, record.refines, requests, proposal, order, carried)


def _request(each: PlaneRecord, record: ObjectRecord, origins: list[Origin], origin: Origin | None) -> PromptRequest:
    assert each.asked is not None
    step, asked = record.steps[each.asked], origins[each.asked]
    if not isinstance(step, SegmentStep) or not isinstance(asked, CandidateOrigin):
        raise ValueError("a propagation has no prompts")
    answer = Segmentation(each.candidates, each.chosen) if each.candidates else None
    if answer is not None and isinstance(origin, CandidateOrigin) and origin.asked is asked.asked:
        if step.chosen is not None and not 0 <= step.chosen < len(each.candidates):
            raise ValueError("there is no such candidate")
        request = PromptRequest(
            each.plane, step.prompts, object_size=step.object_size, answer=answer, chosen=step.chosen
        )
        request.asked = asked.asked
        return request
    # It will be asked: with the mask that it was to correct, as that is recorded.
    fed = None if step.corrects is None else _recorded_mask(record, each.plane, step.corrects)
    return PromptRequest(
        each.plane,
        step.prompts,
        fed=fed,
        fed_from=None if fed is None else asked.asked.fed,
        object_size=step.object_size,
        former=answer,
        former_from=None if answer is None else origin,
    )


def _recorded_mask(record: ObjectRecord, plane: Plane, step: int) -> Mask | None:
    """Return what a step gave on a plane, if that is recorded."""
    masks = (each.mask for each in record.planes if each.plane == plane and each.shown == step)
    return next((mask for mask in masks if mask is not None), None)


def _origins(record: ObjectRecord) -> list[Origin]:
    """Make the origins that stand for what every step gave."""
    origins: list[Origin] = []
    for step in record.steps:
        if isinstance(step, SegmentStep):
            fed = None if step.corrects is None else origins[step.corrects]
            asked = PromptOrigin(
                step.plane,
                step.prompts,
                step.object_size,
                fed,
                step.with_logits,
                step.setup,
                step.areas,
                step.found,
            )
            origins.append(CandidateOrigin(asked, step.chosen))
            continue
        keys = {}
        for position, at in step.keys:
            key = origins[at]
            if not isinstance(key, CandidateOrigin):
                raise ValueError("a propagation starts from answers")
            keys[position] = key
        if step.start is None or step.stop is None:
            raise ValueError("a propagation goes from somewhere to somewhere")
        origins.append(
            PropagationOrigin(
                step.plane,
                step.axis,
                step.start,
                step.stop,
                keys,
                step.views,
                step.reached or 0,
                step.reached is None,
                step.setup,
                step.areas,
                step.revision,
            )
        )
    return origins


def _order(record: ObjectRecord, prompts: dict[Plane, Prompts]) -> tuple[Given, ...]:
    """Find the order in which the prompts were given; any, where what is recorded of it does not fit them."""
    given = Counter(
        (plane, kind)
        for plane, each in prompts.items()
        for kind, count in (
            (PromptKind.MASK, int(each.mask is not None)),
            (PromptKind.BOX, int(each.box is not None)),
            (PromptKind.SCRIBBLE, len(each.scribbles)),
            (PromptKind.POINT, len(each.points)),
        )
        for _ in range(count)
    )
    try:
        order = tuple((plane, PromptKind(kind)) for plane, kind in record.order)
    except ValueError:
        order = ()
    return order if Counter(order) == given else tuple(given.elements())
