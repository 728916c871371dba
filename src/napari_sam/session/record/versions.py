"""The earlier versions of saved labels and sessions: kept, found and read again."""

import hashlib
import json
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from napari_sam.errors import UserError
from napari_sam.labels.label_files import read_saved_labels
from napari_sam.planes.image_source import ImageSource
from napari_sam.session.record.annotation import Annotation
from napari_sam.session.record.label_picture import picture_of
from napari_sam.session.record.log_folder import sessions_folder
from napari_sam.session.record.log_watch import reason_of
from napari_sam.session.record.object_record import ObjectRecord
from napari_sam.session.record.recording import annotation_of
from napari_sam.session.record.restored import Restored, restore
from napari_sam.session.record.session_file import open_session, session_path

KEPT = 10
"""So many versions of a file are kept."""
DEFAULT_MEGABYTES = 2048
"""Megabytes that all versions take together by default. Chosen: ten versions of 20 MB, of some ten files."""

_ABOUT, _PICTURE, _UNFINISHED = "about.json", "picture.png", ".unfinished-"
# Chosen: no copying takes longer.
_UNFINISHED_S = 6 * 3600


def versions_folder() -> Path:
    """Return the folder of earlier versions: inside the one of logs, which an environment variable may move."""
    return sessions_folder() / "versions"


@dataclass(frozen=True)
class Version:
    """One state of a file of labels, and of the session beside it, as it was once.

    Parameters
    ----------
    folder
        Where it is kept.
    path
        The file that it is a state of.
    written
        When that file was written, in seconds since 1970.
    digest
        SHA-256 of labels and session, hexadecimal.
    stamp
        Size in bytes, and time in nanoseconds, of labels and session when they were kept.
    n_objects
        How many objects it holds; None where the file is none that can be read.
    """

    folder: Path
    path: Path
    written: float
    digest: str
    stamp: tuple[int, ...]
    n_objects: int | None = None

    @property
    def labels(self) -> Path:
        """The labels."""
        return self.folder / self.path.name

    @property
    def session(self) -> Path | None:
        """The session; None where there was none beside the labels."""
        found = session_path(self.labels)
        return found if found.is_file() else None

    @property
    def picture(self) -> Path | None:
        """A small picture of the labels; None where there is none."""
        found = self.folder / _PICTURE
        return found if found.is_file() else None

    def read(self, source: ImageSource) -> tuple[Restored, ObjectRecord | None]:
        """Read the labels, with their objects where there is a session, and the object that was in work; not quick.

        Parameters
        ----------
        source
            The image.

        Raises
        ------
        UserError
            If it cannot be read, or is not of this image.
        """
        if self.session is not None:
            restored, draft = open_session(self.session, source)
            # It is saved to the file that it is a version of, if anywhere.
            return replace(restored, file=None), draft
        labels = read_saved_labels(self.labels, source.shape)
        if labels is None:
            raise UserError(f"{self.path.name} has another shape there than the image, {source.shape}.")
        annotation: Annotation = annotation_of(labels, None, (), 0, None)
        return restore(self.path.name.split(".")[0], labels, annotation), None


