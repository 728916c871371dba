"""How large an image is."""

from napari.layers import Image


def image_shape(image: Image) -> tuple[int, ...]:
    """The shape of an image layer's data, at full resolution, without its RGB axis."""
    shape = image.level_shapes[0] if image.multiscale else image.data.shape
    return tuple(int(size) for size in shape[: image.ndim])
