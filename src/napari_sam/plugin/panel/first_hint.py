"""The three gestures, shown until the user has seen them."""

from collections.abc import Callable
from enum import Enum

from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF
from qtpy.QtWidgets import QFrame, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from napari_sam.plugin.panel.parts import SPACING, button
from napari_sam.plugin.prompt_features import COLOURS, REGION_COLOUR
from napari_sam.plugin.settings import recall, remember

_SEEN = "gestures seen"
_GREY, _LIGHT = "#9a9a9a", "#d8d8d8"


class Gesture(Enum):
    """A gesture, its picture and its words."""

    ADD = "Left click\nadds"
    EXCLUDE = "Right click\nexcludes"
    BOX = "Drag\ndraws a box"


class GesturePicture(QWidget):
    """A mouse with the button that is pressed, or a box that is being drawn.

    Parameters
    ----------
    gesture
        Which gesture.
    """

    def __init__(self, gesture: Gesture) -> None:
        super().__init__()
        self.gesture = gesture
        self.setFixedSize(56, 44)

    def paintEvent(self, _: QPaintEvent | None) -> None:  # noqa: N802
        """Draw it."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self.gesture is Gesture.BOX:
            self._paint_box(painter)
        else:
            self._paint_mouse(painter)
        painter.end()

    def _paint_mouse(self, painter: QPainter) -> None:
        body = QRectF(15, 3, 26, 38)
        left = self.gesture is Gesture.ADD
        pressed = QRectF(body.left() if left else body.center().x(), body.top(), body.width() / 2, body.height() / 2.4)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(COLOURS["positive" if left else "negative"]))
        painter.drawRoundedRect(pressed, 6, 6)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(QColor(_LIGHT), 1.6))
        painter.drawRoundedRect(body, 12, 12)
        bottom = body.top() + body.height() / 2.4
        painter.drawLine(QPointF(body.left(), bottom), QPointF(body.right(), bottom))
        painter.drawLine(QPointF(body.center().x(), body.top()), QPointF(body.center().x(), bottom))

    def _paint_box(self, painter: QPainter) -> None:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(_GREY))
        painter.drawEllipse(QRectF(15, 10, 22, 18))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(QColor(REGION_COLOUR), 1.6, Qt.PenStyle.DashLine))
        painter.drawRect(QRectF(9, 5, 34, 28))
        tip = QPointF(43, 33)
        arrow = [tip, tip + QPointF(3.5, 9.5), tip + QPointF(5, 5), tip + QPointF(9.5, 3.5)]
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(_LIGHT))
        painter.drawPolygon(QPolygonF(arrow))


class FirstHint(QFrame):
    """The three gestures in pictures; once dismissed it does not come back.

    Parameters
    ----------
    on_dismissed
        Called when the user has seen it.
    """

    def __init__(self, on_dismissed: Callable[[], None]) -> None:
        super().__init__()
        self._on_dismissed = on_dismissed
        self.setObjectName("hint")
        self.setStyleSheet("#hint { border: 1px solid #3a9bdc; border-radius: 3px; }")
        self.dismiss_button = button("Got it", "", "Do not show this again.")
        pictures = QHBoxLayout()
        pictures.setSpacing(SPACING)
        for gesture in Gesture:
            words = QLabel(gesture.value)
            words.setAlignment(Qt.AlignmentFlag.AlignHCenter)
            one = QVBoxLayout()
            one.setSpacing(2)
            one.addWidget(GesturePicture(gesture), 0, Qt.AlignmentFlag.AlignHCenter)
            one.addWidget(words)
            pictures.addLayout(one, 1)
        rows = QVBoxLayout(self)
        rows.setContentsMargins(6, 6, 6, 6)
        rows.setSpacing(SPACING)
        rows.addLayout(pictures)
        rows.addWidget(self.dismiss_button)
        self.dismiss_button.clicked.connect(lambda: self.dismiss())

    @staticmethod
    def wanted() -> bool:
        """Whether the user has not seen it yet."""
        return recall(_SEEN) is not True

    def dismiss(self) -> None:
        """Do not show it again."""
        remember(_SEEN, True)
        self.hide()
        self._on_dismissed()
