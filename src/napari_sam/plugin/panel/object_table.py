"""The accepted objects as a table: they are looked at, reopened, renamed, deleted or edited from it."""

import math
from collections.abc import Callable
from typing import Any

from psygnal import Signal
from qtpy.QtCore import QAbstractTableModel, QItemSelectionModel, QModelIndex, QPersistentModelIndex, Qt, QTimer
from qtpy.QtGui import QColor, QKeyEvent, QKeySequence
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QSpinBox,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from napari_sam.plugin.actions import CONTROLS, Action
from napari_sam.plugin.canvas.object_editing import EDITS
from napari_sam.plugin.controller import SegmentController
from napari_sam.plugin.panel.object_edits_rows import ObjectEditRows
from napari_sam.plugin.panel.object_section import as_share
from napari_sam.plugin.panel.widgets import SPACING, button
from napari_sam.session.labels.object_row import TableRow

COLUMNS = ("id", "name", "planes", "area", "score", "prompts")
_ID, _NAME, _PLANES, _AREA, _SCORE, _PROMPTS = range(len(COLUMNS))
_TIPS = (
    "The object's id in the labels, with its colour.",
    "Double-click to give the object a name.",
    "The planes that it is on.",
    "Area, or volume where it is on several planes.",
    "Mean predicted IoU of its masks; behind it the lowest confidence of its propagated planes.",
    "By how many prompts it was made.",
)
# Chosen, not measured: many changes at once are drawn together.
_REFRESH_MS = 50
# Of Qt's spin boxes.
_LARGEST = 2**31 - 1
_ENTER = (Qt.Key.Key_Return, Qt.Key.Key_Enter)
_DELETE = (Qt.Key.Key_Delete, Qt.Key.Key_Backspace)
_WITH_THE_ROW = QItemSelectionModel.SelectionFlag.Select | QItemSelectionModel.SelectionFlag.Rows
Index = QModelIndex | QPersistentModelIndex


