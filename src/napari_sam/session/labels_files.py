"""The files that a session's labels are in: whether other programs changed them, or work on them too."""

import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from napari_sam.errors import UserError
from napari_sam.session.compute.scheduler import PostToMain, weak_callback
from napari_sam.session.labels.target import Target
from napari_sam.session.notices import Notice, NoticeKind, Notices
from napari_sam.session.record.file_owner import BEAT_S, Owner, OwnerFile
from napari_sam.session.record.log_watch import LogWatch


class FileConflict(UserError):
    """An error that says that saving would replace what another program wrote, or is about to write."""


class FileState(NamedTuple):
    """The features by which a change of a file shows: its size in bytes, and its time in nanoseconds."""

    size: int
    changed: int

    @classmethod
    def of(cls, path: Path) -> "FileState | None":
        """Return the state of a file now; None where there is none."""
        try:
            found = path.stat()
        except OSError:
            return None
        return cls(found.st_size, found.st_mtime_ns)


@dataclass(eq=False)
class _InUse:
    path: Path
    state: FileState | None
    mark: OwnerFile
    other: Owner | None


class LabelsFiles:
    """The files of labels that were read or written here, each as long as its labels are worked on.

    Beside each lies a mark that says so to others. Every method is called on the main thread.

    Parameters
    ----------
    notices
        Where it stands that somebody else works on a file.
    post_to_main
        See `Scheduler`.
    """

    def __init__(self, notices: Notices, post_to_main: PostToMain) -> None:
        self._notices = notices
        self._post = post_to_main
        self._owner = Owner.new()
        self._files: dict[Target, _InUse] = {}
        self._watch: LogWatch | None = None
        self._beat_at = 0.0
        # A mark that was removed must not be made again by a beat on its way.
        self._marking = threading.Lock()

    def path_of(self, target: Target) -> Path | None:
        """Return the file that labels were read from or saved to last; None if that is not known."""
        found = self._files.get(target)
        return None if found is None else found.path

    def use(self, target: Target, path: Path, state: FileState | None = None) -> None:
        """Note that labels were read from a file, or written to it.

        Parameters
        ----------
        target
            The labels.
        path
            The file.
        state
            Its state when it was read; None for now.
        """
        path = path.resolve()
        former = self._files.get(target)
        if former is None or former.path != path:
            self.forget(target)
            mark = OwnerFile(path, self._owner)
            former = self._files[target] = _InUse(path, None, mark, mark.claim())
        former.state = state or FileState.of(path)
        if self._watch is None:
            self._beat_at = time.monotonic() + BEAT_S
            self._watch = LogWatch(self._look)
        self._tell()

    def forget(self, target: Target) -> None:
        """Forget labels that are worked on no more."""
        with self._marking:
            former = self._files.pop(target, None)
            if former is not None and all(each.path != former.path for each in self._files.values()):
                former.mark.release()
        self._tell()

    def check(self, path: Path) -> None:
        """Check that nobody else changed a file of this session, or works on it.

        Raises
        ------
        FileConflict
            If saving there would replace what another program did.
        """
        path = path.resolve()
        state = FileState.of(path)
        other = OwnerFile(path, self._owner).other()
        if other is not None:
            raise FileConflict(
                f"{path.name} is worked on by {other}: saving replaces what was saved there. Save under another name, "
                "or overwrite it."
            )
        known = [each.state for each in self._files.values() if each.path == path]
        if known and state is not None and state not in known:
            raise FileConflict(
                f"{path.name} was changed by another program after it was read or saved here: saving replaces that. "
                "Save under another name, or overwrite it."
            )

    def close(self) -> None:
        """Leave all files to others."""
        if self._watch is not None:
            self._watch.close()
            self._watch = None
        for each in self._files.values():
            each.mark.release()
        self._files.clear()

    def _look(self) -> None:
        # On the thread of the watch.
        if time.monotonic() < self._beat_at:
            return
        self._beat_at = time.monotonic() + BEAT_S
        self.beat()

    def beat(self) -> None:
        """Say again that this session works on its files, and see who else does; any thread."""
        changed = False
        for target, each in list(self._files.items()):
            with self._marking:
                if self._files.get(target) is not each:
                    continue
                other = each.mark.claim()
            changed = changed or other != each.other
            each.other = other
        if changed:
            self._post(weak_callback(self._tell))

    def _tell(self) -> None:
        """Show a notice while somebody else works on a file of this session."""
        found = {each.path: each.other for each in self._files.values() if each.other is not None}
        sentences = [
            f"{path.name} is worked on by {other} too: whoever saves last replaces what the other one saved. "
            "Save under another name, or close the other one."
            for path, other in found.items()
        ]
        self._notices.show(NoticeKind.FILE, Notice(" ".join(sentences)) if sentences else None)
