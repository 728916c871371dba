"""A strip of the planes of a stack: where the object in work is, and how sure of it propagation was."""

from collections.abc import Callable
from dataclasses import dataclass

from qtpy.QtCore import QEvent, QRectF, Qt
from qtpy.QtGui import QColor, QHelpEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPalette, QPen
from qtpy.QtWidgets import QSizePolicy, QToolTip, QWidget

from napari_sam.session.propagation import DOUBTFUL, share_text

# As the preview draws them on the canvas.
_KEY, _SURE, _DOUBTFUL = QColor(0, 205, 230), QColor(255, 217, 26), QColor(255, 89, 26)
_FOCUS = QColor("#3a9bdc")
_HEIGHT = 44
_MARGIN = 4
_TIP = (
    "Planes of the object in work: bars are confidences, low ones orange; clicked planes are blue. A click goes there."
)


@dataclass(frozen=True)
class StripState:
    """The state that a strip shows.

    Parameters
    ----------
    length
        Number of planes; 0 for none.
    in_view
        The plane in view; None for none.
    confidences
        (plane, confidence) of the propagated planes.
    keys
        Planes that the user prompted.
    """

    length: int = 0
    in_view: int | None = None
    confidences: tuple[tuple[int, float], ...] = ()
    keys: tuple[int, ...] = ()

    def describe(self, plane: int) -> str:
        """Say in a few words what is on a plane."""
        if plane in self.keys:
            return f"Plane {plane}: prompted"
        confidence = dict(self.confidences).get(plane)
        if confidence is None:
            return f"Plane {plane}"
        return f"Plane {plane}: confidence {share_text(confidence)}" + (", doubtful" if confidence < DOUBTFUL else "")


class PlaneStrip(QWidget):
    """A strip of planes, from left to right; a click, or the Left and Right keys, go to another one.

    Parameters
    ----------
    go_to
        Told the plane to go to.

    Attributes
    ----------
    state : StripState
        What is shown.
    """

    def __init__(self, go_to: Callable[[int], None]) -> None:
        super().__init__()
        self._go_to = go_to
        self.state = StripState()
        self.setFixedHeight(_HEIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        # As the panel's buttons: a click leaves the keyboard to the canvas.
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setAccessibleName("Planes of the object in work")
        self.setToolTip(_TIP)

    def show_state(self, state: StripState) -> None:
        """Show another state; the same one is not drawn again."""
        if state != self.state:
            self.state = state
            in_view = state.in_view
            self.setAccessibleDescription("" if in_view is None else state.describe(in_view))
            self.update()

    def plane_at(self, x: float) -> int | None:
        """Find the plane at a horizontal position; None outside of them."""
        width = self.width() - 2 * _MARGIN
        if self.state.length == 0 or not 0 <= x - _MARGIN < width:
            return None
        return int((x - _MARGIN) * self.state.length / width)

    def cell(self, plane: int) -> QRectF:
        """Find the place of a plane, over the whole height."""
        size = (self.width() - 2 * _MARGIN) / max(self.state.length, 1)
        return QRectF(_MARGIN + plane * size, _MARGIN, size, self.height() - 2 * _MARGIN)

    def mousePressEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802
        """Go to the plane that is clicked."""
        plane = None if event is None else self.plane_at(event.position().x())
        if event is None or plane is None or event.button() != Qt.MouseButton.LeftButton:
            super().mousePressEvent(event)
            return
        self._go_to(plane)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802
        """Go to a neighbouring plane."""
        steps = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}
        in_view = self.state.in_view
        if event is None or in_view is None or event.key() not in steps:
            super().keyPressEvent(event)
            return
        plane = in_view + steps[Qt.Key(event.key())]
        if 0 <= plane < self.state.length:
            self._go_to(plane)

    def event(self, event: QEvent | None) -> bool:
        """Say what is below the pointer, when that rests."""
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            plane = self.plane_at(event.pos().x())
            said = "" if plane is None else f"{self.state.describe(plane)}\n"
            QToolTip.showText(event.globalPos(), said + _TIP, self)
            return True
        return super().event(event)

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802
        """Draw the bars, the planes that were prompted, and the plane in view."""
        super().paintEvent(event)
        painter = QPainter(self)
        text = self.palette().color(QPalette.ColorRole.WindowText)
        faint = QColor(text)
        faint.setAlpha(40)
        whole = QRectF(_MARGIN, _MARGIN, self.width() - 2 * _MARGIN, self.height() - 2 * _MARGIN)
        painter.fillRect(whole, faint)
        bars = [
            (plane, confidence, _SURE if confidence >= DOUBTFUL else _DOUBTFUL)
            for plane, confidence in self.state.confidences
        ]
        bars += [(plane, 1.0, _KEY) for plane in self.state.keys]
        # Where planes are narrower than a pixel, those to look at are on top.
        for plane, share, colour in sorted(bars, key=lambda bar: (bar[2] is not _SURE, bar[0])):
            cell = self.cell(plane)
            top = cell.top() + cell.height() * (1 - share)
            gap = 1 if cell.width() > 3 else 0
            painter.fillRect(QRectF(cell.left(), top, max(cell.width() - gap, 1), cell.bottom() - top), colour)
        if self.state.in_view is not None:
            cell = self.cell(self.state.in_view)
            painter.setPen(QPen(text, 2))
            painter.drawRect(cell.adjusted(0, -2, -1 if cell.width() > 3 else 1, 2))
        if self.hasFocus():
            painter.setPen(QPen(_FOCUS, 2))
            painter.drawRect(QRectF(self.rect()).adjusted(1, 1, -1, -1))
        painter.end()
