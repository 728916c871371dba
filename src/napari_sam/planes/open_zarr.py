"""OME-Zarr images, plates and collections, and bare zarr arrays: in folders, in zip files and at addresses.

Metadata is read leniently, not by strict models of the specification: files that break it in a harmless way (fewer
entries in a scale than axes, no axes in version 0.1) are common, and are to be opened.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count, islice
from pathlib import Path
from typing import Any

from napari_sam.errors import UserError
from napari_sam.planes.stored_image import Series, StoredImage, numbered
from napari_sam.planes.units import unit_name

_KNOWN_VERSIONS = re.compile(r"0\.[1-5](\D|$)")
# Chosen: a sentence names so many images; wells are groups of their own, each a request at an address.
_NAMED = 6


@dataclass(frozen=True)
class _Group:
    """A group with the metadata that OME-Zarr keeps in it, whichever version."""

    node: Any
    ome: Mapping[str, Any]

    @classmethod
    def of(cls, node: Any) -> "_Group":
        attributes = dict(node.attrs)
        return cls(node, attributes.get("ome", attributes))

    def child(self, path: str) -> "_Group":
        return _Group.of(self.node[path])


def read_zarr(place: Path | str, series: Series | None = None) -> StoredImage:
    """Read an OME-Zarr image (versions 0.1 to 0.5: all levels of its first multiscale) or a zarr array.

    Parameters
    ----------
    place
        A folder, a zip file, or an address that fsspec knows.
    series
        Which image of a plate, a well or a collection (bioformats2raw); by default the first.

    Raises
    ------
    UserError
        If zarr is not installed, there is neither, or its version is not known.
    """
    node = _opened(place)
    if not _is_group(node):
        return _bare(node)
    group = _Group.of(node)
    if "multiscales" in group.ome:
        if series is not None:
            numbered(series, [""])
        return _image(group)
    paths = _image_paths(group)
    if paths is None:
        inside = ", ".join(sorted(name for name, _ in group.node.members())[:_NAMED]) or "nothing"
        raise UserError(
            f"the zarr folder holds no OME-Zarr image but {inside}; give the folder of an array or of an image in it."
        )
    if isinstance(series, str) and not series.isdecimal() and _holds(group, series):
        return _image(group.child(series))
    number = 0 if series is None else int(series) if str(series).isdecimal() else -1
    # Wells are looked into no further than needed.
    known = list(islice(paths, max(number + 1, _NAMED)))
    if not known:
        raise UserError("it is meant to hold images, but there is none.")
    if series is not None:
        number = numbered(series, known)
    more = ", ..." if len(known) == _NAMED else ""
    listed = ", ".join(f"{at} {name}" for at, name in enumerate(known)) + more
    several = f"several images ({listed})" if len(known) > 1 else ""
    return replace(_image(group.child(known[number])), number=number, several=several)


def list_zarr_images(place: Path | str) -> list[str]:
    """List the images of a plate, a well or a collection, by names that `read_zarr` takes; none where it is one image.

    Parameters
    ----------
    place
        As of `read_zarr`.

    Raises
    ------
    UserError
        If zarr is not installed.
    """
    node = _opened(place)
    group = _Group.of(node) if _is_group(node) else None
    paths = None if group is None or "multiscales" in group.ome else _image_paths(group)
    return list(paths or ())


def _opened(place: Path | str) -> Any:
    try:
        import zarr
    except ImportError as error:
        raise UserError("reading zarr folders needs the package zarr; install it.") from error
    if isinstance(place, Path):
        return zarr.open(zarr.storage.ZipStore(place) if place.is_file() else place, mode="r")
    try:
        # zarr would say something else.
        import fsspec  # noqa: F401

        return zarr.open(zarr.storage.FsspecStore.from_url(place, read_only=True), mode="r")
    except ImportError as error:
        raise UserError(
            f'addresses need packages that are missing ({error}): pip install "napari-sam-stacks[remote]".'
        ) from error
    except FileNotFoundError as error:
        raise UserError("there is no zarr folder at this address; check it.") from error


def _is_group(node: Any) -> bool:
    return hasattr(node, "members")


def _holds(group: _Group, path: str) -> bool:
    return path.strip("/") in group.node and _is_group(group.node[path])


def _image_paths(group: _Group) -> Iterator[str] | None:
    """Return the paths of all images below a group; None if it is no collection."""
    ome = group.ome
    if "plate" in ome:
        wells = [str(well["path"]) for well in ome["plate"].get("wells", ())]
        return (f"{well}/{field}" for well in wells for field in _fields(group.child(well)))
    if "well" in ome:
        return iter(_fields(group))
    if "bioformats2raw.layout" in ome:
        return _converted(group)
    if "labels" in ome:
        return iter([str(name) for name in ome["labels"]])
    return None


def _fields(well: _Group) -> list[str]:
    return [str(image["path"]) for image in well.ome.get("well", {}).get("images", ())]


def _converted(group: _Group) -> Iterator[str]:
    """Return the images that bioformats2raw wrote: those that are listed, or numbered ones."""
    listed = group.child("OME").ome.get("series") if "OME" in group.node else None
    if listed:
        yield from map(str, listed)
        return
    for number in count():
        if str(number) not in group.node:
            return
        yield str(number)


def _bare(array: Any) -> StoredImage:
    """Return an array without a group, with its names where it has them."""
    names = getattr(array.metadata, "dimension_names", None) or dict(array.attrs).get("_ARRAY_DIMENSIONS")
    axes = tuple(str(name or "").lower() for name in names or ())
    return StoredImage((array,), axes if {"y", "x"} <= set(axes) and len(set(axes)) == len(axes) else None)


def _image(group: _Group) -> StoredImage:
    if not group.ome.get("multiscales"):
        raise UserError("there is no OME-Zarr image at the place where it is said to be.")
    multiscale = group.ome["multiscales"][0]
    version = str(group.ome.get("version") or multiscale.get("version") or "")
    if not multiscale.get("axes") and version and not re.match(r"0\.[12](\D|$)", version):
        raise UserError(_unknown(version))
    if not isinstance(multiscale.get("datasets"), Sequence):
        raise UserError(_unknown(version))
    levels = [group.node[str(dataset["path"])] for dataset in multiscale["datasets"]]
    ndim = levels[0].ndim
    described = [axis if isinstance(axis, Mapping) else {"name": axis} for axis in multiscale.get("axes") or "tczyx"]
    described = described[-ndim:]
    names = tuple("c" if axis.get("type") == "channel" else str(axis.get("name", "")).lower() for axis in described)
    scale, notice = _scale(multiscale, ndim)
    sizes = {
        name: (size, unit_name(str(axis.get("unit") or "pixel")))
        for name, size, axis in zip(names, scale, described, strict=True)
    }
    channels = (group.ome.get("omero") or group.node.attrs.get("omero") or {}).get("channels") or ()
    labels = tuple(str(channel.get("label") or "") for channel in channels)
    return StoredImage(tuple(levels), names, sizes=sizes, channel_names=labels if any(labels) else (), notice=notice)


def _unknown(version: str) -> str:
    known = "" if _KNOWN_VERSIONS.match(version) else ", which is not known here (0.1 to 0.5 are)"
    return (
        f"it says that it is OME-Zarr of version {version or 'unknown'}{known}, and does not say what its axes are; "
        "convert it to version 0.5, or open one of its arrays with --axes (axes= in Python)."
    )


def _scale(multiscale: Mapping[str, Any], ndim: int) -> tuple[list[float], str]:
    """Return the size of a pixel of the first level (its own scale times the one common to all), and what is odd."""
    sizes, notice = [1.0] * ndim, ""
    for holder in (multiscale["datasets"][0], multiscale):
        for transformation in holder.get("coordinateTransformations") or ():
            if transformation.get("type") == "scale":
                stated = [float(by) for by in transformation["scale"]][-ndim:]
                if len(stated) < ndim:
                    notice = (
                        f"Its metadata give {len(stated)} pixel sizes for {ndim} axes; they were taken for the last "
                        "ones."
                    )
                    stated = [1.0] * (ndim - len(stated)) + stated
                sizes = [size * by for size, by in zip(sizes, stated, strict=True)]
    return sizes, notice
