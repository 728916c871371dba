"""The axes of an image layer: names, pixel size and units, from the file behind it where the layer lost them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.layers import Image, Layer

from napari_sam.planes.file_axes import file_axes, is_unnamed
from napari_sam.planes.image_source import ImageSource
from napari_sam.planes.units import unit_name, unit_symbol
from napari_sam.plugin.layers.placement import image_shape

KEY = "napari_sam axes"
"""Name under which the metadata of new labels and of split channels hold the axes that their layer does not tell."""


@dataclass(frozen=True)
class LayerAxes:
    """The axes that an image is worked on with.

    Parameters
    ----------
    names, scale, units
        Per axis of the layer.
    borrowed
        What of them the file tells and the layer does not, as part of a sentence; empty for nothing.
    channel_names
        Of the channels, where the file names them.
    several
        A sentence that says that the file holds more images than this one; empty where it does not.
    """

    names: tuple[str, ...]
    scale: tuple[float, ...]
    units: tuple[str, ...]
    borrowed: str = ""
    channel_names: tuple[str, ...] = ()
    several: str = ""

    def only(self, axes: Sequence[int]) -> "LayerAxes":
        """Return some of the axes, without what is to be told of them."""
        return LayerAxes(
            tuple(self.names[at] for at in axes),
            tuple(self.scale[at] for at in axes),
            tuple(self.units[at] for at in axes),
        )

    @property
    def sentence(self) -> str:
        """What to tell the user; empty where everything is the layer's own."""
        if not self.borrowed:
            return self.several
        said = f"From the file, as the layer has none and stays as it is: {self.borrowed}."
        return f"{said} {self.several}".strip()


def axes_of(layer: Image) -> LayerAxes:
    """Find the axes of an image layer; the layer stays as it is.

    napari's own readers keep neither names nor pixel size of ImageJ and OME-TIFF files. Where the layer has none,
    those of its file are taken, if its shape is that of the file's image: it is then the same image, axis for axis.
    """
    own = own_axes(layer)
    names, scale, units = own.names, own.scale, own.units
    remembered = layer.metadata.get(KEY)
    if isinstance(remembered, dict) and "path" in remembered and len(remembered["axis_labels"]) == layer.ndim:
        # Split off by the plugin from a layer that took them from its file.
        return LayerAxes(remembered["axis_labels"], remembered["scale"], remembered["units"])
    nameless, sizeless = all(is_unnamed(name) for name in names), _is_sizeless(layer, units)
    path = layer.source.path
    stated = file_axes(path, image_shape(layer)) if path and (nameless or sizeless) else None
    of_file = None if stated is None else stated.of(image_shape(layer))
    if of_file is None or not (nameless or of_file.names == tuple(name.lower() for name in names)):
        return own
    several = f"Its file holds {of_file.several}; this is number {of_file.number}." if of_file.several else ""
    parts = []
    if nameless:
        names = of_file.names
        parts.append(f"axes {', '.join(names)}")
    if sizeless and of_file.scale is not None and of_file.units is not None:
        scale, units = of_file.scale, of_file.units
        parts.append(f"pixel size {_size_text(of_file.names, scale, units)}")
    return LayerAxes(names, scale, units, ", ".join(parts), of_file.channel_names, several)


def path_of(layer: Layer) -> str:
    """Return the file that a layer came from, also by way of a layer that was split; empty where it is not known."""
    remembered = layer.metadata.get(KEY)
    split = remembered.get("path") if isinstance(remembered, dict) else None
    return str(split or layer.source.path or "")


def remembering(axes: LayerAxes, path: str) -> dict[str, Any]:
    """Return metadata for a layer that is split off: its axes, and the file that it came from."""
    return {KEY: {"axis_labels": axes.names, "scale": axes.scale, "units": axes.units, "path": path}}


def _is_sizeless(layer: Layer, units: tuple[str, ...]) -> bool:
    return bool(np.all(layer.scale == 1)) and all(unit_name(unit) == "pixel" for unit in units)


def _size_text(names: tuple[str, ...], scale: tuple[float, ...], units: tuple[str, ...]) -> str:
    """Return sizes of those axes that have a unit, as in "0.5 x 0.1 x 0.1 µm (z, y, x)"."""
    sized = [at for at, unit in enumerate(units) if unit_name(unit) != "pixel"] or list(range(len(names)))
    symbols = [unit_symbol(units[at]) for at in sized]
    alike = len(set(symbols)) == 1
    sizes = [
        f"{scale[at]:.4g}" if alike else f"{scale[at]:.4g} {symbol}" for at, symbol in zip(sized, symbols, strict=True)
    ]
    return f"{' x '.join(sizes)}{f' {symbols[0]}' if alike else ''} ({', '.join(names[at] for at in sized)})"


def remembered_axes(image: Image, source: ImageSource | None) -> dict[str, Any]:
    """Return metadata for new labels on an image: the axes that it is worked on with, where its layer has others."""
    if source is None or source.axis_labels is None or source.scale is None or source.units is None:
        return {}
    if LayerAxes(source.axis_labels, source.scale, source.units) == own_axes(image):
        return {}
    return {KEY: {"axis_labels": source.axis_labels, "scale": source.scale, "units": source.units}}


def own_axes(layer: Layer) -> LayerAxes:
    """Return the axes that a layer has itself."""
    return LayerAxes(
        tuple(str(name) for name in layer.axis_labels),
        tuple(float(step) for step in layer.scale),
        tuple(str(unit) for unit in layer.units),
    )


def with_remembered(attributes: dict[str, Any]) -> dict[str, Any]:
    """Return a layer's attributes with the axes that it remembers, unless it was given others of its own since."""
    remembered = (attributes.get("metadata") or {}).get(KEY)
    if not isinstance(remembered, dict):
        return attributes
    own: dict[str, Any] = {}
    if all(is_unnamed(str(name)) for name in attributes.get("axis_labels") or ()):
        own["axis_labels"] = remembered.get("axis_labels")
    if np.all(np.asarray(attributes.get("scale", 1.0)) == 1):
        own |= {name: remembered.get(name) for name in ("scale", "units")}
    return attributes | own
