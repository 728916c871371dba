"""TIFF files: which image of several, the meaning of their axes, and pixels that are read when they are needed."""

import struct
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_sam.errors import UserError
from napari_sam.planes.stored_image import Series, StoredImage, numbered, several_images
from napari_sam.planes.tiff_sizes import channel_names, tiff_sizes

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
_COLOURS = ("RGB", "YCBCR", "CIELAB", "ICCLAB", "ITULAB")
# What scanners of slides store beside the image.
_BESIDE = ("thumbnail", "label", "macro")


def read_tiff(path: Path, series: Series | None = None, *, header_only: bool = False) -> StoredImage:
    """Read an image of a TIFF file.

    Up to 64 MB are read at once; larger files are mapped into memory where they are not compressed, or else read
    page by page or tile by tile (with zarr installed).

    Parameters
    ----------
    path
        The file.
    series
        Which image, where there are several; by default the largest one that is no reduced copy of another.
    header_only
        Read no pixels: they are all 0, and take no memory.

    Raises
    ------
    UserError
        If the file is cut off, planes are missing, its compression is unknown, or there is no such image.
    """
    if is_truncated(path):
        raise UserError("the file is cut off; copy it again.")
    flags = _flags(path)
    with tifffile.TiffFile(path, **flags) as file:
        if not file.series:
            raise UserError("the file holds no image.")
        names = [_name(each) for each in file.series]
        number = _largest(file.series) if series is None else numbered(series, names)
        chosen = file.series[number]
        _check_pages(file, chosen)
        axes, rgb = _axes(chosen), _is_colour(chosen)
        levels: Any
        if header_only:
            levels = np.broadcast_to(chosen.dtype.type(0), chosen.shape)
        elif _is_cmyk(chosen):
            levels, rgb = _colours_of_inks(_decoded(chosen), axes.index("s")), True
        else:
            levels = _pixels(path, chosen, number, flags)
        worth = [at for at, each in enumerate(file.series) if not _is_beside(each)]
        return StoredImage(
            tuple(levels) if isinstance(levels, list) else (levels,),
            axes,
            rgb,
            tiff_sizes(file, chosen, number),
            channel_names(file, chosen, number),
            number=number,
            several=several_images(names, worth),
        )


def _flags(path: Path) -> dict[str, Any]:
    """Return how tifffile is to read a file: planes that were appended one by one are one stack, not an image each."""
    with tifffile.TiffFile(path) as file:
        if not file.is_shaped or len(file.series) < 2:
            return {}
        alike = {(each.shape, each.dtype, each.axes) for each in file.series}
        return {"is_shaped": False} if len(alike) == 1 and file.series[0].axes in ("YX", "YXS") else {}


def _name(series: tifffile.TiffPageSeries) -> str:
    return str(series.name or "")


def _is_beside(series: tifffile.TiffPageSeries) -> bool:
    """Tell whether an image is a reduced copy of another, or a picture of the slide's label."""
    return bool(series.keyframe.is_reduced) or _name(series).lower() in _BESIDE


def _largest(all_series: Sequence[tifffile.TiffPageSeries]) -> int:
    return max(range(len(all_series)), key=lambda at: (not _is_beside(all_series[at]), all_series[at].size, -at))


def _axes(series: tifffile.TiffPageSeries) -> tuple[str, ...]:
    """Return a name per axis; none for letters that say nothing."""
    letters = series.axes
    return tuple(letter.lower() if letter in "TCZYXS" and letters.count(letter) == 1 else "" for letter in letters)


def _photometric(series: tifffile.TiffPageSeries) -> str:
    return str(getattr(series.keyframe.photometric, "name", ""))


def _is_colour(series: tifffile.TiffPageSeries) -> bool:
    """Tell whether samples are red, green and blue; a fourth one is alpha only where the file says so.

    TIFF 6.0, tags PhotometricInterpretation and ExtraSamples (1 and 2 are alpha).
    """
    samples = series.shape[series.axes.index("S")] if "S" in series.axes else 0
    if _photometric(series) not in _COLOURS or samples not in (3, 4):
        return False
    return samples == 3 or int((*series.keyframe.extrasamples, 0)[0]) in (1, 2)


def _is_cmyk(series: tifffile.TiffPageSeries) -> bool:
    return (
        _photometric(series) == "SEPARATED"
        and series.dtype == np.uint8
        and "S" in series.axes
        and series.shape[series.axes.index("S")] == 4
    )


def _colours_of_inks(inks: NDArray[np.uint8], axis: int) -> NDArray[np.uint8]:
    """Return (red, green, blue) of cyan, magenta, yellow and black, on the same axis; without a colour profile."""
    cyan_magenta_yellow, black = np.split(inks.astype(np.uint16), [3], axis)
    colours: NDArray[np.uint8] = ((255 - cyan_magenta_yellow) * (255 - black) // 255).astype(np.uint8)
    return colours


def _check_pages(file: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> None:
    pages = [page for page in series.pages if page is not None]
    if len(pages) < len(series.pages):
        raise UserError(
            f"only {len(pages)} of the {len(series.pages)} planes are there; the files of a set must lie together."
        )
    if int(series.keyframe.compression) not in tifffile.TIFF.DECOMPRESSORS:
        raise UserError(f"{_undecodable(series)}.")
    size = file.filehandle.size
    ends = [0]
    if series.dataoffset is not None:
        ends.append(series.dataoffset + series.nbytes)
    for page in (pages[0], pages[-1]):
        if page.parent is file:
            ends += [offset + count for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False)]
    if max(ends) > size:
        raise UserError("the file is cut off; copy it again.")


def _pixels(path: Path, series: tifffile.TiffPageSeries, number: int, flags: dict[str, Any]) -> Any:
    """Read the pixels as an array, or one per level of a pyramid."""
    if series.nbytes <= IN_MEMORY_BYTES:
        return _decoded(series)
    if series.dataoffset is not None and len(series.levels) == 1 and not flags:
        return tifffile.memmap(path, series=number, mode="r")
    try:
        levels = [_lazy(path, number, level, flags) for level in range(len(series.levels))]
    except (ImportError, ValueError):
        # No zarr, or one that this tifffile does not know: as much memory as the image needs.
        return _decoded(series)
    return levels[0] if len(levels) == 1 else levels


def _decoded(series: tifffile.TiffPageSeries) -> NDArray[Any]:
    try:
        pixels: NDArray[Any] = series.asarray()
    except (ValueError, RuntimeError) as error:
        raise UserError(f"{_undecodable(series)}, or it is damaged.") from error
    return pixels


def _undecodable(series: tifffile.TiffPageSeries) -> str:
    return (
        f"its pixels are compressed in a way that is not known here (number {int(series.keyframe.compression)}): save "
        "it anew without compression, or with LZW or Deflate"
    )


def _lazy(path: Path, number: int, level: int, flags: dict[str, Any]) -> Any:
    """Open a zarr array over the file, which stays open as long as the array lives."""
    import zarr

    file = tifffile.TiffFile(path, **flags)
    series = file.series[number]
    # Strips may be single rows: a chunk each would cost more than it spares.
    tiled = series.levels[level].keyframe.is_tiled
    mode = tifffile.CHUNKMODE.STRILE if tiled else tifffile.CHUNKMODE.PAGE
    array = zarr.open_array(series.aszarr(level=level, chunkmode=mode), mode="r")
    weakref.finalize(array, file.close)
    return array
