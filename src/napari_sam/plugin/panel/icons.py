"""The pictures of tools and actions, and the buttons that show them."""

from collections.abc import Callable
from enum import StrEnum

from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QFont, QFontMetrics, QPainter, QPainterPath, QPaintEvent, QPalette, QPen, QPolygonF

from napari_sam.plugin.actions import CONTROLS, Action
from napari_sam.plugin.panel.widgets import PanelButton, tip_with_key


class Icon(StrEnum):
    """A picture, drawn on a square of 20 by 20."""

    CLICK = "click"
    MOVE_CLICKS = "move clicks"
    BOX = "box"
    OUTLINE = "outline"
    SCRIBBLE = "scribble"
    MOVE_SHAPES = "move shapes"
    REMOVE_LAST = "remove last"
    CLEAR = "clear"
    POLARITY = "polarity"
    CURSOR = "cursor"
    PICK = "pick"
    EYE = "eye"
    UNDO = "undo"
    REDO = "redo"
    EVERYTHING = "everything"
    MERGE = "merge"
    SPLIT = "split"
    FILL_HOLES = "fill holes"
    KEEP_LARGEST = "keep largest part"
    SMOOTH = "smooth"
    GROW = "grow"
    SHRINK = "shrink"


ACTION_ICONS = {
    Action.REMOVE_LAST: Icon.REMOVE_LAST,
    Action.CLEAR: Icon.CLEAR,
    Action.POLARITY: Icon.POLARITY,
    Action.CURSOR: Icon.CURSOR,
    Action.PICK: Icon.PICK,
    Action.HIDE: Icon.EYE,
    Action.UNDO: Icon.UNDO,
    Action.REDO: Icon.REDO,
    Action.MERGE: Icon.MERGE,
    Action.SPLIT: Icon.SPLIT,
    Action.FILL_HOLES: Icon.FILL_HOLES,
    Action.KEEP_LARGEST: Icon.KEEP_LARGEST,
    Action.SMOOTH: Icon.SMOOTH,
    Action.GROW: Icon.GROW,
    Action.SHRINK: Icon.SHRINK,
}
_SIDE = 20
_CAPTION = 0.8
"""Size of a caption, as a share of a button's text."""
_MARGIN = 3


class IconButton(PanelButton):
    """A button with a picture, and below it a word or its key; what it does is its tooltip and its name for a reader.

    The picture is drawn as lines in the text's colour, so that it is sharp on any screen and seen in any theme.

    Parameters
    ----------
    icon
        The picture.
    name
        What it does, in a few words.
    caption
        Below the picture.
    tip
        The tooltip.
    """

    def __init__(self, icon: Icon, name: str, caption: str, tip: str) -> None:
        super().__init__()
        self._icon = icon
        self.caption = caption
        self.setAccessibleName(name)
        self.setToolTip(f"<b>{name}</b><br>{tip}")

    def sizeHint(self) -> QSize:  # noqa: N802
        """Return a size with room for picture and caption."""
        metrics = QFontMetrics(self._caption_font())
        width = max(_SIDE + 12, metrics.horizontalAdvance(self.caption) + 6)
        return QSize(width, _SIDE + metrics.height() + 3 * _MARGIN)

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """Return the same size."""
        return self.sizeHint()

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802
        """Draw the button, the picture and the caption."""
        super().paintEvent(event)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if not self.isEnabled():
            painter.setOpacity(0.4)
        colour = QColor("white") if self.property("prominent") else self.palette().color(QPalette.ColorRole.ButtonText)
        colour.setAlpha(255)
        painter.save()
        painter.translate((self.width() - _SIDE) / 2, _MARGIN + 1)
        painter.setPen(QPen(colour, 1.6, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap, Qt.PenJoinStyle.RoundJoin))
        _PICTURES[self._icon](painter, colour)
        painter.restore()
        if self.isChecked() and self.property("prominent"):
            # The green of what is next hides that it is in use.
            painter.fillRect(QRectF(4, self.height() - 3, self.width() - 8, 2), colour)
        painter.setFont(self._caption_font())
        painter.setPen(colour)
        below = QRectF(0, _MARGIN + _SIDE + 1, self.width(), self.height() - _SIDE - 2 * _MARGIN)
        painter.drawText(below, Qt.AlignmentFlag.AlignCenter, self.caption)
        painter.end()

    def _caption_font(self) -> QFont:
        font = self.font()
        # A style sheet gives sizes in points or in pixels.
        if font.pointSizeF() > 0:
            font.setPointSizeF(font.pointSizeF() * _CAPTION)
        else:
            font.setPixelSize(round(font.pixelSize() * _CAPTION))
        return font


