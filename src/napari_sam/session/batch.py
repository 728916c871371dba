"""Many objects in one go: a box each, or the labels that are there."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from napari_sam.errors import UserError
from napari_sam.labels.collision import Collides, Collision
from napari_sam.labels.ids import check_fits
from napari_sam.labels.onto_plane import PlaneInLabels, all_masks_on_plane
from napari_sam.labels.paint import paint_all
from napari_sam.labels.pixel_change import PixelChange
from napari_sam.labels.to_mask import label_mask
from napari_sam.nn.cancel import CancelToken
from napari_sam.planes.mask import Mask
from napari_sam.planes.plane import Plane
from napari_sam.prompts.prompt import Prompts
from napari_sam.session.draft import Draft, DraftState
from napari_sam.session.engine import OpenedImage
from napari_sam.session.journal.entry import Kind
from napari_sam.session.object_row import Extent, ObjectRow
from napari_sam.session.question import Question
from napari_sam.session.scheduler import Priority, Scheduler
from napari_sam.session.target import Target
from napari_sam.session.work import Work

_KEY = "batch"


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


@dataclass(eq=False)
class _Run:
    """A batch that goes on.

    Parameters
    ----------
    target, collision
        Where the objects are written, and what happens to pixels of other labels.
    instead_of
        The object in work that the batch takes the place of.
    total
        How many objects there are; 0 while that is not known.
    found
        Those that were found, and on which plane.
    former
        Pixels that labels had on a plane before.
    done
        How many were tried.
    asking
        Whether all are found, and it waits for what is to happen to other labels.
    """

    target: Target
    collision: Collision
    instead_of: Draft | None = None
    total: int = 0
    found: list[tuple[Plane, Draft]] = field(default_factory=list)
    former: dict[tuple[Plane, int], Mask] = field(default_factory=dict)
    done: int = 0
    asking: bool = False


class Batch:
    """At most one batch at a time; what it finds is written at the end, as one entry of the journal.

    Parameters
    ----------
    scheduler
        Where it is computed.
    work
        The labels and the journal.
    on_change
        Called when `progress` or `active` are different.
    on_written
        Called with how many objects were written, and how many there were.
    on_error
        Called with what the computation raised, `Collides` if the user is to be asked; then `write` or `stop` follow.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        work: Work,
        on_change: Callable[[], None],
        on_written: Callable[[int, int], None],
        on_error: Callable[[Exception], None],
    ) -> None:
        self._scheduler = scheduler
        self._work = work
        self._on_change = on_change
        self._on_written = on_written
        self._on_error = on_error
        self._run: _Run | None = None

    @property
    def active(self) -> bool:
        """Whether a batch is being computed."""
        return self._run is not None and not self._run.asking

    @property
    def asking(self) -> bool:
        """Whether a batch waits for what is to happen to other labels."""
        return self._run is not None and self._run.asking

    @property
    def progress(self) -> tuple[int, int]:
        """Objects done, and objects in all."""
        return (0, 0) if self._run is None else (self._run.done, self._run.total)

    def start(
        self,
        objects: Sequence[BatchObject] | Callable[[], Sequence[BatchObject]],
        opened: OpenedImage,
        target: Target,
        collision: Collision,
        size: float | None,
        instead_of: Draft | None = None,
    ) -> None:
        """Segment objects; a former batch is given up.

        Parameters
        ----------
        objects
            The objects, or what tells them, called on the inference thread.
        opened
            The image as the model sees it.
        target
            Where they are written.
        collision
            What happens to pixels of labels that are none of them.
        size
            Diameter in plane pixels that objects are thought to have, where their prompts do not tell; or None.
        instead_of
            The object in work, if the batch takes its place: it is gone once the batch is written.
        """
        self.stop()
        run = self._run = _Run(target, collision, instead_of, 0 if callable(objects) else len(objects))
        shape = opened.source.shape

        def steps(token: CancelToken) -> Iterator[tuple[Plane, Draft] | None]:
            given = objects() if callable(objects) else objects
            if not given:
                raise UserError("There is nothing to segment on this plane: no box, outline or label.")
            run.total = len(given)
            for plane in {each.plane for each in given if each.label is not None}:
                masks = all_masks_on_plane(target.array, PlaneInLabels.itself(plane, shape))
                run.former.update({(plane, label): mask for label, mask in masks.items()})
            for each in given:
                try:
                    answer = opened.segmenter().segment(each.plane, each.prompts, object_size=size, cancel=token)
                except UserError:
                    yield None
                    continue
                draft = Draft(label=each.label, refines=each.label is not None)
                question = Question(each.plane, each.prompts, object_size=size)
                question.take(answer, opened.setup)
                draft.put(each.plane, question)
                yield (each.plane, draft) if draft.masks else None

        def found(each: tuple[Plane, Draft] | None) -> None:
            run.done += 1
            if each is not None:
                run.found.append(each)
            self._on_change()

        def failed(error: Exception) -> None:
            self._run = None
            self._on_error(error)

        self._scheduler.submit_steps(
            _KEY,
            steps,
            priority=Priority.PROPAGATION,
            on_step=found,
            on_done=lambda: self.write(run.collision),
            on_error=failed,
        )
        self._on_change()

    def write(self, collision: Collision) -> None:
        """Write what was found."""
        run = self._run
        if run is None:
            return
        self._run = None
        try:
            self._write(run, collision)
        except Collides as error:
            run.asking, self._run = True, run
            self._on_error(error)
        except UserError as error:
            self._on_error(error)
        else:
            self._on_written(len(run.found), run.total)

    def stop(self) -> None:
        """Give the batch up; nothing of it is written."""
        self._scheduler.cancel(_KEY)
        self._run = None

    def forget(self, target: Target) -> None:
        """Labels are gone."""
        if self._run is not None and self._run.target is target:
            self.stop()

    def _write(self, run: _Run, collision: Collision) -> None:
        if not run.found:
            raise UserError("No object was found for any of them.")
        target, book = run.target, self._work.labelling.book_of(run.target)
        if book.next_label is None:
            raise UserError(f"The free ids of '{target.name}' are not known yet: try again in a moment.")
        free = book.next_label
        for _, draft in run.found:
            if draft.label is None:
                check_fits(free, target.array.dtype)
                draft.label, free = free, free + 1
        edits = []
        for plane in dict.fromkeys(plane for plane, _ in run.found):
            here = [(draft.label or 0, draft.masks[plane]) for on, draft in run.found if on == plane]
            here.sort(key=lambda each: -np.nan_to_num(each[1].predicted_iou))
            ids = {label for label, _ in here}
            former = {label: mask for (on, label), mask in run.former.items() if on == plane and label in ids}
            edits.append(paint_all(target.array, plane, here, collision, former=former))
        changes = [PixelChange.from_edit(edit) for edit in edits if edit.changed]
        if not changes:
            raise UserError("Nothing would change: every pixel has its label, or belongs to another object.")
        for change in changes:
            change.apply(target.array)
        rows: dict[int, ObjectRow] = {}
        extents: dict[int, Extent] = {}
        for plane, draft in run.found:
            label = draft.label or 0
            earlier = rows.get(label, book.rows.get(label))
            rows[label] = ObjectRow.of(_joined(earlier, plane, draft), label, "" if earlier is None else earlier.name)
            if label not in book.extents:
                extents[label] = _extent_on_plane(plane, label, target)
        before = self._work.draft.state
        if run.instead_of is self._work.draft:
            self._work.start(DraftState())
        patch = book.make(changes, rows, areas=extents, uses=max(rows), written=True)
        self._work.changed_labels(Kind.BATCH, target, patch, before)
        self._work.tell_draft()


def _joined(earlier: ObjectRow | None, plane: Plane, draft: Draft) -> Draft:
    """An object that has been accepted before, with what is new on one plane."""
    if earlier is None:
        return draft
    whole = Draft()
    whole.restore(earlier.state())
    whole.proposal.pop(plane, None)
    whole.put(plane, draft.questions[plane])
    return whole


def _extent_on_plane(plane: Plane, label: int, target: Target) -> Extent:
    """Where a label that came from elsewhere is, as far as one plane tells."""
    box = [slice(at, at + 1) for at in plane.index]
    here = label_mask(target.array, plane, label)
    for axis, start, stop in zip(plane.axes, here.box[:2], here.box[2:], strict=True):
        box[axis] = slice(start, stop)
    return Extent(here.area, tuple(box))
