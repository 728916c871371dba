"""The labels of one plane as a PNG picture, whose grey values are the ids."""

from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from napari_sam.errors import UserError
from napari_sam.export.provenance import NAMESPACE, Provenance, provenance_text
from napari_sam.planes.geometry import Plane
from napari_sam.planes.image_source import ImageSource


def write_label_png(path: Path, labels: ImageSource, provenance: Provenance) -> None:
    """Write a grey picture of 8 bits, or of 16 where ids need them.

    Raises
    ------
    UserError
        If there are several planes, or an id is negative or above 65535.
    """
    if any(size > 1 for size in labels.shape[:-2]):
        raise UserError("A PNG holds one plane; save a stack as .ome.tif or .ome.zarr.")
    plane = Plane((labels.ndim - 2, labels.ndim - 1), (0,) * labels.ndim)
    page = labels.read(plane, slice(None), slice(None))[..., 0]
    least, most = int(page.min()), int(page.max())
    if least < 0 or most > np.iinfo(np.uint16).max:
        raise UserError(f"A PNG holds ids from 0 to 65535, not {least if least < 0 else most}; save it as .ome.tif.")
    written = PngInfo()
    written.add_itxt(NAMESPACE, provenance_text(provenance))
    picture = Image.fromarray(np.ascontiguousarray(page, np.uint8 if most < 256 else np.uint16))
    picture.save(path, format="PNG", pnginfo=written)