def action_icon(action: Action) -> IconButton:
    """Make the button with a picture of something that a key does too."""
    control = CONTROLS[action]
    return IconButton(ACTION_ICONS[action], control.text, control.shown, tip_with_key(control.tip, control.shown))


# The pictures. Each is given a painter whose pen has the colour and whose origin is the square's corner.


def _dot(painter: QPainter, colour: QColor, x: float, y: float, radius: float) -> None:
    painter.save()
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(colour)
    painter.drawEllipse(QPointF(x, y), radius, radius)
    painter.restore()


def _lines(painter: QPainter, *ends: tuple[float, float, float, float]) -> None:
    for x0, y0, x1, y1 in ends:
        painter.drawLine(QPointF(x0, y0), QPointF(x1, y1))


def _polygon(*corners: tuple[float, float]) -> QPolygonF:
    return QPolygonF([QPointF(*corner) for corner in corners])


def _arrow(painter: QPainter, colour: QColor, x: float, y: float) -> None:
    """Draw a pointer whose tip is at (x, y)."""
    painter.save()
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(colour)
    shape = ((0, 0), (0, 10.5), (2.8, 8), (4.6, 11.8), (6.4, 11), (4.6, 7.3), (8, 7))
    painter.drawPolygon(_polygon(*((x + right, y + down) for right, down in shape)))
    painter.restore()


def _click(painter: QPainter, colour: QColor) -> None:
    _dot(painter, colour, 6, 6, 3.2)
    pen = painter.pen()
    painter.setPen(QPen(colour, 1.3, Qt.PenStyle.DotLine))
    painter.drawRect(QRectF(1.5, 1.5, 14, 12))
    painter.setPen(pen)
    _arrow(painter, colour, 10.5, 8)


def _move_clicks(painter: QPainter, colour: QColor) -> None:
    _dot(painter, colour, 10, 10, 3)
    _lines(painter, (10, 1, 10, 4.5), (10, 15.5, 10, 19), (1, 10, 4.5, 10), (15.5, 10, 19, 10))
    for x, y, right, down in ((10, 1, 2, 2), (10, 19, 2, -2)):
        _lines(painter, (x, y, x - right, y + down), (x, y, x + right, y + down))
    for x, y, right, down in ((1, 10, 2, 2), (19, 10, -2, 2)):
        _lines(painter, (x, y, x + right, y - down), (x, y, x + right, y + down))


def _box(painter: QPainter, colour: QColor) -> None:
    painter.drawRect(QRectF(3, 4.5, 14, 11))
    for x, y in ((3, 4.5), (17, 4.5), (3, 15.5), (17, 15.5)):
        _dot(painter, colour, x, y, 2)


def _outline(painter: QPainter, colour: QColor) -> None:
    corners = ((4, 5), (12, 2.5), (17.5, 9), (13, 17), (4.5, 14.5))
    painter.drawPolygon(_polygon(*corners))
    for x, y in corners:
        _dot(painter, colour, x, y, 1.8)


def _scribble(painter: QPainter, _: QColor) -> None:
    path = QPainterPath(QPointF(2, 14.5))
    path.cubicTo(QPointF(5, 0), QPointF(10, 2), QPointF(8, 10))
    path.cubicTo(QPointF(7, 18), QPointF(12, 19), QPointF(13.5, 11))
    path.cubicTo(QPointF(14.5, 6), QPointF(17, 5), QPointF(18, 8))
    painter.drawPath(path)