class VersionStore:
    """The folder of earlier versions; several processes may use it at a time.

    Copies, since a link would change with a file that another program writes in place.

    Parameters
    ----------
    parent
        The folder; it is made when it is first needed.
    most_bytes
        Bytes that all versions take together; 0 to keep none.
    """

    def __init__(self, parent: Path, most_bytes: int = DEFAULT_MEGABYTES * 2**20) -> None:
        self.parent = parent
        self.most_bytes = most_bytes

    def keep(self, path: Path) -> Version | None:
        """Keep the labels as they are in a file now, with the session beside them; not quick.

        Parameters
        ----------
        path
            The file of labels.

        Returns
        -------
        Version or None
            The version; the newest one if nothing has changed since. None where there is no such file, or it takes
            more bytes than all versions may.

        Raises
        ------
        OSError
            If there is no room, or a file cannot be read or written.
        """
        path = path.resolve()
        files = [each for each in (path, session_path(path)) if each.is_file()]
        size = sum(each.stat().st_size for each in files)
        if path not in files or size > self.most_bytes:
            return None
        newest = next(iter(self.of(path)), None)
        if newest is not None and newest.stamp == _stamp(files):
            return newest
        self._make_room(size)
        folder = self._folder(path)
        unfinished = folder / f"{_UNFINISHED}{uuid4().hex[:8]}"
        unfinished.mkdir(parents=True)
        try:
            # Before and after: what another program changes meanwhile is looked at again next time.
            stamp = _stamp(files)
            digest = hashlib.sha256()
            for each in files:
                shutil.copyfile(each, unfinished / each.name)
                with (unfinished / each.name).open("rb") as file:
                    digest.update(hashlib.file_digest(file, "sha256").digest())
            if newest is not None and newest.digest == digest.hexdigest():
                return newest
            n_objects = _summarise(unfinished / path.name, unfinished / _PICTURE)
            about = {
                "path": str(path),
                "written": path.stat().st_mtime,
                "digest": digest.hexdigest(),
                "stamp": stamp,
                "objects": n_objects,
            }
            (unfinished / _ABOUT).write_text(json.dumps(about), encoding="utf-8")
            kept = folder / f"{time.time_ns()}-{uuid4().hex[:8]}"
            unfinished.rename(kept)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
        for old in self.of(path)[KEPT:]:
            shutil.rmtree(old.folder, ignore_errors=True)
        self._make_room(0)
        return _read(kept)

    def of(self, path: Path) -> list[Version]:
        """Return the versions of a file, the one that was kept last first."""
        return _inside(self._folder(path.resolve()))

    def all(self) -> list[Version]:
        """Return the versions of all files, the one that was kept last first."""
        try:
            folders = list(self.parent.iterdir())
        except OSError:
            return []
        found = [each for folder in folders if folder.is_dir() for each in _inside(folder)]
        return sorted(found, key=lambda each: each.folder.name, reverse=True)

    # Inside

    def _folder(self, path: Path) -> Path:
        return self.parent / hashlib.sha256(str(path).encode()).hexdigest()[:16]

    def _make_room(self, needed: int) -> None:
        """Remove the versions that were kept first, of whatever file, until so many bytes more may be taken."""
        left = self.most_bytes - needed
        for version in self.all():
            # Another process may be removing it.
            with suppress(OSError):
                left -= sum(each.stat().st_size for each in version.folder.iterdir())
            if left < 0:
                shutil.rmtree(version.folder, ignore_errors=True)
        for unfinished in self.parent.glob(f"*/{_UNFINISHED}*"):
            # Left by a process that was killed.
            with suppress(OSError):
                if time.time() - unfinished.stat().st_mtime > _UNFINISHED_S:
                    shutil.rmtree(unfinished, ignore_errors=True)


def keep_version(store: VersionStore | None, path: Path) -> str:
    """Keep a file as it is now, if it can be: labels are saved all the same where it cannot.

    Parameters
    ----------
    store
        Where; None for nowhere.
    path
        The file of labels.

    Returns
    -------
    str
        A sentence, with a space before it, that says why not; empty where it was kept, or there was nothing to keep.
    """
    try:
        if store is not None and store.most_bytes:
            store.keep(path)
    except OSError as error:
        return f" No earlier version could be kept: {reason_of(error)}."
    return ""


def _stamp(files: list[Path]) -> tuple[int, ...]:
    return tuple(number for each in files for number in (each.stat().st_size, each.stat().st_mtime_ns))


def _summarise(labels: Path, picture: Path) -> int | None:
    """Write a small picture, and return the number of objects; None where the file holds no labels that can be read."""
    try:
        n_objects, image = picture_of(labels)
    # What is overwritten may be any file: it is kept, whatever its readers say of it.
    except Exception:
        return None
    image.save(picture)
    return n_objects


def _inside(folder: Path) -> list[Version]:
    try:
        names = sorted((each for each in folder.iterdir() if not each.name.startswith(_UNFINISHED)), reverse=True)
    except OSError:
        return []
    return [version for version in map(_read, names) if version is not None]


def _read(folder: Path) -> Version | None:
    """Read about a version; None where another process has just removed it, or the disk lost what it says."""
    try:
        about: dict[str, Any] = json.loads((folder / _ABOUT).read_text(encoding="utf-8"))
        stamp = tuple(int(each) for each in about["stamp"])
        path, n_objects = Path(about["path"]), about["objects"]
        return Version(folder, path, float(about["written"]), str(about["digest"]), stamp, n_objects)
    except (OSError, ValueError, KeyError, TypeError):
        return None
