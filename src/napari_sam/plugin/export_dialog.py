"""The dialog *Export…*: the chosen labels in the format of another program."""

from functools import partial
from pathlib import Path

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QGridLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QWidget,
)

from napari_sam.export.export_labels import FORMATS, ExportFormat
from napari_sam.plugin.controller import SegmentController
from napari_sam.plugin.panel.widgets import combo
from napari_sam.plugin.settings import recall, remember

_REMEMBERED = "export format"
_ABOUT = {
    "ome-tiff": "A compressed stack with axes, pixel size and units, for Fiji, QuPath, OMERO and others. Without the "
    "session: that is what Save labels… writes.",
    "ome-zarr": "A pyramid in chunks with axes, pixel size, units and colours; ids of 64 bits as well. "
    "IMAGE.zarr/labels/NAME puts it among the labels of an OME-Zarr image.",
    "imagej-rois": "A region on every plane for Fiji's ROI Manager, named after the object.",
    "qupath": "A polygon with holes on every plane, as detections that are named after the object.",
    "coco": "A run-length mask on every plane, for training other networks.",
    "outlines": "A line of x,y,x,y,... for every object; a ZIP of such files for a stack. Holes are filled.",
    "png": "Grey values are ids, up to 65535; one plane only.",
}


class ExportDialog(QDialog):
    """A dialog that asks for a format and a name.

    Parameters
    ----------
    parent
        Above which window it stands.
    controller
        Of the session; what cannot be done is told there.
    """

    def __init__(self, parent: QWidget, controller: SegmentController) -> None:
        super().__init__(parent)
        self.setWindowTitle("Export labels")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._controller = controller
        self.formats = combo()
        for each in FORMATS.values():
            self.formats.addItem(each.title, each.name)
        self.path = QLineEdit()
        self.path.setMinimumWidth(360)
        self.browse_button = QPushButton("Browse…")
        self.about = QLabel()
        self.about.setWordWrap(True)
        self.about.setMinimumHeight(3 * self.about.fontMetrics().lineSpacing())
        self.about.setAlignment(Qt.AlignmentFlag.AlignTop)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.export_button = QPushButton("Export")
        buttons.addButton(self.export_button, QDialogButtonBox.ButtonRole.AcceptRole)
        self.export_button.setDefault(True)
        rows = QGridLayout(self)
        rows.addWidget(QLabel("Format"), 0, 0)
        rows.addWidget(self.formats, 0, 1, 1, 2)
        rows.addWidget(self.about, 1, 1, 1, 2)
        rows.addWidget(QLabel("File"), 2, 0)
        rows.addWidget(self.path, 2, 1)
        rows.addWidget(self.browse_button, 2, 2)
        rows.addWidget(buttons, 3, 0, 1, 3)
        self.path.setText(str(_suggested(controller)))
        self.formats.currentIndexChanged.connect(self._chosen)
        self.path.textChanged.connect(self._named)
        self.browse_button.clicked.connect(self._browse)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        former = recall(_REMEMBERED)
        self.formats.setCurrentIndex(max(self.formats.findData(former), 0))
        self._chosen()

    @property
    def chosen(self) -> ExportFormat:
        """The chosen format."""
        return FORMATS[self.formats.currentData()]

    def accept(self) -> None:
        """Export, and close."""
        remember(_REMEMBERED, self.chosen.name)
        path, name = self.path.text(), self.chosen.name
        super().accept()
        self._controller.told.emit("")
        self._controller.try_to(partial(self._controller.session.output.export, path, name))

    def _chosen(self, _: int = 0) -> None:
        """Give the name the ending of the format."""
        self.about.setText(_ABOUT[self.chosen.name])
        path = Path(self.path.text())
        if path.name and not path.name.lower().endswith(self.chosen.suffixes):
            endings = (suffix for each in FORMATS.values() for suffix in each.suffixes)
            ending = max((each for each in endings if path.name.lower().endswith(each)), key=len, default="")
            name = path.name[: len(path.name) - len(ending)]
            self.path.setText(str(path.with_name(name + self.chosen.suffixes[0])))
        self._named()

    def _named(self, _: str = "") -> None:
        """Say where something would be replaced."""
        name = self.path.text().strip()
        self.export_button.setEnabled(bool(name))
        self.export_button.setText("Replace" if name and Path(name).exists() else "Export")

    def _browse(self) -> None:
        wanted = " ".join(f"*{suffix}" for suffix in self.chosen.suffixes)
        path, _ = QFileDialog.getSaveFileName(
            self,
            "Export labels",
            self.path.text(),
            f"{self.chosen.title} ({wanted})",
            options=QFileDialog.Option.DontConfirmOverwrite,
        )
        if path:
            self.path.setText(path)
            self._chosen()


def ask_and_export(parent: QWidget, controller: SegmentController) -> None:
    """Ask where to and in which format, and export the chosen labels there.

    Parameters
    ----------
    parent
        Above which window the dialog stands.
    controller
        Of the session; what cannot be done is told there.
    """
    if controller.session.labels.target is None:
        controller.told.emit("There are no labels to export yet: accept an object first.")
        return
    ExportDialog(parent, controller).open()


def _suggested(controller: SegmentController) -> Path:
    """Return a name beside the file of the labels, or beside that of the image."""
    session = controller.session
    target, source = session.labels.target, session.image.source
    assert target is not None
    known = session.files.path_of(target)
    if known is not None:
        return known
    folder = Path(source.path).parent if source is not None and source.path else Path.cwd()
    return folder / f"{target.name}.ome.tif"
