"""Published weights -> a checked file in the folder of downloads."""

import errno
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import requests
import urllib3
from filelock import FileLock, Timeout

from napari_sam.errors import UserError
from napari_sam.models.cache import cached_path, downloadable, file_hash, has_hash, partial_path
from napari_sam.models.registry import ModelSpec
from napari_sam.nn.cancel import CancelToken

Progress = Callable[[int, int], None]

# Bytes, after each of which it can be cancelled, and tries without a byte before it gives up; chosen, not measured.
_CHUNK = 2**17
_FRUITLESS_ATTEMPTS = 3
_TRANSIENT = {408, 425, 429}


class Unreachable(Exception):
    """The server did not answer, or stopped answering; the message says how."""


def fetch_http(
    url: str,
    part: Path,
    *,
    expected: int,
    progress: Progress | None = None,
    cancel: CancelToken | None = None,
    timeout: float = 30.0,
    pause: float = 1.0,
) -> bool:
    """Fetch what is missing of a file.

    What arrives is not to be trusted: the file's hash is the caller's to check. A transfer that breaks off goes on
    where it stopped, as long as every attempt or so brings something.

    Parameters
    ----------
    url
        Where the file is; redirections are followed.
    part
        The file so far; it need not exist. It stays when fetching fails, for the next time.
    expected
        Rough size of the file in bytes; one more than twice as large is refused.
    progress
        Called with the bytes that are here and the bytes that there will be.
    cancel
        Checked as bytes arrive.
    timeout
        Seconds of silence after which the server is given up.
    pause
        Seconds before the second attempt; twice as long before the third.

    Returns
    -------
    Whether the file was put together from more than one answer.

    Raises
    ------
    Unreachable
        If the server cannot be reached or keeps breaking off.
    UserError
        If the server has no such file, or it does not fit on the disk.
    Cancelled
        If `cancel` was set.
    """
    transfer = _Transfer(url, part, expected, progress, cancel, timeout)
    pieced = _size(part) > 0
    fruitless = 0
    most = _size(part)
    while True:
        problem = transfer.attempt()
        if problem is None:
            return pieced
        here = _size(part)
        pieced = pieced or here > 0
        fruitless = 0 if here > most else fruitless + 1
        most = max(most, here)
        if fruitless >= _FRUITLESS_ATTEMPTS or (fruitless and not transfer.answered):
            raise Unreachable(problem)
        _wait(pause * max(1, fruitless), cancel)


class _Transfer:
    """Attempts at one file."""

    def __init__(
        self,
        url: str,
        part: Path,
        expected: int,
        progress: Progress | None,
        cancel: CancelToken | None,
        timeout: float,
    ) -> None:
        self._url = url
        self._part = part
        self._expected = expected
        self._progress = progress
        self._cancel = cancel
        self._timeout = timeout
        self.answered = False

    def attempt(self) -> str | None:
        """Go on where the file ends; return None if it is complete as far as one can tell, else what went wrong."""
        _check(self._cancel)
        here = _size(self._part)
        headers = {"Accept-Encoding": "identity", "User-Agent": "napari-sam-stacks"}
        if here:
            headers["Range"] = f"bytes={here}-"
        try:
            with requests.get(self._url, headers=headers, stream=True, timeout=self._timeout) as response:
                self.answered = True
                return self._receive(response, here)
        except (requests.Timeout, urllib3.exceptions.ReadTimeoutError):
            return f"no answer for {self._timeout:g} seconds"
        except requests.exceptions.SSLError:
            return "the server cannot prove who it is"
        except (requests.ConnectionError, urllib3.exceptions.HTTPError):
            return "the connection broke off" if self.answered else "no connection"
        except requests.RequestException as error:
            raise UserError(f"{self._url} cannot be fetched: {type(error).__name__}.") from error

    def _receive(self, response: requests.Response, here: int) -> str | None:
        status = response.status_code
        if status == 416 and here:
            # There is nothing beyond what is here.
            return None
        if status >= 500 or status in _TRANSIENT:
            return f"the server answered {status} {response.reason}"
        if status not in (200, 206):
            raise UserError(f"The server has no file at {self._url} (it answered {status} {response.reason}).")
        if here and _start(response) != here:
            # It sends the whole file whatever it is asked for.
            here = 0
        length = _length(response)
        total = here + length if length else max(self._expected, here)
        self._check_size(total)
        self._check_disk(total - here)
        done = here
        with self._part.open("ab" if here else "wb") as file:
            # What is there is taken at once: of larger pieces, the last would be lost when the connection breaks off.
            while chunk := response.raw.read1(_CHUNK):
                _check(self._cancel)
                self._check_size(done + len(chunk))
                file.write(chunk)
                done += len(chunk)
                if self._progress is not None:
                    self._progress(done, max(done, total))
        return None if length is None or done >= total else "the connection broke off"

    def _check_size(self, size: int) -> None:
        if size > 2 * self._expected:
            self._part.unlink(missing_ok=True)
            raise UserError(
                f"{self._url} sends {_megabytes(size)} or more instead of about {_megabytes(self._expected)}, so it is "
                "another file; nothing of it was kept."
            )

    def _check_disk(self, missing: int) -> None:
        free = shutil.disk_usage(self._part.parent).free
        if free < missing:
            raise UserError(
                f"{self._part.parent} has {_megabytes(free)} free, but {_megabytes(missing)} are to be fetched; free "
                "some space and try again."
            )


def _start(response: requests.Response) -> int | None:
    """Return the position of the first byte that a partial answer holds; None for a whole file."""
    found = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return int(found[1]) if response.status_code == 206 and found else None


def _length(response: requests.Response) -> int | None:
    """Return the number of bytes that an answer says it holds."""
    said = response.headers.get("Content-Length", "")
    return int(said) if said.isdecimal() else None


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _check(cancel: CancelToken | None) -> None:
    if cancel is not None:
        cancel.check()


def _wait(seconds: float, cancel: CancelToken | None) -> None:
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        _check(cancel)
        time.sleep(min(left, 0.1))


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"


MIRROR_VARIABLE = "NAPARI_SAM_MIRROR"
OFFLINE_VARIABLE = "NAPARI_SAM_OFFLINE"
# Chosen: as quick as a person who cancels would like.
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
    """Return the URL to fetch a model from: at the mirror that ``NAPARI_SAM_MIRROR`` names, or else its publisher's."""
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
    """Say what to do where this machine cannot fetch a file."""
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
