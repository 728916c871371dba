"""The propagation of the object in work along an axis."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeAlias, TypeVar

from napari_sam.errors import UserError
from napari_sam.nn.cancel import CancelToken
from napari_sam.planes.file_axes import likeliest_depth
from napari_sam.planes.geometry import Mask, Plane
from napari_sam.planes.image_source import ImageSource
from napari_sam.session.compute.engine import Engine, OpenedImage
from napari_sam.session.compute.scheduler import Priority, Scheduler
from napari_sam.session.history.entry import EntryKind
from napari_sam.session.object.draft import CandidateOrigin, Draft, DraftState, PropagationOrigin
from napari_sam.session.object.prompt_answering import PromptAnswering
from napari_sam.session.status import SessionSignals, StatusReporter
from napari_sam.session.workspace import Workspace
from napari_sam.volume.carry import PropagatedPlane
from napari_sam.volume.views import three_views


@dataclass(frozen=True)
class PropagationRange:
    """The range of planes to carry an object to.

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
    origins: dict[int, CandidateOrigin] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """Number of planes to go to, at most."""
        return self.last - self.first + 1 - len(self.keys)


def propagation_range(
    draft: Draft,
    plane: Plane,
    shape: tuple[int, ...],
    axis: int | None = None,
    start: int | None = None,
    stop: int | None = None,
) -> PropagationRange:
    """Find where an object can be carried to from its key planes parallel to `plane`.

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
    return PropagationRange(
        plane,
        along,
        0 if start is None else start,
        shape[along] - 1 if stop is None else stop,
        {position: draft.key_masks[other] for position, other in key_planes.items()},
        {
            position: origin
            for position, other in key_planes.items()
            if isinstance(origin := draft.source_of(other), CandidateOrigin)
        },
    )


def depth_axes(source: ImageSource, shown: tuple[int, int]) -> list[int]:
    """Find the axes that an object on planes of the axes `shown` can be carried along, the likeliest depth first."""
    names = source.axis_labels or ("",) * source.ndim
    return likeliest_depth([axis for axis in range(source.ndim) if axis not in shown], names, source.shape)


Proposal: TypeAlias = tuple[dict[Plane, PropagatedPlane], PropagationOrigin | None]
"""The planes that were reached, and the propagation that reached them."""
DOUBTFUL = 0.55
"""Confidence below which a propagated plane is worth a look.

