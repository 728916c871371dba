"""A section of the panel: a header that opens and closes the rows below it."""

from qtpy.QtCore import QPointF, Qt
from qtpy.QtGui import QColor, QPainter, QPaintEvent, QPalette, QPolygonF
from qtpy.QtWidgets import QLayout, QVBoxLayout, QWidget

from napari_sam.plugin.panel.widgets import GO, SPACING, PanelButton, column_layout
from napari_sam.plugin.settings import recall, remember

REMEMBERED = "sections"
"""Under this name it is remembered which sections are open."""
_ARROW = 14
"""Pixels to the left of a header's text: room for the arrow."""


class SectionHeader(PanelButton):
    """A button across the panel with an arrow that points down while its section is open, to the right else.

    Parameters
    ----------
    text
        Its text.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.setObjectName("section")
        self.setCheckable(True)
        self.setStyleSheet(
            # Low, since there are many, and all of the panel is to fit on a screen.
            f"#section {{ text-align: left; font-weight: bold; padding: 1px 0px 1px {_ARROW + 6}px; }}"
            "#section, #section:checked { background: transparent; }"
            "#section:hover, #section:checked:hover { background: rgba(128, 128, 128, 60); }"
        )
        self.marked = False

    def mark(self, marked: bool) -> None:
        """Mark it with a dot: the next thing to do is in its section, which is closed; or take the dot away."""
        if marked != self.marked:
            self.marked = marked
            self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802
        """Draw it, with its arrow, the line above it, and the mark."""
        super().paintEvent(event)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        colour = self.palette().color(QPalette.ColorRole.ButtonText)
        faint = QColor(colour)
        faint.setAlpha(70)
        painter.fillRect(0, 0, self.width(), 1, faint)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour)
        middle = QPointF(4 + _ARROW / 2, self.height() / 2)
        corners = ((-4.5, -2.5), (4.5, -2.5), (0, 3.5)) if self.isChecked() else ((-2.5, -4.5), (-2.5, 4.5), (3.5, 0))
        painter.drawPolygon(QPolygonF([middle + QPointF(*corner) for corner in corners]))
        if self.marked:
            painter.setBrush(QColor(GO))
            painter.drawEllipse(QPointF(self.width() - 12, self.height() / 2), 4.5, 4.5)
        painter.end()


class Section(QWidget):
    """A section: its rows are shown while it is open, and out of the tab order while it is not.

    superqt's QCollapsible squeezes what it closes to no height instead: the keyboard still goes there, unseen.

    Parameters
    ----------
    key
        By what its state is remembered.
    title
        The header's text.
    opened
        Whether it is open as long as the user has not said otherwise.

    Attributes
    ----------
    header : SectionHeader
        The header.
    body : QWidget
        What is below it.
    """

    def __init__(self, key: str, title: str, *, opened: bool = True) -> None:
        super().__init__()
        self._key = key
        self.header = SectionHeader(title)
        self.header.setToolTip("Open or close this section; it stays so until you change it.")
        self.body = QWidget()
        self.rows = QVBoxLayout(self.body)
        self.rows.setContentsMargins(3, 2, 3, 6)
        self.rows.setSpacing(SPACING)
        around = column_layout(self)
        around.setSpacing(0)
        around.addWidget(self.header)
        around.addWidget(self.body)
        self.header.toggled.connect(self._show)
        # Only what the user does is remembered, not what a script or a test opens.
        self.header.clicked.connect(self._remember)
        kept = _remembered().get(key, opened)
        self.header.setChecked(bool(kept))
        self._show(bool(kept))

    @property
    def opened(self) -> bool:
        """Whether its rows are shown."""
        return self.header.isChecked()

    def expand(self) -> None:
        """Open it."""
        self.header.setChecked(True)

    def collapse(self) -> None:
        """Close it."""
        self.header.setChecked(False)

    def set_title(self, title: str) -> None:
        """Write another text on the header."""
        self.header.setText(title)
        self._describe()

    def add_row(self, row: QWidget | QLayout) -> None:
        """Add a row below those there are."""
        if isinstance(row, QLayout):
            self.rows.addLayout(row)
        else:
            self.rows.addWidget(row)

    def _show(self, opened: bool) -> None:
        self.body.setVisible(opened)
        self._describe()

    def _describe(self) -> None:
        self.header.setAccessibleName(f"{self.header.text()}, {'open' if self.opened else 'closed'}")

    def _remember(self, opened: bool) -> None:
        remember(REMEMBERED, {**_remembered(), self._key: opened})


def _remembered() -> dict[str, bool]:
    found = recall(REMEMBERED)
    return found if isinstance(found, dict) else {}
