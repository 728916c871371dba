"""The status line, which says what the session is doing, as the user reads it."""

from qtpy.QtCore import Qt
from qtpy.QtGui import QColor, QPainter, QPaintEvent
from qtpy.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget
from superqt import QElidingLabel

from napari_sam.models.remote.server_address import ServerAddress, is_address
from napari_sam.plugin.panel.widgets import ColumnScroll, RoomKeeper, breakable
from napari_sam.segment.segmentation import Setup
from napari_sam.session.status import State, Status

_COLOURS = {
    State.NO_IMAGE: "#8a8a8a",
    State.NO_PLANE: "#8a8a8a",
    State.WAITING: "#e0a800",
    State.EMBEDDING: "#e0a800",
    State.READY: "#21b04f",
    State.SEGMENTING: "#3a9bdc",
    State.PROPAGATING: "#3a9bdc",
    State.FINDING: "#3a9bdc",
    State.EDITING: "#3a9bdc",
    State.SAVING: "#3a9bdc",
    State.MEASURING: "#3a9bdc",
    State.ERROR: "#ff5a4f",
}
_HEADLINES = {
    State.NO_IMAGE: "No image",
    State.NO_PLANE: "No plane in view",
    State.WAITING: "Waiting to embed this plane",
    State.EMBEDDING: "Embedding this plane",
    State.READY: "Ready: click an object",
    State.SEGMENTING: "Segmenting",
    State.PROPAGATING: "Propagating",
    State.FINDING: "Finding everything",
    State.EDITING: "Editing objects",
    State.SAVING: "Saving",
    State.MEASURING: "Measuring objects",
    State.ERROR: "Could not be done",
}


def headline(status: Status) -> str:
    """Return the state in a few words."""
    text = _HEADLINES[status.state]
    if status.working and status.total:
        text += f": {status.done} of {status.total}"
    return text


class ProgressStrip(QWidget):
    """A thin bar that fills from the left.

    Beside an OpenGL canvas every repaint draws the whole window again, which on a machine without a GPU takes the
    processor away from the network. Qt's own bar repaints at once whenever it is told a value, and all the time while
    the length is unknown; this one waits for the next frame and never moves by itself.
    """

    def __init__(self) -> None:
        super().__init__()
        self.share = 0.0
        self.setFixedHeight(5)

    def show_share(self, share: float) -> None:
        """Fill `share`, 0..1, of the bar."""
        if share != self.share:
            self.share = share
            self.update()

    def paintEvent(self, _: QPaintEvent | None) -> None:  # noqa: N802
        """Draw the bar."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(128, 128, 128, 70))
        painter.fillRect(0, 0, round(self.width() * self.share), self.height(), QColor("#3a9bdc"))
        painter.end()


LINES = 3
"""Room for a sentence: what most of them need in a narrow dock."""


class StatusLine(QWidget):
    """A coloured dot with the state, a progress bar, and room for a sentence."""

    def __init__(self) -> None:
        super().__init__()
        self.state = QLabel()
        self.state.setTextFormat(Qt.TextFormat.RichText)
        # Where there is no room for both, the state is what counts.
        self.setup = QElidingLabel()
        self.setup.setStyleSheet("color: #8a8a8a")
        self.setup.setAlignment(Qt.AlignmentFlag.AlignRight)
        self.bar = ProgressStrip()
        self.message = _message()
        self._room = ColumnScroll(self.message)
        self._room.setAccessibleName("Message")
        # The same room whatever the sentence, so that nothing below moves when one comes.
        self._keeper = RoomKeeper(self.message, LINES, self._room.setFixedHeight)
        bar = self._room.verticalScrollBar()
        if bar is not None:
            bar.rangeChanged.connect(self._offer_keyboard)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        top = QHBoxLayout()
        top.addWidget(self.state)
        top.addWidget(self.setup, 1)
        layout.addLayout(top)
        for part in (self.bar, self._room):
            layout.addWidget(part)
        self._told = self._passing = ""
        self._status = Status(State.NO_IMAGE)

    def show_status(self, status: Status) -> None:
        """Show what the session is doing."""
        self._status = status
        self.state.setText(f'<span style="color:{_COLOURS[status.state]}">●</span> {headline(status)}')
        self.bar.show_share(status.done / status.total if status.working and status.total else 0.0)
        self._write()

    def show_setup(self, setup: Setup | None, device: str = "auto") -> None:
        """Show where, and how exactly, images are encoded; nothing while that is not known."""
        where = f" of {ServerAddress.read(device).host}" if is_address(device) else ""
        text = "" if setup is None else f"{setup.device.upper()}{where}, {setup.precision}"
        if text != self.setup.text():
            self.setup.setText(text)
            self.setup.setToolTip(
                "The device that the model runs on, and the type of number in which it encodes images." if text else ""
            )

    def tell(self, sentence: str) -> None:
        """Show a sentence until another one, or an empty one, takes its place."""
        self._told = sentence
        self._write()

    def show_passing(self, sentence: str) -> None:
        """Show a sentence where there is no other one, until an empty one takes its place."""
        self._passing = sentence
        self._write()

    def _write(self) -> None:
        sentence = breakable(self._told or self._status.sentence or self._passing)
        if sentence != self.message.text():
            self.message.setText(sentence)
            # The whole of it while the mouse rests there; what is longer than the room can be scrolled as well.
            self.message.setToolTip(sentence)
            bar = self._room.verticalScrollBar()
            if bar is not None:
                bar.setValue(0)

    def _offer_keyboard(self, _: int, below: int) -> None:
        """Let the Tab key come here, for the arrow keys to scroll, where there is more than is seen."""
        self._room.setFocusPolicy(Qt.FocusPolicy.TabFocus if below else Qt.FocusPolicy.NoFocus)


def _message() -> QLabel:
    label = QLabel()
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setAlignment(Qt.AlignmentFlag.AlignTop)
    return label
