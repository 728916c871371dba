"""A file from a server that may break off, stall, or say what is not so."""

import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import requests
import urllib3

from napari_sam.errors import UserError
from napari_sam.nn.cancel import CancelToken

Progress = Callable[[int, int], None]

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
        """Go on where the file ends; None if it is complete as far as one can tell, else what went wrong."""
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
    """The first byte that a partial answer holds; None for a whole file."""
    found = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return int(found[1]) if response.status_code == 206 and found else None


def _length(response: requests.Response) -> int | None:
    """The bytes that an answer says it holds."""
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
