"""The dialog *Do this to a folder…*: what was just done as a recipe, and the batch that it runs."""

import shlex
import subprocess
import sys
from functools import partial
from pathlib import Path

from qtpy.QtCore import Qt, QUrl
from qtpy.QtGui import QCloseEvent, QDesktopServices
from qtpy.QtWidgets import (
    QCheckBox,
    QDialog,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_sam.batch.recipe import ImageChoice, MeasureChoice
from napari_sam.batch.recipe_file import recipe_from_text, recipe_text
from napari_sam.batch.session_recipe import recipe_of
from napari_sam.errors import UserError
from napari_sam.export.atomic import atomic_path
from napari_sam.plugin.batch_process import BatchProcess
from napari_sam.plugin.controller import SegmentController
from napari_sam.session.session import Session

RECIPE = "napari-sam-recipe.toml"
"""Name of the recipe in the folder of the images."""
STEPS = 1000
"""Steps of the progress bar (chosen: no step is seen)."""


class FolderDialog(QDialog):
    """A dialog that shows the recipe of what was done, and runs it on a folder in a process of its own.

    Parameters
    ----------
    parent
        Above which window it stands.
    session
        In which it was done.

    Raises
    ------
    UserError
        If nothing was done yet that could be done to other images; see `recipe_of`.
    """

    def __init__(self, parent: QWidget, session: Session) -> None:
        source = session.image.source
        path = Path(source.path) if source is not None and source.path else None
        # Before anything is made: it may be refused.
        self._made = recipe_of(session, ImageChoice(files=(f"*{_ending(path)}",)))
        super().__init__(parent)
        self.setWindowTitle("Do this to a folder")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.folder = QLineEdit("" if path is None else str(path.absolute().parent))
        self.folder.setPlaceholderText("Folder of the images")
        browse = QPushButton("Browse…")
        self.pattern = QLineEdit(self._made.images.files[0])
        self.pattern.setToolTip("Names of the images in the folder; ** stands for folders in it.")
        self.measure = QCheckBox("A table of the objects for each image")
        self.recipe = QPlainTextEdit()
        self.recipe.setAccessibleName("Recipe")
        self.recipe.setToolTip("What is written into the folder and run. It may be edited.")
        self.command = QLineEdit()
        self.command.setReadOnly(True)
        self.command.setToolTip("The same without napari, on whichever computer.")
        self.bar = QProgressBar()
        self.bar.setRange(0, STEPS)
        self.told = QLabel(
            "Labels are written into the folder 'labels' there. Single objects that were clicked away or corrected are "
            "no part of a recipe, and each image is looked at as a whole."
        )
        self.told.setWordWrap(True)
        self.told.setTextFormat(Qt.TextFormat.PlainText)
        self.start_button = QPushButton("Start")
        self.stop_button = QPushButton("Stop")
        self.report_button = QPushButton("Show report")
        close = QPushButton("Close")
        self.process = BatchProcess(self)
        self._page, self._failures = "", 0

        where = QHBoxLayout()
        where.addWidget(self.folder, 1)
        where.addWidget(browse)
        form = QFormLayout()
        form.addRow("Folder", where)
        form.addRow("Images", self.pattern)
        form.addRow("Measure", self.measure)
        form.addRow("Command", self.command)
        buttons = QHBoxLayout()
        for each in (self.start_button, self.stop_button, self.report_button):
            buttons.addWidget(each)
        buttons.addStretch(1)
        buttons.addWidget(close)
        rows = QVBoxLayout(self)
        rows.addLayout(form)
        rows.addWidget(self.recipe, 1)
        rows.addWidget(self.told)
        rows.addWidget(self.bar)
        rows.addLayout(buttons)
        self.resize(640, 560)

        browse.clicked.connect(self._browse)
        self.folder.textChanged.connect(self._fill)
        self.pattern.textChanged.connect(self._fill)
        self.measure.toggled.connect(self._fill)
        self.start_button.clicked.connect(self._start)
        self.stop_button.clicked.connect(self.process.stop)
        self.report_button.clicked.connect(self._show_report)
        close.clicked.connect(self.close)
        self.process.progressed.connect(self._show_progress)
        self.process.failed.connect(self._note_failure)
        self.process.ended.connect(self._end)
        self._fill()
        self._show_running()

    @property
    def path(self) -> Path:
        """Where the recipe is written."""
        return Path(self.folder.text()).expanduser() / RECIPE

    def closeEvent(self, event: QCloseEvent | None) -> None:  # noqa: N802
        """End the batch with the dialog; it goes on when it is started again."""
        self.process.close()
        super().closeEvent(event)

    def reject(self) -> None:
        """Close, as Escape does."""
        self.close()

    def start(self) -> None:
        """Write the recipe, as it stands there, and run it.

        Raises
        ------
        UserError
            If it makes no sense, or cannot be written.
        """
        text = self.recipe.toPlainText()
        recipe_from_text(text, RECIPE)
        if not self.folder.text().strip() or not self.path.parent.is_dir():
            raise UserError("Choose the folder of the images first.")
        with atomic_path(self.path) as temporary:
            temporary.write_text(text, encoding="utf-8")
        self._page, self._failures = "", 0
        self.bar.setValue(0)
        self.told.setText("Starting…")
        self.process.start(self.path)
        self._show_running()

    def _start(self) -> None:
        try:
            self.start()
        except UserError as error:
            self.told.setText(str(error))

    def _browse(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder of the images", self.folder.text())
        if folder:
            self.folder.setText(folder)

    def _fill(self, *_: object) -> None:
        """Write the recipe and the command anew; what was edited in it goes."""
        tables = {name: getattr(self._made, name) for name in self._made.__struct_fields__}
        images = self._made.images
        given = {name: getattr(images, name) for name in images.__struct_fields__}
        tables["images"] = ImageChoice(**{**given, "files": (self.pattern.text() or "*",)})
        tables["measure"] = MeasureChoice() if self.measure.isChecked() else None
        self.recipe.setPlainText(recipe_text(type(self._made)(**tables)))
        self.command.setText(_shell(["napari-sam", "batch", str(self.path)]))
        self.command.setCursorPosition(0)

    def _show_running(self) -> None:
        running = self.process.running
        for each in (self.start_button, self.folder, self.pattern, self.measure, self.recipe):
            each.setEnabled(not running)
        self.stop_button.setEnabled(running)
        self.report_button.setEnabled(bool(self._page))

    def _show_progress(self, done: int, total: int, share: float) -> None:
        self.bar.setValue(round(STEPS * (done + share) / max(total, 1)))
        failed = f", {self._failures} failed" if self._failures else ""
        self.told.setText(f"{done} of {total} images{failed}")

    def _note_failure(self, _: str) -> None:
        self._failures += 1

    def _end(self, sentence: str, page: str) -> None:
        self._page = page
        self.told.setText(sentence)
        self._show_running()

    def _show_report(self) -> None:
        QDesktopServices.openUrl(QUrl.fromLocalFile(self._page))


def _ending(path: Path | None) -> str:
    """Return how the names of images like this one end."""
    if path is None:
        return ".tif"
    return ".ome" * path.stem.endswith(".ome") + path.suffix


def _shell(words: list[str]) -> str:
    """Return words as they are typed on this system."""
    return subprocess.list2cmdline(words) if sys.platform == "win32" else shlex.join(words)


def show_folder_dialog(parent: QWidget, controller: SegmentController) -> None:
    """Open the dialog; what speaks against it is told in the panel."""
    controller.try_to(partial(_open, parent, controller.session))


def _open(parent: QWidget, session: Session) -> None:
    FolderDialog(parent, session).show()
