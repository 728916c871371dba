"""The labels measured and exported from the panel, in a real window."""

import csv

import numpy as np
import roifile
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QFileDialog

from napari_sam.plugin.export_dialog import ExportDialog
from napari_sam.plugin.settings import recall

LEFT = Qt.MouseButton.LeftButton


def test_measured_linked_and_exported_by_hand(make_desk, monkeypatch, tmp_path) -> None:
    desk = make_desk(scale=(2.0, 0.5, 0.5), units=("um",) * 3, axis_labels=("z", "y", "x"))
    desk.viewer.dims.set_current_step(0, 4)
    desk.hand.until(lambda: desk.session.image.plane is not None and desk.session.image.plane.index[0] == 4)
    desk.ready()
    for position in ((6, 6), (14, 17)):
        desk.click(position)
        desk.hand.key(Qt.Key.Key_Return)
    desk.hand.until(lambda: desk.session.objects.labels == [1, 2])
    layer = desk.controller.target_layer
    layer.data_setitem((np.array([0, 0]), np.array([1, 1]), np.array([1, 2])), 9)

    desk.widget.save.measure_button.click()
    table = desk.widget.measurements
    desk.hand.until(lambda: table.model.rowCount() == 3)
    columns = table.model.columns
    assert columns["label"].tolist() == [1, 2, 9]
    assert columns["volume"].tolist() == [81 * 0.5, 81 * 0.5, 2 * 0.5]
    assert columns["made_by"].tolist() == ["model", "model", "hand"]
    assert columns["n_prompts"].tolist() == [1, 1, 0]
    assert table.model.title("volume") == "volume (µm³)"
    assert layer.features["index"].tolist() == [1, 2, 9]
    assert layer.features["volume"].tolist() == columns["volume"].tolist()

    # From the table to the labels and the view ...
    table.view.sortByColumn(table.model.names.index("label"), Qt.SortOrder.DescendingOrder)
    QTest.qWait(50)
    center = table.view.visualRect(table.sorted.index(0, 0)).center()
    QTest.mouseClick(table.view.viewport(), LEFT, pos=QPoint(center.x(), center.y()))
    assert layer.selected_label == 9
    assert table.selected_rows == [2]
    desk.hand.until(lambda: desk.viewer.dims.current_step[0] == 0)
    # ... from the plot ...
    table.across.setCurrentIndex(table.across.findData("centroid_y"))
    table.up.setCurrentIndex(table.up.findData("centroid_x"))
    x, y = table.plot.places()[1]
    QTest.mouseClick(table.plot, LEFT, pos=QPoint(round(x), round(y)))
    assert layer.selected_label == 2
    desk.hand.until(lambda: desk.viewer.dims.current_step[0] == 4)
    x, y = table.plot.places()[0]
    QTest.mouseClick(table.plot, LEFT, Qt.KeyboardModifier.ControlModifier, QPoint(round(x), round(y)))
    assert table.selected_rows == [0, 1]
    # ... and from the labels, without going anywhere.
    desk.viewer.dims.set_current_step(0, 2)
    layer.selected_label = 9
    assert table.selected_rows == [2]
    assert desk.viewer.dims.current_step[0] == 2

    path = tmp_path / "table.csv"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, **__: (str(path), ""))
    table.save_button.click()
    with path.open(encoding="utf-8") as file:
        assert [row["label"] for row in csv.DictReader(file)] == ["1", "2", "9"]

    desk.session.objects.delete(2)
    assert "done since" in table.note.text()
    table.by_plane.setChecked(True)
    desk.hand.until(lambda: "z" in table.model.columns and table.model.rowCount() == 2)
    assert table.note.text() == ""

    desk.widget.save.export_button.click()
    (dialog,) = desk.widget.findChildren(ExportDialog)
    dialog.path.setText(str(tmp_path / "cells.ome.tif"))
    dialog.formats.setCurrentIndex(dialog.formats.findData("imagej-rois"))
    assert dialog.path.text() == str(tmp_path / "cells.zip")
    assert dialog.export_button.text() == "Export"
    QTest.mouseClick(dialog.export_button, LEFT)
    desk.hand.until(lambda: "Exported cells.zip" in desk.widget.status.message.text())
    assert sorted(each.name for each in roifile.roiread(tmp_path / "cells.zip")) == ["1-z4", "9-z0"]
    assert (tmp_path / "cells.provenance.json").exists()
    assert recall("export format") == "imagej-rois"


def test_layers_and_docks_come_and_go(desk) -> None:
    desk.widget.measure()
    assert desk.widget.measurements is None
    assert "no labels to measure yet" in desk.widget.status.message.text()
    desk.click((12, 12))
    desk.hand.key(Qt.Key.Key_Return)
    desk.widget.measure()
    table = desk.widget.measurements
    desk.hand.until(lambda: table.model.rowCount() == 1)
    # The layer that was made for it comes into the list a moment later.
    desk.hand.until(lambda: desk.controller.target_layer in desk.viewer.layers)
    # The labels go: what is selected has nothing to be linked to.
    desk.viewer.layers.remove(desk.controller.target_layer)
    QTest.qWait(20)
    table.view.selectRow(0)
    desk.widget.measure()
    assert "no labels to measure yet" in desk.widget.status.message.text()
    # Other labels come, and the dock is closed as napari closes it.
    labels = np.zeros(desk.image.data.shape, np.uint8)
    labels[4, 5:8, 5:9], labels[5, 5:8, 5:9] = 3, 4
    desk.controller.choose_target(desk.viewer.add_labels(labels))
    QTest.qWait(20)
    desk.viewer.window.remove_dock_widget(table)
    desk.widget.measure()
    again = desk.widget.measurements
    assert again is not table
    desk.hand.until(lambda: again.model.rowCount() == 2)
    again.select(4)
    assert again.selected_rows == [1]
    # Of planes there are other columns.
    again.by_plane.setChecked(True)
    desk.hand.until(lambda: "perimeter" in again.model.columns)
    desk.controller.target_layer.selected_label = 3
    assert again.selected_rows == [0]
    desk.viewer.window.remove_dock_widget(desk.widget)
    QTest.qWait(20)
    assert desk.widget.measurements is None
