"""Many objects in one go: segmented from a box each or the labels that are there, or carried through the stack."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_sam.errors import UserError
from napari_sam.labels.label_masks import PlaneInLabels, all_masks_on_plane, whole_plane
from napari_sam.labels.paint import Collides, Collision
from napari_sam.nn.cancel import CancelToken
from napari_sam.planes.geometry import Mask, Plane
from napari_sam.prompts.prompt import Prompts
from napari_sam.segment.segmentation import Segmentation
from napari_sam.session.batch_plan import BatchResults, begin_writing, carry_out, plan_batch
from napari_sam.session.compute.engine import Engine, OpenedImage
from napari_sam.session.compute.scheduler import Priority, Scheduler
from napari_sam.session.labels.target import Target
from napari_sam.session.labels_plan import Plan
from napari_sam.session.object.draft import Draft, PromptRequest
from napari_sam.session.object.prompt_answering import PromptAnswering
from napari_sam.session.propagation import depth_axes
from napari_sam.session.status import SessionSignals, StatusReporter
from napari_sam.session.workspace import Workspace
from napari_sam.volume.carry import PropagatedPlane, planes_to_reach
from napari_sam.volume.views import three_views

_KEY = "batch"
_PLANS = 4
"""Whoever changes the labels while it is planned what to write has it planned anew, so often at most (chosen)."""
_NOTHING = "There is nothing to segment there: no box, outline or label."


@dataclass(frozen=True)
class BatchObject:
    """One object of a batch.

    Parameters
    ----------
    plane, prompts
        Where, and what is known of it.
    label
        Its id in the target, whose pixels on the plane are replaced; None for the next free one.
    """

    plane: Plane
    prompts: Prompts
    label: int | None = None


BatchObjects: TypeAlias = Sequence[BatchObject] | Callable[[], Iterable[Sequence[BatchObject]]]
"""The objects of a batch; or what reads them bit by bit, called on the inference thread."""

_Tried: TypeAlias = tuple[Plane, Draft] | None
"""An object with the plane it was found on; None where nothing was found."""


class _Pause:
    """A pause in a batch: nothing was tried, but something else may be computed first."""


@dataclass(eq=False)
class _Run:
    """A batch that goes on.

    Parameters
    ----------
    results
        What was found.
    collision
        What happens to pixels of other labels.
    total
        How many objects there are; 0 while that is not known.
    done
        How many were tried.
    asking
        Whether all were tried, and it waits for what is to happen to other labels.
    carried
        Whether objects are carried through the stack, of which the results are planes.
    written
        Called once they are written.
    """

    results: BatchResults
    collision: Collision
    total: int
    done: int = 0
    asking: bool = False
    carried: bool = False
    written: Callable[[], None] = lambda: None


class Batch:
    """The batch, at most one at a time; what it finds is written at the end, as one entry of the journal.

    Parameters
    ----------
    scheduler, engine
        Where it is computed, and by what carries objects through stacks.
    workspace
        The labels and the journal.
    answering
        Who knows the image.
    signals
        Who is told when pixels of other labels are met and the user is to be asked; then `write` follows.
    reporter
        What the user is told.
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
        self._run: _Run | None = None

    @property
    def active(self) -> bool:
        """True if a batch is being computed."""
        return self._run is not None and not self._run.asking

    @property
    def progress(self) -> tuple[int, int]:
        """Number of objects done, and of objects in all."""
        return (0, 0) if self._run is None else (self._run.done, self._run.total)

    def segment(
        self,
        objects: BatchObjects,
        collision: Collision = Collision.KEEP,
        *,
        instead: bool = False,
    ) -> None:
        """Segment several objects, a few at a time, and write them together; a former batch is given up.

        Where two of them meet, the one with the higher predicted IoU has the pixels. What is not found is left out.

        Parameters
        ----------
        objects
            A plane, prompts and perhaps an id for each; the same id on several planes is one object.
        collision
            What happens to pixels of labels that are none of them. If it is to ask and any are met, the session's
            `collided` is emitted at the end, and nothing is written before `write`.
        instead
            Whether they take the place of the object in work; it is left alone otherwise.

        Raises
        ------
        UserError
            If there are none, no image or no target.
        """
        opened, target = self._answering.opened, self._workspace.writer.target
        if not callable(objects) and not objects:
            raise UserError(_NOTHING)
        if opened is None:
            raise UserError("Choose an image first.")
        if target is None:
            raise UserError("Choose the labels to write into first.")
        self._reporter.clear()
        self.stop()
        # What labels are there is read off the main thread.
        self._workspace.writer.table_of(target).unwritten.write()
        results = BatchResults(target, self._workspace.draft if instead else None)
        self._run = _Run(results, collision, 0 if callable(objects) else len(objects))
        self._start(self._run, objects, opened, self._answering.expected_size)
        self._reporter.report()

    def propagate(
        self,
        axis: int | None = None,
        start: int | None = None,
        stop: int | None = None,
        views: bool | None = None,
    ) -> None:
        """Carry all objects on the plane in view through the stack, and write them together; see `propagate_each`.

        Their key planes are all on which they have pixels: there nothing changes. Pixels of other labels stay theirs.
        A former batch is given up.

        Parameters
        ----------
        axis
            The data axis to go along; None for the likeliest depth of those that are not displayed.
        start, stop
            First and last position, inclusive; None for the ends of the image.
        views
            Whether three views of each object vote; None for whether that makes sense, see `three_views`.

        Raises
        ------
        UserError
            If there is no image with such an axis, or no target.
        """
        opened, target, plane = self._answering.opened, self._workspace.writer.target, self._answering.view.plane
        if opened is None or plane is None:
            raise UserError("Choose an image and show one of its planes first.")
        if target is None:
            raise UserError("Choose the labels to write into first.")
        source = opened.source
        along = next(iter(depth_axes(source, plane.axes)), None) if axis is None else axis
        if along is None:
            raise UserError("This image has a single plane: there is nothing to propagate along.")
        first, last = planes_to_reach(source.shape, plane, along, start, stop)
        seen = three_views(source, opened.model, along) if views is None else views
        self._reporter.clear()
        self.stop()
        self._workspace.writer.table_of(target).unwritten.write()
        self._run = run = _Run(BatchResults(target), Collision.KEEP, 0, carried=True)
        reached: dict[int, dict[int, PropagatedPlane]] = {}

        def steps(token: CancelToken) -> Iterator[tuple[int, PropagatedPlane] | _Pause]:
            yield _Pause()
            keys = _key_masks(target.array, plane, along, range(first, last + 1))
            run.total = len(keys)
            labels = np.array(sorted(keys))

            def taken(there: Plane) -> NDArray[np.bool_]:
                place = PlaneInLabels.itself(there, source.shape)
                values = whole_plane(target.array, place)
                other: NDArray[np.bool_] = (values != 0) & ~np.isin(values, labels)
                return other

            yield from self._engine.propagate_each(
                opened.segmenter(), plane, keys, along, start=first, stop=last, views=seen, taken=taken, cancel=token
            )

        def step(each: tuple[int, PropagatedPlane] | _Pause) -> None:
            if not isinstance(each, _Pause):
                label, found = each
                reached.setdefault(label, {})[found.index] = found
                run.done = len(reached)
            self._reporter.report()

        def done() -> None:
            planes = [(label, each) for label, found in sorted(reached.items()) for _, each in sorted(found.items())]
            for label, each in planes:
                if each.mask is not None and each.mask.area:
                    there = plane.at(along, each.index)
                    draft = Draft(label=label, refines=True, proposal={there: replace(each, areas=())})
                    run.results.objects.append((there, draft))
            if run.results.objects:
                self._write(run, run.collision)
            else:
                self._run = None
                self._reporter.note = "No object goes on beyond the planes that it has."
                self._reporter.report()

        self._scheduler.submit_steps(
            _KEY, steps, priority=Priority.PROPAGATION, on_step=step, on_done=done, on_error=self._failed
        )
        self._reporter.report()

    def write_found(self, results: BatchResults, collision: Collision, written: Callable[[], None]) -> None:
        """Write objects that were found elsewhere; a former batch is given up.

        Parameters
        ----------
        results
            The objects.
        collision
            As of `segment`.
        written
            Called once they are in the labels; never if they are not.
        """
        self._reporter.clear()
        self.stop()
        count = len({draft for _, draft in results.objects})
        self._run = _Run(results, collision, count, count, written=written)
        self._write(self._run, collision)
        self._reporter.report()

    def write(self, collision: Collision | None) -> None:
        """Write what was found; None to give it up."""
        if collision is None:
            self.stop()
            self._reporter.note = "Nothing was written."
        elif self._run is not None:
            self._run.asking = False
            self._write(self._run, collision)
        self._reporter.report()

    def cancel(self) -> None:
        """Give the batch up, and tell so."""
        done, total = self.progress
        self.stop()
        self._reporter.note = f"Stopped after {done} of {total}; nothing was written."
        self._reporter.report()

    def stop(self) -> None:
        """Give the batch up; nothing of it is written."""
        self._scheduler.cancel(_KEY)
        self._run = None

    def forget(self, target: Target) -> None:
        """Forget labels that are gone."""
        if self._run is not None and self._run.results.target is target:
            self.stop()

    def _start(
        self,
        run: _Run,
        objects: BatchObjects,
        opened: OpenedImage,
        size: float | None,
    ) -> None:
        results = run.results

        def steps(token: CancelToken) -> Iterator[_Tried | _Pause]:
            given: list[BatchObject] = []
            for some in objects() if callable(objects) else [objects]:
                given += some
                # Whoever clicks meanwhile goes first.
                yield _Pause()
            if not given:
                raise UserError(_NOTHING)
            run.total = len(given)
            read: set[Plane] = set()
            together = opened.segmenter().objects_at_once
            for start in range(0, len(given), together):
                some = given[start : start + together]
                for each in some:
                    if each.label is not None and each.plane not in read:
                        read.add(each.plane)
                        place = PlaneInLabels.itself(each.plane, opened.source.shape)
                        masks = all_masks_on_plane(results.target.array, place)
                        results.former.update({(each.plane, label): mask for label, mask in masks.items()})
                yield from _segmented(some, opened, size, token)

        def step(tried: _Tried | _Pause) -> None:
            if isinstance(tried, _Pause):
                return
            run.done += 1
            if tried is not None:
                results.objects.append(tried)
            self._reporter.report()

        self._scheduler.submit_steps(
            _KEY,
            steps,
            priority=Priority.PROPAGATION,
            on_step=step,
            on_done=lambda: self._write(run, run.collision),
            on_error=self._failed,
        )

    def _write(self, run: _Run, collision: Collision, plans: int = 1) -> None:
        """Have it planned what to write, on the inference thread, and write it."""
        results = run.results
        try:
            basis = begin_writing(results, self._workspace)
            if plans > _PLANS:
                # Here nobody comes in between.
                for plan in plan_batch(results, basis, collision):
                    self._planned(run, plan, collision, plans)
                return
        except UserError as error:
            self._failed(error)
            return
        self._scheduler.submit_steps(
            _KEY,
            lambda _: plan_batch(results, basis, collision),
            priority=Priority.PROPAGATION,
            on_step=lambda plan: self._planned(run, plan, collision, plans),
            on_error=self._failed,
        )

    def _planned(self, run: _Run, plan: Plan | None, collision: Collision, plans: int) -> None:
        if plan is None:
            return
        try:
            carried_out = carry_out(plan, run.results, self._workspace)
        except Exception as error:
            self._failed(error)
            return
        if carried_out:
            self._run = None
            run.written()
            self._reporter.note = _summary(run, len(plan.rows))
            self._reporter.report()
        else:
            self._write(run, collision, plans + 1)

    def _failed(self, error: Exception) -> None:
        if isinstance(error, Collides) and self._run is not None:
            self._run.asking = True
            self._signals.collided.emit(error)
            self._reporter.report()
            return
        self._run = None
        self._reporter.fail(error)