def _move_shapes(painter: QPainter, colour: QColor) -> None:
    painter.drawRect(QRectF(2, 3, 12, 10))
    _arrow(painter, colour, 9.5, 7.5)


def _remove_last(painter: QPainter, _: QColor) -> None:
    painter.drawPolygon(_polygon((1.5, 10), (6.5, 4.5), (18.5, 4.5), (18.5, 15.5), (6.5, 15.5)))
    _lines(painter, (9.5, 7.5, 14.5, 12.5), (14.5, 7.5, 9.5, 12.5))


def _clear(painter: QPainter, _: QColor) -> None:
    _lines(painter, (2.5, 5, 17.5, 5), (7.5, 5, 8, 2.5), (8, 2.5, 12, 2.5), (12, 2.5, 12.5, 5))
    painter.drawPolyline(_polygon((4.5, 5), (5.5, 18), (14.5, 18), (15.5, 5)))
    _lines(painter, (8.3, 8.5, 8.6, 14.5), (11.7, 8.5, 11.4, 14.5))


def _polarity(painter: QPainter, _: QColor) -> None:
    _lines(painter, (5.5, 2, 5.5, 9), (2, 5.5, 9, 5.5), (11, 14.5, 18, 14.5), (4, 17, 16, 3))


def _cursor(painter: QPainter, colour: QColor) -> None:
    _lines(painter, (10, 1, 10, 7), (10, 13, 10, 19), (1, 10, 7, 10), (13, 10, 19, 10))
    _dot(painter, colour, 10, 10, 1.4)


def _pick(painter: QPainter, colour: QColor) -> None:
    painter.drawPolygon(_polygon((2, 3), (9.5, 3), (18, 11.5), (11, 18.5), (2, 10)))
    _dot(painter, colour, 6, 7, 1.7)


def _eye(painter: QPainter, colour: QColor) -> None:
    path = QPainterPath(QPointF(1, 10))
    path.quadTo(QPointF(10, -0.5), QPointF(19, 10))
    path.quadTo(QPointF(10, 20.5), QPointF(1, 10))
    painter.drawPath(path)
    _dot(painter, colour, 10, 10, 2.8)


def _undo(painter: QPainter, _: QColor) -> None:
    path = QPainterPath(QPointF(3, 7))
    path.lineTo(QPointF(12, 7))
    path.arcTo(QRectF(7.5, 7, 9.5, 10), 90, -180)
    path.lineTo(QPointF(6, 17))
    painter.drawPath(path)
    _lines(painter, (3, 7, 7, 3), (3, 7, 7, 11))


def _redo(painter: QPainter, colour: QColor) -> None:
    painter.translate(_SIDE, 0)
    painter.scale(-1, 1)
    _undo(painter, colour)


def _everything(painter: QPainter, colour: QColor) -> None:
    pen = painter.pen()
    painter.setPen(QPen(colour, 1.3))
    for x, y, across, down in ((6.5, 7, 3, 2.4), (13.2, 6.6, 2.2, 2.8), (7.2, 13.4, 2.4, 2.2), (13.4, 13.2, 2.8, 2.4)):
        painter.drawEllipse(QPointF(x, y), across, down)
    painter.setPen(pen)
    for x, y, right, down in ((1, 1, 1, 1), (19, 1, -1, 1), (1, 19, 1, -1), (19, 19, -1, -1)):
        _lines(painter, (x, y, x + 3.5 * right, y), (x, y, x, y + 3.5 * down))


def _merge(painter: QPainter, colour: QColor) -> None:
    _ellipse(painter, colour, 6, 10, 4.5, 6)
    _ellipse(painter, colour, 14, 10, 4.5, 6)
    _lines(painter, (7.5, 10, 12.5, 10), (10, 7.5, 10, 12.5))


