"""One annotation session: from prompts to accepted labels."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from napari_sam.errors import UserError
from napari_sam.labels.edits import PixelChange
from napari_sam.labels.paint import Collision
from napari_sam.planes.contrast import Contrast
from napari_sam.planes.geometry import Mask, Plane
from napari_sam.planes.image_source import ImageSource
from napari_sam.prompts.prompt import Box, Point, Prompts
from napari_sam.session.batch import BatchObjects
from napari_sam.session.compute.engine import Engine, NetworkEngine
from napari_sam.session.compute.scheduler import PostToMain
from napari_sam.session.labels.label_writer import check_shape
from napari_sam.session.labels.object_row import LabelsPatch
from napari_sam.session.labels.target import Target
from napari_sam.session.overview import SessionOverview
from napari_sam.session.parts import SessionParts
from napari_sam.session.record.object_record import ObjectRecord
from napari_sam.session.record.restored import Restored


class Session(SessionOverview):
    """A session: objects are prompted, segmented, carried along an axis and accepted into labels, one at a time.

    Here is what can be done, in one list; what there is to see is in `SessionOverview`, and each part that a deed is
    handed to says more about it. Every method is called on the main thread and returns at once; what computes goes
    through the scheduler, and the signals are emitted on the main thread. What makes no sense is refused by a
    `UserError`. Everything that changes the object in work, the labels or the table of objects is in one journal:
    `undo` and `redo` go through it in the order in which it was done.

    Parameters
    ----------
    post_to_main
        Hands a function to the main thread, which runs it soon.
    engine
        What computes; the project's models by default.
    model
        Name of, or path to, the model.
    """

    def __init__(self, post_to_main: PostToMain, *, engine: Engine | None = None, model: str = "nano") -> None:
        parts = SessionParts(self, post_to_main, engine or NetworkEngine(), model)
        super().__init__(parts)
        self._opening = parts.opening
        self._prompting = parts.prompting
        self._deciding = parts.deciding
        self._saving = parts.saving

    # Image and model: see `SourceSelection`

    def set_image(
        self, source: ImageSource | None, *, axes: tuple[int, int] = (0, 1), contrast: Contrast | None = None
    ) -> None:
        """Work on another image, or none; the object in work is dropped."""
        self._opening.set_image(source, axes, contrast)

    def set_model(self, model: str) -> None:
        """Use another model; the object's prompts are answered again by it."""
        self._opening.set_model(model)

    def open_again(self) -> None:
        """Try again what the model could not be loaded for: its weights are here now."""
        self._opening.open()

    def set_contrast(self, contrast: Contrast | None) -> None:
        """Scale the encoder's input by other limits; None to measure them."""
        self._opening.set_contrast(contrast)

    def set_object_size(self, diameter: float | None) -> None:
        """Say how large objects are, in plane pixels, or None for auto; the object's prompts are answered again."""
        self._opening.set_object_size(diameter)

    def set_view(self, plane: Plane, center: tuple[float, float] | None = None) -> None:
        """Say which plane is in view, and around which (row, column); it is embedded ahead of the first click."""
        self._opening.look_at(plane, center)

    def clear_view(self, why: str) -> None:
        """Say that no plane of the image is in view, and why, in one sentence."""
        self._opening.look_away(why)

    # Labels: see `Workspace`

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
        self._workspace.choose_target(target, next_label)

    def restore_target(self, target: Target, restored: Restored) -> None:
        """Accept objects into labels that were read back from disk, with all that is known of their objects."""
        check_shape(target, self.source)
        self._workspace.restore_target(target, restored)

    def forget_target(self, target: Target) -> None:
        """Forget labels that are gone, or replaced: nothing in them is undone, and nothing is written there, any more.

        Undoing an accept into them still brings the object's prompts back.
        """
        self._batch.forget(target)
        self._workspace.forget_target(target)
        self._reporter.report()

    def painted(self, target: Target, change: PixelChange) -> None:
        """Record that something else (a brush) changed pixels of labels: that is undone in its turn.

        Later objects get higher ids than those that were painted. Pixels that are painted while an accepted object is
        still to be written stay on top of it.

        Parameters
        ----------
        target
            The labels; strokes in labels that were never chosen are ignored.
        change
            What is different, already in the array.
        """
        if change.count and self._workspace.writer.knows(target):
            self.objects.painted(target, change)

    # Prompts: see `PromptEditor`

    def set_prompts(self, plane: Plane, prompts: Prompts) -> None:
        """Replace the object's prompts on one plane; its mask there follows."""
        self.set_all_prompts({plane: prompts})

    def set_all_prompts(self, prompts: Mapping[Plane, Prompts]) -> None:
        """Replace the object's prompts on several planes, in one step of the journal; its masks there follow."""
        self._prompting.set(prompts)
        self._reporter.report()

    def expect_point(self, plane: Plane, point: Point) -> None:
        """Say that a point is likely to be added on one plane in a moment; the answer to it is begun."""
        self._prompting.expect_point(plane, point)

    def suppose_point(self, plane: Plane, point: Point) -> None:
        """Say that a point may be added soon where the pointer rests: a first answer that takes long is begun."""
        self._prompting.suppose_point(plane, point)

    def expect_nothing(self) -> None:
        """Say that no point will be added after all."""
        self._prompting.expect_nothing()

    def add_point(self, plane: Plane, point: Point) -> None:
        """Add a point to the object's prompts on one plane."""
        self.set_prompts(plane, self.prompts(plane).with_point(point))

    def add_box(self, plane: Plane, box: Box) -> None:
        """Give the object a box on one plane, in place of an earlier one."""
        self.set_prompts(plane, replace(self.prompts(plane), box=box))

    def set_mask_prompt(self, plane: Plane, mask: Mask, label: int | None = None) -> None:
        """Give the object a dense mask prompt on one plane, to be refined; `label` is its id in the target, if any."""
        self._prompting.set_mask(plane, mask, label)

    def refine_label(self, plane: Plane, labels: Any, label: int, *, own: bool) -> None:
        """Take a label of an array as dense mask prompt; `own` if the array is the target's."""
        self._prompting.refine_label(plane, labels, label, own=own)

    def refine_mask(self, plane: Plane, read: Callable[[], Mask], missing: str, label: int | None = None) -> None:
        """Take a mask that is read on the inference thread as dense mask prompt; `missing` is told if it is empty."""
        self._prompting.refine_mask(plane, read, missing, label)

    def choose(self, candidate: int, plane: Plane | None = None) -> None:
        """Take another of the candidate masks on one plane (the one in view by default)."""
        self._prompting.choose(plane or self.plane, candidate)

    def remove_last(self) -> None:
        """Take back the prompt that was given last, on whatever plane it is."""
        self._prompting.remove_last()
        self._reporter.report()

    def clear(self, plane: Plane | None = None) -> None:
        """Remove the object's prompts on one plane (the one in view by default)."""
        self._prompting.clear(plane or self.plane)
        self._reporter.report()

    # The object in work: see `Decisions`

    def accept(
        self,
        collision: Collision = Collision.KEEP,
        decide: Callable[[Mapping[int, int]], Collision] | None = None,
    ) -> LabelsPatch | None:
        """Write the object into the target, on all its planes at once, and start the next object.

        What changed is returned; None where the answer to the last prompts is still to come.
        """
        return self._deciding.accept(collision, decide)

    def reject(self) -> None:
        """Drop the proposal of a propagation; where there is none, drop the object with all its prompts."""
        self._deciding.reject()

    def next_object(self, collision: Collision = Collision.KEEP) -> None:
        """Leave this object and start the next one with a free id; what is not accepted yet is accepted first."""
        self._deciding.next_object(collision)

    def restore_draft(self, record: ObjectRecord) -> None:
        """Go on with an object in work that was read back from disk; requests without an answer are asked."""
        self._deciding.resume(record)

    def restore_waiting(self, record: ObjectRecord, target: Target, collision: Collision) -> None:
        """Go on with an accept that was read back from disk before it was written: it waits again for its masks."""
        self._deciding.accept_again(record, target, collision)

    def set_next_label(self, label: int | None) -> None:
        """Choose the id of the object in work, or of the next one where there is none; None for the next free one."""
        self._deciding.set_next_label(label)

    def undo(self) -> None:
        """Take back what was done last: prompts, choices, propagations, accepts, strokes, or what was done to objects.

        While an object is being propagated, that is stopped and taken back.
        """
        self._deciding.undo()

    def redo(self) -> None:
        """Do again what was undone last."""
        self._deciding.redo()

    # What takes a while: see `Propagation`, `Batch` and `SessionSaver`

    def propagate(self, axis: int | None = None, start: int | None = None, stop: int | None = None) -> None:
        """Carry the object along an axis, from its key planes outwards; the result is a proposal until accepted."""
        self._propagation.propagate(axis, start, stop)

    def segment_each(
        self,
        objects: BatchObjects,
        collision: Collision = Collision.KEEP,
        *,
        instead: bool = False,
    ) -> None:
        """Segment several objects, one after another, and write them together, as one entry of the journal."""
        self._batch.segment(objects, collision, instead=instead)

    def write_batch(self, collision: Collision | None) -> None:
        """Write the batch that met other labels; None gives it up."""
        self._batch.write(collision)

    def cancel(self) -> None:
        """Stop propagating: the planes that were reached stay proposed; or stop a batch: nothing of it is written."""
        if self.batching:
            self._batch.cancel()
        elif self.propagating:
            self._propagation.cancel()
        else:
            raise UserError("Nothing is being propagated.")

    def save(self, path: str | Path) -> None:
        """Write the target to an OME-TIFF with the image's axes and scale, on the inference thread.

        Beside it goes the session, as a JSON file from which the labels can be computed again and worked on further.
        """
        self._saving.save(Path(path))

    def close(self) -> bool:
        """Cancel everything and end the inference thread; tell whether it ended in time."""
        self._workspace.close()
        return self.scheduler.close()
