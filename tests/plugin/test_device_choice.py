"""The choice of a device in the panel, and the dialog for another machine."""

import json

import pytest
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QDialogButtonBox, QLineEdit

from napari_sam.plugin.panel.device_choice import ANOTHER, DeviceChoice, OtherMachine
from napari_sam.plugin.panel.status_line import StatusLine
from napari_sam.plugin.settings import remember, settings_path
from napari_sam.segment.segmentation import Setup


class Place:
    """Where it is computed."""

    def __init__(self) -> None:
        self.device, self.asked = "auto", []

    def compute_on(self, device, token) -> None:
        self.device = device
        self.asked.append((device, token))


@pytest.fixture
def place() -> Place:
    return Place()


@pytest.fixture
def choice(qtbot, place):
    choice = DeviceChoice(lambda: place.device, place.compute_on)
    qtbot.addWidget(choice.box)
    choice.box.show()
    return choice


def pick(choice, data) -> None:
    at = choice.box.findData(data)
    choice.box.setCurrentIndex(at)
    choice.box.activated.emit(at)


def test_a_device_of_this_machine_is_chosen_at_once(choice, place):
    pick(choice, "cpu")
    pick(choice, "cpu")
    assert place.asked == [("cpu", None)]


def test_another_machine_is_asked_for_and_remembered(choice, place):
    pick(choice, ANOTHER)
    dialog = choice.dialog
    assert choice.box.currentData() == "auto"
    assert dialog.token.echoMode() == QLineEdit.EchoMode.Password
    ok = dialog.buttons.button(QDialogButtonBox.StandardButton.Ok)
    QTest.keyClicks(dialog.address, "http://box")
    ok.click()
    assert "wants a token" in dialog.problem.text()
    QTest.keyClicks(dialog.token, "secret")
    dialog.address.setText("box")
    ok.click()
    assert "is no address" in dialog.problem.text()
    assert place.asked == []
    dialog.address.setText("http://box.lab")
    ok.click()
    assert place.asked == [("http://box.lab:8765", "secret")]
    assert choice.box.currentText() == "box.lab…"
    assert OtherMachine.remembered() == OtherMachine("http://box.lab:8765", "secret", chosen=True)
    assert settings_path().stat().st_mode & 0o077 == 0
    # It is remembered, but not chosen any more.
    pick(choice, "cuda")
    assert OtherMachine.remembered() == OtherMachine("http://box.lab:8765", "secret")
    pick(choice, ANOTHER)
    assert choice.dialog.address.text() == "http://box.lab:8765"
    choice.dialog.reject()
    assert place.device == "cuda"
    assert choice.box.currentText() == "CUDA"


@pytest.mark.parametrize("value", [None, 3, {"address": 3, "token": "t"}, {"address": "box", "token": "t"}, {}])
def test_what_makes_no_sense_is_forgotten(value):
    remember("other machine", value)
    assert json.loads(settings_path().read_text())
    assert OtherMachine.remembered() == OtherMachine()


def test_the_status_line_names_the_machine(qtbot):
    line = StatusLine()
    qtbot.addWidget(line)
    setup = Setup("nano", device="cuda", precision="bfloat16")
    line.show_setup(setup, "http://box.lab:8765")
    assert line.setup.text() == "CUDA of box.lab, bfloat16"
    line.show_setup(setup, "cuda")
    assert line.setup.text() == "CUDA, bfloat16"