class ObjectTableModel(QAbstractTableModel):
    """The rows of a session's objects; what is not in view is not asked for.

    Parameters
    ----------
    controller
        Whose session.
    """

    def __init__(self, controller: SegmentController) -> None:
        super().__init__()
        self._controller = controller
        self._labels: list[int] = []

    @property
    def labels(self) -> list[int]:
        """The ids of the rows, ascending."""
        return self._labels

    def update_rows(self) -> bool:
        """Follow the session, and tell whether there are other rows now."""
        labels = self._controller.session.objects.labels
        if labels == self._labels:
            if labels:
                self.dataChanged.emit(self.index(0, 0), self.index(len(labels) - 1, len(COLUMNS) - 1))
            return False
        self.beginResetModel()
        self._labels = labels
        self.endResetModel()
        return True

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: N802, B008
        """Return the number of objects."""
        return 0 if parent.isValid() else len(self._labels)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: N802, B008
        """Return the number of columns."""
        return 0 if parent.isValid() else len(COLUMNS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = 0) -> Any:  # noqa: N802
        """Return the names of the columns."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return COLUMNS[section]
        return _TIPS[section] if role == Qt.ItemDataRole.ToolTipRole else None

    def flags(self, index: Index) -> Qt.ItemFlag:
        """Let names be edited."""
        flags: Qt.ItemFlag = super().flags(index)  # type: ignore[arg-type]
        return flags | Qt.ItemFlag.ItemIsEditable if index.column() == _NAME else flags

    def data(self, index: Index, role: int = 0) -> Any:
        """Return what a cell shows."""
        objects = self._controller.session.objects
        label = self._labels[index.row()]
        if label not in objects:
            return None
        column = index.column()
        if role == Qt.ItemDataRole.DecorationRole and column == _ID:
            return self._colour(label)
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.EditRole):
            return _text(objects.row(label), column)
        if role == Qt.ItemDataRole.ToolTipRole and column == _AREA:
            return f"{objects.row(label).area} pixels"
        return None

    def setData(self, index: Index, value: Any, role: int = 0) -> bool:  # noqa: N802
        """Rename an object."""
        if role != Qt.ItemDataRole.EditRole or index.column() != _NAME:
            return False
        label = self._labels[index.row()]
        self._controller.try_to(lambda: self._controller.session.objects.rename(label, str(value).strip()))
        return True

    def _colour(self, label: int) -> QColor | None:
        layer = self._controller.target_layer
        colour = None if layer is None else layer.get_color(label)
        return None if colour is None else QColor.fromRgbF(*(float(part) for part in colour[:3]))


class _View(QTableView):
    """A table in which Enter, Delete and the keys that edit objects do something."""

    def __init__(self, reopen: Callable[[], None], delete: Callable[[], None], edit: Callable[[Action], None]) -> None:
        super().__init__()
        self._reopen = reopen
        self._delete = delete
        self._edit = edit

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802
        """Reopen, delete or edit the selected objects."""
        if event is not None and self.state() != QAbstractItemView.State.EditingState:
            for keys, deed in ((_ENTER, self._reopen), (_DELETE, self._delete)):
                if event.key() in keys:
                    deed()
                    return
            if event.modifiers() == Qt.KeyboardModifier.ShiftModifier:
                for action in EDITS:
                    if CONTROLS[action].shown == f"Shift+{QKeySequence(event.key()).toString()}":
                        self._edit(action)
                        return
        super().keyPressEvent(event)


class ObjectTableWidget(QWidget):
    """A table of the accepted objects, and buttons for those that are selected.

    Selecting an object brings it into view. Enter, or a double-click on anything but its name, reopens it; Delete
    removes what is selected. Everything can be undone.

    Parameters
    ----------
    controller
        Whose objects.

    Signals
    -------
    counted(int)
        There are so many objects.
    """

    counted = Signal(int)

    def __init__(self, controller: SegmentController) -> None:
        super().__init__()
        self._controller = controller
        self.model = ObjectTableModel(controller)
        self.view = _View(self.reopen, self.delete, controller.do)
        self.view.setModel(self.model)
        self.view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.view.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.view.setEditTriggers(
            QAbstractItemView.EditTrigger.DoubleClicked | QAbstractItemView.EditTrigger.EditKeyPressed
        )
        # Tab goes on to what is below, not from cell to cell.
        self.view.setTabKeyNavigation(False)
        self.view.setAccessibleName("Accepted objects")
        self.view.setMinimumHeight(150)
        self.view.setMinimumWidth(0)
        self.view.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        rows, columns = self.view.verticalHeader(), self.view.horizontalHeader()
        if rows is not None and columns is not None:
            rows.setVisible(False)
            rows.setDefaultSectionSize(self.view.fontMetrics().lineSpacing() + 6)
            columns.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
            columns.setStretchLastSection(True)
            widest = ("0000", "soma 1", "00–00", "0000 µm³", ".00 / .00")
            for column_layout, text in enumerate(widest):
                columns.resizeSection(column_layout, self.view.fontMetrics().horizontalAdvance(text) + 12)
        self.reopen_button = button("Reopen", "Enter", "Go on with the selected object: all its prompts come back.")
        self.delete_button = button("Delete", "Del", "Remove the selected objects from the labels.")
        buttons = QHBoxLayout()
        buttons.setSpacing(SPACING)
        buttons.addWidget(self.reopen_button, 1)
        buttons.addWidget(self.delete_button, 1)
        self.next_id = QSpinBox()
        self.next_id.setRange(0, _LARGEST)
        self.next_id.setSpecialValueText("auto")
        self.next_id.setKeyboardTracking(False)
        self.next_id.setAccessibleName("Id of the next object")
        self.next_id.setToolTip("The id that the object in work, or the next one, gets; auto is the next free one.")
        own_id = QHBoxLayout()
        own_id.setSpacing(SPACING)
        own_id.addWidget(QLabel("Id of the next object"))
        own_id.addWidget(self.next_id, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(SPACING)
        layout.addWidget(self.view)
        layout.addLayout(buttons)
        self.edits = ObjectEditRows(controller)
        layout.addWidget(self.edits)
        layout.addLayout(own_id)
        # A stroke or a propagation changes many rows: they are shown a few times a second.
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_REFRESH_MS)
        self._timer.timeout.connect(self.update_rows)
        self._following = False
        controller.session.objects_changed.connect(self._on_objects)
        controller.session.label_changed.connect(self._show_next_id)
        self.next_id.valueChanged.connect(self._choose_next_id)
        selection = self.view.selectionModel()
        if selection is not None:
            selection.selectionChanged.connect(lambda *_: self._on_selected())
        self.view.doubleClicked.connect(self._on_double_click)
        self.reopen_button.clicked.connect(lambda: self.reopen())
        self.delete_button.clicked.connect(lambda: self.delete())
        self.update_rows()

    @property
    def selected(self) -> int | None:
        """The id of the selected object, of several the one that was chosen last."""
        labels, selection = self.all_selected, self.view.selectionModel()
        if not labels or selection is None:
            return None
        current = selection.currentIndex()
        newest = self.model.labels[current.row()] if current.isValid() else None
        return newest if newest in labels else labels[0]

    @property
    def all_selected(self) -> list[int]:
        """The ids of all selected objects, ascending."""
        selection = self.view.selectionModel()
        rows = [] if selection is None else selection.selectedRows()
        return sorted(self.model.labels[row.row()] for row in rows)

    def select(self, *labels: int | None) -> None:
        """Select objects and no others, without jumping to one."""
        selection, following = self.view.selectionModel(), self._following
        self._following = True
        try:
            self.view.clearSelection()
            for label in labels:
                if label in self.model.labels and selection is not None:
                    index = self.model.index(self.model.labels.index(label), 0)
                    selection.setCurrentIndex(index, _WITH_THE_ROW)
                    self.view.scrollTo(index)
        finally:
            self._following = following
        self._show_buttons()

    def update_rows(self) -> None:
        """Follow the session; what is selected stays selected."""
        selected = self.all_selected
        self._following = True
        try:
            anew = self.model.update_rows()
        finally:
            self._following = False
        if anew:
            self.select(*selected)
            self.counted.emit(len(self.model.labels))
        self._show_buttons()

    def reopen(self) -> None:
        """Go on with the selected object."""
        label = self.selected
        if label is not None:
            self._controller.reopen(label)

    def delete(self) -> None:
        """Remove the selected objects."""
        labels = self.all_selected
        if labels:
            self._controller.try_to(lambda: self._controller.session.objects.delete(*labels))

    def close_table(self) -> None:
        """Follow the session no longer."""
        self._timer.stop()
        self._controller.session.objects_changed.disconnect(self._on_objects)
        self._controller.session.label_changed.disconnect(self._show_next_id)

    def _on_objects(self) -> None:
        if not self._timer.isActive():
            self._timer.start()

    def _on_selected(self) -> None:
        label = self.selected
        self._show_buttons()
        if label is not None and not self._following:
            self._controller.jump_to(label)

    def _on_double_click(self, index: Index) -> None:
        if index.column() != _NAME:
            self.reopen()

    def _choose_next_id(self, label: int) -> None:
        self._controller.told.emit("")
        self._controller.try_to(lambda: self._controller.session.current.set_label(label or None))
        self._show_next_id()

    def _show_next_id(self) -> None:
        draft = self._controller.session.current.draft
        before = self.next_id.blockSignals(True)
        self.next_id.setValue(draft.label or 0)
        self.next_id.setEnabled(not draft.refines)
        self.next_id.blockSignals(before)

    def _show_buttons(self) -> None:
        labels = self.all_selected
        self.reopen_button.setEnabled(len(labels) == 1)
        self.delete_button.setEnabled(bool(labels))
        self.edits.select(labels)


def _text(row: TableRow, column: int) -> str:
    if column == _ID:
        return str(row.label)
    if column == _NAME:
        return row.name
    if column == _PLANES:
        return ", ".join(str(first) if first == last else f"{first}–{last}" for first, last in row.span)
    if column == _PROMPTS:
        return str(row.n_prompts)
    if column == _SCORE:
        score = "–" if math.isnan(row.score) else as_share(row.score)
        return score if row.confidence is None else f"{score} / {as_share(row.confidence)}"
    return f"{row.area} px" if row.size is None else f"{row.size:.4g} {row.unit}"