Of the planes of three views on training and generated stacks 23 % are below this, two thirds of them are wrong (an IoU
below .5), and 14 % of the others. Along one axis nothing is below `StopRule.least_trust`, which is as high, but between
key planes that only one side reached.
"""
TELL_EVERY_S = 0.05
"""Planes may be reached faster than they are drawn: so often is it worth telling (chosen: 20 times a second)."""
_KEY = "propagate"


class Propagation:
    """The propagation, at most one at a time; what it reaches is a proposal, and one step of the journal.

    Parameters
    ----------
    scheduler, engine
        Where it is computed, and by what.
    workspace
        The object in work.
    answering
        Who knows the image and the plane in view.
    signals
        Who is told of planes that are reached: a few times a second, and after the last.
    reporter
        What the user is told.

    Attributes
    ----------
    progress : (int, int)
        Planes reached, and planes to go to at most.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        engine: Engine,
        workspace: Workspace,
        answering: PromptAnswering,
        signals: SessionSignals,
        reporter: StatusReporter,
    ) -> None:
        self._scheduler = scheduler
        self._engine = engine
        self._workspace = workspace
        self._answering = answering
        self._signals = signals
        self._reporter = reporter
        self._draft: Draft | None = None
        self._former: Proposal = {}, None
        self._waiting: tuple[Draft, Callable[[], None]] | None = None
        self._told_at, self._untold = 0.0, False
        self.progress = (0, 0)

    @property
    def active(self) -> bool:
        """True if an object is being carried along, or is about to be."""
        return self._draft is not None or self._waiting is not None

    def propagate(
        self,
        axis: int | None = None,
        start: int | None = None,
        stop: int | None = None,
        views: bool | None = None,
    ) -> None:
        """Carry the object along an axis, from its key planes outwards; a former proposal is dropped.

        While its prompts are being answered, that is waited for.

        Parameters
        ----------
        axis
            The data axis to go along; None for the likeliest depth of those that are not displayed.
        start, stop
            First and last position, inclusive; None for the ends of the image.
        views
            Whether three views of it vote; None for whether that makes sense, see `three_views`.

        Raises
        ------
        UserError
            If there is no object on planes like the one in view, or the image has no axis to go along.
        """
        draft, plane = self._workspace.draft, self._answering.view.plane
        source, opened = self._answering.source, self._answering.opened
        if plane is None or source is None or opened is None:
            raise UserError("Choose an image and show one of its planes first.")
        if draft.in_flight:
            self._waiting = draft, partial(self._try_to_propagate, axis, start, stop, views)
        else:
            if axis is None:
                axis = next(iter(depth_axes(source, plane.axes)), None)
            span = propagation_range(draft, plane, source.shape, axis, start, stop)
            self._reporter.clear()
            if views is None:
                views = three_views(source, opened.model, span.axis)
            self._start(draft, span, opened, views)
            self._signals.masks_changed.emit()
        self._reporter.report()

    def answered(self) -> None:
        """Go on, as the prompts of the object in work are all answered."""
        if self._waiting is not None and self._waiting[0] is self._workspace.draft:
            _, then = self._waiting
            self._waiting = None
            then()

    def cancel(self) -> None:
        """Stop, and tell how far it came."""
        self.stop()
        self._reporter.note = f"Propagation was stopped; {len(self._workspace.draft.proposal)} planes were reached."
        self._reporter.report()

    def stop(self) -> None:
        """Stop; the planes that were reached stay proposed."""
        self._scheduler.cancel(_KEY)
        self._waiting = None
        self._ended()

    def _try_to_propagate(self, axis: int | None, start: int | None, stop: int | None, views: bool | None) -> None:
        try:
            self.propagate(axis, start, stop, views)
        except UserError as error:
            self._reporter.fail(error)

    def _start(self, draft: Draft, span: PropagationRange, opened: OpenedImage, views: bool) -> None:
        self.stop()
        carried = PropagationOrigin(span.plane, span.axis, span.first, span.last, span.origins, views)
        self._former = draft.proposal, draft.carried
        draft.proposal, draft.carried = {}, carried
        self._draft, self.progress = draft, (0, span.total)

        def steps(token: CancelToken) -> Iterator[PropagatedPlane]:
            return self._engine.propagate(
                opened.segmenter(),
                span.plane,
                span.keys,
                span.axis,
                start=span.first,
                stop=span.last,
                views=views,
                cancel=token,
            )

        def reached(plane: PropagatedPlane) -> None:
            draft.proposal[span.plane.at(span.axis, plane.index)] = replace(plane, areas=())
            carried.reached, carried.areas = carried.reached + 1, carried.areas + plane.areas
            carried.setup = opened.setup
            self.progress = (len(draft.proposal), self.progress[1])
            self._untold = True
            if time.monotonic() - self._told_at >= TELL_EVERY_S:
                self._tell()

        def done() -> None:
            carried.complete = True
            self._ended()
            self._reporter.note = _summary(draft)
            self._reporter.report()

        def failed(error: Exception) -> None:
            self._ended()
            self._reporter.fail(error)

        self._scheduler.submit_steps(
            _KEY, steps, priority=Priority.PROPAGATION, on_step=reached, on_done=done, on_error=failed
        )

    def _ended(self) -> None:
        if self._untold:
            self._tell()
        draft, former = self._draft, self._former
        self._draft, self._former = None, ({}, None)
        if draft is not None:
            self._record(draft, former)

    def _record(self, draft: Draft, former: Proposal) -> None:
        """Record what a propagation reached that ended, one way or another, as one step of the journal."""
        reached = draft.proposal, draft.carried
        draft.proposal, draft.carried = former
        if draft is self._workspace.draft and (reached[0] or former[0]):
            with self._workspace.deed(EntryKind.PROPAGATE):
                draft.proposal, draft.carried = reached

    def _tell(self) -> None:
        self._untold = False
        self._signals.masks_changed.emit()
        self._reporter.report()
        self._told_at = time.monotonic()


def doubtful_planes(state: Draft | DraftState) -> dict[Plane, PropagatedPlane]:
    """Find the propagated planes of an object that are worth a look, the least sure one first.

    Planes that were prompted since are none.
    """
    found = [
        (plane, each)
        for plane, each in state.proposal.items()
        if each.confidence < DOUBTFUL and each.mask is not None and each.mask.area and plane not in state.requests
    ]
    return dict(sorted(found, key=lambda item: item[1].confidence))


_T = TypeVar("_T")


def next_in_turn(order: Sequence[_T], *visited: _T) -> _T | None:
    """Find what to look at next: what follows the first of `visited` that is in the order, round and round.

    Parameters
    ----------
    order
        What there is to look at, in turn.
    visited
        Where the user is, or was last; what is not in the order counts for nothing.

    Returns
    -------
    object or None
        The first one if nothing of it was visited; None if there is nothing.

    Examples
    --------
    >>> next_in_turn([7, 3, 5], 3), next_in_turn([7, 3, 5], 5), next_in_turn([7, 3, 5], 4)
    (5, 7, 7)
    """
    if not order:
        return None
    at = next((order.index(each) for each in visited if each in order), -1)
    return order[(at + 1) % len(order)]


def share_text(share: float) -> str:
    """Write a share of one with two digits, as in .41."""
    return f"{share:.2f}".removeprefix("0")


def _summary(draft: Draft) -> str:
    """Tell what came of a propagation, in one sentence."""
    reached = [each for each in draft.proposal.values() if each.mask is not None and each.mask.area]
    doubtful = sorted(each.index for each in reached if each.confidence < DOUBTFUL)
    sentence = f"Propagated to {len(reached)} more planes"
    return sentence + (f"; doubtful: {', '.join(map(str, doubtful))}." if doubtful else ".")
