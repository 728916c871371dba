"""Handing functions to Qt's main thread."""

import sys
from collections.abc import Callable
from functools import partial

from qtpy.QtCore import QCoreApplication, QEvent, QObject, QTimer

DRAWING_MS = 10
"""Time after which a window that was changed has begun to draw itself."""
_TYPE = QEvent.Type(QEvent.registerEventType())


class _Posted(QEvent):
    def __init__(self, run: Callable[[], None]) -> None:
        super().__init__(_TYPE)
        self.run = run


class MainThread(QObject):
    """Runs what other threads post, on the thread that it lives in."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._open = True

    def post(self, run: Callable[[], None]) -> None:
        """Have `run` called soon on the main thread; nothing happens after `close`, or once Qt deleted this."""
        if not self._open:
            return
        try:
            QCoreApplication.postEvent(self, _Posted(run))
        except RuntimeError:
            # Qt deletes its objects when the window goes; a result that is still on its way has nobody to go to.
            self._open = False

    def post_after_drawing(self, run: Callable[[], None]) -> None:
        """Have `run` called when the window has had time to draw; as for `post`, only from the main thread."""
        QTimer.singleShot(DRAWING_MS, partial(self.post, run))

    def run_posted(self) -> None:
        """Run what was posted until now, at once; only on the thread that this lives in."""
        QCoreApplication.sendPostedEvents(self, _TYPE.value)

    def close(self) -> None:
        """Run nothing any more."""
        self._open = False

    def event(self, event: QEvent | None) -> bool:
        """Run what was posted."""
        if isinstance(event, _Posted):
            if self._open:
                try:
                    event.run()
                except Exception:
                    # Qt ends the process when an exception leaves an event handler.
                    sys.excepthook(*sys.exc_info())
            return True
        return super().event(event)
