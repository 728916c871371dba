"""The rows about carrying the object through the stack."""

from qtpy.QtWidgets import QHBoxLayout, QLabel, QWidget

from napari_sam.plugin.actions import Action
from napari_sam.plugin.controller import SegmentController
from napari_sam.plugin.panel.widgets import action_button, column_layout, combo, row, title
from napari_sam.session.status import State, Status


class StackRows(QWidget):
    """The rows about propagating, and along which axis.

    Parameters
    ----------
    controller
        Whose object.
    """

    def __init__(self, controller: SegmentController) -> None:
        super().__init__()
        self._controller = controller
        self._session = controller.session
        self._filling = False
        self.buttons = {action: action_button(action) for action in (Action.PROPAGATE, Action.CANCEL)}
        self.axis = combo()
        self._label = QLabel("Along")
        along = QHBoxLayout()
        along.addWidget(self._label)
        along.addWidget(self.axis, 1)
        rows = column_layout(self)
        rows.addWidget(title("Stack"))
        rows.addLayout(along)
        rows.addLayout(row(*self.buttons.values()))
        self.axis.currentIndexChanged.connect(self._choose)

    def fill(self) -> None:
        """List the axes again, if they are others; the chosen one stays chosen."""
        axes = self._controller.propagation_axes
        if list(axes.items()) != [(self.axis.itemData(at), self.axis.itemText(at)) for at in range(self.axis.count())]:
            self._filling = True
            try:
                self.axis.clear()
                for axis, name in axes.items():
                    self.axis.addItem(name, axis)
                self.axis.setCurrentIndex(max(self.axis.findData(self._controller.propagation_axis), 0))
            finally:
                self._filling = False
        for part in (self.axis, self._label):
            # A single one is shown where there is something to say about it.
            part.setVisible(len(axes) > 1 or any("(" in name for name in axes.values()))

    def show_status(self, status: Status) -> None:
        """Say what can be done in this state."""
        session, draft = self._session, self._session.current.draft
        has_masks = bool(draft.masks) or bool(draft.in_flight)
        in_view = status.state not in (State.NO_IMAGE, State.NO_PLANE)
        self.buttons[Action.PROPAGATE].setEnabled(
            has_masks and in_view and not session.volume.active and bool(self.axis.count())
        )
        self.buttons[Action.CANCEL].setEnabled(session.volume.active or session.batch.active)

    def _choose(self, index: int) -> None:
        if not self._filling:
            self._controller.propagation_axis = self.axis.itemData(index)
