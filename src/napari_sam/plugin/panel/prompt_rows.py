"""The rows about prompts: how gestures work, which tool is active, taking prompts back."""

from qtpy.QtWidgets import QLabel, QWidget

from napari_sam.plugin.actions import Action
from napari_sam.plugin.controller import SegmentController
from napari_sam.plugin.panel.first_hint import FirstHint
from napari_sam.plugin.panel.parts import action_button, button, column, row, title
from napari_sam.plugin.panel.source_row import SourceRow
from napari_sam.session.state import State, Status

_ACTIONS = (Action.REMOVE_LAST, Action.CLEAR, Action.PICK, Action.POLARITY, Action.CURSOR)
HINT = (
    "Left click adds, right click (Alt, Ctrl) excludes. Drag draws a box, Shift + drag scribbles, right drag scribbles "
    "to exclude. Space pans."
)


class PromptRows(QWidget):
    """How to prompt.

    Parameters
    ----------
    controller
        Whose prompts.
    """

    def __init__(self, controller: SegmentController) -> None:
        super().__init__()
        self._session = controller.session
        self.buttons = {action: action_button(action) for action in _ACTIONS}
        for action in (Action.PICK, Action.CURSOR):
            self.buttons[action].setCheckable(True)
        self.draw = button("Click or box", "", "Make the clicks layer active, ready for clicks and boxes.")
        self.points = button("Move clicks", "", "Select, move and delete clicks with napari's own tool.")
        self.shapes = button(
            "Shapes",
            "",
            "Draw, move and delete boxes, outlines and scribbles with napari's own tools: rectangle R, ellipse E, "
            "polygon P, line L, path T.",
        )
        self.help = QLabel(HINT)
        self.help.setWordWrap(True)
        self.hint: FirstHint | None = FirstHint(self.help.show) if FirstHint.wanted() else None
        self.help.setVisible(self.hint is None)
        rows = column(self)
        rows.addWidget(title("Prompts"))
        if self.hint is not None:
            rows.addWidget(self.hint)
        rows.addWidget(self.help)
        rows.addLayout(row(self.draw, self.points, self.shapes))
        rows.addLayout(row(self.buttons[Action.REMOVE_LAST], self.buttons[Action.CLEAR]))
        rows.addLayout(row(self.buttons[Action.POLARITY], self.buttons[Action.CURSOR]))
        rows.addLayout(row(self.buttons[Action.PICK]))
        self.draw.clicked.connect(lambda: controller.tools.draw())
        self.points.clicked.connect(lambda: controller.tools.edit_points())
        self.shapes.clicked.connect(lambda: controller.tools.edit_shapes())
        self.source = SourceRow(controller)
        self.buttons.update(self.source.each)
        rows.addWidget(self.source)
        controller.picking_changed.connect(self._show_picking)
        controller.cursor_changed.connect(self._show_cursor)

    def dismiss_hint(self) -> None:
        """The user has seen the three gestures."""
        if self.hint is not None:
            self.hint.dismiss()

    def show_status(self, status: Status) -> None:
        """Say what can be done in this state."""
        session = self._session
        self.buttons[Action.REMOVE_LAST].setEnabled(bool(session.draft.order))
        self.buttons[Action.POLARITY].setEnabled(bool(session.draft.order))
        self.buttons[Action.CLEAR].setEnabled(session.plane in session.draft.prompts)
        in_view = status.state not in (State.NO_IMAGE, State.NO_PLANE)
        for action in (Action.PICK, Action.CURSOR):
            self.buttons[action].setEnabled(in_view)
        self.source.show_in_view(in_view)

    def _show_picking(self, picking: bool) -> None:
        self.buttons[Action.PICK].setChecked(picking)

    def _show_cursor(self, active: bool) -> None:
        self.buttons[Action.CURSOR].setChecked(active)
