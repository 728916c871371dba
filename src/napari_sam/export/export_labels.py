"""Labels in the formats of other programs."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_sam.errors import UserError
from napari_sam.export.atomic import atomic_path
from napari_sam.export.coco_json import write_coco_json
from napari_sam.export.imagej_rois import write_imagej_rois
from napari_sam.export.label_png import write_label_png
from napari_sam.export.measurements import labels_source
from napari_sam.export.ome_zarr import write_ome_zarr
from napari_sam.export.outline_text import write_outlines
from napari_sam.export.provenance import Provenance, make_provenance, write_provenance
from napari_sam.export.qupath_geojson import write_qupath_geojson
from napari_sam.export.save_labels import axis_letters, save_labels
from napari_sam.planes.image_source import ImageSource


@dataclass(frozen=True)
class ExportFormat:
    """A format that labels are exported to.

    Parameters
    ----------
    name
        By which it is asked for.
    title
        As it is told to the user.
    suffixes
        Of its files, the usual one first.
    write
        Writes a file of it; None for what is no file or has a writer of its own.
    """

    name: str
    title: str
    suffixes: tuple[str, ...]
    write: Callable[[Path, ImageSource, Provenance], None] | None = None


FORMATS = {
    each.name: each
    for each in (
        ExportFormat("ome-tiff", "OME-TIFF", (".ome.tif", ".ome.tiff", ".tif", ".tiff")),
        ExportFormat("ome-zarr", "OME-Zarr", (".zarr",)),
        ExportFormat("imagej-rois", "ImageJ ROIs", (".zip",), write_imagej_rois),
        ExportFormat("qupath", "QuPath GeoJSON", (".geojson",), write_qupath_geojson),
        ExportFormat("coco", "COCO JSON", (".json",), write_coco_json),
        ExportFormat("outlines", "Outlines as text", (".txt", ".zip"), write_outlines),
        ExportFormat("png", "PNG of one plane", (".png",), write_label_png),
    )
}


def export_format(path: str | os.PathLike[str], to: str | None = None) -> ExportFormat:
    """Find the format that a file is to have.

    Parameters
    ----------
    path
        Its name.
    to
        Name of the format; None to guess it from the ending of the name.

    Raises
    ------
    UserError
        If there is no such format, or the name does not end as its files do.
    """
    name = Path(path).name.lower()
    if to is None:
        inside = any(part.lower().endswith(".zarr") for part in Path(path).parts)
        found = next((each for each in FORMATS.values() if name.endswith(each.suffixes)), None)
        if found is None and inside:
            return FORMATS["ome-zarr"]
        if found is None:
            endings = ", ".join(each.suffixes[0] for each in FORMATS.values())
            raise UserError(f"{Path(path).name} does not say its format: end it with one of {endings}, or name it.")
        return found
    if to not in FORMATS:
        raise UserError(f"There is no format {to}; there are {', '.join(FORMATS)}.")
    found = FORMATS[to]
    if found.name != "ome-zarr" and not name.endswith(found.suffixes):
        raise UserError(f"Files of {found.title} end in {' or '.join(found.suffixes)}, but got {Path(path).name}.")
    return found


def export_labels(
    path: str | os.PathLike[str],
    labels: Any,
    *,
    to: str | None = None,
    image: Any = None,
    axes: str | None = None,
    scale: Sequence[float] | None = None,
    units: Sequence[str] | None = None,
    provenance: Mapping[str, Any] | None = None,
    zarr_version: str | None = None,
    overwrite: bool = True,
) -> None:
    """Write labels in the format of another program.

    The file appears only when it is complete. Beside it goes `NAME.provenance.json`, which says by what it was made;
    the same is in the file itself where its format has a place for it.

    Parameters
    ----------
    path
        Where to. For OME-Zarr a new folder that ends in .zarr, an OME-Zarr image, whose labels they become, or
        IMAGE.zarr/labels/NAME.
    labels
        Integer array (numpy, zarr, dask, ...) of two to five axes, or an `ImageSource` of one; read plane by plane or
        chunk by chunk.
    to
        "ome-tiff", "ome-zarr", "imagej-rois", "qupath", "coco", "outlines" or "png"; None to guess it from the ending.
    image
        The image that the labels are of, an `ImageSource`: its axes, scale and units count where the labels have none,
        and its name is told. None for none.
    axes, scale, units
        As of `save_labels`; None to take them from the labels or the image, where these are sources.
    provenance
        See `make_provenance`; None for the versions and the date alone.
    zarr_version
        Of a new OME-Zarr: "0.4" or "0.5"; None for 0.5. In an image it is the image's.
    overwrite
        Replace an existing file.

    Raises
    ------
    UserError
        If the format cannot hold the labels, or the file cannot be written.

    Examples
    --------
    >>> import numpy as np
    >>> import napari_sam
    >>> labels = np.zeros((60, 80), np.uint16)
    >>> labels[10:30, 20:50] = 7
    >>> napari_sam.export_labels("cells.geojson", labels)
    >>> napari_sam.export_labels("cells_rois.zip", labels, to="imagej-rois")
    """
    path, chosen = Path(path), export_format(path, to)
    like = image if isinstance(image, ImageSource) else None
    source = labels_source(labels, axes, scale, units, like)
    made = dict(provenance) if provenance is not None else make_provenance()
    if like is not None and like.path:
        made.setdefault("image", Path(like.path).name)
    if chosen.name == "ome-tiff":
        save_labels(
            path,
            source.array(),
            axes=axis_letters(source.axis_labels),
            scale=source.scale,
            units=source.units,
            provenance=made,
            overwrite=overwrite,
        )
        return
    if chosen.name == "ome-zarr":
        if path.exists() and not overwrite:
            raise UserError(f"{path} exists already; choose another name or allow overwriting.")
        if write_ome_zarr(path, source, made, zarr_version).image is None:
            write_provenance(path, made)
        return
    assert chosen.write is not None
    with atomic_path(path, overwrite=overwrite) as temporary:
        chosen.write(temporary, source, made)
    write_provenance(path, made)
