"""TIFF files: the meaning of their axes, the size of a pixel, and pixels that are read when they are needed."""

import struct
import weakref
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import tifffile

from napari_sam.errors import UserError
from napari_sam.planes.image_source import ImageSource
from napari_sam.planes.units import unit_name

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
    """Tell whether the chain of pages, or a table that a page needs, lies beyond the end of the file.

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


# Chosen, not measured: a bound for memory.
IN_MEMORY_BYTES = 64 * 2**20
_SPATIAL = "ZYX"


def open_tiff(path: Path, *, header_only: bool = False) -> ImageSource:
    """Open the first series of a TIFF file.

    Up to 64 MB are read at once; larger files are mapped into memory where they are not compressed, or else read
    page by page or tile by tile (with zarr installed).

    Parameters
    ----------
    path
        The file.
    header_only
        Read no pixels: they are all 0, and take no memory.

    Raises
    ------
    UserError
        If the file is cut off or planes are missing.
    """
    if is_truncated(path):
        raise UserError("the file is cut off; copy it again.")
    with tifffile.TiffFile(path) as file:
        if not file.series:
            raise UserError("the file holds no image.")
        series = file.series[0]
        _check_pages(file, series)
        axes = series.axes
        last_is_samples = axes.endswith("S")
        rgb = last_is_samples and series.shape[-1] in (3, 4)
        channel_axis = None
        if not rgb:
            channel_axis = next((axes.index(letter) for letter in "SC" if letter in axes), None)
        names = _axis_names("".join(letter for at, letter in enumerate(axes) if not _is_channel(at, axes, rgb)))
        sizes = _sizes(file)
        return ImageSource(
            np.broadcast_to(series.dtype.type(0), series.shape) if header_only else _pixels(path, series),
            rgb=rgb,
            channel_axis=channel_axis,
            axis_labels=names,
            scale=[sizes.get(name, (1.0, ""))[0] for name in names] if sizes else None,
            units=[_unit(name, sizes) for name in names] if sizes else None,
        )


def _is_channel(at: int, axes: str, rgb: bool) -> bool:
    if rgb:
        return at == len(axes) - 1
    letter = "S" if "S" in axes else "C"
    return at == axes.find(letter)


def _axis_names(axes: str) -> list[str]:
    """Name axes by lower-case letters; those that the file does not name are the next free one of z, t, c."""
    known = [letter if letter in "TCZYX" and axes.count(letter) == 1 else "" for letter in axes]
    free = [letter for letter in "ZTC" if letter not in known]
    for at in reversed(range(len(known))):
        if not known[at]:
            known[at] = free.pop(0) if free else f"axis {at}"
    return [name.lower() for name in known]


def _check_pages(file: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> None:
    pages = [page for page in series.pages if page is not None]
    if len(pages) < len(series.pages):
        raise UserError(
            f"only {len(pages)} of the {len(series.pages)} planes are there; the files of a set must lie together."
        )
    size = file.filehandle.size
    ends = [0]
    if series.dataoffset is not None:
        ends.append(series.dataoffset + series.nbytes)
    for page in (pages[0], pages[-1]):
        if page.parent is file:
            ends += [offset + count for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False)]
    if max(ends) > size:
        raise UserError("the file is cut off; copy it again.")


def _pixels(path: Path, series: tifffile.TiffPageSeries) -> Any:
    """Read the pixels as an array, or one per level of a pyramid."""
    if series.nbytes <= IN_MEMORY_BYTES:
        return series.asarray()
    if series.dataoffset is not None and len(series.levels) == 1:
        return tifffile.memmap(path, series=0, mode="r")
    try:
        levels = [_lazy(path, level, series.levels[level].keyframe.is_tiled) for level in range(len(series.levels))]
    except (ImportError, ValueError):
        # No zarr, or one that this tifffile does not know: as much memory as the image needs.
        return series.asarray()
    return levels[0] if len(levels) == 1 else levels


def _lazy(path: Path, level: int, tiled: bool) -> Any:
    """Open a zarr array over the file, which stays open as long as the array lives."""
    import zarr

    # Strips may be single rows: a chunk each would cost more than it spares.
    mode = tifffile.CHUNKMODE.STRILE if tiled else tifffile.CHUNKMODE.PAGE
    store = tifffile.imread(path, aszarr=True, series=0, level=level, chunkmode=mode)
    array = zarr.open_array(store, mode="r")
    weakref.finalize(array, store.close)
    return array


def _sizes(file: tifffile.TiffFile) -> dict[str, tuple[float, str]]:
    """Read the size and unit per axis name, as far as the file states them."""
    if file.is_ome and file.ome_metadata:
        return _ome_sizes(file.ome_metadata)
    if file.is_imagej and file.imagej_metadata:
        return _imagej_sizes(file.imagej_metadata, file.pages.first.tags)
    return {}


def _ome_sizes(xml: str) -> dict[str, tuple[float, str]]:
    pixels = ElementTree.fromstring(xml).find(".//{*}Pixels")
    if pixels is None:
        return {}
    sizes = {}
    for letter in _SPATIAL:
        size = _positive(pixels.get(f"PhysicalSize{letter}"))
        if size:
            sizes[letter.lower()] = (size, unit_name(pixels.get(f"PhysicalSize{letter}Unit", "µm")))
    interval = _positive(pixels.get("TimeIncrement"))
    if interval:
        sizes["t"] = (interval, unit_name(pixels.get("TimeIncrementUnit", "s")))
    return sizes


def _imagej_sizes(metadata: dict[str, Any], tags: tifffile.TiffTags) -> dict[str, tuple[float, str]]:
    unit = unit_name(str(metadata.get("unit", "")))
    sizes = {}
    spacing = _positive(metadata.get("spacing"))
    if unit != "pixel":
        for letter in "YX":
            tag = tags.get(f"{letter}Resolution")
            pixels, units = tag.value if tag is not None else (0, 0)
            if pixels and units:
                sizes[letter.lower()] = (units / pixels, unit)
    if spacing:
        sizes["z"] = (spacing, unit)
    interval = _positive(metadata.get("finterval"))
    if interval:
        sizes["t"] = (interval, unit_name(str(metadata.get("tunit", "s"))))
    return sizes


def _positive(value: Any) -> float | None:
    try:
        number = abs(float(value))
    except (TypeError, ValueError):
        return None
    return number if 0 < number < float("inf") else None


def _unit(name: str, sizes: dict[str, tuple[float, str]]) -> str:
    """Return the stated unit; of a spatial axis without one, the other spatial axes' unit."""
    if name in sizes:
        return sizes[name][1]
    if name.upper() in _SPATIAL:
        return next((sizes[other][1] for other in ("x", "y", "z") if other in sizes), "pixel")
    return "pixel"
