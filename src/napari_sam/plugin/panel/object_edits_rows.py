"""The tools that edit accepted objects: which, where and how far, and a button with a picture for each."""

from collections.abc import Sequence

from qtpy.QtWidgets import QDoubleSpinBox, QGridLayout, QPushButton, QWidget

from napari_sam.plugin.actions import Action
from napari_sam.plugin.canvas.object_editing import EDITS, PIXELS
from napari_sam.plugin.controller import SegmentController
from napari_sam.plugin.panel.icons import action_icon
from napari_sam.plugin.panel.widgets import SPACING, column_layout, combo, row
from napari_sam.session.object_edits import EditScope
from napari_sam.session.status import State, Status

_COLUMNS = 4
_LARGEST = 1e6
"""Distance beyond which none is meant (chosen)."""


class ObjectEditRows(QWidget):
    """The rows of the tools, below the table whose selection they act on.

    Parameters
    ----------
    controller
        Whose objects.
    """

    def __init__(self, controller: SegmentController) -> None:
        super().__init__()
        self._controller = controller
        self._editing = controller.editing
        self._unit: tuple[float, str] | None = None
        self._in_view = False
        self.which = combo()
        self.which.setAccessibleName("Which objects")
        self.which.setToolTip(
            "The objects that are selected in the table (with none, the one under the pointer), or all that are on the "
            "plane in view or in the labels. Merging and splitting always take the selected ones."
        )
        self.which.addItem("Selected", False)
        self.which.addItem("All", True)
        self.where = combo()
        self.where.setAccessibleName("Where objects are edited")
        self.where.setToolTip(
            "As whole objects, through all planes of the stack, or on the plane in view only. Nothing is mixed across "
            "time or channels; the axis of depth is that of the section Stack."
        )
        for each in EditScope:
            self.where.addItem(str(each).capitalize(), each)
        self.distance = QDoubleSpinBox()
        self.distance.setRange(0.01, _LARGEST)
        self.distance.setDecimals(2)
        self.distance.setKeyboardTracking(False)
        # Without its arrows there is room for the unit; the arrow keys do the same.
        self.distance.setButtonSymbols(QDoubleSpinBox.ButtonSymbols.NoButtons)
        self.distance.setAccessibleName("Distance")
        self.distance.setToolTip("How far to smooth, grow and shrink, in the unit of the image; pixels without one.")
        self.buttons: dict[Action, QPushButton] = {action: action_icon(action) for action in EDITS}
        self.buttons[Action.SPLIT].setCheckable(True)
        tools = QGridLayout()
        tools.setSpacing(SPACING)
        for at, tool in enumerate(self.buttons.values()):
            tools.addWidget(tool, at // _COLUMNS, at % _COLUMNS)
        tools.addWidget(self.distance, (len(EDITS) - 1) // _COLUMNS, len(EDITS) % _COLUMNS)
        layout = column_layout(self)
        layout.addLayout(row(self.which, self.where))
        layout.addLayout(tools)
        self.which.currentIndexChanged.connect(self._choose_which)
        self.where.currentIndexChanged.connect(self._choose_where)
        self.distance.valueChanged.connect(self._choose_distance)
        controller.splitting_changed.connect(self._show_splitting)
        self.fill()

    def fill(self) -> None:
        """Show the image's unit; a distance that was chosen in another one begins anew."""
        unit = self._editing.unit
        if unit == self._unit:
            return
        if self._unit is None or unit[1] != self._unit[1]:
            self._editing.distance = None
        self._unit = unit
        before = self.distance.blockSignals(True)
        self.distance.setSuffix(f" {unit[1]}")
        self.distance.setSingleStep(max(unit[0] / 2, 0.01))
        distance = PIXELS * unit[0] if self._editing.distance is None else self._editing.distance
        self.distance.setValue(distance)
        self.distance.blockSignals(before)

    def select(self, labels: Sequence[int]) -> None:
        """Act on these objects from now on."""
        self._editing.selected = tuple(labels)
        self._show_buttons()

    def show_status(self, status: Status) -> None:
        """Say what can be done in this state."""
        self.fill()
        self._in_view = status.state not in (State.NO_IMAGE, State.NO_PLANE)
        self._show_buttons()

    def _show_buttons(self) -> None:
        there = self._in_view and self._controller.session.labels.target is not None
        for action, each in self.buttons.items():
            each.setEnabled(there and (action is not Action.MERGE or len(self._editing.selected) > 1))

    def _show_splitting(self, active: bool) -> None:
        self.buttons[Action.SPLIT].setChecked(active)

    def _choose_which(self, at: int) -> None:
        self._editing.everything = bool(self.which.itemData(at))

    def _choose_where(self, at: int) -> None:
        self._editing.scope = self.where.itemData(at)
        self.fill()

    def _choose_distance(self, distance: float) -> None:
        self._editing.distance = distance
