"""One annotation session: from prompts to accepted labels."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from napari_sam.errors import UserError
from napari_sam.labels.collision import Collides, Collision
from napari_sam.labels.ids import check_fits
from napari_sam.labels.pixel_change import PixelChange
from napari_sam.planes.contrast import Contrast
from napari_sam.planes.mask import Mask
from napari_sam.planes.plane import Plane
from napari_sam.planes.source import ImageSource
from napari_sam.prompts.prompt import Box, Point, Prompts
from napari_sam.segment.setup import Setup
from napari_sam.session.batch import Batch, BatchObject
from napari_sam.session.draft import Draft, DraftState
from napari_sam.session.engine import Engine, NetworkEngine
from napari_sam.session.journal.entry import Kind
from napari_sam.session.journal.journal import Journal
from napari_sam.session.journal.labels_patch import LabelsPatch
from napari_sam.session.labelling import check_shape
from napari_sam.session.object_record import ObjectRecord
from napari_sam.session.objects import Objects
from napari_sam.session.prompting import Prompting
from napari_sam.session.propagation import Propagation, Proposal, plot_course, summary
from napari_sam.session.question import Question
from napari_sam.session.recording import Done, Recording
from napari_sam.session.restored import Restored
from napari_sam.session.saving import Saving
from napari_sam.session.scheduler import PostToMain, Scheduler
from napari_sam.session.segmenting import Segmenting
from napari_sam.session.sentences import Sentences
from napari_sam.session.signals import SessionSignals
from napari_sam.session.state import State, Status
from napari_sam.session.state_record import record_of, state_of
from napari_sam.session.target import Target
from napari_sam.session.work import Work


class Session(SessionSignals):
    """Objects are prompted, segmented, carried along an axis and accepted into labels, one at a time.

    Every method is called on the main thread and returns at once; what computes goes through the scheduler, and the
    signals are emitted on the main thread. Everything that changes the object in work, the labels or the table of
    objects is in one journal: `undo` and `redo` go through it in the order in which it was done.

    Parameters
    ----------
    post_to_main
        Hands a function to the main thread, which runs it soon.
    engine
        What computes; the project's models by default.
    model
        Name of, or path to, the model.

    Attributes
    ----------
    objects : Objects
        The accepted objects.
    """

    def __init__(self, post_to_main: PostToMain, *, engine: Engine | None = None, model: str = "nano") -> None:
        self.scheduler = Scheduler(post_to_main)
        engine = engine or NetworkEngine()
        self._sentences = Sentences()
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
        self._work = Work(self.scheduler, self._segmenting, self, self._sentences)
        self._prompting = Prompting(self._work, self._segmenting, self.scheduler, self, self._sentences, self._failed)
        self._propagation = Propagation(
            self.scheduler, engine, self._masks_grew, self._carried, self._propagated, self._failed
        )
        self._batch = Batch(self.scheduler, self._work, self._report, self._batch_written, self._batch_failed)
        self._saving = Saving(self.scheduler, self._saved, self._failed)
        self.objects = Objects(self._work, self._segmenting, self._sentences, self._propagation.stop)
        for signal in (self.label_changed, self.objects_changed, self.history_changed):
            signal.connect(self._report)
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
    def setup(self) -> Setup | None:
        """What computes the answers; None while no image is opened with the model."""
        opened = self._segmenting.opened
        return None if opened is None else opened.setup

    @property
    def target(self) -> Target | None:
        """The labels that objects are accepted into."""
        return self._work.labelling.target

    @property
    def journal(self) -> Journal:
        """Everything that was done, and can be undone."""
        return self._work.journal

    @property
    def recording(self) -> Recording:
        """What was done to labels and not undone, so that it can be written down."""
        return self._work.recording

    def began_empty(self, target: Target) -> bool:
        """Whether there were no labels at all in a target when it was chosen, as far as that is known."""
        return self._work.labelling.book_of(target).began_empty

    @property
    def image(self) -> int:
        """Counts the images that were worked on."""
        return self._work.image

    @property
    def plane(self) -> Plane | None:
        """The plane in view."""
        return self._segmenting.view.plane

    @property
    def draft(self) -> Draft:
        """The object being worked on."""
        return self._work.draft

    @property
    def current_label(self) -> int | None:
        """The id that the object being worked on will get; None while that is not known."""
        return self._work.labelling.next_label if self.draft.label is None else self.draft.label

    @property
    def object_size(self) -> float | None:
        """Diameter of objects in plane pixels that the user set, or None for auto."""
        return self._segmenting.object_size

    @property
    def propagating(self) -> bool:
        """Whether the object is being carried along an axis, or is about to be."""
        return self._propagation.active

    @property
    def batching(self) -> bool:
        """Whether several objects are being segmented in one go."""
        return self._batch.active

    def prompts(self, plane: Plane) -> Prompts:
        """The object's prompts on one plane."""
        return self.draft.prompts.get(plane, Prompts())

    # What it works on

    def set_image(
        self, source: ImageSource | None, *, axes: tuple[int, int] = (0, 1), contrast: Contrast | None = None
    ) -> None:
        """Work on another image, or none.

        The object being worked on is dropped, and can no longer be brought back; accepted ones stay and can still be
        undone.

        Parameters
        ----------
        source
            The image.
        axes
            The displayed axes, on whose planes the contrast is measured.
        contrast
            Limits that the encoder's input is scaled by; None to measure them.
        """
        self._propagation.stop()
        self._batch.stop()
        self._segmenting.show(source, axes, contrast)
        self._work.new_image()
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
            self._sentences.error = ""
            self._segmenting.embed(anew=True)
            self._prompting.forget_answers()
            self._segmenting.ask_again(self.draft)

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
        if plane != self.plane:
            self._sentences.error = ""
        self._segmenting.look_at(plane, center)

    def clear_view(self, why: str) -> None:
        """Say that no plane of the image is in view, and why, in one sentence."""
        self._segmenting.look_away(why)
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
        self._work.choose_target(target, next_label)

    def restore_target(self, target: Target, restored: Restored) -> None:
        """Accept objects into labels that were read back from disk, with all that is known of their objects.

        Raises
        ------
        UserError
            If the labels do not fit the image.
        """
        check_shape(target, self.source)
        self._work.restore_target(target, restored)

    def restore_draft(self, record: ObjectRecord) -> None:
        """Go on with an object in work that was read back from disk; questions without an answer are asked.

        Raises
        ------
        UserError
            If it cannot be used.
        """
        try:
            state = state_of(record)
        except ValueError as error:
            raise UserError(f"The object in work could not be brought back: {error}.") from error
        with self._work.replacing(Kind.REOPEN, self.draft.state):
            self._work.start(state)
        self._work.tell_draft()

    def forget_target(self, target: Target) -> None:
        """Labels are gone, or were replaced: nothing in them is undone any more, nothing more is written there.

        Undoing an accept into them still brings the object's prompts back.
        """
        self._batch.forget(target)
        self._work.forget_target(target)
        self._report()

    def painted(self, target: Target, change: PixelChange) -> None:
        """Something else (a brush) changed pixels of labels: that is undone in its turn.

        Later objects get higher ids than those that were painted. Pixels that are painted while an accepted object is
        still to be written stay on top of it.

        Parameters
        ----------
        target
            The labels; strokes in labels that were never chosen are ignored.
        change
            What is different, already in the array.
        """
        if change.count and self._work.labelling.knows(target):
            self.objects.painted(target, change)

    # Prompts

    def set_prompts(self, plane: Plane, prompts: Prompts) -> None:
        """Replace the object's prompts on one plane; its mask there follows.

        Raises
        ------
        UserError
            If there is no image.
        """
        self.set_all_prompts({plane: prompts})

    def set_all_prompts(self, prompts: Mapping[Plane, Prompts]) -> None:
        """Replace the object's prompts on several planes, in one step of the journal; its masks there follow.

        Parameters
        ----------
        prompts
            By plane; empty ones to have none there. Other planes keep theirs.

        Raises
        ------
        UserError
            If there is no image.
        """
        self._prompting.set(prompts)
        self._report()

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
        self._prompting.set_mask(plane, mask, label)

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
        self._prompting.refine_label(plane, labels, label, own=own)

    def refine_mask(self, plane: Plane, read: Callable[[], Mask], missing: str, label: int | None = None) -> None:
        """Take a mask that is read on the inference thread as dense mask prompt.

        Parameters
        ----------
        plane
            The plane.
        read
            Reads the mask.
        missing
            What to tell if it is empty, in one sentence.
        label
            The id in the target that accepting the object replaces, if it is one of the target's own labels.

        Raises
        ------
        UserError
            If there is no image.
        """
        self._prompting.refine_mask(plane, read, missing, label)

    def choose(self, candidate: int, plane: Plane | None = None) -> None:
        """Take another of the candidate masks on one plane (the one in view by default).

        Raises
        ------
        UserError
            If there is no mask on it.
        """
        self._prompting.choose(plane or self.plane, candidate)

    def remove_last(self) -> None:
        """Take back the prompt that was given last, on whatever plane it is.

        Raises
        ------
        UserError
            If there is none.
        """
        self._prompting.remove_last()
        self._report()

    def clear(self, plane: Plane | None = None) -> None:
        """Remove the object's prompts on one plane (the one in view by default).

        Raises
        ------
        UserError
            If there are none.
        """
        self._prompting.clear(plane or self.plane)
        self._report()

    # Objects

    def reject(self) -> None:
        """Drop the proposal of a propagation; where there is none, drop the object with all its prompts.

        Raises
        ------
        UserError
            If there is neither.
        """
        if not self.draft and not self.propagating:
            raise UserError("There is nothing to reject.")
        self._propagation.stop()
        if self.draft.proposal:
            with self._work.deed(Kind.DROP) as draft:
                draft.proposal, draft.carried = {}, None
            self._say("The propagated planes were dropped; the prompts are kept.")
            self.masks_changed.emit()
        elif self.draft:
            with self._work.replacing(Kind.REJECT, self.draft.state):
                self._work.start(DraftState())
            self._say("The object was dropped; undo brings it back.")
            self._work.tell_draft()
        self._report()

    def accept(
        self,
        collision: Collision = Collision.KEEP,
        decide: Callable[[Mapping[int, int]], Collision] | None = None,
    ) -> LabelsPatch | None:
        """Write the object into the target, on all its planes at once, and start the next object.

        Parameters
        ----------
        collision
            What happens to pixels that belong to another label.
        decide
            Where that is to ask: given how many pixels of which labels are met, if any, says what happens to them.

        Returns
        -------
        LabelsPatch or None
            What changed; None where the answer to the last prompts is still to come: it is written when that is there,
            as if it had been at once.

        Raises
        ------
        UserError
            If there is nothing to accept, no target, or the id does not fit the target's dtype; the object is kept.
        Collides
            If pixels of other labels are met, `collision` is to ask, and nobody is there to decide; the object is kept.
        """
        self._propagation.stop()
        draft, target = self.draft, self.target
        if not draft.masks and not draft.in_flight:
            raise UserError("There is nothing to accept: click an object first.")
        if target is None:
            raise UserError("Choose the labels to write into first.")
        if self.current_label is not None:
            check_fits(self.current_label, target.array.dtype)
        if collision is Collision.ASK and draft.in_flight:
            raise UserError("The mask is not there yet, and what it will meet is not known: wait for it, then accept.")
        try:
            patch = self._work.accept(collision)
        except Collides as error:
            if decide is None:
                raise
            patch = self._work.accept(decide(error.pixels))
        self._report()
        return patch

    def segment_each(
        self,
        objects: Sequence[BatchObject] | Callable[[], Sequence[BatchObject]],
        collision: Collision = Collision.KEEP,
        *,
        instead: bool = False,
    ) -> None:
        """Segment several objects, one after another, and write them together, as one entry of the journal.

        Where two of them meet, the one with the higher predicted IoU has the pixels. What is not found is left out;
        `cancel` gives all of it up.

        Parameters
        ----------
        objects
            A plane, prompts and perhaps an id for each; or what tells them, called on the inference thread.
        collision
            What happens to pixels of other labels. If it is to ask and any are met, `collided` is emitted at the end,
            and nothing is written before `write_batch`.
        instead
            Whether they take the place of the object in work; it is left alone otherwise.

        Raises
        ------
        UserError
            If there are none, no image or no target.
        """
        opened, target = self._segmenting.opened, self.target
        if not callable(objects) and not objects:
            raise UserError("There is nothing to segment on this plane: no box, outline or label.")
        if opened is None:
            raise UserError("Choose an image first.")
        if target is None:
            raise UserError("Choose the labels to write into first.")
        self._sentences.clear()
        size, draft = self._segmenting.expected_size, self.draft if instead else None
        self._batch.start(objects, opened, target, collision, size, draft)
        self._report()

    def write_batch(self, collision: Collision | None) -> None:
        """Write the batch that met other labels; None gives it up."""
        if collision is None:
            self._batch.stop()
            self._say("Nothing was written.")
        else:
            self._batch.write(collision)
        self._report()

    def next_object(self, collision: Collision = Collision.KEEP) -> None:
        """Leave this object and start the next one with a free id; what is not accepted yet is accepted first."""
        if self.draft.masks or self.draft.in_flight:
            self.accept(collision)
        elif self.draft:
            self.reject()

    def set_next_label(self, label: int | None) -> None:
        """Choose the id of the object in work, or of the next one where there is none.

        Parameters
        ----------
        label
            The id; None for the next free one.

        Raises
        ------
        UserError
            If an object has it already, or it does not fit the target's dtype.
        """
        if label is not None:
            self.objects.check_free(label)
        if (label, False) == (self.draft.label, self.draft.refines):
            return
        with self._work.deed(Kind.LABEL, self.target) as draft:
            draft.label, draft.refines = label, False
        self.label_changed.emit()

    def undo(self) -> None:
        """Take back what was done last: prompts, choices, propagations, accepts, strokes, or what was done to objects.

        While an object is being propagated, that is stopped and taken back.

        Raises
        ------
        UserError
            If there is nothing to undo.
        """
        self._propagation.stop()
        if not self.journal.can_undo:
            raise UserError("There is nothing to undo.")
        self._sentences.clear()
        self._work.undo()
        self._report()

    def redo(self) -> None:
        """Do again what was undone last.

        Raises
        ------
        UserError
            If there is nothing to redo.
        """
        self._propagation.stop()
        if not self.journal.can_redo:
            raise UserError("There is nothing to redo.")
        self._sentences.clear()
        self._work.redo()
        self._report()

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
        draft, plane = self.draft, self.plane
        source, opened = self.source, self._segmenting.opened
        if plane is None or source is None or opened is None:
            raise UserError("Choose an image and show one of its planes first.")
        if draft.in_flight:
            self._propagation.start_later(draft, partial(self._try_to_propagate, axis, start, stop))
        else:
            course = plot_course(draft, plane, source.shape, axis, start, stop)
            self._sentences.clear()
            self._propagation.start(draft, course, opened)
            self.masks_changed.emit()
        self._report()

    def cancel(self) -> None:
        """Stop propagating: the planes that were reached stay proposed; or stop a batch: nothing of it is written.

        Raises
        ------
        UserError
            If neither is going on.
        """
        if self.batching:
            self._say(f"Stopped after {self._batch.progress[0]} of {self._batch.progress[1]}; nothing was written.")
            self._batch.stop()
            self._report()
            return
        if not self.propagating:
            raise UserError("Nothing is being propagated.")
        self._propagation.stop()
        self._say(f"Propagation was stopped; {len(self.draft.proposal)} planes were reached.")
        self._report()

    def save(self, path: str | Path) -> None:
        """Write the target to an OME-TIFF with the image's axes and scale, on the inference thread.

        Beside it goes the session, as a JSON file from which the labels can be computed again and worked on further.

        Raises
        ------
        UserError
            If there is no target.
        """
        if self.target is None or self.source is None:
            raise UserError("There are no labels to save yet: accept an object first.")
        self._sentences.clear()
        draft = record_of(self.draft.state, self.draft.label) if self.draft else None
        self._saving.start(Path(path), self.target, self.source, self.recording.of(self.target), self.image, draft)
        self._report()

    def close(self) -> bool:
        """Cancel everything and end the inference thread; whether it ended in time."""
        self._work.close()
        return self.scheduler.close()

    # Inside: segmenting

    def _open(self) -> None:
        self._sentences.clear()
        self._segmenting.open()
        self._prompting.forget_answers()
        self._segmenting.ask_again(self.draft)

    def _segmented(self, question: Question) -> None:
        shown = question.shown
        if self.draft.questions.get(question.plane) is question and shown is not None:
            self._say("" if shown.mask.area else "No object was found there: add a click or draw a box.")
            self.masks_changed.emit()
        self._answered()

    def _segmenting_failed(self, question: Question, error: Exception) -> None:
        self._work.finishing.fail(question, error)
        self._failed(error)
        self._answered()

    def _answered(self) -> None:
        self._work.finishing.finish()
        if not self.draft.in_flight:
            self._propagation.answered(self.draft)
        self._segmenting.resume()
        self._report()

    # Inside: batches

    def _batch_written(self, found: int, total: int) -> None:
        self._say(f"{found} objects were accepted." + (f" {total - found} were not found." if found < total else ""))
        self._report()

    def _batch_failed(self, error: Exception) -> None:
        if isinstance(error, Collides):
            self.collided.emit(error)
            self._report()
        else:
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

    def _carried(self, draft: Draft, former: Proposal) -> None:
        """A propagation ended, one way or another: what it reached is one step of the journal."""
        reached = draft.proposal, draft.carried
        draft.proposal, draft.carried = former
        if draft is self.draft and (reached[0] or former[0]):
            with self._work.deed(Kind.PROPAGATE):
                draft.proposal, draft.carried = reached

    def _propagated(self, draft: Draft) -> None:
        self._say(summary(draft))
        self._report()

    def _saved(self, path: Path, target: Target, done: tuple[Done, ...]) -> None:
        self.saved.emit(target, done)
        self._say(f"Saved {path.name}.")
        self._report()

    # Inside: reporting

    def _failed(self, error: Exception) -> None:
        if isinstance(error, UserError):
            self._fail(str(error))
            return
        self._fail(f"An unexpected error stopped the computation ({type(error).__name__}: {error}).")
        self.crashed.emit(error)

    def _fail(self, sentence: str) -> None:
        self._sentences.error = sentence
        self._report()

    def _say(self, sentence: str) -> None:
        self._sentences.note = sentence

    def _report(self) -> None:
        status = self._current_status()
        if status != self._status:
            self._status = status
            self.status_changed.emit(status)

    def _current_status(self) -> Status:
        if self.source is None:
            return Status(State.NO_IMAGE, "Choose an image.")
        if self.propagating:
            return Status(State.PROPAGATING, self._sentences.error, *self._propagation.progress)
        if self.batching:
            return Status(State.SEGMENTING, self._sentences.error, *self._batch.progress)
        if self.draft.in_flight or self._work.finishing:
            return Status(State.SEGMENTING, self._sentences.error)
        if self._sentences.error:
            return Status(State.ERROR, self._sentences.error)
        if self._saving.active:
            return Status(State.SAVING)
        if self.plane is None:
            return Status(State.NO_PLANE, self._segmenting.view.why_none)
        view = self._segmenting.view
        if view.state is State.READY:
            return Status(State.READY, self._sentences.note)
        return Status(view.state, self._sentences.note, *view.progress)
