"""The rows about the object in work: its id, its candidates, accepting it."""

from qtpy.QtWidgets import QGridLayout, QWidget

from napari_sam.plugin.actions import Action
from napari_sam.plugin.controller import SegmentController
from napari_sam.plugin.panel.candidate_row import CandidateRow
from napari_sam.plugin.panel.collision_rows import CollisionRows
from napari_sam.plugin.panel.parts import SPACING, action_button, column, title
from napari_sam.session.state import Status

_ACTIONS = (Action.ACCEPT, Action.REJECT, Action.NEXT, Action.HIDE, Action.UNDO, Action.REDO)


class ObjectRows(QWidget):
    """The object in work.

    Parameters
    ----------
    controller
        Whose object.
    """

    def __init__(self, controller: SegmentController) -> None:
        super().__init__()
        self._controller = controller
        self._session = controller.session
        self.buttons = {action: action_button(action) for action in _ACTIONS}
        self.title = title("Object")
        self.candidates = CandidateRow(controller)
        self.collision = CollisionRows(controller)
        grid = QGridLayout()
        grid.setSpacing(SPACING)
        for at, action in enumerate(_ACTIONS):
            grid.addWidget(self.buttons[action], at // 2, at % 2)
        rows = column(self)
        rows.addWidget(self.title)
        rows.addWidget(self.candidates)
        rows.addLayout(grid)
        rows.addWidget(self.collision)

    def show_status(self, _: Status) -> None:
        """Say what can be done in this state."""
        session, draft = self._session, self._session.draft
        for action, possible in (
            (Action.ACCEPT, bool(draft.masks) or bool(draft.in_flight)),
            (Action.REJECT, bool(draft) or session.propagating),
            (Action.HIDE, session.source is not None),
            (Action.NEXT, session.source is not None),
        ):
            self.buttons[action].setEnabled(possible)
        self.candidates.show_candidates()

    def show_label(self) -> None:
        """Show the object's id."""
        label = self._session.current_label
        if label is None:
            label = 1 if self._session.target is None else None
        refines = " (refines a label)" if self._session.draft.refines else ""
        self.title.setText("<b>Object</b>" if label is None else f"<b>Object {label}</b>{refines}")

    def show_history(self) -> None:
        """Say whether there is anything to undo or redo."""
        self.buttons[Action.UNDO].setEnabled(self._session.journal.can_undo)
        self.buttons[Action.REDO].setEnabled(self._session.journal.can_redo)
