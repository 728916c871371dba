"""A plot of two columns of a table, in which objects are pointed at."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QEvent, QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QHelpEvent, QMouseEvent, QPainter, QPaintEvent, QPalette, QPen
from qtpy.QtWidgets import QSizePolicy, QToolTip, QWidget

_LEFT, _RIGHT, _TOP, _BOTTOM = 54, 12, 10, 34
_RADIUS = 3.5
_NEAR = 8.0
"""Pixels around a point in which a click means it."""
_SELECTED = QColor(255, 217, 26)


@dataclass(frozen=True, eq=False)
class PlotState:
    """What a plot shows.

    Parameters
    ----------
    across, up
        (n,) values of each row; rows in which one is no number are not drawn.
    names
        What these are, with their units.
    colours
        Of each row.
    selected
        Rows that stand out.
    """

    across: NDArray[np.float64]
    up: NDArray[np.float64]
    names: tuple[str, str]
    colours: tuple[QColor, ...]
    selected: tuple[int, ...] = ()


class MeasurementsPlot(QWidget):
    """A scatter plot; a click selects a row, with Ctrl or Shift more than one.

    Parameters
    ----------
    choose
        Told the row that was clicked, and whether it comes to those that are selected already.
    describe
        Says in a few words what a row is.
    """

    def __init__(self, choose: Callable[[int, bool], None], describe: Callable[[int], str]) -> None:
        super().__init__()
        self._choose = choose
        self._describe = describe
        self.state: PlotState | None = None
        self.setMinimumSize(220, 160)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName("Plot of the measurements")

    def show_state(self, state: PlotState | None) -> None:
        """Show other columns, or other rows selected; None for nothing."""
        self.state = state
        self.update()

    def places(self) -> NDArray[np.float64]:
        """Return where each row is drawn, (n, 2) as (x, y) in pixels; NaN where it is not."""
        if self.state is None:
            return np.zeros((0, 2))
        area = self._area()
        across, up = ((values - _low(values)) / _span(values) for values in (self.state.across, self.state.up))
        found = np.stack([area.left() + across * area.width(), area.bottom() - up * area.height()], axis=1)
        found[~np.isfinite(found).all(axis=1)] = np.nan
        return found

    def row_at(self, position: QPointF) -> int | None:
        """Find the row whose point is nearest to a position; None where none is near."""
        away = np.hypot(*(self.places() - (position.x(), position.y())).T)
        if not np.isfinite(away).any():
            return None
        nearest = int(np.nanargmin(away))
        return nearest if away[nearest] <= _NEAR else None

    def mousePressEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802
        """Select the row that is clicked."""
        row = None if event is None else self.row_at(event.position())
        if event is None or row is None or event.button() != Qt.MouseButton.LeftButton:
            super().mousePressEvent(event)
            return
        adds = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
        self._choose(row, bool(event.modifiers() & adds))

    def event(self, event: QEvent | None) -> bool:
        """Say what is below the pointer, when that rests."""
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            row = self.row_at(QPointF(event.pos()))
            QToolTip.showText(event.globalPos(), "" if row is None else self._describe(row), self)
            return True
        return super().event(event)

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802
        """Draw the axes, and a point for each row."""
        super().paintEvent(event)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        text = self.palette().color(QPalette.ColorRole.WindowText)
        faint = QColor(text)
        faint.setAlpha(90)
        area = self._area()
        painter.setPen(QPen(faint, 1))
        painter.drawLine(area.bottomLeft(), area.bottomRight())
        painter.drawLine(area.bottomLeft(), area.topLeft())
        if self.state is not None and np.isfinite(self.state.across).any() and np.isfinite(self.state.up).any():
            self._draw_axes(painter, area, text)
            # Those that are selected are on top.
            selected = set(self.state.selected)
            places = self.places()
            rows = [row for row in range(len(places)) if row not in selected]
            for row in (*rows, *self.state.selected):
                if np.isfinite(places[row, 0]):
                    at, chosen = QPointF(*places[row].tolist()), row in selected
                    painter.setPen(QPen(text, 1.5) if chosen else Qt.PenStyle.NoPen)
                    painter.setBrush(_SELECTED if chosen else self.state.colours[row])
                    radius = 1.7 * _RADIUS if chosen else _RADIUS
                    painter.drawEllipse(at, radius, radius)
        painter.end()

    def _draw_axes(self, painter: QPainter, area: QRectF, text: QColor) -> None:
        assert self.state is not None
        painter.setPen(text)
        center, right, left = Qt.AlignmentFlag.AlignCenter, Qt.AlignmentFlag.AlignRight, Qt.AlignmentFlag.AlignLeft
        middle = Qt.AlignmentFlag.AlignVCenter
        low, high = _low(self.state.across), _low(self.state.across) + _span(self.state.across)
        below = QRectF(area.left(), area.bottom() + 3, area.width(), 14)
        painter.drawText(below, int(left), f"{low:.4g}")
        painter.drawText(below, int(right), f"{high:.4g}")
        painter.drawText(below.translated(0, 13), int(center), self.state.names[0])
        low, high = _low(self.state.up), _low(self.state.up) + _span(self.state.up)
        beside = QRectF(0, area.top() - 7, _LEFT - 5, 14)
        painter.drawText(beside, int(right | middle), f"{high:.4g}")
        painter.drawText(beside.translated(0, area.height()), int(right | middle), f"{low:.4g}")
        painter.save()
        painter.translate(10, area.center().y())
        painter.rotate(-90)
        painter.drawText(QRectF(-area.height() / 2, -8, area.height(), 14), int(center), self.state.names[1])
        painter.restore()

    def _area(self) -> QRectF:
        return QRectF(_LEFT, _TOP, max(self.width() - _LEFT - _RIGHT, 1), max(self.height() - _TOP - _BOTTOM, 1))


def _low(values: NDArray[np.float64]) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.min()) if len(finite) else 0.0


def _span(values: NDArray[np.float64]) -> float:
    """Return how far the values reach; 1 where they are all the same, so that nothing is divided by 0."""
    finite = values[np.isfinite(values)]
    return float(np.ptp(finite)) or 1.0 if len(finite) else 1.0
