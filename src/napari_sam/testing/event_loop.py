"""An event loop that a test turns by hand, in place of Qt's."""

import queue
import time
from collections.abc import Callable

from napari_sam.session.session import Session


class ManualEventLoop:
    """An event loop that runs what was posted to it when it is told to, on the thread that tells it.

    Give its `post` to a `Session`.

    Attributes
    ----------
    posted : queue.Queue
        Functions that wait to be run, the oldest first.
    """

    def __init__(self) -> None:
        self.posted: queue.Queue[Callable[[], None]] = queue.Queue()

    def post(self, run: Callable[[], None]) -> None:
        """Have a function run later; any thread may call it."""
        self.posted.put(run)

    def pump(self) -> None:
        """Run all that waits, and what is posted meanwhile."""
        while not self.posted.empty():
            self.posted.get()()

    def run_until(self, condition: Callable[[], object], seconds: float = 5.0) -> None:
        """Run what is posted until a condition holds.

        Raises
        ------
        AssertionError
            If it did not come true in so many seconds.
        """
        until = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < until, "it did not happen in time"
            try:
                self.posted.get(timeout=0.01)()
            except queue.Empty:
                continue

    def settle(self, session: Session, seconds: float = 60.0) -> None:
        """Run until nothing of a session is computed or on its way.

        Raises
        ------
        AssertionError
            If a computation takes longer than so many seconds.
        """
        # What is run may ask for more: an answer has the plane embedded, say.
        for _ in range(4):
            assert session.scheduler.wait_idle(seconds), "the session still computes"
            self.pump()
