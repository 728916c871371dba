"""An image file as an `ImageSource`."""

import os
import re
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from napari_sam.errors import UserError, UserNotice
from napari_sam.planes.array_view import PlaneFiles
from napari_sam.planes.channels import MOST, ChannelChoice, default_channels
from napari_sam.planes.image_source import ImageSource
from napari_sam.planes.known_formats import BY_BIOIO, known_format, way_out
from napari_sam.planes.open_bioio import read_bioio
from napari_sam.planes.open_picture import read_npy, read_npz, read_picture
from napari_sam.planes.open_tiff import read_tiff
from napari_sam.planes.open_zarr import read_zarr
from napari_sam.planes.stored_image import Series, StoredImage

T = TypeVar("T")
_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_ZARR_FILES = ("zarr.json", ".zattrs", ".zgroup", ".zarray")
_ZIPPED_ZARR = (".zarr.zip", ".ozx")
# Two letters at least: one is a drive. A path has one of two slashes left.
_ADDRESS = re.compile(r"([a-z][a-z0-9+.]+):/+(.+)", re.IGNORECASE)
_PLANES = (".tif", ".tiff", ".png", ".bmp", ".jpg", ".jpeg")
_ONE_IMAGE = "it holds one image only, number 0."


def open_image(
    path: str | os.PathLike[str],
    *,
    axes: str | None = None,
    series: Series | None = None,
    channel: ChannelChoice = None,
    scale: Sequence[float] | None = None,
) -> ImageSource:
    """Open an image of any common kind, lazily where that pays.

    TIFF (plain, ImageJ hyperstacks, OME-TIFF; pyramids) with its axes, channels, pixel size and units; OME-Zarr and
    zarr folders (with zarr installed), plates and collections among them, in zip files and at addresses; a folder of
    planes that are files; NumPy's .npy and .npz; PNG, JPEG and what Pillow reads; CZI, LIF and ND2 with the extra
    [formats]. What kind a file is depends on its content first, then on its name.

    Parameters
    ----------
    path
        A file, the folder or the address (https://...) of a zarr image, or a folder of planes.
    axes
        What the axes of the file are, if it does not say or is wrong: a letter for each, in the file's order, of T,
        C, Z, Y, X, and S for the samples of a colour.
    series
        Which image of a file that holds several, by number from 0 on or by name (of a plate "A/1/0", of .npz files the
        name of the array). By default the largest one of a TIFF, else the first; a notice says that there are more.
    channel
        Up to three channels that the model is shown, by number from 0 on or by name, in this order. By default the
        first three; a notice says so where there are more.
    scale
        Size of a pixel along each axis but channels, in micrometres (time in seconds), in place of the file's. Axes of
        length 1 may be left out.

    Returns
    -------
    ImageSource
        With rows and columns as its last axes.

    Raises
    ------
    UserError
        If there is no such file, it cannot be read, is damaged, is not an image, or what is asked for is not in it.

    Examples
    --------
    >>> import numpy as np
    >>> import napari_sam
    >>> np.save("stack.npy", np.zeros((8, 80, 100), np.uint16))
    >>> source = napari_sam.open_image("stack.npy")
    >>> source.shape, source.dtype.name, source.n_channels
    ((8, 80, 100), 'uint16', 1)
    >>> source = napari_sam.open_image("stack.npy", axes="CYX", channel=[7, 2], scale=(0.1, 0.1))
    >>> source.shape, source.n_channels, source.shown, source.units
    ((80, 100), 8, (7, 2), ('micrometer', 'micrometer'))
    >>> napari_sam.open_image("missing.tif")
    Traceback (most recent call last):
    napari_sam.errors.UserError: There is no file missing.tif; check the name.
    """
    name = _address(path) or str(Path(path))
    if not isinstance(axes, str | None):
        raise UserError(f"{name}: axes are letters in one text, as 'ZYX', but got {axes!r}.")
    if isinstance(scale, str | float | int):
        raise UserError(f"{name}: scale is a size for each axis, as (0.8, 0.3, 0.3), but got {scale!r}.")
    stored = read_stored_image(path, series)

    def understood() -> ImageSource:
        said = stored if axes is None else stored.with_axes(axes)
        return said.source(channel=channel, scale=scale, path=name)

    source = _guarded(name, understood)
    notices = [stored.notice, "" if axes is not None else stored.hint]
    if series is None and stored.several:
        notices.append(
            f"It holds {stored.several}, and number {stored.number} was opened; choose another with --series (series= "
            "in Python)."
        )
    if source.shown is None and source.n_channels > MOST:
        notices.append(
            f"The image has {source.n_channels} channels, and the model is shown {MOST} at most: "
            f"{default_channels(source.n_channels, source.channel_names)}; choose others with --channel (channel= in "
            "Python)."
        )
    if any(notices):
        warnings.warn(UserNotice(f"{name}: {' '.join(filter(None, notices))}"), stacklevel=2)
    return source


