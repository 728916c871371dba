"""The small file beside a file of labels that says who works on it: `.~NAME.owner`.

It counts while its owner beats, so that one who crashed, on whatever machine, owns nothing for long. On the owner's own
machine that shows at once, since its process is gone.
"""

import json
import os
import platform
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import uuid4

BEAT_S = 15.0
"""Seconds between the beats of an owner (chosen: a few writes a minute on a network folder)."""
STALE_S = 90.0
"""An owner who did not beat for so long is gone: six beats, since a busy or sleeping machine may miss some."""


@dataclass(frozen=True)
class Owner:
    """Who works on a file of labels.

    Parameters
    ----------
    token
        Differs from that of every other owner.
    pid, host
        The process, and the machine that it runs on.
    since
        When it began to, in seconds since 1970.
    """

    token: str
    pid: int
    host: str
    since: float

    @classmethod
    def new(cls) -> "Owner":
        """Return an owner in this process, that begins now."""
        return cls(uuid4().hex, os.getpid(), platform.node(), time.time())

    def __str__(self) -> str:
        since = time.strftime("%H:%M", time.localtime(self.since))
        if not self.token:
            return "another program"
        if (self.pid, self.host) == (os.getpid(), platform.node()):
            return f"another window of this napari, since {since}"
        place = "" if self.host == platform.node() else f" on {self.host}"
        return f"another napari{place}, process {self.pid}, since {since}"


_UNKNOWN = Owner("", 0, "", 0.0)


class OwnerFile:
    """The mark on one file of labels.

    Parameters
    ----------
    labels
        The file of labels.
    owner
        Who marks it.
    """

    def __init__(self, labels: Path, owner: Owner) -> None:
        self.path = labels.with_name(f".~{labels.name}.owner")
        self.owner = owner

    def claim(self) -> Owner | None:
        """Mark the file, or beat if it is marked already; return who else works on it, None for nobody.

        A mark whose owner is gone is replaced. Where no mark can be written, there is none.
        """
        # Whoever has just removed or replaced it is met in the second round at the latest.
        for _ in range(2):
            try:
                with self.path.open("x", encoding="utf-8") as file:
                    json.dump(asdict(self.owner), file)
                return None
            except FileExistsError:
                pass
            except OSError:
                return None
            found = self._read()
            if found is None:
                continue
            if found.token == self.owner.token:
                with suppress(OSError):
                    os.utime(self.path)
                return None
            if self._is_alive(found):
                return found
            self._replace()
        return None

    def other(self) -> Owner | None:
        """Return who else works on the file now; None for nobody. Nothing is written to the mark."""
        found = self._read()
        return found if found is not None and found.token != self.owner.token and self._is_alive(found) else None

    def release(self) -> None:
        """Remove the mark, if it is this owner's."""
        found = self._read()
        if found is not None and found.token == self.owner.token:
            with suppress(OSError):
                self.path.unlink()

    def _read(self) -> Owner | None:
        try:
            return Owner(**json.loads(self.path.read_text(encoding="utf-8")))
        except OSError:
            return None
        except (ValueError, TypeError):
            # It is being written, or a disk lost what it said: its time alone counts.
            return _UNKNOWN

    def _is_alive(self, owner: Owner) -> bool:
        if owner.host == platform.node() and _has_ended(owner.pid):
            return False
        try:
            return self._now() - self.path.stat().st_mtime < STALE_S
        except OSError:
            return False

    def _now(self) -> float:
        """Return the time by the clock of the disk: that of a server may differ from this machine's."""
        probe = self.path.with_name(f"{self.path.name}-{uuid4().hex[:8]}")
        try:
            probe.touch()
            return probe.stat().st_mtime
        except OSError:
            return time.time()
        finally:
            with suppress(OSError):
                probe.unlink(missing_ok=True)

    def _replace(self) -> None:
        beside = self.path.with_name(f"{self.path.name}-{uuid4().hex[:8]}")
        try:
            beside.write_text(json.dumps(asdict(self.owner)), encoding="utf-8")
            beside.replace(self.path)
        except OSError:
            with suppress(OSError):
                beside.unlink(missing_ok=True)


def _has_ended(pid: int) -> bool:
    """Tell whether a process of this machine is known to have ended."""
    # Windows has no signal that only asks: there the time of the last beat tells.
    if os.name == "nt" or pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False
