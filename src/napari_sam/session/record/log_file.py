"""The log of a session: framed records with a checksum, written by a thread of its own."""

import json
import os
import struct
import threading
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from enum import IntEnum
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

from napari_sam.prompts.json_form import Form, to_json

MAGIC = b"napari-sam log 1\n"
_HEAD = struct.Struct("<IIB")
# Bytes of a record: what claims to be longer is damaged.
_LARGEST = 2**30


class RecordKind(IntEnum):
    """The kind of a record: what it says."""

    BEGIN = 1
    IMAGE = 2
    TARGET = 3
    PRIOR = 4
    BASE = 5
    BASE_DONE = 6
    PUT = 7
    DROP = 8
    DRAFT = 9


def frame(kind: RecordKind, content: Form | Mapping[str, Any]) -> bytes:
    """Return a record as it stands in the file."""
    body = zlib.compress(json.dumps(to_json(content), separators=(",", ":")).encode(), 1)
    return packed_frame(kind, body)


def packed_frame(kind: int, body: bytes) -> bytes:
    """Return a record, whose content is packed already, as it stands in the file."""
    return _HEAD.pack(len(body), zlib.crc32(body, kind), kind) + body


def packed_frames(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield (kind, packed content) of all records up to the end, or to the first one that is torn or damaged."""
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            return
        while len(head := file.read(_HEAD.size)) == _HEAD.size:
            length, checksum, kind = _HEAD.unpack(head)
            if length > _LARGEST:
                return
            body = file.read(length)
            if len(body) < length or zlib.crc32(body, kind) != checksum:
                return
            yield kind, body


def unpacked(body: bytes) -> Any:
    """Unpack what a record says; raise ValueError where it is no JSON."""
    # NaN and infinity, which Python writes and reads, are no numbers that anything can be done with.
    return json.loads(zlib.decompress(body), parse_constant=_refuse)


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no number")


Record: TypeAlias = tuple[RecordKind, Form | Mapping[str, Any]]
Job: TypeAlias = Callable[[], Iterator[Record]]
"""Makes records, on the writing thread."""
Then: TypeAlias = Callable[[], None] | None
"""Called on the writing thread when what it was given with is on disk."""

# Both chosen, not measured: seldom enough, and a bound for a disk that is the user's.
WORTH_COMPACTING = 16 * 2**20
"""Bytes of drafts that are superseded, at which the log is written anew without them."""
MAX_BYTES = 8 * 2**30


class LogWriter:
    """A writer that appends to a log, on a thread of its own; what is given is on disk within a second.

    Parameters
    ----------
    path
        The file; it does not exist yet.
    on_tick
        Called on the writing thread every `spacing` seconds or so.
    on_error
        Called on the writing thread with what kept it from writing; it stops then.
    """

    # Chosen: with a second promised for what may be lost, there is time for several (tests/session/test_killed.py).
    spacing = 0.25
    """Seconds between two writes to disk, at least, and between two calls of `on_tick`, at most."""
    afterwards = 0.06
    """Seconds that pass before a job is begun."""

    def __init__(self, path: Path, on_tick: Callable[[], None], on_error: Callable[[Exception], None]) -> None:
        self._path = path
        self._on_tick = on_tick
        self._on_error = on_error
        self._jobs: deque[tuple[Job, Then]] = deque()
        self._slow: deque[tuple[Iterator[Record], Record, Then]] = deque()
        self._read: deque[tuple[Job, Then]] = deque()
        self._wake = threading.Condition()
        self._closing = False
        self._waited_for = False
        self._busy = False
        # When what is to be written was given first; what is being written; what is written slowly.
        self._given: float | None = None
        self._writing: float | None = None
        self._given_slowly: float | None = None
        self._drafts = 0
        self._last_draft = 0
        self._size = 0
        self._file: BinaryIO | None = None
        self._thread = threading.Thread(target=self._run, name="napari-sam-autosave", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def write(self, job: Job, then: Then = None) -> None:
        """Have records made and written, in the order in which this is called."""
        with self._wake:
            self._jobs.append((job, then))
            self._given = self._given or time.monotonic()
            self._wake.notify_all()

    def write_slowly(self, records: Iterator[Record], last: Record, then: Then = None) -> None:
        """Have records written a few at a time, between the others.

        Making them may show what the main thread has done, or half done, and not given yet. So the last record, which
        says that they are all there, is written only after that: see `settle`.
        """
        with self._wake:
            self._slow.append((records, last, then))
            self._given_slowly = self._given_slowly or time.monotonic()
            self._wake.notify_all()

    @property
    def lag(self) -> float:
        """Seconds that what has waited longest has waited to be on disk; any thread may ask."""
        since = [at for at in (self._given, self._writing, self._given_slowly) if at is not None]
        return time.monotonic() - min(since) if since else 0.0

    @property
    def unsettled(self) -> bool:
        """True if `settle` is waited for."""
        return bool(self._read)

    def settle(self) -> None:
        """Say, on the main thread, that all that it did up to now was given."""
        with self._wake:
            self._jobs.extend(self._read)
            self._read.clear()
            self._wake.notify_all()

    def wait_written(self, timeout: float = 10.0) -> bool:
        """Block the main thread until everything that was given is on disk; False if that takes longer."""
        with self._wake:
            # Who waits here does nothing else.
            self._waited_for = True
            try:
                return self._wake.wait_for(
                    lambda: not (self._left or self._busy) or not self._thread.is_alive(), timeout
                )
            finally:
                self._waited_for = False

    def close(self, timeout: float = 10.0) -> bool:
        """Write what is left and end; tell whether that was done in time."""
        with self._wake:
            self._closing = True
            self._wake.notify_all()
        if self._thread is threading.current_thread():
            # Python found on this thread that nobody refers to the session any more: it ends when it is through.
            return True
        self._thread.join(timeout)
        return not self._thread.is_alive()

    @property
    def _left(self) -> bool:
        return bool(self._jobs or self._slow or self._read)

    def _begin(self) -> None:
        self._file = self._path.open("xb")
        self._file.write(MAGIC)
        self._size = len(MAGIC)

    def _run(self) -> None:
        try:
            self._begin()
            while self._round():
                if self._drafts > WORTH_COMPACTING:
                    self._compact()
        except Exception as error:
            with self._wake:
                self._jobs.clear()
                self._slow.clear()
                self._read.clear()
                self._busy, self._closing = False, True
                self._wake.notify_all()
            self._on_error(error)
        finally:
            if self._file is not None:
                # Closing writes what a full disk did not take before, and fails as writing did.
                with suppress(OSError):
                    self._file.close()

    def _round(self) -> bool:
        """Write what there is, and rest; False when all is done."""
        with self._wake:
            self._wake.wait_for(lambda: self._jobs or self._slow or self._closing, self.spacing)
            # Whoever gave a job is about to show what was done: it has the interpreter to itself for that.
            self._wake.wait_for(lambda: self._closing, self.afterwards)
            if self._closing or self._waited_for:
                self.settle()
            jobs = list(self._jobs)
            self._jobs.clear()
            self._writing, self._given = self._given, None
            # What it refers to was given before it, and is among these jobs or the former ones.
            slow = bool(self._slow)
            self._busy = busy = bool(jobs) or slow
        for job, _ in jobs:
            for record in job():
                self._append(record)
        if slow:
            self._write_slow()
        if busy and self._file is not None:
            self._file.flush()
            os.fsync(self._file.fileno())
        for _, then in jobs:
            if then is not None:
                then()
        with self._wake:
            self._busy = False
            self._writing = None
            if not self._slow and not self._read:
                self._given_slowly = None
            ended = self._closing and not self._left
            self._wake.notify_all()
        if ended:
            return False
        self._on_tick()
        if jobs and not self._read:
            with self._wake:
                self._wake.wait_for(lambda: self._closing, self.spacing)
        return True

    def _write_slow(self) -> None:
        """Go on for a while with what is not urgent."""
        records, last, then = self._slow[0]
        until = time.monotonic() + self.spacing
        for record in records:
            self._append(record)
            if time.monotonic() >= until:
                return
        with self._wake:
            self._slow.popleft()
            self._read.append((lambda: iter([last]), then))

    def _append(self, record: Record) -> None:
        assert self._file is not None
        kind, content = record
        data = frame(kind, content)
        if self._size + len(data) > MAX_BYTES:
            raise OSError(f"the log has grown to {MAX_BYTES >> 30} GiB")
        self._file.write(data)
        self._size += len(data)
        if kind is RecordKind.DRAFT:
            self._drafts += self._last_draft
            self._last_draft = len(data)

    def _compact(self) -> None:
        """Write the log anew with its last draft only."""
        assert self._file is not None
        self._file.flush()
        temporary = self._path.with_suffix(".new")
        last = max(
            (at for at, (kind, _) in enumerate(packed_frames(self._path)) if kind == RecordKind.DRAFT), default=-1
        )
        with temporary.open("wb") as file:
            file.write(MAGIC)
            for at, (kind, body) in enumerate(packed_frames(self._path)):
                if kind != RecordKind.DRAFT or at == last:
                    file.write(packed_frame(kind, body))
            self._size = file.tell()
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._path)
        self._file.close()
        self._file = self._path.open("ab")
        self._drafts = 0
