"""Undo and redo of everything that was done in a session."""

from napari_sam.errors import UserError
from napari_sam.session.history.journal import Journal
from napari_sam.session.object_edits import ObjectEdits
from napari_sam.session.propagation import Propagation
from napari_sam.session.status import StatusReporter
from napari_sam.session.workspace import Workspace


class History:
    """The history of a session, gone through in the order in which it was made.

    Parameters
    ----------
    workspace
        Where things are taken back and done again.
    propagation
        What is stopped first.
    edits
        What is stopped instead, as it is not in the journal yet.
    reporter
        What the user is told.
    """

    def __init__(
        self, workspace: Workspace, propagation: Propagation, edits: ObjectEdits, reporter: StatusReporter
    ) -> None:
        self._workspace = workspace
        self._propagation = propagation
        self._edits = edits
        self._reporter = reporter

    @property
    def journal(self) -> Journal:
        """Journal of everything that was done, and can be undone."""
        return self._workspace.journal

    def undo(self) -> None:
        """Take back what was done last: prompts, choices, propagations, accepts, strokes, or what was done to objects.

        While an object is being propagated, that is stopped and taken back. While accepted objects are being edited,
        that is stopped, with the edits that wait, and nothing else is taken back.

        Raises
        ------
        UserError
            If there is nothing to undo.
        """
        if self._edits.active and not self._propagation.active:
            self._edits.cancel()
            return
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
