"""Qt's main thread: handing functions to it, and drawing a click and its answer at once."""

import sys
from collections.abc import Callable
from functools import partial

from qtpy.QtCore import QCoreApplication, QEvent, QObject, Qt, QTimer
from qtpy.QtWidgets import QWidget

from napari_sam.session.compute.scheduler import Scheduler

DRAWING_MS = 10
"""Time after which a window that was changed has begun to draw itself (chosen: about a frame of a fast screen)."""
_TYPE = QEvent.Type(QEvent.registerEventType())


class _Posted(QEvent):
    def __init__(self, run: Callable[[], None]) -> None:
        super().__init__(_TYPE)
        self.run = run


class MainThread(QObject):
    """A runner of what other threads post, on the thread that it lives in."""

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


ANSWER_WAIT_S = 0.03
"""How long everything stands still for the answer to a click: it may be there already, or be about to come.

Chosen: a click on nano is decoded in 9 ms (docs/benchmarks.md, "Speed").
"""

HOLD_MS = 100
"""How long the window is not drawn after that, while everything else goes on: too short to be noticed.

Chosen: with it the first click takes 57 ms held and 84 ms tapped (docs/benchmarks.md, "Interaction").
"""

_LOOK_MS = 2


class DrawingHold(QObject):
    """A hold that has the window wait a moment for the answer to a gesture.

    A small model answers within a few frames. If the window were drawn at once it would show the prompt alone: that
    takes as long again, and takes the interpreter and the processors away from the model. It has to be the whole
    window: a word that changes in a panel has Qt compose the canvas again, too.

    Qt collects what is to be drawn anew, and posts one event to have all of it drawn. That event is put off. (A window
    whose updates are disabled would wait as well, but would be drawn anew from corner to corner afterwards.)

    Parameters
    ----------
    widget
        Whose window waits.
    scheduler
        Where answers are computed.
    main_thread
        Where they arrive.
    """

    def __init__(self, widget: QWidget, scheduler: Scheduler, main_thread: MainThread) -> None:
        super().__init__(widget)
        self._scheduler = scheduler
        self._main_thread = main_thread
        self._held: QWidget | None = None
        self._put_off = False
        self._look = QTimer(self)
        self._look.setTimerType(Qt.TimerType.PreciseTimer)
        self._look.setInterval(_LOOK_MS)
        self._look.timeout.connect(self._end_if_answered)
        self._limit = QTimer(self)
        self._limit.setSingleShot(True)
        self._limit.setInterval(HOLD_MS)
        self._limit.timeout.connect(self.end)

    @property
    def active(self) -> bool:
        """Tell whether the window waits."""
        return self._held is not None

    def start(self) -> None:
        """Wait for the answer to what was just asked."""
        if self._scheduler.wait_urgent(ANSWER_WAIT_S):
            self._main_thread.run_posted()
            return
        self.end()
        widget = self.parent()
        self._held = widget.window() if isinstance(widget, QWidget) else None
        if self._held is not None:
            self._held.installEventFilter(self)
            self._look.start()
            self._limit.start()

    def end(self) -> None:
        """Draw again."""
        self._look.stop()
        self._limit.stop()
        held, self._held = self._held, None
        put_off, self._put_off = self._put_off, False
        if held is None:
            return
        try:
            held.removeEventFilter(self)
            if put_off:
                QCoreApplication.postEvent(held, QEvent(QEvent.Type.UpdateRequest))
        except RuntimeError:
            # Qt has deleted it: the window was closed meanwhile.
            return

    def eventFilter(self, _: QObject | None, event: QEvent | None) -> bool:  # noqa: N802 (Qt's name)
        """Put drawing off."""
        if event is None or event.type() != QEvent.Type.UpdateRequest:
            return False
        self._put_off = True
        return True

    def _end_if_answered(self) -> None:
        if self._scheduler.wait_urgent(0):
            self._main_thread.run_posted()
            self.end()
