"""Labels as OME-Zarr: in a folder of their own, or among the labels of an OME-Zarr image."""

import json
import os
import shutil
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from math import isfinite, prod
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from napari_sam.errors import UserError
from napari_sam.export.atomic import atomic_path
from napari_sam.export.label_colours import label_colour
from napari_sam.export.plane_masks import axis_order
from napari_sam.export.provenance import NAMESPACE, Provenance
from napari_sam.labels.label_array import blocks
from napari_sam.planes.image_source import ImageSource, chunk_shape
from napari_sam.planes.units import unit_name

VERSIONS = ("0.4", "0.5")
_TYPES = {"T": "time", "C": "channel", "Z": "space", "Y": "space", "X": "space"}
# All chosen: planes of 1 MB at least, the coarsest level fits on a screen, and readers choose colours of more objects
# themselves, as their list would be longer than the labels. Nobody writes for a whole day without a new level.
_SIDE = 1024
_COARSEST = 512
_COLOURS = 10_000
_UNFINISHED = ".unfinished-zarr-"
_LEFT_BEHIND_S = 24 * 3600
_LEAST_CHUNK, _MOST_CHUNK = 2**12, 2**24


@dataclass(frozen=True)
class ZarrPlace:
    """The place of labels in OME-Zarr.

    Parameters
    ----------
    group
        The folder of the labels.
    image
        The folder of the image that they are labels of; None where they are on their own.
    version
        Of OME-Zarr: "0.4" (zarr 2) or "0.5" (zarr 3).
    """

    group: Path
    image: Path | None
    version: str

    @classmethod
    def of(cls, path: Path, version: str | None = None) -> "ZarrPlace":
        """Find where labels go: into an image, where `path` is one or lies in its labels, else to `path` itself.

        Parameters
        ----------
        path
            The folder of an OME-Zarr image, IMAGE/labels/NAME, or a new folder that ends in .zarr.
        version
            Of a new folder; None for "0.5". In an image it is the image's.

        Raises
        ------
        UserError
            If something else is there, the version is another one, or the name is no such name.
        """
        if version not in (None, *VERSIONS):
            raise UserError(f"OME-Zarr is written in version 0.4 or 0.5, not {version}.")
        there = _attributes(path)
        if there is not None and "multiscales" in there and "image-label" not in there:
            return cls(path / "labels" / "labels", path, _version(path))
        around = path.parent.parent
        if path.parent.name == "labels" and "multiscales" in (_attributes(around) or {}):
            return cls(path, around, _version(around))
        if path.exists() and "image-label" not in (there or {}):
            raise UserError(f"{path} is there already and holds no labels; choose another name.")
        if path.suffix.lower() != ".zarr":
            raise UserError(f"OME-Zarr labels are a folder: give a name that ends in .zarr, not {path.name}.")
        if not path.parent.is_dir():
            raise UserError(f"{path} cannot be written: there is no folder {path.parent}; create it first.")
        return cls(path, None, version or "0.5")


def write_ome_zarr(path: Path, labels: ImageSource, provenance: Provenance, version: str | None = None) -> ZarrPlace:
    """Write labels with a pyramid, chunk by chunk; ids keep their type.

    The labels get their name only when they are complete, and nothing of an image that they go into is touched but
    the list of its labels. Coarser levels are every second pixel of the level before, so that an id stays one.

    Parameters
    ----------
    path, version
        See `ZarrPlace.of`. Labels that are there are replaced.
    labels
        The labels.
    provenance
        What they are made by; stands in the attributes.

    Returns
    -------
    ZarrPlace
        Where they are.

    Raises
    ------
    UserError
        If zarr is not installed, or the labels cannot be written there.
    """
    try:
        import zarr  # noqa: F401
    except ImportError as error:
        raise UserError("Writing OME-Zarr needs the package zarr: pip install 'napari-sam-stacks[export]'.") from error
    place = ZarrPlace.of(path, version)
    letters = axis_order(labels)
    order = tuple(sorted(range(labels.ndim), key=lambda axis: "TCZYX".index(letters[axis])))
    try:
        with _replacing(place.group, place.image) as folder:
            datasets, ids = _write_levels(folder, labels, order, letters, place.version)
            attributes = _label_attributes(place, labels, order, letters, datasets, ids)
            _write_group(
                folder, place.version, attributes, {NAMESPACE: json.loads(json.dumps(provenance, default=str))}
            )
        if place.image is not None:
            _list_label(place.image, place.group.name, place.version)
    except OSError as error:
        raise UserError(f"{path} could not be written: {error.strerror or error}.") from error
    return place


