"""How long Qt's event loop stands still, and when the canvas has been drawn."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qtpy.QtCore import Qt, QTimer
from qtpy.QtTest import QTest

BEAT_MS = 4


@dataclass(frozen=True)
class Stall:
    """A time in which the event loop ran no timer.

    Parameters
    ----------
    seconds
        How long.
    own
        Seconds of it in which the main thread computed.
    queued
        Seconds of it in which the main thread could have computed but had no processor, where the system tells (Linux);
        in what is left it waited for the interpreter's lock, or for the graphics.
    """

    seconds: float = 0.0
    own: float = 0.0
    queued: float = 0.0

    @property
    def held(self) -> float:
        """Seconds that are not other programs' fault, nor that of threads that do not let the main thread run."""
        return self.seconds - self.queued


class Heartbeat:
    """Beats every few milliseconds as long as the event loop runs, and keeps the longest time between two beats.

    Parameters
    ----------
    count_queue
        Whether time in which the main thread had no processor counts; on a machine that does other work it should not.
    """

    def __init__(self, *, count_queue: bool = True) -> None:
        self._count_queue = count_queue
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(BEAT_MS)
        self._timer.timeout.connect(self._beat)
        self._last = self._last_own = self._last_queued = 0.0
        self.longest = Stall()

    def stop(self) -> None:
        """Beat no more."""
        self._timer.stop()

    def _beat(self) -> None:
        now, own, queued = time.perf_counter(), time.thread_time(), _queued()
        stall = Stall(now - self._last - BEAT_MS / 1000, own - self._last_own, queued - self._last_queued)
        if self._weight(stall) > self._weight(self.longest):
            self.longest = stall
        self._last, self._last_own, self._last_queued = now, own, queued

    def _weight(self, stall: Stall) -> float:
        return stall.seconds if self._count_queue else stall.held

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch while the block runs; `longest` tells afterwards."""
        self.longest = Stall()
        self._last, self._last_own, self._last_queued = time.perf_counter(), time.thread_time(), _queued()
        self._timer.start()
        try:
            yield
            # What the block left in the event queue belongs to it.
            QTest.qWait(2 * BEAT_MS)
        finally:
            self._beat()
            self._timer.stop()


class DrawnWatch:
    """Tells when the canvas has shown a frame that was drawn after a layer changed."""

    def __init__(self, canvas: Any, layer: Any) -> None:
        self._canvas = canvas
        self._events = (layer.events.set_data, layer.events.labels_update)
        self._changed = False
        self.shown_at: float | None = None
        for event in self._events:
            event.connect(self._on_changed)
        canvas.native.frameSwapped.connect(self._on_frame)

    def start(self) -> None:
        """Forget what was seen."""
        self._changed, self.shown_at = False, None

    def close(self) -> None:
        """Look no longer."""
        for event in self._events:
            event.disconnect(self._on_changed)
        self._canvas.native.frameSwapped.disconnect(self._on_frame)

    def _on_changed(self, _: Any = None) -> None:
        self._changed = True

    def _on_frame(self) -> None:
        if self._changed and self.shown_at is None:
            self.shown_at = time.perf_counter()


def _queued() -> float:
    """Seconds that the calling thread has waited for a processor since it began."""
    try:
        return int(Path(f"/proc/self/task/{threading.get_native_id()}/schedstat").read_text().split()[1]) / 1e9
    except OSError:
        return 0.0


def wait_until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Run the event loop until something is so."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("it did not happen in time")
        QTest.qWait(2)
