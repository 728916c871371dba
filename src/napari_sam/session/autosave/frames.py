"""Records in a file that may end anywhere: each with its length and a checksum, so that a torn end is seen."""

import json
import struct
import zlib
from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path
from typing import Any

MAGIC = b"napari-sam log 1\n"
_HEAD = struct.Struct("<IIB")
_LARGEST = 2**30


class Kind(IntEnum):
    """What a record says."""

    BEGIN = 1
    IMAGE = 2
    TARGET = 3
    PRIOR = 4
    BASE = 5
    BASE_DONE = 6
    PUT = 7
    DROP = 8
    DRAFT = 9


def frame(kind: Kind, content: dict[str, Any]) -> bytes:
    """A record as it stands in the file."""
    body = zlib.compress(json.dumps(content, separators=(",", ":")).encode(), 1)
    return packed_frame(kind, body)


def packed_frame(kind: int, body: bytes) -> bytes:
    """A record whose content is packed already."""
    return _HEAD.pack(len(body), zlib.crc32(body, kind), kind) + body


def packed_frames(path: Path) -> Iterator[tuple[int, bytes]]:
    """(kind, packed content) of all records up to the end, or to the first one that is torn or damaged."""
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
    """What a record says."""
    return json.loads(zlib.decompress(body))
