"""The content of the journal, on disk while it is not needed, and its weight."""

import io
import pickle
import shutil
import struct
import tempfile
import weakref
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any, Generic, TypeVar

from napari_sam.volume.carry import PropagatedPlane


class HeldBytes:
    """The bytes held in memory and on disk.

    Attributes
    ----------
    memory, disk : int
        Roughly.
    """

    def __init__(self) -> None:
        self.memory = 0
        self.disk = 0

    def add(self, nbytes: int, *, on_disk: bool) -> None:
        """Count something that is held from now on; with negative `nbytes`, something that is not held any more."""
        if on_disk:
            self.disk += nbytes
        else:
            self.memory += nbytes


_T = TypeVar("_T")
_LENGTH = struct.Struct("<Q")


class SpillFolder:
    """A private temporary folder that is made when first needed and goes when closed, or when Python ends."""

    def __init__(self) -> None:
        self._path: Path | None = None
        self._numbers = count()
        self._end: weakref.finalize[Any, SpillFolder] | None = None

    @property
    def path(self) -> Path | None:
        """Path of the folder; None while nothing was written."""
        return self._path

    def write(self, content: Any) -> Path:
        """Write `content` to a new file.

        Logits of propagated planes are left out. They take by far the most room, and are only ever fed back where such
        a plane is corrected; then its mask is.
        """
        if self._path is None:
            self._path = Path(tempfile.mkdtemp(prefix="napari-sam-journal-"))
            self._end = weakref.finalize(self, shutil.rmtree, self._path, ignore_errors=True)
        path = self._path / f"{next(self._numbers)}"
        buffers: list[pickle.PickleBuffer] = []
        stream = io.BytesIO()
        # Arrays go to the file as they are: copying them into the pickle first would take their memory twice.
        _SpillPickler(stream, protocol=5, buffer_callback=buffers.append).dump(content)
        with path.open("wb") as file:
            parts: list[memoryview] = [stream.getbuffer(), *(buffer.raw() for buffer in buffers)]
            for part in parts:
                file.write(_LENGTH.pack(len(part)))
                file.write(part)
        return path

    @staticmethod
    def read(path: Path) -> Any:
        """Read what was written to a file of this folder, which nobody else can write to."""
        parts = []
        with path.open("rb") as file:
            while length := file.read(_LENGTH.size):
                part = bytearray(_LENGTH.unpack(length)[0])
                file.readinto(part)
                parts.append(part)
        return pickle.loads(parts[0], buffers=parts[1:])

    def close(self) -> None:
        """Remove it with all that is in it."""
        if self._end is not None:
            self._end()
        self._path = self._end = None


class _SpillPickler(pickle.Pickler):
    """A pickler that leaves out the logits of propagated planes."""

    def reducer_override(self, thing: Any) -> Any:
        if type(thing) is PropagatedPlane and thing.mask is not None and thing.mask.logits is not None:
            return replace(thing, mask=replace(thing.mask, logits=None, window=None)).__reduce_ex__(5)
        return NotImplemented


class Spillable(Generic[_T]):
    """A content that lies in memory or on disk.

    Parameters
    ----------
    content
        What it holds.
    nbytes
        How much memory that takes, roughly.
    """

    def __init__(self, content: _T, nbytes: int) -> None:
        self._content: _T | None = content
        self._path: Path | None = None
        self._nbytes = nbytes
        self._held: HeldBytes | None = None

    @property
    def nbytes(self) -> int:
        """Bytes that it takes, roughly: of memory, or of the disk."""
        return self._nbytes

    def count_in(self, held: HeldBytes) -> None:
        """Have what it takes counted there, until it is dropped."""
        self._count(-1)
        self._held = held
        self._count(1)

    def weighs(self, nbytes: int) -> None:
        """Note that it takes as much as that."""
        self._becomes(self._content, self._path, nbytes)

    @property
    def spilled(self) -> bool:
        """True if it lies on disk."""
        return self._path is not None

    def content(self) -> _T:
        """Return what it holds, in memory again."""
        path = self._path
        if path is not None:
            self._becomes(SpillFolder.read(path), None, self._nbytes)
            path.unlink()
        assert self._content is not None
        return self._content

    def spill(self, folder: SpillFolder) -> None:
        """Put it on disk."""
        if self._path is None:
            path = folder.write(self._content)
            self._becomes(None, path, path.stat().st_size)

    def drop(self) -> None:
        """Drop it: it is not needed any more."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)
        self._count(-1)
        self._content, self._path, self._held = None, None, None

    def _becomes(self, content: _T | None, path: Path | None, nbytes: int) -> None:
        self._count(-1)
        self._content, self._path, self._nbytes = content, path, nbytes
        self._count(1)

    def _count(self, sign: int) -> None:
        if self._held is not None:
            self._held.add(sign * self._nbytes, on_disk=self.spilled)