def _attributes(folder: Path) -> Mapping[str, Any] | None:
    """Return the OME attributes of a group; None where there is none."""
    for name in ("zarr.json", ".zattrs"):
        try:
            found = json.loads((folder / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        attributes: Mapping[str, Any] = found.get("attributes", {}).get("ome", {}) if name == "zarr.json" else found
        return attributes
    return None


def _version(folder: Path) -> str:
    return "0.5" if (folder / "zarr.json").exists() else "0.4"


@contextmanager
def _replacing(goal: Path, image: Path | None) -> Iterator[Path]:
    """Yield a new folder that takes the name `goal` at the end of the block; if that raises, it is removed.

    What stood there is moved to `.former-NAME` for the moment that it takes, and comes back from there if a process
    was killed in that moment.
    """
    former = goal.with_name(f".former-{goal.name}")
    if former.exists() and not goal.exists():
        former.replace(goal)
    around = goal.parent if image is None else image
    for left in around.glob(f"{_UNFINISHED}*"):
        # Of a process that was killed; another one may remove it just now.
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > _LEFT_BEHIND_S:
                shutil.rmtree(left, ignore_errors=True)
    folder = around / f"{_UNFINISHED}{uuid4().hex}"
    folder.mkdir()
    try:
        yield folder
        goal.parent.mkdir(exist_ok=True)
        shutil.rmtree(former, ignore_errors=True)
        if goal.exists():
            goal.replace(former)
        folder.replace(goal)
        shutil.rmtree(former, ignore_errors=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write_levels(
    folder: Path, labels: ImageSource, order: Sequence[int], letters: str, version: str
) -> tuple[list[tuple[float, ...]], set[int]]:
    """Write all levels; return the factors of each, in the order of the file, and the ids (none if too many)."""
    array, shape = labels.array(), tuple(labels.shape[axis] for axis in order)
    names = "".join(letters[axis] for axis in order)
    chunks = _chunks(labels, order)
    level = _create(folder / "0", shape, chunks, labels.dtype, names, version)
    ids: set[int] = set()
    for box in blocks(level):
        index: list[Any] = [slice(None)] * labels.ndim
        for axis, part in zip(order, box, strict=True):
            index[axis] = part
        if labels.channel_axis is not None:
            index.insert(labels.channel_axis, 0)
        region = np.asarray(array[tuple(index)]).transpose(order)
        if region.dtype.kind == "i" and region.min() < 0:
            raise UserError(f"The labels hold the negative id {region.min()}, which cannot be saved; relabel it first.")
        level[box] = region
        if len(ids) <= _COLOURS:
            ids.update(np.unique(region).tolist())
    spacing = [abs(labels.scale[axis]) if labels.scale else 1.0 for axis in order]
    factors = [(1.0,) * len(shape)]
    while max(level.shape[-2:]) > _COARSEST:
        # Depth as soon as it is as fine as the rest.
        fine = names.find("Z") if spacing[names.find("Z")] <= spacing[-2] else -1
        halved = {len(shape) - 2, len(shape) - 1} | ({fine} if fine >= 0 and level.shape[fine] > 1 else set())
        steps = [2 if axis in halved else 1 for axis in range(len(shape))]
        coarse_shape = tuple(-(-size // step) for size, step in zip(level.shape, steps, strict=True))
        coarse = _create(folder / str(len(factors)), coarse_shape, chunks, labels.dtype, names, version)
        for box in blocks(coarse, _MOST_CHUNK // prod(steps)):
            finer = tuple(slice(part.start * step, part.stop * step) for part, step in zip(box, steps, strict=True))
            coarse[box] = np.asarray(level[finer])[tuple(slice(None, None, step) for step in steps)]
        spacing = [size * step for size, step in zip(spacing, steps, strict=True)]
        factors.append(tuple(factor * step for factor, step in zip(factors[-1], steps, strict=True)))
        level = coarse
    return factors, ids - {0} if len(ids) <= _COLOURS else set()


def _chunks(labels: ImageSource, order: Sequence[int]) -> tuple[int, ...]:
    """Return the labels' own chunks where they are of a common size, else planes or parts of them."""
    own = chunk_shape(labels.array())
    if own is not None:
        spatial = labels.without_channels(own)
        if _LEAST_CHUNK <= prod(spatial) <= _MOST_CHUNK:
            return tuple(spatial[axis] for axis in order)
    sides = [min(labels.shape[axis], _SIDE) for axis in order[-2:]]
    return (*(1 for _ in order[:-2]), *sides)


def _create(
    folder: Path, shape: tuple[int, ...], chunks: tuple[int, ...], dtype: np.dtype[Any], names: str, version: str
) -> Any:
    import zarr

    kind = dtype.newbyteorder("=") if dtype.kind in "iu" else np.dtype(np.uint8)
    own = tuple(min(chunk, size) for chunk, size in zip(chunks, shape, strict=True))
    if version == "0.5":
        return zarr.create_array(
            folder,
            shape=shape,
            chunks=own,
            dtype=kind,
            fill_value=0,
            zarr_format=3,
            dimension_names=list(names.lower()),
        )
    from numcodecs import Blosc

    # What readers of zarr 2 in any language know, and the separator that OME-Zarr 0.4 asks for.
    return zarr.create_array(
        folder,
        shape=shape,
        chunks=own,
        dtype=kind,
        fill_value=0,
        zarr_format=2,
        compressors=Blosc(cname="lz4", clevel=5, shuffle=Blosc.SHUFFLE),
        chunk_key_encoding={"name": "v2", "separator": "/"},
    )


def _label_attributes(
    place: ZarrPlace,
    labels: ImageSource,
    order: Sequence[int],
    letters: str,
    factors: Sequence[Sequence[float]],
    ids: set[int],
) -> dict[str, Any]:
    axes, sizes = [], []
    for axis in order:
        each = {"name": letters[axis].lower(), "type": _TYPES[letters[axis]]}
        size = abs(labels.scale[axis]) if labels.scale else 1.0
        known = isfinite(size) and size > 0 and letters[axis] != "C"
        sizes.append(size if known else 1.0)
        unit = unit_name(labels.units[axis]) if labels.units and known else "pixel"
        axes.append(each | ({} if unit == "pixel" else {"unit": unit}))
    datasets = [
        {
            "path": str(level),
            "coordinateTransformations": [
                {"type": "scale", "scale": [size * factor for size, factor in zip(sizes, each, strict=True)]}
            ],
        }
        for level, each in enumerate(factors)
    ]
    old = {"version": "0.4"} if place.version == "0.4" else {}
    multiscale = {"name": place.group.stem, "axes": axes, "datasets": datasets, "type": "nearest", **old}
    label: dict[str, Any] = dict(old)
    if ids:
        label["colors"] = [{"label-value": each, "rgba": [*label_colour(each), 255]} for each in sorted(ids)]
    if place.image is not None:
        label["source"] = {"image": "../../"}
    return {"multiscales": [multiscale], "image-label": label}


def _write_group(folder: Path, version: str, ome: Mapping[str, Any], others: Mapping[str, Any]) -> None:
    """Write the metadata of a group; the last file that makes it complete is whole or not there."""
    if version == "0.5":
        attributes = {"ome": {"version": "0.5", **ome}, **others}
        _write_json(folder / "zarr.json", {"zarr_format": 3, "node_type": "group", "attributes": attributes})
    else:
        _write_json(folder / ".zattrs", {**ome, **others})
        _write_json(folder / ".zgroup", {"zarr_format": 2})


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8")


def _list_label(image: Path, name: str, version: str) -> None:
    """Add labels to the list that an image has of them, unless they are there."""
    import zarr

    folder = image / "labels"
    listed = list((_attributes(folder) or {}).get("labels", ()))
    if name not in listed:
        others: dict[str, Any] = {}
        former = folder / ("zarr.json" if version == "0.5" else ".zattrs")
        if former.exists():
            others = json.loads(former.read_text(encoding="utf-8"))
            others = others.get("attributes", {}) if version == "0.5" else others
        kept = {key: value for key, value in others.items() if key not in ("ome", "labels")}
        _write_group(folder, version, {"labels": [*listed, name]}, kept)
    consolidated = image / (".zmetadata" if version == "0.4" else "zarr.json")
    if consolidated.exists() and (version == "0.4" or "consolidated_metadata" in consolidated.read_text("utf-8")):
        # Or readers that trust it would see no labels.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            zarr.consolidate_metadata(os.fspath(image))
