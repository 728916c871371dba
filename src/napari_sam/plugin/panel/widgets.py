"""The widgets that the panel's rows are made of."""

import re

from qtpy.QtCore import QEvent, QObject, QRectF, Qt
from qtpy.QtGui import QColor, QPainter, QPaintEvent, QPen
from qtpy.QtWidgets import (
    QAbstractSpinBox,
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
GO = "#1d7a3e"
"""The colour of the next thing to do. White on it has a contrast of 5.4: to be read with weak eyes too."""
_FOCUS = "#3a9bdc"
PROMINENT_STYLE = (
    f'QPushButton[prominent="true"], QComboBox[prominent="true"] {{ background-color: {GO}; color: white; }}'
    'QPushButton[prominent="true"]:hover, QComboBox[prominent="true"]:hover { background-color: #24944c; }'
    'QPushButton[prominent="true"]:pressed { background-color: #155c2e; }'
)
"""For the widget around everything that may be the next thing to do."""


def set_prominent(widget: QWidget, prominent: bool) -> None:
    """Have a widget stand out, or no longer; its size stays as it is."""
    if bool(widget.property("prominent")) is prominent:
        return
    widget.setProperty("prominent", prominent)
    style = widget.style()
    if style is not None:
        # Qt looks at properties when it polishes, not when they change.
        style.unpolish(widget)
        style.polish(widget)


class PanelButton(QPushButton):
    """A button that the Tab key reaches and a click does not: that leaves the keyboard to the canvas.

    It draws a ring while it has the keyboard, which napari's style does not.

    Parameters
    ----------
    text
        On the button.
    """

    def __init__(self, text: str = "") -> None:
        super().__init__(text)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802
        """Draw the button, and the ring."""
        super().paintEvent(event)
        if self.hasFocus():
            painter = QPainter(self)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(QPen(QColor(_FOCUS), 2))
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), 3, 3)
            painter.end()


class WheelGuard(QObject):
    """A guard against choices that change because the panel is scrolled with the pointer over them.

    The wheel turns a choice only while that has the keyboard.

    Parameters
    ----------
    around
        The choices inside of it are guarded.
    """

    def __init__(self, around: QWidget) -> None:
        super().__init__(around)
        for kind in (QComboBox, QAbstractSpinBox):
            for each in around.findChildren(kind):
                each.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
                each.installEventFilter(self)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Leave the wheel to what scrolls."""
        if (
            event is not None
            and event.type() == QEvent.Type.Wheel
            and isinstance(watched, QWidget)
            and not watched.hasFocus()
        ):
            event.ignore()
            return True
        return False


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
    made = PanelButton(f"{text}  [{key}]" if key else text)
    made.setToolTip(tip_with_key(tip, key))
    return made


def tip_with_key(tip: str, key: str) -> str:
    """Write a tooltip that names the key, if there is one."""
    return f"{tip} Key: {key}." if key else tip


def action_button(action: Action) -> QPushButton:
    """Make the button of something that a key does too."""
    control = CONTROLS[action]
    return button(control.text, control.shown, control.tip)


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
