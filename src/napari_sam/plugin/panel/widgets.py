"""The widgets that the panel's rows are made of."""

import re

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import (
    QComboBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_sam.plugin.actions import CONTROLS, Action

_LONGEST = 16
_BREAK = "\u200b"


def breakable(sentence: str) -> str:
    """Mark where Qt may break long words of the sentence; a label is never narrower than its longest word.

    A word is broken behind what separates its parts, else anywhere.
    """
    return re.sub(rf"\S{{{_LONGEST + 1},}}", lambda word: _broken(word[0]), sentence)


def _broken(word: str) -> str:
    parts = re.findall(r"[^\W_]+[\W_]*|[\W_]+", word)
    return _BREAK.join(part[start : start + _LONGEST] for part in parts for start in range(0, len(part), _LONGEST))


SPACING = 4


class ColumnScroll(QScrollArea):
    """A scroll area that scrolls up and down only: it is never narrower than what it holds.

    Parameters
    ----------
    content
        What it holds.
    """

    def __init__(self, content: QWidget) -> None:
        super().__init__()
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWidget(content)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Be as wide as the content, whose width is known only when napari's style has reached it."""
        if event is not None and event.type() in (QEvent.Type.LayoutRequest, QEvent.Type.Show):
            content, bar = self.widget(), self.verticalScrollBar()
            if content is not None and bar is not None:
                self.setMinimumWidth(content.minimumSizeHint().width() + bar.sizeHint().width())
        return super().eventFilter(watched, event)


def combo() -> QComboBox:
    """Make a choice that takes the width there is, however long its texts are."""
    made = QComboBox()
    made.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    made.setMinimumContentsLength(12)
    made.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    return made


def choose(box: QComboBox, data: object) -> None:
    """Choose the entry that holds `data`, or the first one."""
    for at in range(box.count()):
        if box.itemData(at) is data:
            box.setCurrentIndex(at)
            return
    box.setCurrentIndex(0)


def button(text: str, key: str, tip: str) -> QPushButton:
    """Make a button that leaves the keyboard to the canvas."""
    made = QPushButton(f"{text}  [{key}]" if key else text)
    made.setToolTip(f"{tip} Key: {key}." if key else tip)
    made.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    return made


def action_button(action: Action) -> QPushButton:
    """Make the button of something that a key does too."""
    control = CONTROLS[action]
    return button(control.text, control.shown, control.tip)


def title(text: str) -> QLabel:
    """Make a heading."""
    return QLabel(f"<b>{text}</b>")


def line() -> QFrame:
    """Make a line across, between groups of rows."""
    made = QFrame()
    made.setFrameShape(QFrame.Shape.HLine)
    made.setStyleSheet("color: #6a6a6a")
    return made


def row(*parts: QWidget) -> QHBoxLayout:
    """Lay parts out side by side, of equal width."""
    made = QHBoxLayout()
    made.setSpacing(SPACING)
    for part in parts:
        made.addWidget(part, 1)
    return made


class FramedRow(QFrame):
    """A row in a frame, so that it is seen: a sentence, and whatever is put below it.

    Parameters
    ----------
    colour
        Of the frame.

    Attributes
    ----------
    sentence : QLabel
        The sentence.
    rows : QVBoxLayout
        Where more goes.
    """

    def __init__(self, colour: str = "#e0a800") -> None:
        super().__init__()
        # By its name, or every label inside would have a frame as well.
        self.setObjectName("framed")
        self.setStyleSheet(f"#framed {{ border: 1px solid {colour}; border-radius: 3px; }}")
        self.sentence = QLabel()
        self.sentence.setWordWrap(True)
        self.rows = QVBoxLayout(self)
        self.rows.setContentsMargins(6, 4, 6, 4)
        self.rows.setSpacing(SPACING)
        self.rows.addWidget(self.sentence)


def column_layout(parent: QWidget) -> QVBoxLayout:
    """Make a layout for `parent` without margins of its own."""
    made = QVBoxLayout(parent)
    made.setContentsMargins(0, 0, 0, 0)
    made.setSpacing(SPACING)
    return made
