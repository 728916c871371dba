"""Carrying the object being worked on along an axis."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from napari_sam.errors import UserError
from napari_sam.nn.cancel import CancelToken
from napari_sam.planes.mask import Mask
from napari_sam.planes.plane import Plane
from napari_sam.propagate.propagated_plane import PropagatedPlane
from napari_sam.session.draft import Draft
from napari_sam.session.engine import Engine, OpenedImage
from napari_sam.session.origin import Carried, Shown
from napari_sam.session.scheduler import Priority, Scheduler

Proposal: TypeAlias = tuple[dict[Plane, PropagatedPlane], Carried | None]
"""The planes that were reached, and the propagation that reached them."""
DOUBTFUL = 0.5
"""Confidence below which a propagated plane is worth a look."""
TELL_EVERY_S = 0.05
"""Planes may be reached faster than they are drawn: so often is it worth telling."""
_KEY = "propagate"


@dataclass(frozen=True)
class Course:
    """Where to carry an object.

    Parameters
    ----------
    plane
        Any of the planes.
    axis
        The axis to go along.
    first, last
        Positions, both inclusive.
    keys
        The user's masks, by position.
    origins
        Where these come from.
    """

    plane: Plane
    axis: int
    first: int
    last: int
    keys: dict[int, Mask]
    origins: dict[int, Shown] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """Planes to go to, at most."""
        return self.last - self.first + 1 - len(self.keys)


def plot_course(
    draft: Draft,
    plane: Plane,
    shape: tuple[int, ...],
    axis: int | None = None,
    start: int | None = None,
    stop: int | None = None,
) -> Course:
    """Where an object can be carried to from its key planes parallel to `plane`.

    Parameters
    ----------
    draft
        The object.
    plane
        The plane in view.
    shape
        Of the image.
    axis
        The axis to go along; None for the last one that is not displayed.
    start, stop
        First and last position, inclusive; None for the ends of the image.

    Raises
    ------
    UserError
        If there is no such axis, or no key plane along it.
    """
    across = [other for other in range(plane.ndim) if other not in plane.axes]
    if not across:
        raise UserError("This image has a single plane: there is nothing to propagate along.")
    along = across[-1] if axis is None else axis
    if along not in across:
        raise UserError(f"Axis {along} cannot be propagated along: it is displayed or does not exist.")
    key_planes = {
        other.index[along]: other
        for other in draft.key_masks
        if other.axes == plane.axes and other.at(along, 0) == plane.at(along, 0)
    }
    if not key_planes:
        raise UserError("There is nothing to propagate on this plane or its neighbours: click an object first.")
    return Course(
        plane,
        along,
        0 if start is None else start,
        shape[along] - 1 if stop is None else stop,
        {position: draft.key_masks[other] for position, other in key_planes.items()},
        {
            position: origin
            for position, other in key_planes.items()
            if isinstance(origin := draft.source_of(other), Shown)
        },
    )


class Propagation:
    """At most one propagation at a time.

    Parameters
    ----------
    scheduler, engine
        Where it is computed, and by what.
    on_reached
        Called when planes were reached, which are in the draft's proposal by then; a few times a second, and after the
        last.
    on_ended
        Called with the draft and its former proposal, when the last plane was reached, or when it was stopped or failed
        on the way; the draft's proposal is what was reached by then.
    on_done
        Called with the draft after the last plane.
    on_error
        Called with what the computation raised.

    Attributes
    ----------
    progress : (int, int)
        Planes reached, and planes to go to at most.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        engine: Engine,
        on_reached: Callable[[], None],
        on_ended: Callable[[Draft, Proposal], None],
        on_done: Callable[[Draft], None],
        on_error: Callable[[Exception], None],
    ) -> None:
        self._scheduler = scheduler
        self._engine = engine
        self._on_reached = on_reached
        self._on_ended = on_ended
        self._on_done = on_done
        self._on_error = on_error
        self._draft: Draft | None = None
        self._former: Proposal = {}, None
        self._waiting: tuple[Draft, Callable[[], None]] | None = None
        self._told_at, self._untold = 0.0, False
        self.progress = (0, 0)

    @property
    def active(self) -> bool:
        """Whether an object is being carried along, or is about to be."""
        return self._draft is not None or self._waiting is not None

    def start(self, draft: Draft, course: Course, opened: OpenedImage) -> None:
        """Carry an object along; a former proposal is dropped."""
        self.stop()
        carried = Carried(course.plane, course.axis, course.first, course.last, course.origins)
        self._former = draft.proposal, draft.carried
        draft.proposal, draft.carried = {}, carried
        self._draft, self.progress = draft, (0, course.total)

        def steps(token: CancelToken) -> Iterator[PropagatedPlane]:
            return self._engine.propagate(
                opened.segmenter(),
                course.plane,
                course.keys,
                course.axis,
                start=course.first,
                stop=course.last,
                cancel=token,
            )

        def reached(plane: PropagatedPlane) -> None:
            draft.proposal[course.plane.at(course.axis, plane.index)] = replace(plane, areas=())
            carried.reached, carried.areas = carried.reached + 1, carried.areas + plane.areas
            carried.setup = opened.setup
            self.progress = (self.progress[0] + 1, self.progress[1])
            self._untold = True
            if time.monotonic() - self._told_at >= TELL_EVERY_S:
                self._tell()

        def done() -> None:
            carried.complete = True
            self._ended()
            self._on_done(draft)

        def failed(error: Exception) -> None:
            self._ended()
            self._on_error(error)

        self._scheduler.submit_steps(
            _KEY, steps, priority=Priority.PROPAGATION, on_step=reached, on_done=done, on_error=failed
        )

    def start_later(self, draft: Draft, then: Callable[[], None]) -> None:
        """Have `then` called when the draft's prompts are answered."""
        self._waiting = (draft, then)

    def answered(self, draft: Draft) -> None:
        """A draft's prompts are all answered."""
        if self._waiting is not None and self._waiting[0] is draft:
            _, then = self._waiting
            self._waiting = None
            then()

    def stop(self) -> None:
        """Stop; the planes that were reached stay proposed."""
        self._scheduler.cancel(_KEY)
        self._waiting = None
        self._ended()

    def _ended(self) -> None:
        if self._untold:
            self._tell()
        draft, former = self._draft, self._former
        self._draft, self._former = None, ({}, None)
        if draft is not None:
            self._on_ended(draft, former)

    def _tell(self) -> None:
        self._untold = False
        self._on_reached()
        self._told_at = time.monotonic()


def summary(draft: Draft) -> str:
    """What came of a propagation, in one sentence."""
    reached = [each for each in draft.proposal.values() if each.mask is not None and each.mask.area]
    doubtful = sorted(each.index for each in reached if each.confidence < DOUBTFUL)
    sentence = f"Propagated to {len(reached)} more planes"
    return sentence + (f"; doubtful: {', '.join(map(str, doubtful))}." if doubtful else ".")
