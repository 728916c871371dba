"""The rows at the foot of the panel that say what is not as it should be, as long as it is so."""

import time
from collections.abc import Callable
from functools import partial

from qtpy.QtCore import QEvent, QObject, Qt, QTimer
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_sam.plugin.panel.widgets import SPACING, ColumnScroll, FramedRow, breakable, button, column_layout
from napari_sam.session.notices import Notice, NoticeKind, Notices

_GRAVE, _GOOD_TO_KNOW = "#ff5a4f", "#e0a800"


class NoticeRow(FramedRow):
    """A framed sentence with the buttons that do something about it.

    Parameters
    ----------
    notice
        What it shows.
    try_to
        Does what may refuse with a sentence for the user.
    """

    def __init__(self, notice: Notice, try_to: Callable[[Callable[[], object]], None]) -> None:
        super().__init__(_GRAVE if notice.grave else _GOOD_TO_KNOW)
        self.notice = notice
        self.sentence.setTextFormat(Qt.TextFormat.PlainText)
        self.sentence.setText(breakable(notice.sentence))
        self.buttons: dict[str, QPushButton] = {}
        if notice.remedies:
            beside = QHBoxLayout()
            beside.setSpacing(SPACING)
            for remedy in notice.remedies:
                made = self.buttons[remedy.text] = button(remedy.text, "", remedy.tip)
                made.clicked.connect(partial(_pressed, try_to, remedy.do))
                beside.addWidget(made)
            beside.addStretch(1)
            self.rows.addLayout(beside)


def _pressed(try_to: Callable[[Callable[[], object]], None], do: Callable[[], object], _: bool = False) -> None:
    try_to(do)


class NoticeRows(QWidget):
    """The notices of a session, one below the other; takes no room while there is none.

    Parameters
    ----------
    notices
        What is shown.
    try_to
        Does what may refuse with a sentence for the user.
    on_change
        Called when others are on the screen.

    Attributes
    ----------
    rows : dict
        What is on the screen here.
    passing : dict
        What passes by itself, and is to be shown where room is kept for it: else all below would move, and back.
    """

    def __init__(
        self,
        notices: Notices,
        try_to: Callable[[Callable[[], object]], None],
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__()
        self._notices = notices
        self._try_to = try_to
        self._on_change = on_change
        self.rows: dict[NoticeKind, NoticeRow] = {}
        self.passing: dict[NoticeKind, Notice] = {}
        self._since: dict[NoticeKind, float] = {}
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.fill)
        column_layout(self)
        self.setVisible(False)
        notices.changed.connect(self.fill)
        self.fill()

    def close_rows(self) -> None:
        """Follow the notices no more."""
        self._timer.stop()
        self._notices.changed.disconnect(self.fill)

    def fill(self) -> None:
        """Show the notices that are true now; those that are the same stay as they are."""
        now, notices = time.monotonic(), dict(self._notices)
        self._since = {kind: self._since.get(kind, now) for kind in notices}
        waits = {kind: self._since[kind] + notice.patience - now for kind, notice in notices.items()}
        shown = {kind: notice for kind, notice in notices.items() if waits[kind] <= 0}
        later = [wait for wait in waits.values() if wait > 0]
        if later:
            self._timer.start(round(1000 * min(later)) + 1)
        else:
            self._timer.stop()
        before = self.passing, {kind: row.notice for kind, row in self.rows.items()}
        self.passing = {kind: notice for kind, notice in shown.items() if notice.patience}
        stays = {kind: notice for kind, notice in shown.items() if not notice.patience}
        if before[1] != stays:
            self._show(stays)
        if before != (self.passing, stays):
            self._on_change()

    def _show(self, shown: dict[NoticeKind, Notice]) -> None:
        layout = self.layout()
        assert isinstance(layout, QVBoxLayout)
        for kind, row in list(self.rows.items()):
            if shown.get(kind) != row.notice:
                del self.rows[kind]
                layout.removeWidget(row)
                # Not at once: this may be what a button of it did.
                row.hide()
                row.deleteLater()
        for at, (kind, notice) in enumerate(shown.items()):
            if kind not in self.rows:
                self.rows[kind] = NoticeRow(notice, self._try_to)
                layout.insertWidget(at, self.rows[kind])
        self.setVisible(bool(self.rows))


_PADDING = 4
"""Pixels that napari's style puts around what is scrolled, and a little more."""
_LEAST = 40
"""Pixels: a line and what is around it."""
_LARGEST_SHARE = 0.4
"""Of the panel's height: what is longer is scrolled, so that the sections keep the larger part."""


class PanelFoot(ColumnScroll):
    """The foot of the panel: rows that come and go, below the sections, so that none of these moves.

    Parameters
    ----------
    rows
        What comes and goes.
    """

    def __init__(self, *rows: QWidget) -> None:
        content = QWidget()
        self._rows = rows
        self._column = column_layout(content)
        self._column.setContentsMargins(8, 4, 8, 6)
        for each in rows:
            self._column.addWidget(each)
        super().__init__(content)
        self.fit()

    def fit(self) -> None:
        """Be as high as what is there to show, within bounds; take no room where that is nothing."""
        parent, content = self.parentWidget(), self.widget()
        shown = any(not each.isHidden() for each in self._rows)
        if shown and parent is not None and content is not None:
            # The scroll area makes the content no smaller than the latter.
            wanted = max(
                self._column.totalHeightForWidth(parent.width() - self.bar_width), content.minimumSizeHint().height()
            )
            wanted += _PADDING
            self.setFixedHeight(max(min(wanted, round(_LARGEST_SHARE * parent.height())), _LEAST))
        self.setVisible(shown)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Fit again when the content has another size to be, as when napari's style has reached it."""
        if event is not None and event.type() == QEvent.Type.LayoutRequest:
            self.fit()
        return super().eventFilter(watched, event)
