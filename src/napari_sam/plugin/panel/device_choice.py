"""The choice of where to compute: a device of this machine, or another machine, by its address and token."""

from collections.abc import Callable
from dataclasses import dataclass

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox, QDialog, QDialogButtonBox, QFormLayout, QLabel, QLineEdit, QWidget

from napari_sam.errors import UserError
from napari_sam.models.remote.server_address import DEFAULT_PORT, ServerAddress, given_token, is_address
from napari_sam.plugin.panel.widgets import combo
from napari_sam.plugin.preferences import Device
from napari_sam.plugin.settings import recall, remember

_REMEMBERED = "other machine"
ANOTHER = "another machine…"
DEVICE_NAMES = {Device.AUTO: "auto", Device.CPU: "CPU", Device.CUDA: "CUDA", Device.MPS: "MPS"}


@dataclass(frozen=True)
class OtherMachine:
    """Another machine as the user named it, from one start to the next.

    Parameters
    ----------
    address
        Where it listens.
    token
        What it knows the user by.
    chosen
        Whether it is to compute; else it is only remembered.
    """

    address: str = ""
    token: str = ""
    chosen: bool = False

    @classmethod
    def remembered(cls) -> "OtherMachine":
        """Return the machine that is remembered; an empty one where none is, or it makes no sense."""
        found = recall(_REMEMBERED)
        if not isinstance(found, dict):
            return cls()
        address, token = found.get("address"), found.get("token")
        if not isinstance(address, str) or not isinstance(token, str) or not is_address(address):
            return cls()
        return cls(address, token, found.get("chosen") is True)

    def remember(self) -> None:
        """Remember it."""
        remember(_REMEMBERED, {"address": self.address, "token": self.token, "chosen": self.chosen})


class OtherMachineDialog(QDialog):
    """A dialog that asks for the address and the token of another machine.

    Parameters
    ----------
    parent
        Above which window it stands.
    known
        The machine of last time.
    compute_on
        Called with the address and the token; what it refuses by a `UserError` is shown.
    """

    def __init__(self, parent: QWidget, known: OtherMachine, compute_on: Callable[[str, str], None]) -> None:
        super().__init__(parent)
        self.setWindowTitle("Compute on another machine")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._compute_on = compute_on
        about = QLabel(
            "On that machine, run <code>napari-sam serve</code>: it prints its address and a token. Only the pixels of "
            "what you look at, and your prompts, go there; masks come back."
        )
        about.setWordWrap(True)
        self.address, self.token = QLineEdit(known.address), QLineEdit(known.token)
        self.address.setPlaceholderText(f"http://HOST:{DEFAULT_PORT}")
        self.address.setAccessibleName("Address")
        self.token.setEchoMode(QLineEdit.EchoMode.Password)
        self.token.setAccessibleName("Token")
        self.problem = QLabel()
        self.problem.setWordWrap(True)
        self.problem.setStyleSheet("color: #ff5a4f")
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel)
        form = QFormLayout(self)
        form.addRow(about)
        form.addRow("Address", self.address)
        form.addRow("Token", self.token)
        form.addRow(self.problem)
        form.addRow(self.buttons)
        self.setMinimumWidth(420)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)

    def accept(self) -> None:
        """Compute there, and close; stay with a sentence where the address or the token cannot be."""
        try:
            self._compute_on(str(ServerAddress.read(self.address.text())), given_token(self.token.text()))
        except UserError as error:
            self.problem.setText(str(error))
            return
        super().accept()


class DeviceChoice:
    """The box that chooses where to compute.

    Parameters
    ----------
    device
        Where it is computed now.
    compute_on
        Has it computed elsewhere, by device and token.

    Attributes
    ----------
    box : QComboBox
        The box.
    dialog : OtherMachineDialog or None
        What was asked last for another machine.
    """

    def __init__(self, device: Callable[[], str], compute_on: Callable[[str, str | None], None]) -> None:
        self._device = device
        self._compute_on = compute_on
        self.dialog: OtherMachineDialog | None = None
        self.box: QComboBox = combo()
        # Beside the model there is little room in a small window.
        self.box.setMinimumContentsLength(2)
        self.box.setAccessibleName("Device")
        self.box.setToolTip("Where the model computes; auto takes a graphics card if there is one.")
        for name, shown in DEVICE_NAMES.items():
            self.box.addItem(shown, str(name))
        self.box.addItem(ANOTHER, ANOTHER)
        self.box.activated.connect(self._choose)
        self.show()

    def show(self) -> None:
        """Show where it is computed now."""
        device = self._device()
        at = self.box.findData(device)
        if is_address(device):
            at = self.box.count() - 1
        text = f"{device.partition('://')[2].rpartition(':')[0]}…" if is_address(device) else ANOTHER
        if self.box.itemText(self.box.count() - 1) != text:
            self.box.setItemText(self.box.count() - 1, text)
        if at != self.box.currentIndex():
            self.box.setCurrentIndex(max(at, 0))

    def _choose(self, index: int) -> None:
        device = self.box.itemData(index)
        if device == ANOTHER:
            # Until it is known where, it stays as it is.
            self.show()
            self.ask()
        elif device != self._device():
            known = OtherMachine.remembered()
            OtherMachine(known.address, known.token).remember()
            self._compute_on(device, None)
            self.show()

    def ask(self) -> None:
        """Ask for another machine."""
        self.dialog = OtherMachineDialog(self.box, OtherMachine.remembered(), self._compute_there)
        self.dialog.open()

    def _compute_there(self, address: str, token: str) -> None:
        OtherMachine(address, token, chosen=True).remember()
        self._compute_on(address, token)
        self.show()
