"""napari's *Save Layers* for labels as an OME-TIFF with axes, scale and units."""

from pathlib import Path
from typing import Any

from napari_sam.errors import UserError
from napari_sam.export.provenance import make_provenance
from napari_sam.export.save_labels import axis_letters, save_labels
from napari_sam.plugin.layers.layer_axes import with_remembered
from napari_sam.plugin.preferences import preferences
from napari_sam.session.record.versions import keep_version


def write_ome_tiff(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write a Labels layer to an OME-TIFF, as npe2 has a writer of one layer called.

    Parameters
    ----------
    path
        Where to, ending in .ome.tif or .ome.tiff.
    data
        The layer's labels; of several scales the finest is written.
    attributes
        The layer's `scale`, `units` and `axis_labels` are written, or those that it remembers of the image's file.
        OME-TIFF has no place for the others.

    Returns
    -------
    list of str
        The path.

    Raises
    ------
    RuntimeError
        If the file cannot be written, or an id is negative or beyond 32 bits: none is ever narrowed.
    """
    finest = data[0] if attributes.get("multiscale") else data
    placed = with_remembered(attributes)
    scale, units = placed.get("scale"), placed.get("units")
    versions = preferences().versions
    keep_version(versions, Path(path))
    try:
        save_labels(
            path,
            finest,
            axes=axis_letters(placed.get("axis_labels")),
            scale=None if scale is None else [float(step) for step in scale],
            units=None if units is None else [str(unit) for unit in units],
            provenance=make_provenance(made_by="napari: Save Selected Layers"),
        )
    except UserError as error:
        # npe2's caller takes any ValueError, which this is, for "no plugin writes that", and the sentence is lost.
        raise RuntimeError(str(error)) from error
    keep_version(versions, Path(path))
    return [path]
