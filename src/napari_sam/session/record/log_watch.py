"""The watch on a log that is written: whether it falls behind, and whether there is room again where it ended."""

import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4
from weakref import WeakMethod

MARGIN = 2**20
"""Bytes that are to be free beside those that a new log needs at once."""
BEHIND_S = 5.0
"""A log is behind when something has waited for so long to be on disk."""
CHECK_S = 1.0
FIRST_RETRY_S, LAST_RETRY_S = 5.0, 300.0
"""Seconds until a log that could not be written is tried anew: twice as many each time that it ends again."""


def has_room(folder: Path, needed: int) -> bool:
    """Tell whether a folder can be written to, and has room; `MARGIN` bytes are written there to see.

    Parameters
    ----------
    folder
        It is made if it does not exist.
    needed
        Bytes, without the margin.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Free bytes alone tell nothing of quotas, and of disks that cannot be written.
        if shutil.disk_usage(folder).free < needed + MARGIN:
            return False
        probe = folder / f"probe-{uuid4().hex[:8]}"
        try:
            with probe.open("xb") as file:
                file.write(bytes(MARGIN))
                file.flush()
                os.fsync(file.fileno())
        finally:
            probe.unlink(missing_ok=True)
    except OSError:
        return False
    return True


def reason_of(error: Exception) -> str:
    """Return why something could not be written, as part of a sentence."""
    return (isinstance(error, OSError) and error.strerror) or str(error)


class LogWatch:
    """A thread that looks at something again and again until it is closed, or what looks is gone.

    Parameters
    ----------
    look
        Called there every `CHECK_S` seconds; the thread does not keep its object alive.
    """

    def __init__(self, look: Callable[[], None]) -> None:
        self._look = WeakMethod(look)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="napari-sam-autosave-watch", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End it."""
        self._over.set()
        if self._thread is not threading.current_thread():
            self._thread.join(10)

    def _run(self) -> None:
        while not self._over.wait(CHECK_S):
            look = self._look()
            if look is None:
                return
            look()
            # Not held while it waits.
            del look
