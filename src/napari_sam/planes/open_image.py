"""An image file as an `ImageSource`."""

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import imagecodecs
import imageio.v3
import numpy as np
from numpy.typing import NDArray

from napari_sam.errors import UserError
from napari_sam.planes.image_source import ImageSource
from napari_sam.planes.open_tiff import open_tiff
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
    """Return the size of a pixel of the first level: its own scale times the one common to all levels."""
    sizes = [1.0] * ndim
    for holder in (multiscale["datasets"][0], multiscale):
        for transformation in holder.get("coordinateTransformations", ()):
            if transformation.get("type") == "scale":
                sizes = [size * float(by) for size, by in zip(sizes, transformation["scale"], strict=True)]
    return sizes


_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_ZARR_FILES = ("zarr.json", ".zattrs", ".zgroup", ".zarray")


def open_image(path: str | os.PathLike[str]) -> ImageSource:
    """Open an image of any common kind, lazily where that pays.

    TIFF (plain, ImageJ hyperstacks, OME-TIFF; pyramids) with its axes, channels, pixel size and units; OME-Zarr and
    zarr folders (with zarr installed); NumPy's .npy; PNG, JPEG and what Pillow reads. What kind a file is
    depends on its content, not on its name.

    Parameters
    ----------
    path
        A file, or the folder of a zarr image.

    Raises
    ------
    UserError
        If there is no such file, it cannot be read, is damaged, or is not an image.

    Examples
    --------
    >>> import numpy as np
    >>> import napari_sam
    >>> np.save("stack.npy", np.zeros((8, 80, 100), np.uint16))
    >>> source = napari_sam.open_image("stack.npy")
    >>> source.shape, source.dtype.name, source.n_channels
    ((8, 80, 100), 'uint16', 1)
    >>> napari_sam.open_image("missing.tif")
    Traceback (most recent call last):
    napari_sam.errors.UserError: There is no file missing.tif; check the name.
    """
    file = Path(path)
    if not file.exists():
        raise UserError(f"There is no file {file}; check the name.")
    if file.is_dir():
        if any((file / name).exists() for name in _ZARR_FILES):
            return _guarded(file, open_zarr)
        raise UserError(f"{file} is a folder, not an image; give the name of a file.")
    try:
        with file.open("rb") as opened:
            start = opened.read(8)
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror or error}.") from error
    if not start:
        raise UserError(f"{file} is empty, not an image.")
    if start.startswith(_TIFF_STARTS):
        return _guarded(file, open_tiff)
    if start.startswith(b"\x93NUMPY"):
        return _guarded(file, _open_npy)
    return _guarded(file, _open_picture)


def open_header(path: Path) -> ImageSource | None:
    """Open an image for its axes, channels, pixel size and units, without reading pixels.

    Returns
    -------
    ImageSource or None
        Its pixels mean nothing. None where the file is missing or of a kind that states none of these.

    Raises
    ------
    UserError
        If it is damaged.
    OSError
        If it cannot be read.
    """
    if path.is_dir():
        return _guarded(path, open_zarr) if any((path / name).exists() for name in _ZARR_FILES) else None
    if not path.is_file():
        return None
    with path.open("rb") as opened:
        start = opened.read(8)
    return _guarded(path, partial(open_tiff, header_only=True)) if start.startswith(_TIFF_STARTS) else None


def _guarded(path: Path, open_it: Callable[[Path], ImageSource]) -> ImageSource:
    """Open a file, and put whatever a decoder raises in one sentence."""
    try:
        return open_it(path)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    except MemoryError as error:
        raise UserError(f"{path} is too large for this computer's memory; save it as a tiled TIFF.") from error
    except Exception as error:
        raise UserError(f"{path} cannot be read: it is damaged, or no image of a known kind.") from error


def _open_npy(path: Path) -> ImageSource:
    pixels = np.load(path, mmap_mode="r", allow_pickle=False)
    return ImageSource(pixels, rgb=_is_rgb(pixels))


def _open_picture(path: Path) -> ImageSource:
    pixels = _decode(path)
    if pixels.ndim == 3 and pixels.shape[-1] == 2:
        # Grey with transparency.
        pixels = pixels[..., 0]
    rgb = pixels.ndim >= 3 and pixels.shape[-1] in (3, 4)
    names = ("t", "z", "y", "x")[-(pixels.ndim - rgb) :]
    return ImageSource(pixels, rgb=rgb, axis_labels=names if len(names) == pixels.ndim - rgb else None)


def _decode(path: Path) -> NDArray[Any]:
    content = path.read_bytes()
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        # Not with Pillow, which refuses images of more than 179 megapixels.
        return np.asarray(imagecodecs.png_decode(content))
    return np.asarray(imageio.v3.imread(content, plugin="pillow"))


def _is_rgb(pixels: NDArray[Any]) -> bool:
    """Tell whether a bare array looks like a picture: bytes with three or four samples on the last axis."""
    return pixels.ndim == 3 and pixels.shape[-1] in (3, 4) and pixels.dtype == np.uint8
