"""Labels as an OME-TIFF that other programs read rightly."""

import os
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_sam._version import __version__
from napari_sam.errors import UserError
from napari_sam.export.atomic import atomic_path
from napari_sam.export.provenance import NAMESPACE, Provenance, provenance_text, write_provenance
from napari_sam.planes.array_view import turned
from napari_sam.planes.geometry import Plane
from napari_sam.planes.image_source import ImageSource
from napari_sam.planes.units import in_centimeters, unit_symbol

_DEFAULTS = {2: "YX", 3: "ZYX", 4: "TZYX", 5: "TZCYX"}


def ome_axes(axes: str | None, ndim: int) -> str:
    """Find one letter of T, C, Z, Y, X per axis, each at most once, Y and X among them.

    Parameters
    ----------
    axes
        Wanted letters in any case; letters that OME does not know stand for the next free one of Z, T, C. Where Y
        or X is missing or a letter comes twice, the default for `ndim` is taken.
    ndim
        Number of axes.

    Raises
    ------
    UserError
        If there are fewer than two or more than five axes, or `axes` has another length.
    """
    if ndim not in _DEFAULTS:
        raise UserError(f"OME-TIFF files have two to five axes, not {ndim}; save a part of the labels.")
    if not axes:
        return _DEFAULTS[ndim]
    if len(axes) != ndim:
        raise UserError(f"The labels have {ndim} axes but {len(axes)} axis names were given: {axes}.")
    known = [letter if letter in "TCZYX" else "" for letter in axes.upper()]
    named = [letter for letter in known if letter]
    if "Y" not in named or "X" not in named or len(set(named)) < len(named):
        return _DEFAULTS[ndim]
    free = [letter for letter in "ZTC" if letter not in named]
    # The axis next to the rows is most likely the depth.
    for at in reversed(range(ndim)):
        if not known[at]:
            known[at] = free.pop(0)
    return "".join(known)


def axis_letters(labels: Sequence[str] | None) -> str | None:
    """Return axis labels as one letter each; None where they are no such letters, as napari's own "axis -1" are not."""
    labels = tuple(labels or ())
    return "".join(labels) if labels and all(len(label) == 1 for label in labels) else None


_STORED = {
    "bool": np.uint8,
    "uint8": np.uint8,
    "uint16": np.uint16,
    "uint32": np.uint32,
    "int8": np.uint8,
    "int16": np.uint16,
    "int32": np.uint32,
    "int64": np.uint32,
    "uint64": np.uint32,
}
# Offsets of 32 bits end there; 32 MB are left for what is not pixels, as tifffile does it.
_CLASSIC_TIFF_BYTES = 2**32 - 2**25
# All chosen: planes that are longer have a pyramid of tiles, whose coarsest level fits on a screen.
_LARGE_SIDE = 4096
_COARSEST_SIDE = 1024
_TILE = 512


MOST_AXES = max(_DEFAULTS)


def kept_axes(shape: Sequence[int]) -> list[int]:
    """Return the axes that are saved: of more than five those of length 1 go, the first ones before the others."""
    kept = list(range(len(shape)))
    while len(kept) > MOST_AXES and (short := [axis for axis in kept[:-2] if shape[axis] == 1]):
        kept.remove(short[0])
    return kept


