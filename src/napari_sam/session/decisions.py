"""The decisions on the object in work."""

from collections.abc import Callable, Mapping

from napari_sam.errors import UserError
from napari_sam.labels.label_array import check_fits
from napari_sam.labels.paint import Collides, Collision
from napari_sam.session.history.entry import EntryKind
from napari_sam.session.labels.object_row import LabelsPatch
from napari_sam.session.labels.target import Target
from napari_sam.session.object.draft import DraftState
from napari_sam.session.objects import Objects
from napari_sam.session.propagation import Propagation
from napari_sam.session.record.object_record import ObjectRecord, state_of
from napari_sam.session.status import SessionSignals, StatusReporter
from napari_sam.session.workspace import Workspace


class Decisions:
    """The decisions: accept or reject the object in work, give it an id, and go back and forth through the journal.

    Parameters
    ----------
    workspace
        The object in work, the labels and the journal.
    objects
        The accepted objects.
    propagation
        What is stopped first.
    signals
        Who is told of changes.
    reporter
        What the user is told.
    """

    def __init__(
        self,
        workspace: Workspace,
        objects: Objects,
        propagation: Propagation,
        signals: SessionSignals,
        reporter: StatusReporter,
    ) -> None:
        self._workspace = workspace
        self._objects = objects
        self._propagation = propagation
        self._signals = signals
        self._reporter = reporter

    def accept(
        self, collision: Collision, decide: Callable[[Mapping[int, int]], Collision] | None
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
        workspace, draft, target = self._workspace, self._workspace.draft, self._workspace.writer.target
        if not draft.masks and not draft.in_flight:
            raise UserError("There is nothing to accept: click an object first.")
        if target is None:
            raise UserError("Choose the labels to write into first.")
        if workspace.current_label is not None:
            check_fits(workspace.current_label, target.array.dtype)
        if collision is Collision.ASK and draft.in_flight:
            raise UserError("The mask is not there yet, and what it will meet is not known: wait for it, then accept.")
        try:
            patch = workspace.accept(collision)
        except Collides as error:
            if decide is None:
                raise
            patch = workspace.accept(decide(error.pixels))
        self._reporter.report()
        return patch

    def reject(self) -> None:
        """Drop the proposal of a propagation; where there is none, drop the object with all its prompts.

        Raises
        ------
        UserError
            If there is neither.
        """
        workspace = self._workspace
        if not workspace.draft and not self._propagation.active:
            raise UserError("There is nothing to reject.")
        self._propagation.stop()
        if workspace.draft.proposal:
            with workspace.deed(EntryKind.DROP) as draft:
                draft.proposal, draft.carried = {}, None
            self._reporter.note = "The propagated planes were dropped; the prompts are kept."
            self._signals.masks_changed.emit()
        elif workspace.draft:
            with workspace.replacing(EntryKind.REJECT, workspace.draft.state):
                workspace.start(DraftState())
            self._reporter.note = "The object was dropped; undo brings it back."
            workspace.tell_draft()
        self._reporter.report()

    def next_object(self, collision: Collision) -> None:
        """Leave this object and start the next one with a free id; what is not accepted yet is accepted first."""
        draft = self._workspace.draft
        if draft.masks or draft.in_flight:
            self.accept(collision, None)
        elif draft:
            self.reject()

    def resume(self, record: ObjectRecord) -> None:
        """Go on with an object that was read back from disk; requests without an answer are asked.

        Raises
        ------
        UserError
            If it cannot be used.
        """
        state = _read_back(record)
        with self._workspace.replacing(EntryKind.REOPEN, self._workspace.draft.state):
            self._workspace.start(state)
        self._workspace.tell_draft()

    def accept_again(self, record: ObjectRecord, target: Target, collision: Collision) -> None:
        """Accept an object that was read back from disk, where it waited for its masks; these are asked for.

        Raises
        ------
        UserError
            If it cannot be used.
        """
        self._workspace.accept_again(_read_back(record), target, collision)
        self._reporter.report()

    def set_next_label(self, label: int | None) -> None:
        """Choose the id of the object in work, or of the next one where there is none; None for the next free one.

        Raises
        ------
        UserError
            If an object has it already, or it does not fit the target's dtype.
        """
        workspace = self._workspace
        if label is not None:
            self._objects.check_free(label)
        if (label, False) == (workspace.draft.label, workspace.draft.refines):
            return
        with workspace.deed(EntryKind.LABEL, workspace.writer.target) as draft:
            draft.label, draft.refines = label, False
        self._signals.label_changed.emit()

    def undo(self) -> None:
        """Take back what was done last: prompts, choices, propagations, accepts, strokes, or what was done to objects.

        While an object is being propagated, that is stopped and taken back.

        Raises
        ------
        UserError
            If there is nothing to undo.
        """
        self._propagation.stop()
        if not self._workspace.journal.can_undo:
            raise UserError("There is nothing to undo.")
        self._reporter.clear()
        self._workspace.undo()
        self._reporter.report()

    def redo(self) -> None:
        """Do again what was undone last.

        Raises
        ------
        UserError
            If there is nothing to redo.
        """
        self._propagation.stop()
        if not self._workspace.journal.can_redo:
            raise UserError("There is nothing to redo.")
        self._reporter.clear()
        self._workspace.redo()
        self._reporter.report()


def _read_back(record: ObjectRecord) -> DraftState:
    try:
        return state_of(record)
    except ValueError as error:
        name = "The object in work" if record.label is None else f"Object {record.label}"
        raise UserError(f"{name} could not be brought back: {error}.") from error
