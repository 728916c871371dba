"""Noticing that a docked widget is gone for good."""

from collections.abc import Callable

from qtpy.QtCore import QEvent, QObject, QTimer
from qtpy.QtWidgets import QWidget


class ClosingWatch(QObject):
    """Calls back once when a widget's dock is closed, or the window that it is docked in.

    Hiding it behind another tab, floating the dock, or a close that the user called off count for nothing.

    Parameters
    ----------
    widget
        The widget.
    on_closed
        Called with True when the whole window closes, with False when only the widget's dock does.
    """

    def __init__(self, widget: QWidget, on_closed: Callable[[bool], None]) -> None:
        super().__init__(widget)
        self._widget = widget
        self._on_closed = on_closed
        self._window: QWidget | None = None
        self._docked = False
        self._over = False
        widget.installEventFilter(self)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Look at what happens to the widget and its window; nothing is held back."""
        if event is None or self._over:
            return False
        kind = event.type()
        if watched is self._widget and kind in (QEvent.Type.ParentChange, QEvent.Type.Show):
            if self._widget.parentWidget() is not None:
                self._docked = True
                self._watch(_outermost(self._widget))
            elif self._docked and kind == QEvent.Type.ParentChange:
                self._closed(False)
        elif watched is self._window and kind == QEvent.Type.Close:
            # Whether the close was called off shows only after the event.
            QTimer.singleShot(0, self._after_close)
        return False

    def _watch(self, window: QWidget) -> None:
        if window is not self._window and window is not self._widget:
            if self._window is not None:
                self._window.removeEventFilter(self)
            self._window = window
            window.installEventFilter(self)

    def _after_close(self) -> None:
        try:
            closed = self._window is not None and not self._window.isVisible()
        except RuntimeError:
            closed = True
        if closed:
            self._closed(True)

    def _closed(self, window: bool) -> None:
        if not self._over:
            self._over = True
            self._on_closed(window)


def _outermost(widget: QWidget) -> QWidget:
    parent = widget.parentWidget()
    while parent is not None:
        widget, parent = parent, parent.parentWidget()
    return widget
