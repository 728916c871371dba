"""The measurements of objects in a dock of their own: a table and a plot, linked to the labels."""

import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Labels
from qtpy.QtCore import (
    QAbstractTableModel,
    QItemSelection,
    QItemSelectionModel,
    QModelIndex,
    QPersistentModelIndex,
    QSortFilterProxyModel,
    Qt,
)
from qtpy.QtGui import QColor
from qtpy.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QFileDialog,
    QLabel,
    QSplitter,
    QTableView,
    QWidget,
)

from napari_sam.export.measurements import Columns, axis_columns, column_title
from napari_sam.export.table_file import save_table
from napari_sam.plugin.controller import SegmentController
from napari_sam.plugin.panel.measurements_plot import MeasurementsPlot, PlotState
from napari_sam.plugin.panel.widgets import PANEL_STYLE, button, column_layout, combo, row

Index = QModelIndex | QPersistentModelIndex
_HIDDEN = "unit"
_ROWS = QItemSelectionModel.SelectionFlag.Rows
_GREY = QColor(150, 150, 150)
# napari's own colour of labels is asked for one by one (chosen: a few hundredths of a second).
_COLOURED = 5000


class MeasurementsModel(QAbstractTableModel):
    """The columns of a table; what is not in view is not asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.columns: Columns = {}
        self.names: list[str] = []

    def show_columns(self, columns: Columns) -> None:
        """Show other columns."""
        self.beginResetModel()
        self.columns = columns
        self.names = [name for name in columns if name != _HIDDEN]
        self.endResetModel()

    def title(self, name: str) -> str:
        """Return what a column is called, with its unit."""
        return column_title(name, self.columns)

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: N802, B008
        """Return the number of rows."""
        return 0 if parent.isValid() or not self.names else len(self.columns[self.names[0]])

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: N802, B008
        """Return the number of columns."""
        return 0 if parent.isValid() else len(self.names)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = 0) -> Any:  # noqa: N802
        """Return the titles of the columns."""
        if orientation != Qt.Orientation.Horizontal or role != Qt.ItemDataRole.DisplayRole:
            return None
        return self.title(self.names[section])

    def data(self, index: Index, role: int = 0) -> Any:
        """Return what a cell shows, and by what it is sorted."""
        value = self.columns[self.names[index.column()]][index.row()].item()
        if role == Qt.ItemDataRole.UserRole:
            return value
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        if isinstance(value, float):
            return "–" if np.isnan(value) else f"{value:.4g}"
        return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


class MeasurementsTable(QWidget):
    """A table of measurements and a plot of two columns of it, with what is selected linked to the labels.

    Selecting a row shows the object and makes its label the layer's selected one; a label that is selected in the layer
    (its picker, say) selects its rows. The columns are the layer's `features`, too, where each object has one row.

    Parameters
    ----------
    controller
        Whose objects.
    """

    def __init__(self, controller: SegmentController) -> None:
        super().__init__()
        self._controller = controller
        self._layer: weakref.ref[Labels] | None = None
        self._following = False
        self._positions: tuple[str, ...] = ()
        self.setStyleSheet(PANEL_STYLE)
        self.model = MeasurementsModel()
        self.sorted = QSortFilterProxyModel()
        self.sorted.setSourceModel(self.model)
        self.sorted.setSortRole(Qt.ItemDataRole.UserRole)
        self.view = QTableView()
        self.view.setModel(self.sorted)
        self.view.setSortingEnabled(True)
        self.view.sortByColumn(0, Qt.SortOrder.AscendingOrder)
        self.view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.view.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.view.setTabKeyNavigation(False)
        self.view.setAccessibleName("Measurements")
        self.view.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        rows = self.view.verticalHeader()
        if rows is not None:
            rows.setVisible(False)
            rows.setDefaultSectionSize(self.view.fontMetrics().lineSpacing() + 6)
        self.plot = MeasurementsPlot(self._clicked, self._describe)
        self.across, self.up = combo(), combo()
        for box, name in ((self.across, "Plotted to the right"), (self.up, "Plotted upwards")):
            box.setAccessibleName(name)
            box.setToolTip(f"{name}.")
        self.measure_button = button("Measure again", "", "Measure the objects as they are now.")
        self.by_plane = QCheckBox("Each plane by itself")
        self.by_plane.setToolTip("A row for each plane that an object is on, instead of one for its volume.")
        self.save_button = button("Save table…", "", "Write the table as CSV, or as Parquet.")
        self.note = QLabel()
        controls = row(self.measure_button, self.by_plane, self.save_button, self.note)
        plotted, axes = QWidget(), row(self.across, self.up)
        column = column_layout(plotted)
        column.addWidget(self.plot, 1)
        column.addLayout(axes)
        split = QSplitter(Qt.Orientation.Horizontal)
        split.addWidget(self.view)
        split.addWidget(plotted)
        split.setStretchFactor(0, 3)
        split.setStretchFactor(1, 2)
        layout = column_layout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addLayout(controls)
        layout.addWidget(split, 1)
        selection = self.view.selectionModel()
        if selection is not None:
            selection.selectionChanged.connect(self._on_selected)
        for box in (self.across, self.up):
            box.currentIndexChanged.connect(self._show_plot)
        self.measure_button.clicked.connect(self.measure)
        self.by_plane.toggled.connect(self.measure)
        self.save_button.clicked.connect(self.ask_and_save)
        controller.session.history_changed.connect(self._note_change)

    def measure(self, _: bool = False) -> None:
        """Measure the objects in the chosen labels; the table shows them when they are measured."""
        layer = self._controller.target_layer
        # Nothing may keep the widget alive that outlives it.
        mine, by_plane = weakref.ref(self), self.by_plane.isChecked()

        def told(columns: Columns, current: bool) -> None:
            table = mine()
            if table is not None and layer is not None:
                table.show_measurements(columns, layer, by_plane=by_plane, current=current)

        self._controller.told.emit("")
        self._controller.try_to(lambda: self._controller.session.output.measure(told, by_plane=by_plane))

    def show_measurements(self, columns: Columns, layer: Labels, *, by_plane: bool, current: bool = True) -> None:
        """Show what was measured.

        Parameters
        ----------
        columns
            See `napari_sam.measure_objects`.
        layer
            The labels.
        by_plane
            Whether each plane was measured by itself.
        current
            Whether nothing was done to the labels since.
        """
        former = None if self._layer is None else self._layer()
        if former is not layer:
            if former is not None:
                former.events.selected_label.disconnect(self._on_label)
            layer.events.selected_label.connect(self._on_label)
            self._layer = weakref.ref(layer)
        source = self._controller.session.image.source
        self._positions = () if source is None else axis_columns(source, by_plane)
        self._following = True
        try:
            self.model.show_columns(columns)
            self.view.resizeColumnsToContents()
            self._fill_axes()
        finally:
            self._following = False
        labels = columns["label"].tolist()
        if len(set(labels)) == len(labels):
            layer.features = {"index": columns["label"], **{name: columns[name] for name in self.model.names[1:]}}
        self.note.setText("")
        if not current:
            self._note_change()
        self._show_plot()
        self.select(int(layer.selected_label))

    @property
    def selected_rows(self) -> list[int]:
        """Rows that are selected, as they were measured, not as they are sorted."""
        selection = self.view.selectionModel()
        found = [] if selection is None else selection.selectedRows()
        return sorted(self.sorted.mapToSource(index).row() for index in found)

    def select(self, *labels: int) -> None:
        """Select the rows of objects and no others, without going to one."""
        known = self.model.columns.get("label", np.zeros(0, int))
        self._select_rows(np.flatnonzero(np.isin(known, labels)).tolist())

    def ask_and_save(self, _: bool = False) -> None:
        """Ask where to, and save the table there."""
        if not self.model.names:
            return
        path, chosen = QFileDialog.getSaveFileName(
            self, "Save table", "measurements.csv", "Comma-separated values (*.csv);;Parquet (*.parquet)"
        )
        if path:
            if Path(path).suffix.lower() not in (".csv", ".parquet"):
                path += ".parquet" if "parquet" in chosen else ".csv"
            self._controller.told.emit("")
            self._controller.try_to(lambda: self._save(path))

    def close_table(self) -> None:
        """Follow session and labels no longer."""
        self._controller.session.history_changed.disconnect(self._note_change)
        layer = None if self._layer is None else self._layer()
        if layer is not None:
            layer.events.selected_label.disconnect(self._on_label)

    def _save(self, path: str) -> None:
        made = self._controller.session.record.provenance("Save table", by_plane=self.by_plane.isChecked())
        save_table(path, self.model.columns, made)
        self._controller.told.emit(f"Saved {Path(path).name}.")

    def _note_change(self) -> None:
        if self.model.names:
            self.note.setText("Something was done since.")

    def _fill_axes(self) -> None:
        """Offer the columns that hold numbers; what was chosen stays so."""
        numbers = [
            name for name in self.model.names if self.model.columns[name].dtype.kind in "iuf" and name != "label"
        ]
        for box, wanted in ((self.across, ("volume", "area")), (self.up, ("intensity_mean", "intensity_mean-0"))):
            former = box.currentData()
            box.clear()
            for name in numbers:
                box.addItem(self.model.title(name), name)
            offered = (name for name in (former, *wanted, *numbers) if name in numbers)
            box.setCurrentIndex(max(box.findData(next(offered, None)), 0))

    def _on_selected(self, _: QItemSelection, __: QItemSelection) -> None:
        self._show_plot()
        rows = self.selected_rows
        if self._following or not rows:
            return
        selection = self.view.selectionModel()
        current = None if selection is None else self.sorted.mapToSource(selection.currentIndex()).row()
        chosen = current if current in rows else rows[0]
        layer = None if self._layer is None else self._layer()
        self._following = True
        try:
            if layer is not None:
                layer.selected_label = int(self.model.columns["label"][chosen])
        finally:
            self._following = False
        self._controller.show_position([self._middle(name, chosen) for name in self._positions])

    def _middle(self, axis: str, at: int) -> float:
        """Return the middle of the box around an object along one axis, in pixels."""
        columns = self.model.columns
        if f"first_{axis}" in columns:
            return float(columns[f"first_{axis}"][at] + columns[f"last_{axis}"][at]) / 2
        return float(columns[axis][at]) if axis in columns else 0.0

    def _on_label(self) -> None:
        layer = None if self._layer is None else self._layer()
        if layer is not None and not self._following:
            self.select(int(layer.selected_label))

    def _clicked(self, chosen: int, adds: bool) -> None:
        """Select the row of a point of the plot, as if it was clicked in the table."""
        rows = {*self.selected_rows, chosen} if adds else {chosen}
        self._select_rows(sorted(rows), going=chosen)

    def _select_rows(self, rows: Sequence[int], going: int | None = None) -> None:
        selection, following = self.view.selectionModel(), self._following
        if selection is None:
            return
        wanted = QItemSelection()
        for each in rows:
            index = self.sorted.mapFromSource(self.model.index(each, 0))
            wanted.select(index, index)
        self._following = True
        try:
            if rows:
                first = self.sorted.mapFromSource(self.model.index(rows[0] if going is None else going, 0))
                selection.setCurrentIndex(first, QItemSelectionModel.SelectionFlag.NoUpdate)
                self.view.scrollTo(first)
            self._following = following or going is None
            selection.select(wanted, QItemSelectionModel.SelectionFlag.ClearAndSelect | _ROWS)
        finally:
            self._following = following
        self._show_plot()

    def _show_plot(self, _: int = 0) -> None:
        across, up = self.across.currentData(), self.up.currentData()
        if across is None or up is None or not self.model.names:
            self.plot.show_state(None)
            return
        columns = self.model.columns
        self.plot.show_state(
            PlotState(
                columns[across].astype(float),
                columns[up].astype(float),
                (self.model.title(across), self.model.title(up)),
                self._colours(),
                tuple(self.selected_rows),
            )
        )

    def _colours(self) -> tuple[QColor, ...]:
        """Return the colour of each row, as the labels are drawn."""
        layer = None if self._layer is None else self._layer()
        labels = self.model.columns["label"].tolist()
        if layer is None or len(labels) > _COLOURED:
            return (_GREY,) * len(labels)
        found = {label: layer.get_color(label) for label in set(labels)}
        colours = {
            label: _GREY if each is None else QColor.fromRgbF(*(float(part) for part in each[:3]))
            for label, each in found.items()
        }
        return tuple(colours[label] for label in labels)

    def _describe(self, at: int) -> str:
        columns = self.model.columns
        plotted = (f"{box.currentText()}: {columns[box.currentData()][at]:.4g}" for box in (self.across, self.up))
        return "\n".join((f"Object {columns['label'][at]}", *plotted))
