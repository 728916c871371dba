"""An image layer as the rooms below see it."""

from napari.layers import Image

from napari_sam.planes.contrast import Contrast
from napari_sam.planes.source import ImageSource


def source_of(layer: Image) -> ImageSource:
    """The layer's data, never read as a whole.

    Raises
    ------
    UserError
        If its values cannot be segmented (complex numbers, say).
    """
    return ImageSource(
        list(layer.data) if layer.multiscale else layer.data,
        rgb=bool(layer.rgb),
        scale=tuple(float(step) for step in layer.scale),
        axis_labels=tuple(layer.axis_labels),
        units=tuple(str(unit) for unit in layer.units),
        path=layer.source.path or "",
    )


def contrast_of(layer: Image, n_channels: int) -> Contrast:
    """The layer's own contrast limits, the same for all its channels."""
    low, high = layer.contrast_limits
    return Contrast(((float(low), float(high)),) * n_channels)