def _key_masks(array: Any, plane: Plane, axis: int, positions: range) -> dict[int, dict[int, Mask]]:
    """Find the labels on a plane, and of each its masks on all planes along an axis on which it has pixels.

    Raises
    ------
    UserError
        If there are none.
    """
    here = all_masks_on_plane(array, PlaneInLabels.itself(plane, array.shape))
    if not here:
        raise UserError("There is nothing to propagate: accept objects on the plane in view first.")
    keys: dict[int, dict[int, Mask]] = {label: {} for label in here}
    for position in positions:
        there = plane.at(axis, position)
        for label, mask in all_masks_on_plane(array, PlaneInLabels.itself(there, array.shape)).items():
            if label in keys:
                keys[label][position] = mask
    return {label: masks for label, masks in keys.items() if masks}


def _segmented(
    some: Sequence[BatchObject], opened: OpenedImage, size: float | None, token: CancelToken
) -> Iterator[_Tried | _Pause]:
    """Segment objects; yields each with the plane it is on, and None where nothing is found."""
    waiting = iter(some)
    asked = [(each.plane, each.prompts) for each in some]
    for answer in opened.segmenter().segment_each(asked, object_size=size, cancel=token):
        if answer is None:
            yield _Pause()
            continue
        each = next(waiting)
        yield None if isinstance(answer, UserError) else _found(each, answer, opened, size)


def _found(each: BatchObject, answer: Segmentation, opened: OpenedImage, size: float | None) -> _Tried:
    draft = Draft(label=each.label, refines=each.label is not None)
    request = PromptRequest(each.plane, each.prompts, object_size=size)
    request.take(answer, opened.setup)
    draft.put(each.plane, request)
    return (each.plane, draft) if draft.masks else None


def _summary(run: _Run, objects: int) -> str:
    """Tell what came of a batch, which wrote so many objects, in a sentence or two."""
    if run.carried:
        planes = len(run.results.objects)
        return f"{_count(run.total, 'object')} carried to {_count(planes, 'plane')} more in all."
    missed = run.total - len({draft for _, draft in run.results.objects})
    sentence = "1 object was accepted." if objects == 1 else f"{objects} objects were accepted."
    if missed:
        sentence += " 1 was not found." if missed == 1 else f" {missed} were not found."
    if run.results.crowded is not None and objects < run.total:
        sentence += f" {run.total - objects} lie on labels that are there, and were left out."
    return sentence


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")