def read_stored_image(
    path: str | os.PathLike[str], series: Series | None = None, *, as_labels: bool = False
) -> StoredImage:
    """Read an image as it lies in a file; see `open_image`.

    Parameters
    ----------
    path, series
        Which image.
    as_labels
        Of pictures with a palette read the indices, not the colours.

    Raises
    ------
    UserError
        See `open_image`.
    """
    address = _address(path)
    if address is not None:
        if address.lower().endswith((*_PLANES, ".npy", ".npz", *BY_BIOIO)):
            raise UserError(f"{address}: only OME-Zarr is read at addresses; download the file and open it here.")
        return _guarded(address, partial(read_zarr, address, series))
    file = Path(path)
    if not file.exists():
        raise UserError(f"There is no file {file}; check the name.")
    return _guarded(file, partial(_read_local, file, series, as_labels))


def open_labels(path: str | os.PathLike[str], *, axes: str | None = None, series: Series | None = None) -> ImageSource:
    """Open a file of labels: whole numbers in one channel; a palette gives its indices, booleans become 0 and 1.

    Parameters
    ----------
    path
        The file.
    axes, series
        As of `open_image`.

    Raises
    ------
    UserError
        If it cannot be read, or holds no labels.
    """
    stored = read_stored_image(path, series, as_labels=True)
    if axes is not None:
        stored = _guarded(str(path), partial(stored.with_axes, axes))
    if stored.levels[0].dtype == np.bool_:
        stored = StoredImage((np.asarray(stored.levels[0][...]).astype(np.uint8),), stored.axes, sizes=stored.sizes)
    labels = _guarded(str(path), partial(stored.source, path=str(path)))
    if labels.n_channels != 1 or labels.dtype.kind not in "iu":
        raise UserError(f"{path} holds no labels, which are whole numbers in one channel.")
    return labels


def read_header(path: Path, series: Series | None = None) -> StoredImage | None:
    """Read what a file says of an image's axes, channels, pixel size and units, without reading pixels.

    Parameters
    ----------
    path, series
        Which image.

    Returns
    -------
    StoredImage or None
        Its pixels mean nothing. None where the file is missing or of a kind that states none of these.

    Raises
    ------
    UserError
        If it is damaged, or there is no such image in it.
    OSError
        If it cannot be read.
    """
    if path.is_dir():
        return _guarded(path, partial(read_zarr, path, series)) if _is_zarr(path) else None
    if not path.is_file() or not _start(path).startswith(_TIFF_STARTS):
        return None
    return _guarded(path, partial(read_tiff, path, series, header_only=True))


def _address(path: str | os.PathLike[str]) -> str | None:
    """Return the address that a path is meant as; None if it is a path."""
    match = _ADDRESS.fullmatch(str(path))
    return None if match is None else f"{match[1]}://{match[2]}"


