"""The section about prompts: how gestures work, which tool is active, layers as prompts, taking prompts back."""

from collections.abc import Callable
from enum import Enum
from functools import partial

from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF
from qtpy.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_sam.plugin.actions import Action
from napari_sam.plugin.canvas.plugin_tools import Tool
from napari_sam.plugin.controller import SegmentController
from napari_sam.plugin.layers.drawn_prompts import COLOURS, REGION_COLOUR
from napari_sam.plugin.panel.icons import Icon, IconButton, action_icon
from napari_sam.plugin.panel.section import Section
from napari_sam.plugin.panel.widgets import SPACING, action_button, button, choose, column_layout, combo, row
from napari_sam.plugin.settings import recall, remember
from napari_sam.session.status import State, Status

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
        """Tell whether the user has not seen it yet."""
        return recall(_SEEN) is not True

    def dismiss(self) -> None:
        """Do not show it again."""
        remember(_SEEN, True)
        self.hide()
        self._on_dismissed()


OWN = "Own clicks and shapes"


class SourceRow(QWidget):
    """The row about the layer that the prompts are taken from, and what is made of them.

    Parameters
    ----------
    controller
        Whose prompts.
    """

    def __init__(self, controller: SegmentController) -> None:
        super().__init__()
        self._sources = controller.sources
        self._filling = self._in_view = False
        self.layer = combo()
        self.layer.setToolTip("Points, Shapes and Labels layers of yours, wherever they lie, can be prompts too.")
        self.use = button(
            "Use", "", "Take the layer's points and shapes, or its selected label, as prompts for this object."
        )
        # The key on a line of its own: side by side they would be the widest row of the panel.
        self.each = {action: action_button(action, "\n") for action in (Action.EACH, Action.EACH_EVERYWHERE)}
        buttons = QHBoxLayout()
        buttons.setSpacing(SPACING)
        buttons.addWidget(self.layer, 1)
        buttons.addWidget(self.use)
        rows = column_layout(self)
        rows.addLayout(buttons)
        rows.addLayout(row(*self.each.values()))
        self.layer.currentIndexChanged.connect(self._choose)
        self.use.clicked.connect(lambda: controller.use_source())
        self.fill()

    def fill(self) -> None:
        """List the layers again; the chosen one stays chosen."""
        self._filling = True
        try:
            self.layer.clear()
            self.layer.addItem(OWN, None)
            for layer in self._sources.layers:
                self.layer.addItem(layer.name, layer)
            choose(self.layer, self._sources.chosen)
        finally:
            self._filling = False
        self.show_in_view(self._in_view)

    def show_in_view(self, in_view: bool) -> None:
        """Say whether a plane is in view."""
        self._in_view = in_view
        self.use.setEnabled(in_view and self._sources.chosen is not None)
        for each in self.each.values():
            each.setEnabled(in_view)

    def _choose(self, index: int) -> None:
        if not self._filling:
            self._sources.chosen = self.layer.itemData(index)
            self.show_in_view(self._in_view)


class ToolRow(QWidget):
    """A row of tools, of which the one in use is pressed.

    Parameters
    ----------
    controller
        Whose tools.
    """

    def __init__(self, controller: SegmentController) -> None:
        super().__init__()
        self._tools = controller.tools
        self.buttons = {
            tool: IconButton(icon, name, caption, tip) for tool, (icon, name, caption, tip) in _TOOLS.items()
        }
        for tool, each in self.buttons.items():
            each.setCheckable(True)
            each.clicked.connect(partial(self._use, tool))
        column_layout(self).addLayout(row(*self.buttons.values()))
        controller.tools.tool_changed.connect(self.show_tool)
        self.show_tool()

    def show_tool(self) -> None:
        """Show which tool is in use."""
        in_use = self._tools.tool
        for tool, each in self.buttons.items():
            each.setChecked(tool is in_use)

    def _use(self, tool: Tool, _: bool = False) -> None:
        self._tools.use(tool)
        # A click on the tool in use lets its button go, and the tool stays.
        self.show_tool()


