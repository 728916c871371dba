"""Pictures (PNG, JPEG, GIF, BMP and what Pillow reads) and arrays of NumPy."""

from io import BytesIO
from pathlib import Path
from typing import Any

import imagecodecs
import imageio.v3
import numpy as np
import PIL.Image
from numpy.typing import NDArray

from napari_sam.errors import UserError
from napari_sam.planes.stored_image import Series, StoredImage, numbered

_PNG = b"\x89PNG\r\n\x1a\n"
# As napari tells colours from planes: pictures are larger.
_LEAST_SIDE = 30


def read_picture(path: Path, *, as_labels: bool = False) -> StoredImage:
    """Read a picture as it is stored: not turned by what a camera noted (EXIF), as napari's reader does it.

    Parameters
    ----------
    path
        The file.
    as_labels
        Of a picture with a palette return the indices, not the colours.

    Returns
    -------
    StoredImage
        Inks (CMYK) are made red, green and blue; transparency of grey pictures is dropped; one frame is one plane.
    """
    pixels = _decode(path.read_bytes(), as_labels)
    if pixels.ndim == 3 and pixels.shape[-1] == 2:
        # Grey with transparency.
        pixels = pixels[..., 0]
    rgb = pixels.ndim >= 3 and pixels.shape[-1] in (3, 4)
    if pixels.ndim - rgb == 3 and len(pixels) == 1:
        pixels = pixels[0]
    planes = ("t", "z", "y", "x")[-(pixels.ndim - rgb) :]
    return StoredImage((pixels,), (*planes, "s") if rgb else planes, rgb)


def _decode(content: bytes, as_labels: bool) -> NDArray[Any]:
    if as_labels or not content.startswith(_PNG):
        with PIL.Image.open(BytesIO(content)) as picture:
            mode = picture.mode
            if as_labels and mode == "P":
                return np.asarray(picture)
        if mode == "CMYK":
            return np.asarray(imageio.v3.imread(content, plugin="pillow", mode="RGB"))
    if content.startswith(_PNG):
        # Not with Pillow, which refuses images of more than 179 megapixels.
        return np.asarray(imagecodecs.png_decode(content))
    return np.asarray(imageio.v3.imread(content, plugin="pillow"))


def read_npy(path: Path) -> StoredImage:
    """Read the array of a .npy file, mapped into memory."""
    return _array(np.load(path, mmap_mode="r", allow_pickle=False))


def read_npz(path: Path, series: Series | None = None) -> StoredImage:
    """Read an array of a .npz file.

    Parameters
    ----------
    path
        The file.
    series
        Which array, where there are several.

    Raises
    ------
    UserError
        If there are several and none is chosen, or there is none.
    """
    with np.load(path, allow_pickle=False) as arrays:
        names = list(arrays.files)
        if not names:
            raise UserError("it holds no array.")
        if series is None and len(names) > 1:
            raise UserError(f"it holds the arrays {', '.join(names)}; choose one with --series (series= in Python).")
        return _array(arrays[names[0 if series is None else numbered(series, names)]])


def _array(pixels: NDArray[Any]) -> StoredImage:
    """Return a bare array: a colour where three or four samples follow two axes that are long enough for a picture."""
    shape = pixels.shape
    rgb = len(shape) > 2 and shape[-1] in (3, 4) and min(shape[-3:-1]) > _LEAST_SIDE
    return StoredImage((pixels,), None, rgb)
