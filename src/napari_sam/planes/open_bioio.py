"""Formats of microscopes' makers (CZI, LIF, ND2), by the readers of bioio: the extra [formats]."""

from pathlib import Path
from typing import Any

from napari_sam.errors import UserError
from napari_sam.planes.known_formats import way_out
from napari_sam.planes.stored_image import Series, StoredImage, numbered, several_images


def read_bioio(path: Path, suffix: str, series: Series | None = None) -> StoredImage:
    """Read an image by a reader of bioio.

    Parameters
    ----------
    path
        The file.
    suffix
        Its format, see `known_format`.
    series
        Which of its scenes; by default the first.

    Raises
    ------
    UserError
        If no reader of bioio is installed for it.
    """
    advice = f'{way_out(suffix)[:-1]}, or install its reader: pip install "napari-sam-stacks[formats]".'
    try:
        from bioio import BioImage
        from bioio_base.exceptions import UnsupportedFileFormatError
    except ImportError as error:
        raise UserError(advice) from error
    try:
        image: Any = BioImage(path)
    except UnsupportedFileFormatError as error:
        raise UserError(advice) from error
    names = [str(scene) for scene in image.scenes]
    number = 0 if series is None else numbered(series, names)
    image.set_scene(number)
    data, pixel = image.xarray_dask_data, image.physical_pixel_sizes
    axes = tuple(str(name).lower() for name in data.dims)
    stated = {"z": pixel.Z, "y": pixel.Y, "x": pixel.X}
    return StoredImage(
        (data.data,),
        axes,
        "s" in axes and data.shape[-1] in (3, 4),
        {name: (float(size), "micrometer") for name, size in stated.items() if size},
        tuple(str(name) for name in image.channel_names or ()),
        number=number,
        several=several_images(names, range(len(names))),
    )
