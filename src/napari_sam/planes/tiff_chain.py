"""Whether a TIFF file was cut off: readers silently show the pages that are left."""

import struct
from pathlib import Path

_BYTES_PER_VALUE = {
    1: 1,
    2: 1,
    3: 2,
    4: 4,
    5: 8,
    6: 1,
    7: 1,
    8: 2,
    9: 4,
    10: 8,
    11: 4,
    12: 8,
    13: 4,
    16: 8,
    17: 8,
    18: 8,
}
# Description, offsets and byte counts of strips and tiles: what an image cannot do without.
_NEEDED_TAGS = frozenset({270, 273, 279, 324, 325})


def is_truncated(path: Path) -> bool:
    """Whether the chain of pages, or a table that a page needs, lies beyond the end of the file.

    Follows the offsets from page to page (TIFF 6.0, section 2; BigTIFF: 64-bit offsets, 20-byte entries) without
    reading any pixels.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        header = file.read(16)
        order = "<" if header[:2] == b"II" else ">"
        big = header[2:4] in (b"+\0", b"\0+")
        count, offset = (struct.Struct(order + kind) for kind in ("QQ" if big else "HI"))
        entry = struct.Struct(order + ("HHQ8s" if big else "HHI4s"))
        at = 8 if big else 4
        if len(header) < at + offset.size:
            return True
        (page,) = offset.unpack_from(header, at)
        visited = set()
        while page and page not in visited:
            visited.add(page)
            file.seek(page)
            head = file.read(count.size)
            if len(head) < count.size:
                return True
            (n_entries,) = count.unpack(head)
            length = n_entries * entry.size
            if page + count.size + length + offset.size > size:
                return True
            for tag, kind, n_values, value in entry.iter_unpack(file.read(length)):
                n_bytes = n_values * _BYTES_PER_VALUE.get(kind, 1)
                if tag in _NEEDED_TAGS and n_bytes > len(value) and offset.unpack(value)[0] + n_bytes > size:
                    return True
            (page,) = offset.unpack(file.read(offset.size))
    return False
