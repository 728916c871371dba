"""One annotation session: from prompts to accepted labels."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from psygnal import Signal

from napari_sam.errors import UserError
from napari_sam.labels.collision import Collision
from napari_sam.labels.edit import Edit
from napari_sam.labels.ids import check_fits
from napari_sam.labels.to_mask import label_mask
from napari_sam.planes.contrast import Contrast
from napari_sam.planes.mask import Mask
from napari_sam.planes.plane import Plane
from napari_sam.planes.source import ImageSource
from napari_sam.prompts.prompt import Box, Point, Prompts
from napari_sam.segment.segmentation import Segmentation
from napari_sam.session.draft import Draft, PromptKind
from napari_sam.session.engine import Engine, NetworkEngine
from napari_sam.session.finishing import Finishing
from napari_sam.session.history import Accept, History
from napari_sam.session.labelling import Labelling, check_shape
from napari_sam.session.propagation import Propagation, plot_course, summary
from napari_sam.session.saving import Saving
from napari_sam.session.scheduler import PostToMain, Priority, Scheduler
from napari_sam.session.segmenting import Segmenting
from napari_sam.session.state import State, Status
from napari_sam.session.target import Target


class Session:
    """Objects are prompted, segmented, carried along an axis and accepted into labels, one at a time.

    Every method is called on the main thread and returns at once; what computes goes through the scheduler, and the
    signals are emitted on the main thread.

    Parameters
    ----------
    post_to_main
        Hands a function to the main thread, which runs it soon.
    engine
        What computes; the project's models by default.
    model
        Name of, or path to, the model.

    Signals
    -------
    status_changed(Status)
        What the session is doing.
    prompts_changed()
        The session changed the prompts itself (removed, cleared, finished or brought back an object).
    masks_changed()
        The masks of the object being worked on are different.
    labels_changed(Target, tuple[slice, ...])
        The labels changed inside a box.
    history_changed()
        What can be undone or redone is different.
    label_changed()
        `current_label` is different.
    crashed(Exception)
        A computation raised something unexpected.
    """

    status_changed = Signal(Status)
    prompts_changed = Signal()
    masks_changed = Signal()
    labels_changed = Signal(object, tuple)
    history_changed = Signal()
    label_changed = Signal()
    crashed = Signal(Exception)

    def __init__(self, post_to_main: PostToMain, *, engine: Engine | None = None, model: str = "nano") -> None:
        self.scheduler = Scheduler(post_to_main)
        engine = engine or NetworkEngine()
        self._image = 0
        self._draft = Draft()
        self._brought_back = False
        self._error = self._note = ""
        self._status = Status(State.NO_IMAGE)
        self._segmenting = Segmenting(
            self.scheduler,
            engine,
            model,
            on_change=self._report,
            on_answer=self._segmented,
            on_failure=self._segmenting_failed,
            on_error=self._failed,
        )
        self._labelling = Labelling(self.scheduler, self.label_changed.emit, self._found_free_label, self._ids_failed)
        self._finishing = Finishing(self._labelling, self._written, self._give_back)
        self._propagation = Propagation(self.scheduler, engine, self._masks_grew, self._propagated, self._failed)
        self._saving = Saving(self.scheduler, self._saved, self._failed)
        self._report()

    # What there is

    @property
    def status(self) -> Status:
        """What the session is doing."""
        return self._status

    @property
    def source(self) -> ImageSource | None:
        """The image."""
        return self._segmenting.source

    @property
    def contrast(self) -> Contrast | None:
        """The limits that were given; None where they are measured."""
        return self._segmenting.contrast

    @property
    def model(self) -> str:
        """Name of, or path to, the model."""
        return self._segmenting.model

    @property
    def target(self) -> Target | None:
        """The labels that objects are accepted into."""
        return self._labelling.target

    @property
    def history(self) -> History:
        """What was accepted, and can be undone."""
        return self._labelling.history

    @property
    def plane(self) -> Plane | None:
        """The plane in view."""
        return self._segmenting.view.plane

    @property
    def draft(self) -> Draft:
        """The object being worked on."""
        return self._draft

    @property
    def current_label(self) -> int | None:
        """The id that the object being worked on will get; None while that is not known."""
        return self._labelling.next_label if self._draft.label is None else self._draft.label

    @property
    def object_size(self) -> float | None:
        """Diameter of objects in plane pixels that the user set, or None for auto."""
        return self._segmenting.object_size

    @property
    def propagating(self) -> bool:
        """Whether the object is being carried along an axis, or is about to be."""
        return self._propagation.active

    def prompts(self, plane: Plane) -> Prompts:
        """The object's prompts on one plane."""
        return self._draft.prompts.get(plane, Prompts())

    # What it works on

    def set_image(
        self, source: ImageSource | None, *, axes: tuple[int, int] = (0, 1), contrast: Contrast | None = None
    ) -> None:
        """Work on another image, or none.

        The object being worked on is dropped; accepted ones stay and can still be undone.

        Parameters
        ----------
        source
            The image.
        axes
            The displayed axes, on whose planes the contrast is measured.
        contrast
            Limits that the encoder's input is scaled by; None to measure them.
        """
        self._segmenting.show(source, axes, contrast)
        self._image += 1
        self._labelling.choose(None)
        self._start(self._new_draft())
        self._open()

    def set_model(self, model: str) -> None:
        """Use another model; the object's prompts are answered again by it."""
        if model != self.model:
            self._segmenting.model = model
            self._segmenting.accepted_size = None
            self._open()

    def open_again(self) -> None:
        """Try again what the model could not be loaded for: its weights are here now."""
        self._open()

    def set_contrast(self, contrast: Contrast | None) -> None:
        """Scale the encoder's input by other limits; None to measure them."""
        if contrast != self.contrast:
            self._segmenting.contrast = contrast
            self._open()

    def set_object_size(self, diameter: float | None) -> None:
        """Say how large objects are; the object's prompts are answered again.

        Parameters
        ----------
        diameter
            In plane pixels; None for auto.
        """
        if diameter != self.object_size:
            self._segmenting.object_size = diameter
            self._error = ""
            self._segmenting.embed(anew=True)
            self._segmenting.ask_again(self._draft)

    def set_view(self, plane: Plane, center: tuple[float, float] | None = None) -> None:
        """Say which plane is in view; it is embedded ahead of the first click.

        Parameters
        ----------
        plane
            The plane.
        center
            (row, column) that the view is centred on, where embedding begins.
        """
        if self.source is None:
            return
        anew = self._segmenting.view.look_at(plane, center)
        if anew is None:
            return
        if anew:
            self._error = ""
        self._segmenting.embed(anew)

    def clear_view(self, why: str) -> None:
        """Say that no plane of the image is in view, and why, in one sentence."""
        self._segmenting.view.look_away(why)
        self._report()

    def set_target(self, target: Target | None, *, next_label: int | None = None) -> None:
        """Accept objects into other labels.

        Parameters
        ----------
        target
            The labels.
        next_label
            The first free id where it is known (1 for new labels); None to find it.

        Raises
        ------
        UserError
            If the labels do not fit the image.
        """
        if target is not None:
            check_shape(target, self.source)
        if target is not self.target:
            # An id of the former labels means nothing in these.
            self._draft.label, self._draft.refines = None, False
        self._labelling.choose(target, next_label)

    def forget_target(self, target: Target) -> None:
        """Labels are gone, or were replaced: nothing in them is undone any more, nothing more is written there."""
        self._finishing.forget(target)
        self._labelling.forget(target)
        self.history_changed.emit()
        self._report()

    def saw_label(self, label: int) -> None:
        """Something else wrote `label` into the target; later objects get higher ids."""
        self._labelling.saw(label)

    # Prompts

    def set_prompts(self, plane: Plane, prompts: Prompts) -> None:
        """Replace the object's prompts on one plane; its mask there follows.

        Raises
        ------
        UserError
            If there is no image.
        """
        draft = self._draft
        old = draft.prompts.get(plane, Prompts())
        if prompts == old:
            return
        if self._segmenting.opened is None:
            raise UserError("Choose an image first.")
        had_answer = draft.segmentations.get(plane)
        draft.put(plane, prompts)
        self._brought_back = False
        self._error = self._note = ""
        if not prompts:
            self._drop_answer(plane)
            return
        previous = had_answer.mask if had_answer is not None and _corrects(old, prompts) else None
        if had_answer is None and plane in draft.proposal and prompts.box is None:
            previous = draft.proposal[plane].mask
        self._segmenting.ask(draft, plane, previous)

    def add_point(self, plane: Plane, point: Point) -> None:
        """Add a point to the object's prompts on one plane."""
        self.set_prompts(plane, self.prompts(plane).with_point(point))

    def add_box(self, plane: Plane, box: Box) -> None:
        """Give the object a box on one plane, in place of an earlier one."""
        self.set_prompts(plane, replace(self.prompts(plane), box=box))

    def set_mask_prompt(self, plane: Plane, mask: Mask, label: int | None = None) -> None:
        """Give the object a dense mask prompt on one plane, to be refined.

        Parameters
        ----------
        plane
            The plane.
        mask
            The mask.
        label
            The id in the target that accepting the object replaces, if it is one of the target's own labels.
        """
        if label is not None and not self._draft:
            self._draft.label, self._draft.refines = label, True
            self.label_changed.emit()
        self.set_prompts(plane, replace(self.prompts(plane), mask=mask))
        self.prompts_changed.emit()

    def refine_label(self, plane: Plane, labels: Any, label: int, *, own: bool) -> None:
        """Take a label as dense mask prompt.

        Parameters
        ----------
        plane
            The plane.
        labels
            A label array of the image's shape.
        label
            The id in it; not 0.
        own
            Whether `labels` is the target, so that accepting replaces the label.

        Raises
        ------
        UserError
            If the array does not fit the image, or the id is 0.
        """
        if self.source is None:
            raise UserError("Choose an image first.")
        if tuple(labels.shape) != self.source.shape:
            raise UserError(
                f"The labels have shape {tuple(labels.shape)} and the image has shape {self.source.shape}; "
                "only labels of the same shape can be prompts."
            )
        if label == 0:
            raise UserError("Label 0 is the background; pick a label to refine.")

        def found(mask: Mask) -> None:
            if not mask.area:
                self._fail(f"Label {label} has no pixels on this plane.")
                return
            self.set_mask_prompt(plane, mask, label if own else None)

        self.scheduler.submit(
            "label prompt",
            lambda _: label_mask(labels, plane, label),
            priority=Priority.CLICK,
            on_result=found,
            on_error=self._failed,
        )

    def choose(self, candidate: int, plane: Plane | None = None) -> None:
        """Take another of the candidate masks on one plane (the one in view by default)."""
        plane = plane or self.plane
        answer = self._draft.segmentations.get(plane) if plane is not None else None
        if plane is None or answer is None:
            raise UserError("There is no mask to choose from on this plane: click an object first.")
        self._draft.segmentations[plane] = replace(answer, chosen=candidate % len(answer.candidates))
        self.masks_changed.emit()

    def remove_last(self) -> None:
        """Take back the prompt that was given last, on whatever plane it is."""
        draft = self._draft
        if not draft.order:
            raise UserError("There is no click to remove.")
        plane, kind = draft.order[-1]
        prompts = self.prompts(plane)
        if kind is PromptKind.POINT:
            prompts = replace(prompts, points=prompts.points[:-1])
        elif kind is PromptKind.SCRIBBLE:
            prompts = replace(prompts, scribbles=prompts.scribbles[:-1])
        elif kind is PromptKind.BOX:
            prompts = replace(prompts, box=None)
        else:
            prompts = replace(prompts, mask=None)
        self.set_prompts(plane, prompts)
        self.prompts_changed.emit()

    def clear(self, plane: Plane | None = None) -> None:
        """Remove the object's prompts on one plane (the one in view by default)."""
        plane = plane or self.plane
        if plane is None or plane not in self._draft.prompts:
            raise UserError("There are no prompts on this plane.")
        self.set_prompts(plane, Prompts())
        self.prompts_changed.emit()

    # Objects

    def reject(self) -> None:
        """Drop the proposal of a propagation; where there is none, drop the object with all its prompts.

        Raises
        ------
        UserError
            If there is neither.
        """
        if not self._draft and not self.propagating:
            raise UserError("There is nothing to reject.")
        if self._draft.proposal or self.propagating:
            self._propagation.stop()
            self._draft.proposal.clear()
            self._note = "The propagated planes were dropped; the prompts are kept."
            self.masks_changed.emit()
        else:
            self._start(self._new_draft())
            self._note = "The object was dropped."
        self._report()

    def accept(self, collision: Collision = Collision.KEEP) -> Edit | None:
        """Write the object into the target, on all its planes at once, and start the next object.

        Parameters
        ----------
        collision
            What happens to pixels that belong to another label.

        Returns
        -------
        Edit or None
            What changed; None where the answer to the last prompts is still to come: it is written when it is there.

        Raises
        ------
        UserError
            If there is nothing to accept, no target, or the id does not fit the target's dtype; the object is kept.
        """
        draft, target = self._draft, self.target
        if not draft.masks and not draft.in_flight:
            raise UserError("There is nothing to accept: click an object first.")
        if target is None:
            raise UserError("Choose the labels to write into first.")
        if self.current_label is not None:
            check_fits(self.current_label, target.array.dtype)
            draft.label = self.current_label
        self._finishing.add(draft, target, collision)
        self._start(self._new_draft())
        accepted = self._finishing.finish(draft)
        return None if accepted is None else accepted.edit

    def next_object(self, collision: Collision = Collision.KEEP) -> Edit | None:
        """Leave this object and start the next one with a free id; what is not accepted yet is accepted first."""
        if self._draft.masks or self._draft.in_flight:
            return self.accept(collision)
        self._start(self._new_draft())
        return None

    def undo(self) -> None:
        """Take the last accept back; its object can be corrected again, if no other one is being worked on.

        Raises
        ------
        UserError
            If there is nothing to undo.
        """
        accept = self._labelling.undo()
        if accept.draft.image == self._image and (not self._draft or self._brought_back):
            self._start(accept.draft.copy_as(accept.label))
            self._brought_back = True
        self._labels_exchanged(accept)

    def redo(self) -> None:
        """Do the accept that was undone last again.

        Raises
        ------
        UserError
            If there is nothing to redo.
        """
        accept = self._labelling.redo()
        if self._brought_back:
            self._start(self._new_draft())
        self._labels_exchanged(accept)

    # Propagating and saving

    def propagate(self, axis: int | None = None, start: int | None = None, stop: int | None = None) -> None:
        """Carry the object along an axis, from its key planes outwards; the result is a proposal until accepted.

        Parameters
        ----------
        axis
            The data axis to go along; None for the last one that is not displayed.
        start, stop
            First and last position, inclusive; None for the ends of the image.

        Raises
        ------
        UserError
            If there is no object on planes like the one in view, or the image has no axis to go along.
        """
        draft, plane = self._draft, self.plane
        source, opened = self.source, self._segmenting.opened
        if plane is None or source is None or opened is None:
            raise UserError("Choose an image and show one of its planes first.")
        if draft.in_flight:
            self._propagation.start_later(draft, partial(self._try_to_propagate, axis, start, stop))
        else:
            course = plot_course(draft, plane, source.shape, axis, start, stop)
            self._error = self._note = ""
            self._propagation.start(draft, course, opened)
            self.masks_changed.emit()
        self._report()

    def cancel(self) -> None:
        """Stop propagating; the planes that were reached stay proposed.

        Raises
        ------
        UserError
            If nothing is being propagated.
        """
        if not self.propagating:
            raise UserError("Nothing is being propagated.")
        self._propagation.stop()
        self._note = f"Propagation was stopped; {len(self._draft.proposal)} planes were reached."
        self._report()

    def save(self, path: str | Path) -> None:
        """Write the target to an OME-TIFF with the image's axes and scale, on the inference thread.

        Raises
        ------
        UserError
            If there is no target.
        """
        if self.target is None or self.source is None:
            raise UserError("There are no labels to save yet: accept an object first.")
        self._error = self._note = ""
        self._saving.start(Path(path), self.target, self.source)
        self._report()

    def close(self) -> bool:
        """Cancel everything and end the inference thread; whether it ended in time."""
        self._finishing.clear()
        return self.scheduler.close()

    # Inside: segmenting

    def _open(self) -> None:
        self._error = self._note = ""
        self._segmenting.open()
        self._segmenting.ask_again(self._draft)

    def _segmented(self, draft: Draft, plane: Plane, answer: Segmentation) -> None:
        draft.segmentations[plane] = answer
        if draft is self._draft:
            self._note = "" if answer.mask.area else "No object was found there: add a click or draw a box."
            self.masks_changed.emit()
        self._answered(draft)

    def _segmenting_failed(self, draft: Draft, _: Plane, error: Exception) -> None:
        self._finishing.give_back(draft)
        self._failed(error)
        self._answered(draft)

    def _answered(self, draft: Draft) -> None:
        if not draft.in_flight:
            self._try_to_finish(draft)
            self._propagation.answered(draft)
        self._segmenting.resume()
        self._report()

    def _drop_answer(self, plane: Plane) -> None:
        self._segmenting.stop(self._draft, plane)
        self._draft.segmentations.pop(plane, None)
        self.masks_changed.emit()
        self._report()

    # Inside: objects

    def _new_draft(self) -> Draft:
        return Draft(image=self._image)

    def _start(self, draft: Draft) -> None:
        """Leave the current object for `draft`; for the old one only what accepting it needs is computed any more."""
        old = self._draft
        if old not in self._finishing:
            self._segmenting.stop_all(old)
        self._propagation.stop()
        self._draft, self._brought_back = draft, False
        self._error = self._note = ""
        self.prompts_changed.emit()
        self.masks_changed.emit()
        self.label_changed.emit()
        self._report()

    def _written(self, accept: Accept) -> None:
        self._segmenting.accepted_size = accept.draft.diameter
        self._labels_exchanged(accept)
        self._note = f"Object {accept.label} was accepted."
        self._report()

    def _try_to_finish(self, draft: Draft) -> None:
        error = self._finishing.try_to_finish(draft)
        if error is not None:
            self._failed(error)

    def _give_back(self, draft: Draft) -> None:
        """An object could not be written: let the user go on with it, unless there is a next one already."""
        if not self._draft and draft.image == self._image:
            self._start(draft)

    def _labels_exchanged(self, accept: Accept) -> None:
        self._error = self._note = ""
        self.labels_changed.emit(accept.target, accept.edit.box)
        self.history_changed.emit()
        self.label_changed.emit()
        self._report()

    def _found_free_label(self, target: Target, label: int) -> None:
        """Objects that were accepted before the ids were known get theirs, in that order."""
        for draft in self._finishing.give_ids(target, label):
            self._answered(draft)

    def _ids_failed(self, error: Exception) -> None:
        self._finishing.give_all_back()
        self._failed(error)

    # Inside: propagation

    def _try_to_propagate(self, axis: int | None, start: int | None, stop: int | None) -> None:
        try:
            self.propagate(axis, start, stop)
        except UserError as error:
            self._failed(error)

    def _masks_grew(self) -> None:
        self.masks_changed.emit()
        self._report()

    def _propagated(self, draft: Draft) -> None:
        self._note = summary(draft)
        self._report()

    def _saved(self, path: Path) -> None:
        self._note = f"Saved {path.name}."
        self._report()

    # Inside: reporting

    def _failed(self, error: Exception) -> None:
        if isinstance(error, UserError):
            self._fail(str(error))
            return
        self._fail(f"An unexpected error stopped the computation ({type(error).__name__}: {error}).")
        self.crashed.emit(error)

    def _fail(self, sentence: str) -> None:
        self._error = sentence
        self._report()

    def _report(self) -> None:
        status = self._current_status()
        if status != self._status:
            self._status = status
            self.status_changed.emit(status)

    def _current_status(self) -> Status:
        if self.source is None:
            return Status(State.NO_IMAGE, "Choose an image.")
        if self.propagating:
            return Status(State.PROPAGATING, self._error, *self._propagation.progress)
        if self._draft.in_flight or self._finishing:
            return Status(State.SEGMENTING, self._error)
        if self._error:
            return Status(State.ERROR, self._error)
        if self._saving.active:
            return Status(State.SAVING)
        if self.plane is None:
            return Status(State.NO_PLANE, self._segmenting.view.why_none)
        view = self._segmenting.view
        if view.state is State.READY:
            return Status(State.READY, self._note)
        return Status(view.state, self._note, *view.progress)


def _corrects(old: Prompts, new: Prompts) -> bool:
    """Whether `new` is `old` and more points, so that the old answer may be fed back."""
    return (
        new.points[: len(old.points)] == old.points
        and new.scribbles[: len(old.scribbles)] == old.scribbles
        and new.box == old.box
        and new.mask is old.mask
    )
