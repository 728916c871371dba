"""Published weights -> a checked file in the folder of downloads."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from napari_sam.errors import UserError
from napari_sam.models.cache import cached_path, downloadable, partial_path
from napari_sam.models.fetch_http import Progress, Unreachable, fetch_http
from napari_sam.models.file_hash import file_hash, has_hash
from napari_sam.models.registry import ModelSpec
from napari_sam.nn.cancel import CancelToken

MIRROR_VARIABLE = "NAPARI_SAM_MIRROR"
OFFLINE_VARIABLE = "NAPARI_SAM_OFFLINE"
_LOCK_POLL_S = 0.2


def fetch(
    name: str,
    *,
    progress: Progress | None = None,
    cancel: CancelToken | None = None,
    timeout: float = 30.0,
    pause: float = 1.0,
) -> Path:
    """Download the weights of a model unless they are there.

    A download that is interrupted goes on where it stopped, the next time too. Several processes may ask for the same
    model: one downloads, the others wait. The file gets its name only after its hash is checked.

    Parameters
    ----------
    name
        Of a model of `napari_sam.models.registry.REGISTRY` that is not bundled.
    progress
        Called with the bytes that are here and the bytes that there will be.
    cancel
        Checked as bytes arrive and while waiting.
    timeout
        Seconds of silence after which a server is given up.
    pause
        Seconds between attempts.

    Returns
    -------
    The file, in the folder that ``NAPARI_SAM_CACHE`` names, or else in the user's cache.

    Raises
    ------
    UserError
        If there is no such model, it cannot be fetched or kept, or what was fetched is not what was published.
    Cancelled
        If `cancel` was set.
    """
    spec = downloadable(name)
    path = cached_path(spec)
    try:
        if _is_good(path, spec, cancel):
            return path
        if _offline():
            raise UserError(f"{OFFLINE_VARIABLE} is set, so {name} is not fetched: {_by_hand(spec)}.")
        path.parent.mkdir(parents=True, exist_ok=True)
        with _alone(path, spec, progress, cancel):
            # Another process may have fetched it meanwhile.
            if not _is_good(path, spec, cancel):
                part = partial_path(path)
                _fetch_part(spec, part, progress, cancel, timeout, pause)
                with part.open("rb+") as file:
                    os.fsync(file.fileno())
                part.replace(path)
    except OSError as error:
        raise UserError(_disk_problem(error, spec)) from error
    return path


def remove(name: str) -> bool:
    """Remove the downloaded weights of a model, or what there is of them.

    Returns
    -------
    Whether there were any.

    Raises
    ------
    UserError
        If there is no such model, it is bundled, is being downloaded or its file cannot be removed.
    """
    path = cached_path(downloadable(name))
    found = [file for file in (path, partial_path(path)) if file.exists()]
    if not found:
        return False
    try:
        with _lock(path).acquire(timeout=0):
            for file in found:
                file.unlink(missing_ok=True)
    except Timeout as error:
        raise UserError(f"{name} is being downloaded; cancel that before removing it.") from error
    except OSError as error:
        raise UserError(f"{path} cannot be removed: {error.strerror or error}.") from error
    return True


def source_url(spec: ModelSpec) -> str:
    """Where a model is fetched from: the mirror that ``NAPARI_SAM_MIRROR`` names, or else its publisher."""
    mirror = os.environ.get(MIRROR_VARIABLE)
    return f"{mirror.rstrip('/')}/{spec.file_name}" if mirror else str(spec.url)


def _fetch_part(
    spec: ModelSpec,
    part: Path,
    progress: Progress | None,
    cancel: CancelToken | None,
    timeout: float,
    pause: float,
) -> None:
    """Complete the partial file; when this returns, its hash is right."""
    url = source_url(spec)
    known_hash = _known_hash(spec)
    found = ""
    for _ in range(2):
        try:
            pieced = fetch_http(
                url,
                part,
                expected=spec.size_bytes,
                progress=progress,
                cancel=cancel,
                timeout=timeout,
                pause=pause,
            )
        except Unreachable as error:
            # A server that says that there is more than there is seems to break off at the end.
            if _is_good(part, spec, cancel):
                return
            raise UserError(
                f"{spec.name} cannot be fetched now ({error}): try again, which goes on where it stopped, or "
                f"{_by_hand(spec)}."
            ) from error
        found = file_hash(part, known_hash.partition(":")[0], cancel)
        if found == known_hash:
            return
        part.unlink()
        # Pieces may be of different files: then begin anew, once.
        if not pieced:
            break
    raise UserError(
        f"What {url} sent is not {spec.name} (its hash is {found}, not {known_hash}), so it was removed: try again "
        f"later, or {_by_hand(spec)}."
    )


def _is_good(path: Path, spec: ModelSpec, cancel: CancelToken | None) -> bool:
    return path.is_file() and has_hash(path, _known_hash(spec), cancel)


def _known_hash(spec: ModelSpec) -> str:
    assert spec.known_hash is not None
    return spec.known_hash


def _offline() -> bool:
    return os.environ.get(OFFLINE_VARIABLE, "").lower() not in ("", "0", "false", "no")


def _by_hand(spec: ModelSpec) -> str:
    """What to do where this machine cannot fetch a file."""
    return f"get {spec.url} on another machine and put it at {cached_path(spec)}"


def _disk_problem(error: OSError, spec: ModelSpec) -> str:
    folder = cached_path(spec).parent
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return (
            f"The disk of {folder} is full: {spec.name} takes {spec.size_bytes / 1e6:,.0f} MB; free some space and try "
            "again, which goes on where it stopped."
        )
    return f"{spec.name} cannot be kept in {folder}: {error.strerror or error}."


def _lock(path: Path) -> FileLock:
    return FileLock(path.with_name(f"{path.name}.lock"))


@contextmanager
def _alone(path: Path, spec: ModelSpec, progress: Progress | None, cancel: CancelToken | None) -> Iterator[None]:
    """Keep other processes from fetching the same file; the system ends the lock of a process that dies."""
    lock = _lock(path)
    while True:
        try:
            lock.acquire(timeout=_LOCK_POLL_S)
            break
        except Timeout:
            if cancel is not None:
                cancel.check()
            if progress is not None:
                part = partial_path(path)
                progress(part.stat().st_size if part.exists() else 0, spec.size_bytes)
    try:
        yield
    finally:
        lock.release()
