"""Asking where labels are to be saved, and whether what another program did there is to be replaced."""

from functools import partial
from pathlib import Path

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog, QMessageBox, QWidget

from napari_sam.plugin.controller import SegmentController
from napari_sam.session.labels_files import FileConflict

_TIFF = (".tif", ".tiff")


def ask_and_save(parent: QWidget, controller: SegmentController) -> None:
    """Ask where to, and save the chosen labels with their session there.

    Parameters
    ----------
    parent
        Above which window the questions stand.
    controller
        Of the session; what cannot be done is told there.
    """
    target = controller.session.labels.target
    if target is None:
        controller.told.emit("There are no labels to save yet: accept an object first.")
        return
    known = controller.session.files.path_of(target)
    suggested = str(known) if known is not None and known.suffix.lower() in _TIFF else f"{target.name}.ome.tif"
    path, _ = QFileDialog.getSaveFileName(
        parent, "Save labels", suggested, "OME-TIFF (*.ome.tif *.ome.tiff *.tif *.tiff)"
    )
    if path:
        if Path(path).suffix.lower() not in _TIFF:
            path += ".ome.tif"
        controller.try_to(partial(_save, parent, controller, path))


def _save(parent: QWidget, controller: SegmentController, path: str) -> None:
    try:
        controller.session.record.save(path)
    except FileConflict as conflict:
        _ask_about(conflict, parent, controller, path)


def _ask_about(conflict: FileConflict, parent: QWidget, controller: SegmentController, path: str) -> None:
    """Ask what is to be done; whatever else is clicked meanwhile waits."""
    box = QMessageBox(QMessageBox.Icon.Warning, "Save labels", str(conflict), parent=parent)
    box.setTextFormat(Qt.TextFormat.PlainText)
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    other = box.addButton("Another name…", QMessageBox.ButtonRole.AcceptRole)
    overwrite = box.addButton("Overwrite", QMessageBox.ButtonRole.DestructiveRole)
    cancel = box.addButton(QMessageBox.StandardButton.Cancel)
    # What loses nothing is what Enter does.
    box.setDefaultButton(other)
    box.setEscapeButton(cancel)

    def answered(button: object) -> None:
        if button is other:
            ask_and_save(parent, controller)
        elif button is overwrite:
            controller.try_to(partial(controller.session.record.save, path, anyway=True))

    box.buttonClicked.connect(answered)
    box.open()