def _split(painter: QPainter, colour: QColor) -> None:
    painter.drawEllipse(QRectF(1.5, 4, 17, 12))
    pen = painter.pen()
    painter.setPen(QPen(colour, 1.6, Qt.PenStyle.DashLine))
    _lines(painter, (10, 1, 10, 19))
    painter.setPen(pen)
    _dot(painter, colour, 5.8, 10, 1.7)
    _dot(painter, colour, 14.2, 10, 1.7)


def _fill_holes(painter: QPainter, colour: QColor) -> None:
    painter.drawEllipse(QRectF(2, 2.5, 16, 15))
    pen = painter.pen()
    painter.setPen(QPen(colour, 1.2))
    painter.drawEllipse(QRectF(6.5, 6.5, 7, 7))
    _lines(painter, (7.5, 11, 11, 7.5), (9, 12.5, 12.5, 9))
    painter.setPen(pen)


def _keep_largest(painter: QPainter, colour: QColor) -> None:
    _ellipse(painter, colour, 7.5, 8.5, 5.5, 6)
    pen = painter.pen()
    painter.setPen(QPen(colour, 1.2, Qt.PenStyle.DotLine))
    painter.drawEllipse(QPointF(16, 14.5), 2.5, 2.5)
    painter.drawEllipse(QPointF(8, 18), 1.5, 1.2)
    painter.setPen(pen)


def _smooth(painter: QPainter, colour: QColor) -> None:
    pen = painter.pen()
    painter.setPen(QPen(colour, 1.1))
    painter.drawPolyline(_polygon((1.5, 8), (4, 3), (7, 8.5), (10, 2), (13, 8), (16, 3), (18.5, 8)))
    painter.setPen(pen)
    path = QPainterPath(QPointF(1.5, 17))
    path.quadTo(QPointF(10, 8), QPointF(18.5, 17))
    painter.drawPath(path)


def _grow(painter: QPainter, colour: QColor) -> None:
    _ellipse(painter, colour, 10, 10, 3.5, 3.5)
    _pointing(painter, outwards=True)


def _shrink(painter: QPainter, colour: QColor) -> None:
    _ellipse(painter, colour, 10, 10, 2.5, 2.5)
    _pointing(painter, outwards=False)


def _ellipse(painter: QPainter, colour: QColor, x: float, y: float, across: float, down: float) -> None:
    """Draw an object: an outline with a faint fill."""
    faint = QColor(colour)
    faint.setAlpha(90)
    painter.save()
    painter.setBrush(faint)
    painter.drawEllipse(QPointF(x, y), across, down)
    painter.restore()


def _pointing(painter: QPainter, *, outwards: bool) -> None:
    """Draw four arrows away from the middle, or towards it."""
    tip, tail = (9.0, 5.5) if outwards else (4.5, 9.0)
    back = tip - 2.2 if outwards else tip + 2.2
    for x, y in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        _lines(painter, (10 + tail * x, 10 + tail * y, 10 + tip * x, 10 + tip * y))
        for side in (2.2, -2.2):
            _lines(painter, (10 + tip * x, 10 + tip * y, 10 + back * x + side * y, 10 + back * y + side * x))


_PICTURES: dict[Icon, Callable[[QPainter, QColor], None]] = {
    Icon.CLICK: _click,
    Icon.MOVE_CLICKS: _move_clicks,
    Icon.BOX: _box,
    Icon.OUTLINE: _outline,
    Icon.SCRIBBLE: _scribble,
    Icon.MOVE_SHAPES: _move_shapes,
    Icon.REMOVE_LAST: _remove_last,
    Icon.CLEAR: _clear,
    Icon.POLARITY: _polarity,
    Icon.CURSOR: _cursor,
    Icon.PICK: _pick,
    Icon.EYE: _eye,
    Icon.UNDO: _undo,
    Icon.REDO: _redo,
    Icon.EVERYTHING: _everything,
    Icon.MERGE: _merge,
    Icon.SPLIT: _split,
    Icon.FILL_HOLES: _fill_holes,
    Icon.KEEP_LARGEST: _keep_largest,
    Icon.SMOOTH: _smooth,
    Icon.GROW: _grow,
    Icon.SHRINK: _shrink,
}
