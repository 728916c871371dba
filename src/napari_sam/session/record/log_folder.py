"""The folders that the logs of sessions lie in, one each, and the sessions that own them."""

import os
import re
import shutil
import time
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from filelock import FileLock, Timeout
from platformdirs import user_data_path

FOLDER_VARIABLE = "NAPARI_SAM_SESSIONS"
"""Environment variable that names another folder for the logs."""

LOG, LOCK, FOLDERS = "log", "lock", "folders"
# Chosen: a month.
KEPT_SECONDS = 30 * 24 * 3600
"""A log that nobody asked for is removed after so long."""

# Chosen: that another process removes a new folder five times in a row is not to be expected.
_ATTEMPTS = 5
_NAMED = re.compile(r"\d{8}-\d{6}-[0-9a-f]{8}")


def sessions_folder() -> Path:
    """Return the folder of logs: ``$NAPARI_SAM_SESSIONS``, or one in the user's data directory."""
    chosen = os.environ.get(FOLDER_VARIABLE)
    return Path(chosen).expanduser().absolute() if chosen else user_data_path("napari-sam", False) / "sessions"


def remember_folder(parent: Path, other: Path) -> None:
    """Have logs looked for in another folder too, by those who look in `parent`; raises `OSError` if it is full."""
    known = remembered_folders(parent)
    if other not in (parent, *known):
        parent.mkdir(parents=True, exist_ok=True)
        (parent / FOLDERS).write_text("".join(f"{each}\n" for each in (*known, other)), "utf-8")


def remembered_folders(parent: Path) -> list[Path]:
    """Return the other folders that logs were written to."""
    try:
        lines = (parent / FOLDERS).read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
    return [Path(line) for line in lines if line]


class SessionFolder:
    """The folder of one session, locked as long as the session runs.

    Parameters
    ----------
    path
        The folder.
    lock
        Held.
    """

    def __init__(self, path: Path, lock: FileLock) -> None:
        self.path = path
        self._lock = lock

    @classmethod
    def create(cls, parent: Path) -> "SessionFolder":
        """Make a new folder for a session that begins; raises `OSError` if there is no room for it."""
        for _ in range(_ATTEMPTS):
            path = parent / f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{uuid4().hex[:8]}"
            path.mkdir(parents=True)
            claimed = cls.claim(path)
            # Another process that tidies up may find the folder while it is still empty and unlocked, and remove it.
            if claimed is not None and (path / LOCK).exists():
                return claimed
        raise OSError(f"New folders in {parent} are removed as soon as they are made.")

    @classmethod
    def claim(cls, path: Path) -> "SessionFolder | None":
        """Claim the folder, if no session that runs has it."""
        lock = FileLock(path / LOCK, thread_local=False)
        try:
            lock.acquire(timeout=0)
        except (Timeout, OSError):
            return None
        return cls(path, lock)

    @property
    def log(self) -> Path:
        """The file of the log."""
        return self.path / LOG

    def release(self) -> None:
        """Leave the folder for others to find."""
        self._lock.release()

    def remove(self) -> None:
        """Remove the folder with all that is in it."""
        # First the log: what remains if this is interrupted is no session any more.
        self.log.unlink(missing_ok=True)
        self._lock.release()
        shutil.rmtree(self.path, ignore_errors=True)


def abandoned(parent: Path) -> list[Path]:
    """Find folders with a log that no running session has, newest first; remove those that are too old, or empty.

    They are looked for in `parent` and in the other folders that logs were written to.
    """
    found = []
    for path in (path for each in (parent, *remembered_folders(parent)) for path in _inside(each)):
        folder = SessionFolder.claim(path)
        if folder is None:
            continue
        try:
            changed = folder.log.stat().st_mtime
        except OSError:
            changed = None
        if changed is None or time.time() - changed > KEPT_SECONDS:
            folder.remove()
        else:
            folder.release()
            found.append((changed, path))
    return [path for _, path in sorted(found, reverse=True)]


def _inside(parent: Path) -> list[Path]:
    """Return the session folders in a folder; whatever else lies there, in one that a user chose, is none of ours."""
    if not parent.is_dir():
        return []
    return [path for path in parent.iterdir() if _NAMED.fullmatch(path.name) and path.is_dir()]
