"""Zarr folders: OME-Zarr images with their levels, axes and pixel size, and bare arrays."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from napari_sam.errors import UserError
from napari_sam.planes.source import ImageSource
from napari_sam.planes.units import unit_name


def open_zarr(path: Path) -> ImageSource:
    """Open an OME-Zarr image (versions 0.4 and 0.5: all levels of its first multiscale) or a zarr array.

    Raises
    ------
    UserError
        If zarr is not installed or the folder holds neither.
    """
    try:
        import zarr
    except ImportError as error:
        raise UserError("reading zarr folders needs the package zarr; install it.") from error
    node = zarr.open(path, mode="r")
    if isinstance(node, zarr.Array):
        return ImageSource(node)
    attributes: Mapping[str, Any] = dict(node.attrs)
    multiscales = attributes.get("ome", attributes).get("multiscales")
    if not multiscales:
        raise UserError("the zarr folder holds no OME-Zarr image; give the folder of an array or of an image in it.")
    multiscale = multiscales[0]
    levels = [zarr.open_array(path / dataset["path"], mode="r") for dataset in multiscale["datasets"]]
    axes = [axis if isinstance(axis, dict) else {"name": axis} for axis in multiscale.get("axes", "tczyx")]
    axes = axes[-levels[0].ndim :]
    channel_axis = next(
        (at for at, axis in enumerate(axes) if axis.get("type") == "channel" or axis["name"] == "c"), None
    )
    kept = [at for at in range(len(axes)) if at != channel_axis]
    sizes = _scale(multiscale, len(axes))
    return ImageSource(
        levels if len(levels) > 1 else levels[0],
        channel_axis=channel_axis,
        axis_labels=[axes[at]["name"] for at in kept],
        scale=[sizes[at] for at in kept],
        units=[unit_name(axes[at].get("unit") or "pixel") for at in kept],
    )


def _scale(multiscale: Mapping[str, Any], ndim: int) -> Sequence[float]:
    """Size of a pixel of the first level: its own scale times the one common to all levels."""
    sizes = [1.0] * ndim
    for holder in (multiscale["datasets"][0], multiscale):
        for transformation in holder.get("coordinateTransformations", ()):
            if transformation.get("type") == "scale":
                sizes = [size * float(by) for size, by in zip(sizes, transformation["scale"], strict=True)]
    return sizes
