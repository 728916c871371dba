"""One annotation session: from prompts to accepted labels."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from psygnal import Signal

from napari_sam.errors import UserError
from napari_sam.labels.collision import Collision
from napari_sam.labels.edit import Edit
from napari_sam.labels.ids import check_fits
from napari_sam.labels.ids import next_label as find_next_label
from napari_sam.labels.paint import paint
from napari_sam.labels.to_mask import label_mask
from napari_sam.nn.cancel import CancelToken
from napari_sam.planes.contrast import Contrast
from napari_sam.planes.mask import Mask
from napari_sam.planes.plane import Plane
from napari_sam.planes.source import ImageSource
from napari_sam.prompts.prompt import Box, Point, Prompts
from napari_sam.propagate.propagated_plane import PropagatedPlane
from napari_sam.segment.segmentation import Segmentation
from napari_sam.session.draft import Draft, PromptKind
from napari_sam.session.engine import Engine, NetworkEngine, OpenedImage
from napari_sam.session.history import Accept, History
from napari_sam.session.scheduler import PostToMain, Priority, Scheduler
from napari_sam.session.state import State, Status
from napari_sam.session.target import Target

DOUBTFUL = 0.5
"""Confidence below which a propagated plane is worth a look."""


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
        self.history = History()
        self._engine: Engine = engine or NetworkEngine()
        self._model = model
        self._source: ImageSource | None = None
        self._contrast: Contrast | None = None
        self._axes: tuple[int, int] = (0, 1)
        self._opened: OpenedImage | None = None
        self._image = 0
        self._plane: Plane | None = None
        self._no_plane = ""
        self._center: tuple[float, float] | None = None
        self._object_size: float | None = None
        self._accepted_size: float | None = None
        self._target: Target | None = None
        self._next_label: int | None = None
        self._draft = Draft()
        self._brought_back = False
        self._finishing: dict[Draft, tuple[Target, Collision]] = {}
        self._propagating: Draft | None = None
        self._propagate_when_decoded: Draft | None = None
        self._saving = False
        self._view = State.WAITING
        self._view_put_off = False
        self._progress = (0, 0)
        self._error = ""
        self._note = ""
        self._status = Status(State.NO_IMAGE)
        self._report()

    # What there is

    @property
    def status(self) -> Status:
        """What the session is doing."""
        return self._status

    @property
    def source(self) -> ImageSource | None:
        """The image."""
        return self._source

    @property
    def model(self) -> str:
        """Name of, or path to, the model."""
        return self._model

    @property
    def target(self) -> Target | None:
        """The labels that objects are accepted into."""
        return self._target

    @property
    def plane(self) -> Plane | None:
        """The plane in view."""
        return self._plane

    @property
    def draft(self) -> Draft:
        """The object being worked on."""
        return self._draft

    @property
    def current_label(self) -> int | None:
        """The id that the object being worked on will get; None while that is not known."""
        return self._next_label if self._draft.label is None else self._draft.label

    @property
    def object_size(self) -> float | None:
        """Diameter of objects in plane pixels that the user set, or None for auto."""
        return self._object_size

    @property
    def propagating(self) -> bool:
        """Whether the object is being carried along an axis, or is about to be."""
        return self._propagating is not None or self._propagate_when_decoded is not None

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
        self.scheduler.cancel_all()
        self._finishing.clear()
        self._source, self._axes, self._contrast = source, axes, contrast
        self._image += 1
        self._plane, self._no_plane = None, ""
        self._accepted_size = None
        self._saving = False
        self._target, self._next_label = None, None
        self._start(Draft())
        self._reopen()

    def set_model(self, model: str) -> None:
        """Use another model; prompts on the plane in view are decoded again with it."""
        if model == self._model:
            return
        self._model = model
        self._accepted_size = None
        self._reopen()

    def set_contrast(self, contrast: Contrast | None) -> None:
        """Scale the encoder's input by other limits; None to measure them."""
        if contrast == self._contrast:
            return
        self._contrast = contrast
        self._reopen()

    def set_object_size(self, diameter: float | None) -> None:
        """Say how large objects are.

        Parameters
        ----------
        diameter
            In plane pixels; None for auto.
        """
        if diameter == self._object_size:
            return
        self._object_size = diameter
        self._error = ""
        self._embed(anew=True)
        self._decode_again()

    def set_view(self, plane: Plane, center: tuple[float, float] | None = None) -> None:
        """Say which plane is in view; it is embedded ahead of the first click.

        Parameters
        ----------
        plane
            The plane.
        center
            (row, column) that the view is centred on, where embedding begins.
        """
        if self._source is None:
            return
        anew = plane != self._plane
        if not anew and center == self._center:
            return
        self._plane, self._center, self._no_plane = plane, center, ""
        if anew:
            self._error = ""
        self._embed(anew)

    def clear_view(self, why: str) -> None:
        """Say that no plane of the image is in view, and why, in one sentence."""
        self._plane, self._center, self._no_plane = None, None, why
        self.scheduler.cancel("view")
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
        if target is not None and self._source is not None and tuple(target.array.shape) != self._source.shape:
            raise UserError(
                f"The labels '{target.name}' have shape {tuple(target.array.shape)} and the image has shape "
                f"{self._source.shape}; choose labels of the same shape, or new ones."
            )
        self._target, self._next_label = target, next_label
        self.scheduler.cancel("ids")
        if not self._draft:
            self._draft.label, self._draft.refines = None, False
        if target is not None and next_label is None:
            array = target.array
            self.scheduler.submit(
                "ids",
                lambda _: find_next_label(array),
                priority=Priority.CLICK,
                on_result=self._found_next_label,
                on_error=self._failed,
            )
        self.label_changed.emit()

    def forget_target(self, target: Target) -> None:
        """Labels are gone, or were replaced: nothing in them is undone any more, nothing more is written there."""
        self.history.forget(lambda accept: accept.target is target)
        self._finishing = {draft: into for draft, into in self._finishing.items() if into[0] is not target}
        if self._target is target:
            self.set_target(None)
        self.history_changed.emit()

    def saw_label(self, label: int) -> None:
        """Something else wrote `label` into the target; later objects get higher ids."""
        if self._next_label is not None and label >= self._next_label:
            self._next_label = label + 1
            self.label_changed.emit()

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
        if self._opened is None:
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
        self._decode(draft, plane, previous)

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
        if self._source is None:
            raise UserError("Choose an image first.")
        if tuple(labels.shape) != self._source.shape:
            raise UserError(
                f"The labels have shape {tuple(labels.shape)} and the image has shape {self._source.shape}; "
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
        plane = plane or self._plane
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
        elif kind is PromptKind.BOX:
            prompts = replace(prompts, box=None)
        else:
            prompts = replace(prompts, mask=None)
        self.set_prompts(plane, prompts)
        self.prompts_changed.emit()

    def clear(self, plane: Plane | None = None) -> None:
        """Remove the object's prompts on one plane (the one in view by default)."""
        plane = plane or self._plane
        if plane is None or plane not in self._draft.prompts:
            raise UserError("There are no prompts on this plane.")
        self.set_prompts(plane, Prompts())
        self.prompts_changed.emit()

    # Objects

    def reject(self) -> None:
        """Drop the proposal of a propagation; where there is none, drop the object with all its prompts."""
        if not self._draft and not self.propagating:
            raise UserError("There is nothing to reject.")
        if self._draft.proposal or self.propagating:
            self._stop_propagation()
            self._draft.proposal.clear()
            self._note = "The propagated planes were dropped; the prompts are kept."
            self.masks_changed.emit()
            self._report()
            return
        self._start(Draft())
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
        draft = self._draft
        if not draft.masks and not draft.in_flight:
            raise UserError("There is nothing to accept: click an object first.")
        if self._target is None:
            raise UserError("Choose the labels to write into first.")
        if self.current_label is not None:
            check_fits(self.current_label, self._target.array.dtype)
        self._stop_propagation()
        self._finishing[draft] = (self._target, collision)
        self._start(Draft(), keep=draft)
        return self._finish(draft)

    def next_object(self, collision: Collision = Collision.KEEP) -> Edit | None:
        """Leave this object and start the next one with a free id; what is not accepted yet is accepted first."""
        if self._draft.masks or self._draft.in_flight:
            return self.accept(collision)
        self._start(Draft())
        return None

    def undo(self) -> None:
        """Take the last accept back; its object can be corrected again, if no other one is being worked on."""
        accept = self.history.undo()
        if accept is None:
            raise UserError("There is nothing to undo.")
        bring_back = accept.image == self._image and (not self._draft or self._brought_back)
        if accept.target is self._target:
            self._next_label = _lower(self._next_label, accept)
        if bring_back:
            self._start(_reopened(accept))
            self._brought_back = True
        self._after_exchange(accept)

    def redo(self) -> None:
        """Do the accept that was undone last again."""
        accept = self.history.redo()
        if accept is None:
            raise UserError("There is nothing to redo.")
        if self._brought_back:
            self._start(Draft())
        self._after_exchange(accept)
        if accept.target is self._target:
            self.saw_label(accept.label)

    # Propagation

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
        draft = self._draft
        if self._plane is None or self._source is None:
            raise UserError("Choose an image and show one of its planes first.")
        if draft.in_flight:
            self._propagate_when_decoded = draft
            self._report()
            return
        plane, source, opened = self._plane, self._source, self._opened
        across = [other for other in range(plane.ndim) if other not in plane.axes]
        if not across:
            raise UserError("This image has a single plane: there is nothing to propagate along.")
        along = across[-1] if axis is None else axis
        if along not in across:
            raise UserError(f"Axis {along} cannot be propagated along: it is displayed or does not exist.")
        keys = {
            other.index[along]: mask
            for other, mask in draft.key_masks.items()
            if other.axes == plane.axes and other.at(along, 0) == plane.at(along, 0)
        }
        if not keys or opened is None:
            raise UserError("There is nothing to propagate on this plane or its neighbours: click an object first.")
        first = 0 if start is None else start
        last = source.shape[along] - 1 if stop is None else stop
        total = last - first + 1 - len(keys)
        draft.proposal.clear()
        self._propagating, self._progress, self._error, self._note = draft, (0, total), "", ""

        def steps(token: CancelToken) -> Iterator[PropagatedPlane]:
            return self._engine.propagate(opened.segmenter(), plane, keys, along, start=first, stop=last, cancel=token)

        self.scheduler.submit_steps(
            "propagate",
            steps,
            priority=Priority.PROPAGATION,
            on_step=partial(self._reached, draft, plane, along),
            on_done=partial(self._propagated, draft),
            on_error=partial(self._propagation_failed, draft),
        )
        self.masks_changed.emit()
        self._report()

    def cancel(self) -> None:
        """Stop propagating; the planes that were reached stay proposed."""
        if not self.propagating:
            raise UserError("Nothing is being propagated.")
        self._stop_propagation()
        self._note = f"Propagation was stopped; {len(self._draft.proposal)} planes were reached."
        self._report()

    # Saving

    def save(self, path: str | Path) -> None:
        """Write the target to an OME-TIFF with the image's axes and scale, on the inference thread.

        Raises
        ------
        UserError
            If there is no target.
        """
        if self._target is None or self._source is None:
            raise UserError("There are no labels to save yet: accept an object first.")
        array, source = self._target.array, self._source

        def write(_: CancelToken) -> None:
            from napari_sam.export.save_labels import save_labels

            save_labels(path, array, axes=_axis_letters(source), scale=source.scale, units=source.units)

        def saved(_: None) -> None:
            self._saving = False
            self._note = f"Saved {Path(path).name}."
            self._report()

        def failed(error: Exception) -> None:
            self._saving = False
            self._failed(error)

        self._saving, self._error, self._note = True, "", ""
        self.scheduler.submit("save", write, priority=Priority.VIEW, on_result=saved, on_error=failed)
        self._report()

    def close(self) -> bool:
        """Cancel everything and end the inference thread; whether it ended in time."""
        self._finishing.clear()
        return self.scheduler.close()

    # Inside: opening and embedding

    def _reopen(self) -> None:
        self._error = self._note = ""
        self.scheduler.cancel("view")
        self._opened = (
            None
            if self._source is None
            else OpenedImage(self._engine, self._model, self._source, self._contrast, self._axes)
        )
        self._embed(anew=True)
        self._decode_again()

    def _embed(self, anew: bool) -> None:
        opened, plane, center, size = self._opened, self._plane, self._center, self._expected_size
        if opened is None or plane is None:
            self._report()
            return
        self._view_put_off = False
        if anew:
            self._view, self._progress = State.WAITING, (0, 0)

        def steps(token: CancelToken) -> Iterator[tuple[int, int]]:
            return opened.segmenter().prepare(plane, center, size, token)

        self.scheduler.submit_steps(
            "view",
            steps,
            priority=Priority.VIEW,
            on_start=partial(self._embedding, anew),
            on_step=self._embedded,
            on_done=self._ready,
            on_error=self._failed,
        )
        self._report()

    def _embedding(self, anew: bool) -> None:
        if anew:
            self._view = State.EMBEDDING
            self._report()

    def _embedded(self, progress: tuple[int, int]) -> None:
        if self._view is not State.READY:
            if not self.propagating:
                self._progress = progress
            self._report()

    def _ready(self) -> None:
        self._view = State.READY
        self._report()

    @property
    def _expected_size(self) -> float | None:
        return self._accepted_size if self._object_size is None else self._object_size

    # Inside: segmenting

    def _decode(self, draft: Draft, plane: Plane, previous: Mask | None) -> None:
        opened, prompts, size = self._opened, draft.prompts[plane], self._expected_size
        if opened is None:
            return
        if previous is not None and previous.logits is None:
            # A mask without logits cannot be fed back as such: it is a dense prompt.
            prompts = prompts if prompts.mask is not None else replace(prompts, mask=previous)
            previous = None
        if plane != self._plane and self._view is not State.READY:
            # The view's embedding would only delay an answer on another plane; it starts again after that.
            self.scheduler.cancel("view")
            self._view_put_off = True
        draft.in_flight.add(plane)
        self.scheduler.submit(
            ("segment", draft.serial, plane),
            lambda token: opened.segmenter().segment(plane, prompts, object_size=size, previous=previous, cancel=token),
            priority=Priority.CLICK,
            on_result=partial(self._decoded, draft, plane),
            on_error=partial(self._decode_failed, draft, plane),
        )
        self._report()

    def _decode_again(self) -> None:
        for plane in self._draft.prompts:
            self._decode(self._draft, plane, None)

    def _decoded(self, draft: Draft, plane: Plane, answer: Segmentation) -> None:
        draft.in_flight.discard(plane)
        draft.segmentations[plane] = answer
        if draft is self._draft:
            self._note = "" if answer.mask.area else "No object was found there: add a click or draw a box."
            self.masks_changed.emit()
        self._answered(draft)

    def _decode_failed(self, draft: Draft, plane: Plane, error: Exception) -> None:
        draft.in_flight.discard(plane)
        self._failed(error)
        self._answered(draft)

    def _answered(self, draft: Draft) -> None:
        if draft in self._finishing and not draft.in_flight:
            try:
                self._finish(draft)
            except UserError as error:
                self._failed(error)
        elif draft is self._propagate_when_decoded and not draft.in_flight:
            self._propagate_when_decoded = None
            try:
                self.propagate()
            except UserError as error:
                self._failed(error)
        if self._view_put_off:
            self._embed(anew=True)
        self._report()

    def _drop_answer(self, plane: Plane) -> None:
        draft = self._draft
        self.scheduler.cancel(("segment", draft.serial, plane))
        draft.in_flight.discard(plane)
        draft.segmentations.pop(plane, None)
        self.masks_changed.emit()
        self._report()

    # Inside: objects

    def _start(self, draft: Draft, keep: Draft | None = None) -> None:
        """Leave the current object for `draft`; nothing more is computed for the old one, unless it is `keep`."""
        old = self._draft
        if old is not keep:
            for plane in old.in_flight:
                self.scheduler.cancel(("segment", old.serial, plane))
            old.in_flight.clear()
        self._stop_propagation()
        self._draft, self._brought_back = draft, False
        self._error = self._note = ""
        self.prompts_changed.emit()
        self.masks_changed.emit()
        self.label_changed.emit()
        self._report()

    def _finish(self, draft: Draft) -> Edit | None:
        """Write a draft that was accepted, as soon as all that it needs is there."""
        label = self._next_label if draft.label is None else draft.label
        if draft.in_flight or label is None:
            return None
        target, collision = self._finishing.pop(draft)
        masks = draft.masks
        try:
            if not masks:
                raise UserError("Nothing was accepted: no object was found there.")
            check_fits(label, target.array.dtype)
            edit = paint(target.array, masks, label, collision, replace=draft.refines)
            if not edit.changed:
                raise UserError("Nothing would change: every pixel has this label, or belongs to another object.")
            edit.apply(target.array)
        except Exception:
            if not self._draft:
                self._start(draft)
            raise
        self.history.record(Accept(target, edit, label, draft, self._image))
        self._accepted_size = _diameter(draft)
        if target is self._target:
            self.saw_label(label)
        self._note = f"Object {label} was accepted."
        self.labels_changed.emit(target, edit.box)
        self.history_changed.emit()
        self.label_changed.emit()
        self._report()
        return edit

    def _after_exchange(self, accept: Accept) -> None:
        self._error = self._note = ""
        self.labels_changed.emit(accept.target, accept.edit.box)
        self.history_changed.emit()
        self.label_changed.emit()
        self._report()

    def _found_next_label(self, label: int) -> None:
        self._next_label = label
        self.label_changed.emit()
        for draft in tuple(self._finishing):
            self._answered(draft)

    # Inside: propagation

    def _reached(self, draft: Draft, plane: Plane, axis: int, reached: PropagatedPlane) -> None:
        if draft is not self._propagating:
            return
        draft.proposal[plane.at(axis, reached.index)] = reached
        self._progress = (self._progress[0] + 1, self._progress[1])
        self.masks_changed.emit()
        self._report()

    def _propagated(self, draft: Draft) -> None:
        self._propagating = None
        reached = [each for each in draft.proposal.values() if each.mask is not None and each.mask.area]
        doubtful = sorted(each.index for each in reached if each.confidence < DOUBTFUL)
        self._note = f"Propagated to {len(reached)} more planes"
        self._note += f"; doubtful: {', '.join(map(str, doubtful))}." if doubtful else "."
        self._report()

    def _propagation_failed(self, draft: Draft, error: Exception) -> None:
        if draft is self._propagating:
            self._propagating = None
        self._failed(error)

    def _stop_propagation(self) -> None:
        self.scheduler.cancel("propagate")
        self._propagating = self._propagate_when_decoded = None

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
        if self._source is None:
            return Status(State.NO_IMAGE, "Choose an image.")
        if self.propagating:
            return Status(State.PROPAGATING, self._error or "Propagating.", *self._progress)
        if self._draft.in_flight or self._finishing:
            return Status(State.SEGMENTING, self._error)
        if self._error:
            return Status(State.ERROR, self._error)
        if self._saving:
            return Status(State.SAVING, "Saving the labels.")
        if self._plane is None:
            return Status(State.NO_PLANE, self._no_plane)
        if self._view is State.READY:
            return Status(State.READY, self._note)
        return Status(self._view, self._note, *self._progress)


def _axis_letters(source: ImageSource) -> str | None:
    """The image's axis labels as one letter each, where they are such letters."""
    labels = tuple(source.axis_labels or ())
    return "".join(labels) if labels and all(len(label) == 1 for label in labels) else None


def _corrects(old: Prompts, new: Prompts) -> bool:
    """Whether `new` is `old` and more points, so that the old answer may be fed back."""
    return new.points[: len(old.points)] == old.points and new.box == old.box and new.mask is old.mask


def _diameter(draft: Draft) -> float | None:
    """Diameter of the disc of the object's largest mask's area, in plane pixels."""
    area = max((mask.area for mask in draft.masks.values()), default=0)
    return float((4 * area / 3.141592653589793) ** 0.5) if area else None


def _lower(current: int | None, accept: Accept) -> int | None:
    """The next free id after `accept` was taken back: its own, if it was the last one given."""
    if current == accept.label + 1 and not accept.draft.refines:
        return accept.label
    return current


def _reopened(accept: Accept) -> Draft:
    draft = accept.draft
    return Draft(
        label=accept.label,
        refines=draft.refines,
        prompts=dict(draft.prompts),
        segmentations=dict(draft.segmentations),
        proposal=dict(draft.proposal),
        order=list(draft.order),
    )