_TOOLS = {
    Tool.CLICK: (
        Icon.CLICK,
        "Click or box",
        "click",
        "Click to add, right-click to exclude; drag a box; Shift and drag a scribble. Key: P, on the clicks layer.",
    ),
    Tool.MOVE_CLICKS: (
        Icon.MOVE_CLICKS,
        "Move clicks",
        "move",
        "Select, move and delete clicks with napari's own tool. Key: S, on the clicks layer.",
    ),
    Tool.BOX: (
        Icon.BOX,
        "Box",
        "box",
        "Draw a box around the object with napari's rectangle. Key: R, on the shapes layer.",
    ),
    Tool.OUTLINE: (
        Icon.OUTLINE,
        "Outline",
        "outline",
        "Draw a rough outline corner by corner, which the model refines; Enter ends it. Key: P, on the shapes layer "
        "(E: an ellipse).",
    ),
    Tool.SCRIBBLE: (
        Icon.SCRIBBLE,
        "Scribble",
        "scribble",
        "Draw a path along the object corner by corner; Enter ends it. Key: T, on the shapes layer (L: a line).",
    ),
    Tool.MOVE_SHAPES: (
        Icon.MOVE_SHAPES,
        "Move shapes",
        "edit",
        "Select, move and delete boxes, outlines and scribbles with napari's own tool. Key: S, on the shapes layer.",
    ),
}
"""For each tool its picture, its name, the word below the picture and the tooltip."""
_ACTIONS = (Action.REMOVE_LAST, Action.CLEAR, Action.POLARITY, Action.CURSOR, Action.PICK)
HINT = (
    "Left click adds, right click (Alt, Ctrl) excludes. Drag draws a box, Shift + drag scribbles, right drag scribbles "
    "to exclude. Space pans."
)


class PromptSection(Section):
    """The section about how to prompt.

    Parameters
    ----------
    controller
        Whose prompts.
    """

    def __init__(self, controller: SegmentController) -> None:
        super().__init__("prompts", "Prompts")
        self._session = controller.session
        self.buttons: dict[Action, QPushButton] = {action: action_icon(action) for action in _ACTIONS}
        for action in (Action.PICK, Action.CURSOR):
            self.buttons[action].setCheckable(True)
        self.tools = ToolRow(controller)
        self.draw = self.tools.buttons[Tool.CLICK]
        self.points = self.tools.buttons[Tool.MOVE_CLICKS]
        self.shapes = self.tools.buttons[Tool.MOVE_SHAPES]
        self.help = QLabel(HINT)
        self.help.setWordWrap(True)
        self.hint: FirstHint | None = FirstHint(self.help.show) if FirstHint.wanted() else None
        self.help.setVisible(self.hint is None)
        self.source = SourceRow(controller)
        if self.hint is not None:
            self.add_row(self.hint)
        self.add_row(self.help)
        self.add_row(self.tools)
        self.add_row(row(*self.buttons.values()))
        self.add_row(self.source)
        self.buttons.update(self.source.each)
        controller.picking_changed.connect(self._show_picking)
        controller.cursor_changed.connect(self._show_cursor)

    def dismiss_hint(self) -> None:
        """Dismiss the hint: the user has seen the three gestures."""
        if self.hint is not None:
            self.hint.dismiss()

    def show_status(self, status: Status) -> None:
        """Say what can be done in this state."""
        session = self._session
        self.buttons[Action.REMOVE_LAST].setEnabled(bool(session.current.draft.order))
        self.buttons[Action.POLARITY].setEnabled(bool(session.current.draft.order))
        self.buttons[Action.CLEAR].setEnabled(session.image.plane in session.current.draft.prompts)
        in_view = status.state not in (State.NO_IMAGE, State.NO_PLANE)
        for action in (Action.PICK, Action.CURSOR):
            self.buttons[action].setEnabled(in_view)
        self.source.show_in_view(in_view)

    def _show_picking(self, picking: bool) -> None:
        self.buttons[Action.PICK].setChecked(picking)

    def _show_cursor(self, active: bool) -> None:
        self.buttons[Action.CURSOR].setChecked(active)
