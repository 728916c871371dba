"""Values as they stand in JSON files, checked when they are read back.

What does not fit raises ValueError, TypeError, KeyError or IndexError: `MALFORMED` names them for those who read files.
"""

import base64
import binascii
import math
import zlib
from collections.abc import Sequence
from typing import Any

MALFORMED = (ValueError, TypeError, KeyError, IndexError, OverflowError, binascii.Error, zlib.error)


def whole(value: Any) -> int:
    """An integer."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{value!r} is not a whole number")
    return value


def number(value: Any) -> float:
    """A finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r} is not a number")
    return float(value)


def text(value: Any) -> str:
    """A string."""
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a text")
    return value


def flag(value: Any) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise ValueError(f"{value!r} is not true or false")
    return value


def items(value: Any, count: int | None = None) -> Sequence[Any]:
    """A list, of `count` items where that is given."""
    if not isinstance(value, list) or (count is not None and len(value) != count):
        raise ValueError(f"{value!r} is not a list of {count or 'any number of'} items")
    return value


def wholes(value: Any, count: int | None = None) -> tuple[int, ...]:
    """A list of integers."""
    return tuple(whole(each) for each in items(value, count))


def numbers(value: Any, count: int | None = None) -> tuple[float, ...]:
    """A list of finite numbers."""
    return tuple(number(each) for each in items(value, count))


def deflated(data: bytes) -> str:
    """Bytes as text: deflated (zlib), then base64."""
    return base64.b64encode(zlib.compress(data, 6)).decode("ascii")


def inflated(value: Any, size: int) -> bytes:
    """The `size` bytes that `deflated` was given; a text that holds more is refused before it fills the memory."""
    return inflate(base64.b64decode(text(value), validate=True), size)


def inflate(data: bytes, size: int) -> bytes:
    """Exactly `size` bytes out of a zlib stream."""
    unpacker = zlib.decompressobj()
    found = unpacker.decompress(data, size + 1)
    if len(found) != size:
        raise ValueError(f"{len(found)} bytes were found where {size} should be")
    return found
