"""Drawing a click and its answer at once, instead of one after the other."""

from qtpy.QtCore import QCoreApplication, QEvent, QObject, Qt, QTimer
from qtpy.QtWidgets import QWidget

from napari_sam.plugin.main_thread import MainThread
from napari_sam.session.scheduler import Scheduler

ANSWER_WAIT_S = 0.03
"""How long everything stands still for the answer to a click: it may be there already, or be about to come."""

HOLD_MS = 100
"""How long the window is not drawn after that, while everything else goes on: too short to be noticed."""

_LOOK_MS = 2


class DrawingHold(QObject):
    """Has the window wait a moment for the answer to a gesture.

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
        """Whether the window waits."""
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
