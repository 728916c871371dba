"""The edits of accepted objects: merged, split, filled, smoothed, grown; one, several, or all at once."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from napari_sam.errors import UserError
from napari_sam.labels.morphology import Reshaping, Treatment
from napari_sam.labels.object_edits import Space, all_spaces
from napari_sam.planes.geometry import Plane
from napari_sam.planes.image_source import ImageSource
from napari_sam.planes.spacing import depth_axis, distance_unit
from napari_sam.prompts.prompt import Point
from napari_sam.session.compute.scheduler import Priority, Scheduler
from napari_sam.session.edit_plan import NothingToEdit, ObjectEdit, plan_edit
from napari_sam.session.history.entry import EntryKind
from napari_sam.session.labels.edit_description import EditDescription, EditKind
from napari_sam.session.labels.target import Target, refuse_read_only
from napari_sam.session.labels_plan import Plan, begin_planning, carry_out_plan
from napari_sam.session.object.prompt_answering import PromptAnswering
from napari_sam.session.objects import Objects
from napari_sam.session.status import StatusReporter
from napari_sam.session.workspace import Workspace


class EditScope(StrEnum):
    """Where objects are edited."""

    OBJECT = "whole object"
    """In the volume in view; on the plane in view, where there is no depth."""
    PLANE = "this plane"
    """On the plane in view."""


_KEY = "edit"
_PLANS = 4
"""Whoever changes the labels while it is planned what to write has it planned anew, so often at most (chosen)."""
_ENTRIES = {EditKind.MERGE: EntryKind.MERGE, EditKind.SPLIT: EntryKind.SPLIT}


@dataclass(frozen=True)
class _EditEnd:
    """The end of an edit: what to tell of it, and how much that matters (0 as usual, 1 worth knowing, 2 wrong)."""

    sentence: str
    weight: int


class ObjectEdits:
    """The edits, each one entry of the journal; they are planned on the inference thread.

    One is made at a time; what is asked for meanwhile waits for its turn.

    Ids need not be in the table of objects: any label in the chosen labels can be edited.

    Parameters
    ----------
    scheduler
        Where it is planned what to write.
    workspace
        The labels and the journal.
    answering
        Who knows the image and the plane in view.
    objects
        The table of objects.
    reporter
        What the user is told.
    leave
        Stops what goes on with the object in work.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        workspace: Workspace,
        answering: PromptAnswering,
        objects: Objects,
        reporter: StatusReporter,
        leave: Callable[[], None],
    ) -> None:
        self._scheduler = scheduler
        self._workspace = workspace
        self._answering = answering
        self._objects = objects
        self._reporter = reporter
        self._leave = leave
        self._edit: tuple[ObjectEdit, Target] | None = None
        self._waiting: deque[tuple[ObjectEdit, Target]] = deque()
        # Of the edits that followed one another without a pause.
        self._ends: list[_EditEnd] = []

    @property
    def active(self) -> bool:
        """True while an edit is on its way into the labels."""
        return self._edit is not None

    @property
    def progress(self) -> tuple[int, int]:
        """Number of objects done by the edit that is being made, and of objects in all."""
        return (0, 0) if self._edit is None else (self._edit[0].done, self._edit[0].total)

    def unit(self, scope: EditScope = EditScope.OBJECT, axis: int | None = None) -> tuple[float, str]:
        """Return the size of the finest pixel that a distance goes over, and the unit of distances."""
        source, plane = self._answering.source, self._answering.view.plane
        if source is None or plane is None:
            return 1.0, "px"
        sizes, unit = distance_unit(source, self._axes(source, plane, scope, axis))
        return min(sizes), unit

    def merge(self, labels: Sequence[int], scope: EditScope = EditScope.OBJECT) -> None:
        """Make one object of several; it has the smallest of their ids.

        Parameters
        ----------
        labels
            The objects.
        scope
            On the plane in view only, or wherever they are, at all times.

        Raises
        ------
        UserError
            If there are fewer than two, or one cannot be edited now.
        """
        ids = tuple(sorted(set(labels)))
        if len(ids) < 2:
            raise UserError("Select two objects at least to merge them.")
        plane = self._plane()
        only = plane if scope is EditScope.PLANE else None
        spaces = [] if only is None else [Space(tuple(sorted(plane.axes)), plane.index)]
        described = EditDescription(EditKind.MERGE, ids, only)
        self._begin(ObjectEdit(EditKind.MERGE, ids, plane.axes, spaces, (), described))

    def split(
        self,
        label: int,
        clicks: Sequence[tuple[Plane, Point]],
        scope: EditScope = EditScope.OBJECT,
        axis: int | None = None,
    ) -> None:
        """Split an object into parts, one for each click; the part of the first one keeps the id.

        On planes with clicks in several parts the model is asked for each, the clicks of the others excluding, and the
        object's pixels there go to the highest logit. All else goes to the part that is nearest inside of the object:
        see `napari_sam.labels.splitting`.

        Parameters
        ----------
        label
            The object.
        clicks
            On its pixels; on one plane, or in one volume.
        scope
            On the plane in view only, or in the volume in view.
        axis
            The axis of its depth; None for the likeliest.

        Raises
        ------
        UserError
            If there are fewer than two clicks, or it cannot be edited now.
        """
        if len(clicks) < 2:
            raise UserError("Click in two parts of the object at least: each click is one of them.")
        source, plane = self._image(), clicks[0][0]
        space, spacing = self._space(source, plane, scope, axis)
        given = tuple((each, point.row, point.column) for each, point in clicks)
        only = plane if scope is EditScope.PLANE else None
        opened = self._answering.opened
        self._begin(
            ObjectEdit(
                EditKind.SPLIT,
                (label,),
                plane.axes,
                [space],
                spacing,
                EditDescription(EditKind.SPLIT, (label,), only, clicks=given),
                clicks=dict(enumerate(clicks, 1)),
                segmenter=None if opened is None else opened.segmenter,
            )
        )

    def reshape(
        self,
        reshaping: Reshaping,
        labels: Sequence[int] | None = None,
        scope: EditScope = EditScope.OBJECT,
        axis: int | None = None,
    ) -> None:
        """Fill, smooth, grow or shrink objects, or keep the largest part of each; other labels keep their pixels.

        What would be gone is left as it is, and told of.

        Parameters
        ----------
        reshaping
            What is done; distances in the `unit`.
        labels
            To which objects; None for all: those of the plane in view, or of every plane or volume of the labels, each
            by itself.
        scope
            On the plane in view only, or in the volume in view.
        axis
            The axis of its depth; None for the likeliest.

        Raises
        ------
        UserError
            If there are none, or one cannot be edited now.
        """
        if labels is not None and not labels:
            raise UserError("Select the objects first, or choose all of them.")
        source, plane = self._image(), self._plane()
        space, spacing = self._space(source, plane, scope, axis)
        everywhere = labels is None and scope is EditScope.OBJECT
        kind = EditKind(str(reshaping.treatment))
        ids = tuple(sorted(set(labels or ())))
        only = plane if scope is EditScope.PLANE else None
        unit = distance_unit(source, space.axes)[1] if reshaping.distance else ""
        self._begin(
            ObjectEdit(
                kind,
                ids,
                plane.axes,
                list(all_spaces(source.shape, space.axes)) if everywhere else [space],
                spacing,
                EditDescription(kind, ids, only, reshaping.distance, unit),
                reshaping=reshaping,
            )
        )

    def fill_holes(self, labels: Sequence[int] | None = None, scope: EditScope = EditScope.OBJECT) -> None:
        """Fill the holes of objects; see `reshape`."""
        self.reshape(Reshaping(Treatment.FILL_HOLES), labels, scope)

    def keep_largest_part(self, labels: Sequence[int] | None = None, scope: EditScope = EditScope.OBJECT) -> None:
        """Keep the largest part of objects; see `reshape`."""
        self.reshape(Reshaping(Treatment.KEEP_LARGEST), labels, scope)

    def smooth(self, distance: float, labels: Sequence[int] | None = None, scope: EditScope = EditScope.OBJECT) -> None:
        """Smooth the borders of objects; see `reshape`."""
        self.reshape(Reshaping(Treatment.SMOOTH, distance), labels, scope)

    def grow(self, distance: float, labels: Sequence[int] | None = None, scope: EditScope = EditScope.OBJECT) -> None:
        """Grow objects, or shrink them by a negative distance; see `reshape`."""
        treatment = Treatment.SHRINK if distance < 0 else Treatment.GROW
        self.reshape(Reshaping(treatment, abs(distance)), labels, scope)

    def label_at(self, plane: Plane, point: Point) -> int:
        """Return the label under a point; 0 for none, also beside the image."""
        target = self._workspace.writer.target
        if target is None:
            return 0
        self._workspace.writer.table_of(target).unwritten.write()
        at = tuple(round(each) for each in plane.to_data(point.row, point.column))
        if not all(0 <= each < size for each, size in zip(at, target.array.shape, strict=True)):
            return 0
        return int(target.array[tuple(slice(each, each + 1) for each in at)].reshape(-1)[0])

    def cancel(self) -> None:
        """Give the edit up, with those that wait, and tell so."""
        several = 1 + len(self._waiting)
        self.stop()
        self._reporter.clear()
        what = "The edit was" if several == 1 else f"{several} edits were"
        self._reporter.note = f"{what} stopped; nothing was changed."
        self._reporter.report()

    def stop(self) -> None:
        """Give the edit up, with those that wait; nothing of them is written."""
        self._scheduler.cancel(_KEY)
        self._edit = None
        self._waiting.clear()

    def forget(self, target: Target) -> None:
        """Forget labels that are gone."""
        self._waiting = deque(each for each in self._waiting if each[1] is not target)
        if self._edit is not None and self._edit[1] is target:
            self._scheduler.cancel(_KEY)
            self._edit = None
            self._start_next()

    # Inside

    def _image(self) -> ImageSource:
        if self._answering.source is None:
            raise UserError("Choose an image first.")
        return self._answering.source

    def _plane(self) -> Plane:
        plane = self._answering.view.plane
        if plane is None:
            raise UserError("Show one of the image's planes first.")
        return plane

    def _axes(self, source: ImageSource, plane: Plane, scope: EditScope, axis: int | None) -> tuple[int, ...]:
        depth = depth_axis(source, plane, axis) if scope is EditScope.OBJECT else None
        return tuple(sorted((*plane.axes, *(() if depth is None else (depth,)))))

    def _space(
        self, source: ImageSource, plane: Plane, scope: EditScope, axis: int | None
    ) -> tuple[Space, tuple[float, ...]]:
        axes = self._axes(source, plane, scope, axis)
        return Space(axes, plane.index), distance_unit(source, axes)[0]

    def _begin(self, edit: ObjectEdit) -> None:
        target = self._workspace.writer.target
        if target is None:
            raise UserError("There are no labels to edit yet: choose them, or accept an object first.")
        self._check_labels(edit, target)
        self._leave()
        self._check_work(edit)
        self._reporter.clear()
        self._waiting.append((edit, target))
        if self._edit is None:
            self._ends.clear()
            self._start_next()
        else:
            self._reporter.note = "Waits for the edit that is being made."
        self._reporter.report()

    def _check_labels(self, edit: ObjectEdit, target: Target) -> None:
        """Refuse labels, and ids in them, that cannot be edited now."""
        refuse_read_only(target.array)
        waiting = set(self._workspace.deferred.labels(target))
        for label in edit.labels:
            if label <= 0:
                raise UserError("Label 0 is the background: choose an object.")
            if label in waiting:
                raise UserError(f"Object {label} is still being finished: try again when its mask is there.")

    def _check_work(self, edit: ObjectEdit) -> None:
        """Refuse to edit an object that was reopened and changed since."""
        if self._in_work(edit) and not self._objects.as_accepted:
            raise UserError(f"Object {self._workspace.draft.label} is in work: accept or reject it first.")

    def _start_next(self) -> None:
        """Start the edit whose turn it is; what keeps it from being made may have come since it was asked for."""
        while self._waiting and self._edit is None:
            edit, target = self._edit = self._waiting.popleft()
            try:
                self._check_labels(edit, target)
                self._check_work(edit)
                self._plan(edit, target, 1)
            except Exception as error:
                self._edit = None
                self._tell_failure(error)

    def _in_work(self, edit: ObjectEdit) -> bool:
        draft = self._workspace.draft
        return draft.refines and (not edit.labels or draft.label in edit.labels)

    def _plan(self, edit: ObjectEdit, target: Target, plans: int) -> None:
        """Have it planned what to write, and write it."""
        basis = begin_planning(self._workspace.writer.table_of(target), self._workspace)

        def step(plan: Plan | None) -> None:
            if plan is None:
                self._reporter.report()
            elif self._edit is not None and self._edit[0] is edit:
                self._planned(edit, target, plan, plans)

        self._scheduler.submit_steps(
            _KEY,
            lambda token: plan_edit(edit, basis, token),
            priority=Priority.VIEW,
            on_step=step,
            on_error=self._failed,
        )

    def _planned(self, edit: ObjectEdit, target: Target, plan: Plan, plans: int) -> None:
        try:
            self._check_work(edit)
            if self._write(edit, target, plan):
                self._end(_EditEnd(_summary(edit), int(bool(edit.vanishing))))
            elif plans < _PLANS:
                self._plan(edit, target, plans + 1)
            else:
                raise UserError("The labels changed all the while: nothing was done; try again.")
        except Exception as error:
            self._failed(error)

    def _write(self, edit: ObjectEdit, target: Target, plan: Plan) -> bool:
        """Write what was planned; tell whether the labels were still those that it was planned for."""
        table = self._workspace.writer.table_of(target)
        kind = _ENTRIES.get(edit.kind, EntryKind.RESHAPE)
        uses = max(edit.description.labels, default=0)
        return carry_out_plan(
            plan, table, self._workspace, kind, uses=uses, leave=self._in_work(edit), edit=edit.description
        )

    def _failed(self, error: Exception) -> None:
        self._edit = None
        self._tell_failure(error)
        self._start_next()
        self._reporter.report()

    def _end(self, end: _EditEnd) -> None:
        self._edit = None
        self._tell_end(end)
        self._start_next()
        self._reporter.report()

    def _tell_failure(self, error: Exception) -> None:
        if isinstance(error, UserError):
            self._tell_end(_EditEnd(str(error), 1 if isinstance(error, NothingToEdit) else 2))
        else:
            self._reporter.fail(error)
            self._tell_end(_EditEnd(self._reporter.error, 2))

    def _tell_end(self, end: _EditEnd) -> None:
        """Tell how an edit ended, and of those before it how the one did that matters most, or was the last."""
        former = max(reversed(self._ends), key=lambda each: each.weight, default=end)
        self._ends.append(end)
        told = list(dict.fromkeys([former, end]))
        sentences = " ".join(each.sentence for each in told)
        failure = self._reporter.error
        self._reporter.clear()
        if any(each.weight == 2 for each in told):
            self._reporter.error = sentences
        else:
            self._reporter.error, self._reporter.note = failure, sentences


def _summary(edit: ObjectEdit) -> str:
    """Tell what was done, in a sentence or two."""
    described = edit.description
    ids = ", ".join(map(str, described.labels[:4])) + (", …" if len(described.labels) > 4 else "")
    if edit.kind is EditKind.MERGE:
        return f"Objects {ids} are object {min(described.labels)} now."
    if edit.kind is EditKind.SPLIT:
        by = f" By its shape alone: {edit.unasked}" if edit.unasked else ""
        return f"Object {edit.labels[0]} is split into {ids}.{by}"
    whose = f"{edit.total} object{'s' * (edit.total != 1)}"
    how = f" by {described.distance:g} {described.unit}" if described.distance else ""
    sentence = f"{str(edit.kind).capitalize()}{how}: {whose} done."
    if edit.vanishing:
        left = len(edit.vanishing)
        sentence += f" {left} would be gone, and {'is' if left == 1 else 'are'} left as before."
    return sentence
