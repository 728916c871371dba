"""The dialog *Open an earlier version…*: what labels and sessions were when they were saved."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QIcon
from qtpy.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_sam.plugin.panel.widgets import combo
from napari_sam.session.record.label_picture import SIDE
from napari_sam.session.record.versions import KEPT, Version

_VERSION = Qt.ItemDataRole.UserRole


class VersionDialog(QDialog):
    """A dialog that shows the earlier versions of each file, with time, objects and a small picture.

    Parameters
    ----------
    parent
        Above which window it stands.
    versions
        All there are, the one that was kept last first.
    current
        The file whose versions are shown first, if there are any; None for the one that was kept last.
    restore
        Called with the chosen version.
    """

    def __init__(
        self, parent: QWidget, versions: list[Version], current: Path | None, restore: Callable[[Version], None]
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Open an earlier version")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._restore = restore
        self._of: dict[Path, list[Version]] = {}
        for each in versions:
            self._of.setdefault(each.path, []).append(each)
        self.files: QComboBox = combo()
        for path in self._of:
            self.files.addItem(f"{path.name}  ({path.parent})", path)
        self.list = QListWidget()
        self.list.setIconSize(QSize(SIDE, SIDE))
        about = QLabel(
            f"The last {KEPT} states that were saved. One of them comes back as a new layer; files stay as they are."
        )
        about.setWordWrap(True)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.restore_button = QPushButton("Restore")
        buttons.addButton(self.restore_button, QDialogButtonBox.ButtonRole.AcceptRole)
        rows = QVBoxLayout(self)
        for part in (about, self.files, self.list, buttons):
            rows.addWidget(part)
        self.resize(560, 520)
        self.files.currentIndexChanged.connect(self._fill)
        self.list.itemSelectionChanged.connect(self._chosen)
        self.list.itemDoubleClicked.connect(lambda _: self.accept())
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        if current is not None and current.resolve() in self._of:
            self.files.setCurrentIndex(list(self._of).index(current.resolve()))
        self._fill()

    def accept(self) -> None:
        """Restore what is chosen, and close."""
        item = self.list.currentItem()
        super().accept()
        if item is not None:
            self._restore(item.data(_VERSION))

    def _fill(self, _: int = 0) -> None:
        self.list.clear()
        for version in self._of.get(self.files.currentData(), []):
            item = QListWidgetItem(version_text(version))
            if version.picture is not None:
                item.setIcon(QIcon(str(version.picture)))
            item.setSizeHint(QSize(0, SIDE + 8))
            item.setData(_VERSION, version)
            self.list.addItem(item)
        self.list.setCurrentRow(0)
        self._chosen()

    def _chosen(self) -> None:
        self.restore_button.setEnabled(self.list.currentItem() is not None)


def version_text(version: Version) -> str:
    """Say when a version was saved, and what is in it."""
    saved = datetime.fromtimestamp(version.written).strftime("%a %d %b %Y, %H:%M:%S")
    if version.n_objects is None:
        return f"{saved}\nno labels that can be read"
    objects = "1 object" if version.n_objects == 1 else f"{version.n_objects} objects"
    return f"{saved}\n{objects}{'' if version.session is not None else ', without a session'}"
