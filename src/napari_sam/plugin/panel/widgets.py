"""The widgets that the panel's rows are made of."""

import re
from collections.abc import Callable

from qtpy.QtCore import QEvent, QObject, QRectF, Qt
from qtpy.QtGui import QColor, QPainter, QPaintEvent, QPen, QResizeEvent
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
PANEL_STYLE = (
    # napari draws a border around what is disabled only, which is larger by that.
    "QPushButton, QComboBox { border: 1px solid transparent; }"
    "QPushButton:disabled, QComboBox:disabled { border-color: rgba(128, 128, 128, 70); }"
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

    Room is kept for the scroll bar, so that nothing becomes narrower when that comes.

    Parameters
    ----------
    content
        What it holds.
    """

    def __init__(self, content: QWidget) -> None:
        super().__init__()
        self.setWidgetResizable(True)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWidget(content)

    @property
    def bar_width(self) -> int:
        """Width of the scroll bar, whether it is there or not."""
        bar = self.verticalScrollBar()
        return 0 if bar is None else bar.sizeHint().width()

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802
        """Keep the room for the scroll bar."""
        content = self.widget()
        if content is not None:
            content.setMaximumWidth(max(self.width() - self.bar_width, 0))
        super().resizeEvent(event)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Be as wide as the content, whose width is known only when napari's style has reached it."""
        if event is not None and event.type() in (QEvent.Type.LayoutRequest, QEvent.Type.Show):
            content = self.widget()
            if content is not None:
                self.setMinimumWidth(content.minimumSizeHint().width() + self.bar_width)
        return super().eventFilter(watched, event)


_AROUND_TEXT = 10
"""Pixels that napari's style puts around a text, and a little more."""


class RoomKeeper(QObject):
    """A keeper of room for so many lines of text, whatever the style, which comes late.

    Parameters
    ----------
    label
        In whose style the text is.
    lines
        How many.
    keep
        Told the height.
    """

    def __init__(self, label: QLabel, lines: int, keep: Callable[[int], None]) -> None:
        super().__init__(label)
        self._label = label
        self._lines = lines
        self._keep = keep
        label.installEventFilter(self)
        self._measure()

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Measure again when the style is another one."""
        if event is not None and event.type() in (QEvent.Type.StyleChange, QEvent.Type.FontChange, QEvent.Type.Show):
            self._measure()
        return super().eventFilter(watched, event)

    def _measure(self) -> None:
        self._label.ensurePolished()
        self._keep(self._lines * self._label.fontMetrics().lineSpacing() + _AROUND_TEXT)


def combo() -> QComboBox:
    """Make a choice that takes the width there is, however long its texts are."""
    made = QComboBox()
    made.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    made.setMinimumContentsLength(4)
    made.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    return made


def choose(box: QComboBox, data: object) -> None:
    """Choose the entry that holds `data`, or the first one."""
    for at in range(box.count()):
        if box.itemData(at) is data:
            box.setCurrentIndex(at)
            return
    box.setCurrentIndex(0)


def button(text: str, key: str, tip: str, between: str = " ") -> QPushButton:
    """Make a button that leaves the keyboard to the canvas; `between` stands between its text and its key."""
    made = PanelButton(f"{text}{between}[{key}]" if key else text)
    made.setToolTip(tip_with_key(tip, key))
    return made


def tip_with_key(tip: str, key: str) -> str:
    """Write a tooltip that names the key, if there is one."""
    return f"{tip} Key: {key}." if key else tip


def action_button(action: Action, between: str = " ") -> QPushButton:
    """Make the button of something that a key does too."""
    control = CONTROLS[action]
    return button(control.text, control.shown, control.tip, between)


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