def _is_zarr(folder: Path) -> bool:
    return any((folder / name).exists() for name in _ZARR_FILES)


def _start(path: Path) -> bytes:
    with path.open("rb") as opened:
        return opened.read(16)


def _read_local(path: Path, series: Series | None, as_labels: bool) -> StoredImage:
    if path.is_dir():
        return read_zarr(path, series) if _is_zarr(path) else _folder(path)
    if path.name.lower().endswith(_ZIPPED_ZARR):
        return read_zarr(path, series)
    try:
        start = _start(path)
    except OSError as error:
        raise UserError(f"it cannot be read: {error.strerror or error}.") from error
    if not start:
        raise UserError("it is empty, not an image.")
    if start.startswith(_TIFF_STARTS):
        return read_tiff(path, series)
    if start.startswith(b"PK") and path.suffix.lower() == ".npz":
        return read_npz(path, series)
    suffix = known_format(path, start)
    if suffix in BY_BIOIO:
        return read_bioio(path, suffix, series)
    if series not in (None, 0, "0"):
        raise UserError(_ONE_IMAGE)
    if start.startswith(b"\x93NUMPY"):
        return read_npy(path)
    if suffix:
        raise UserError(way_out(suffix))
    return read_picture(path, as_labels=as_labels)


def holds_planes(folder: Path) -> bool:
    """Tell whether a folder holds files that may be the planes of a stack."""
    return any(each.suffix.lower() in _PLANES for each in folder.iterdir() if each.is_file())


def _folder(folder: Path) -> StoredImage:
    """Read the planes of a folder as a stack, in the order of the numbers in their names.

    Raises
    ------
    UserError
        If there are none, or they differ.
    """
    files = sorted((each for each in folder.iterdir() if each.suffix.lower() in _PLANES), key=_by_numbers)
    if not files:
        raise UserError("it is a folder without planes (TIFF, PNG, JPEG), not an image; give the name of a file.")
    kinds = {each.suffix.lower() for each in files}
    if len(kinds) > 1:
        raise UserError(f"it is a folder of several kinds of files ({', '.join(sorted(kinds))}); give one of them.")
    first = _read_local(files[0], None, False)

    def read(at: int) -> NDArray[Any]:
        plane = first if at == 0 else _read_local(files[at], None, False)
        pixels: NDArray[Any] = np.asarray(plane.levels[0][...])
        if pixels.shape != first.shape or pixels.dtype != first.levels[0].dtype:
            raise UserError(
                f"{files[at]} has the shape {pixels.shape}, but {files[0].name} has {first.shape}: the planes of a "
                "stack are alike; give the name of a file."
            )
        return pixels

    if first.axes is None or len(first.axes) > 2 + first.rgb:
        raise UserError("it is a folder of stacks, not of planes; give the name of a file.")
    if len(files) == 1:
        return first
    for header in map(_shape, files[1:]):
        if header not in (None, first.shape):
            raise UserError("it is a folder of images that differ in size, not of planes; give the name of a file.")
    planes = PlaneFiles(read, len(files), read(0))
    return StoredImage((planes,), ("z", *first.axes), first.rgb, first.sizes)


def _shape(path: Path) -> tuple[int, ...] | None:
    """Return the shape of a plane without reading it, where that is quick."""
    header = read_header(path)
    return None if header is None else header.shape


def _by_numbers(path: Path) -> list[tuple[int, str]]:
    """Return by what file names are sorted: numbers in them by their value, so that z10 comes after z9."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", path.name.lower())]


def _guarded(path: Path | str, read: Callable[[], T]) -> T:
    """Read a file, and put whatever a decoder raises in one sentence."""
    try:
        return read()
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    except MemoryError as error:
        raise UserError(f"{path} is too large for this computer's memory; save it as a tiled TIFF.") from error
    except Exception as error:
        raise UserError(f"{path} cannot be read: it is damaged, or no image of a known kind.") from error