def save_labels(
    path: str | os.PathLike[str],
    labels: Any,
    *,
    axes: str | None = None,
    scale: Sequence[float] | None = None,
    units: Sequence[str] | None = None,
    provenance: Provenance | None = None,
    overwrite: bool = True,
) -> None:
    """Save labels as a compressed OME-TIFF.

    Every id is kept: the file's type is uint8, uint16 or uint32, the one of the labels' own width (uint32 for 64
    bits, as TIFF readers know none wider). Planes longer than 4096 pixels have a pyramid (SubIFDs): each level is every
    second pixel of the one before. The file appears only when it is complete. Memory: one plane.

    Parameters
    ----------
    path
        Where to, ending in .tif or .tiff.
    labels
        Integer array (numpy, zarr, dask, ...) of two to five axes; of more, those of length 1 are left out.
    axes
        One letter per axis, of T, C, Z, Y, X in any order, each once; by default "YX", "ZYX", "TZYX" or "TZCYX".
        Other letters stand for the next free one of Z, T, C.
    scale
        Size of a pixel along every axis.
    units
        Unit of `scale` along every axis ("micrometer", "um", "second", ...). Without it readers assume micrometres
        and seconds.
    provenance
        What they are made by, see `make_provenance`: it goes into the file, and beside it as `NAME.provenance.json`.
        None for neither.
    overwrite
        Replace an existing file.

    Raises
    ------
    UserError
        If the file cannot be written, an id is negative or beyond 32 bits, or the axes do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> import napari_sam
    >>> labels = np.zeros((8, 80, 80), np.uint16)
    >>> labels[2:6, 20:30, 10:30] = 7
    >>> um = ("micrometer",) * 3
    >>> napari_sam.save_labels("labels.tif", labels, axes="ZYX", scale=(0.8, 0.3, 0.3), units=um)
    >>> saved = napari_sam.open_image("labels.tif")
    >>> saved.shape, saved.axis_labels, saved.scale
    ((8, 80, 80), ('z', 'y', 'x'), (0.8, 0.3, 0.3))
    """
    if Path(path).suffix.lower() not in (".tif", ".tiff"):
        raise UserError(f"Labels are saved as TIFF: give a name that ends in .tif, not {Path(path).name}.")
    dtype = np.dtype(labels.dtype)
    if dtype.newbyteorder("=").name not in _STORED:
        raise UserError(f"Labels must be integers, not {dtype}; convert them first.")
    source = ImageSource(labels)
    for name, values in (("scale", scale), ("units", units)):
        if values is not None and len(values) != source.ndim:
            raise UserError(f"The labels have {source.ndim} axes but {name} has {len(values)} entries.")
    if source.ndim > MOST_AXES:
        kept = kept_axes(source.shape)
        picked = dict.fromkeys(set(range(source.ndim)) - set(kept), 0)
        axes = "".join(axes[at] for at in kept) if axes and len(axes) == source.ndim else axes
        scale = None if scale is None else [scale[at] for at in kept]
        units = None if units is None else [units[at] for at in kept]
        source = ImageSource(turned(labels, kept, picked))
    letters = ome_axes(axes, source.ndim)
    stored = np.dtype(_STORED[dtype.newbyteorder("=").name])
    # Files keep rows and columns last; the order of the others is kept.
    order = [axis for axis in range(source.ndim) if letters[axis] not in "YX"]
    order += [letters.index("Y"), letters.index("X")]
    shape = tuple(source.shape[axis] for axis in order)
    sizes = dict(zip(letters, (1.0,) * source.ndim if scale is None else scale, strict=True))
    names = dict(zip(letters, units, strict=True)) if units is not None else {}
    rows, columns = shape[-2:]
    steps = [1]
    while max(rows, columns) > _LARGE_SIDE and max(rows, columns) / steps[-1] > _COARSEST_SIDE:
        steps.append(2 * steps[-1])
    tiled = len(steps) > 1
    with atomic_path(path, overwrite=overwrite) as temporary:
        n_bytes = int(np.prod(shape, dtype=np.int64)) * stored.itemsize
        # All coarser levels together are a third.
        bigtiff = n_bytes * (4 / 3 if tiled else 1) > _CLASSIC_TIFF_BYTES
        metadata: dict[str, Any] = {
            "axes": "".join(letters[axis] for axis in order),
            **(_physical_sizes(sizes, names) if scale is not None else {}),
        }
        if provenance is not None:
            metadata["CommentAnnotation"] = {"Namespace": NAMESPACE, "Value": provenance_text(provenance)}
        with tifffile.TiffWriter(temporary, ome=True, bigtiff=bigtiff) as file:
            for step in steps:
                level = {letter: size * step if letter in "YX" else size for letter, size in sizes.items()}
                pages = _planes(source, order, stored, step)
                file.write(
                    _tiles(pages) if tiled else pages,
                    shape=(*shape[:-2], -(-rows // step), -(-columns // step)),
                    dtype=stored,
                    photometric="minisblack",
                    compression="zlib",
                    software=f"napari-sam-stacks {__version__}",
                    tile=(_TILE, _TILE) if tiled else None,
                    subifds=len(steps) - 1 if step == 1 else None,
                    subfiletype=0 if step == 1 else 1,
                    metadata=metadata if step == 1 else None,
                    **(_resolution(level, names) if scale is not None else {}),
                )
    if provenance is not None:
        write_provenance(path, provenance)


def _planes(source: ImageSource, order: Sequence[int], stored: np.dtype[Any], step: int = 1) -> Iterator[NDArray[Any]]:
    """Yield the (rows, columns) pages in the file's order, every so many rows and columns of them."""
    others, rows, columns = order[:-2], order[-2], order[-1]
    largest = np.iinfo(stored).max
    for position in product(*(range(source.shape[axis]) for axis in others)):
        index = [0] * source.ndim
        for axis, at in zip(others, position, strict=True):
            index[axis] = at
        page = source.read(Plane((rows, columns), tuple(index)), slice(None), slice(None), (step, step))[..., 0]
        if page.dtype.kind == "i" and page.min() < 0:
            raise UserError(f"The labels hold the negative id {page.min()}, which cannot be saved; relabel it first.")
        if page.dtype.itemsize > stored.itemsize and page.max() > largest:
            raise UserError(f"The labels hold the id {page.max()}, but TIFF files hold ids up to {largest}; relabel.")
        yield np.ascontiguousarray(page, stored)


def _tiles(pages: Iterator[NDArray[Any]]) -> Iterator[NDArray[Any]]:
    for page in pages:
        for row in range(0, page.shape[0], _TILE):
            for column in range(0, page.shape[1], _TILE):
                yield np.ascontiguousarray(page[row : row + _TILE, column : column + _TILE])


def _physical_sizes(sizes: dict[str, float], units: dict[str, str]) -> dict[str, Any]:
    """Make the attributes of OME's Pixels element."""
    attributes: dict[str, Any] = {}
    for letter, size in sizes.items():
        if letter == "C" or not np.isfinite(size) or size == 0:
            continue
        # T of unknown unit is left out: OME knows no time in pixels.
        symbol = unit_symbol(units[letter]) if letter in units else None
        if letter == "T":
            if symbol != "pixel":
                attributes["TimeIncrement"] = abs(float(size))
                attributes |= {"TimeIncrementUnit": symbol} if symbol else {}
            continue
        attributes[f"PhysicalSize{letter}"] = abs(float(size))
        attributes |= {f"PhysicalSize{letter}Unit": symbol} if symbol else {}
    return attributes


def _resolution(sizes: dict[str, float], units: dict[str, str]) -> dict[str, Any]:
    """Make the resolution tags, for readers that do not know OME; none unless both sizes are lengths."""
    per_centimeter = []
    for letter in "XY":
        unit = in_centimeters(units.get(letter, "pixel"))
        if unit is None or not np.isfinite(sizes[letter]) or sizes[letter] == 0:
            return {}
        per_centimeter.append(1 / (abs(sizes[letter]) * unit))
    return {"resolution": tuple(per_centimeter), "resolutionunit": "CENTIMETER"}
