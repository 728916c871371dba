"""The axes that an image file states: their names, the size of a pixel and its unit, without reading pixels."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path

from napari_sam.errors import UserError
from napari_sam.planes.image_source import ImageSource
from napari_sam.planes.open_image import read_header

FEW = 5
"""An axis of at most so many positions, which nothing names, may well hold channels."""


@dataclass(frozen=True)
class FileAxes:
    """The axes of an image file.

    Parameters
    ----------
    shape
        Length of every axis, channels among them; not of RGB samples.
    names
        One letter per axis, in lower case.
    scale
        Size of a pixel per axis; None where the file does not state it.
    units
        Of `scale`, as napari writes them.
    channel_names
        Of the channels, where the file names them.
    number
        Which image of the file it is.
    several
        The images of the file, see `several_images`; empty where there is but one.
    """

    shape: tuple[int, ...]
    names: tuple[str, ...]
    scale: tuple[float, ...] | None = None
    units: tuple[str, ...] | None = None
    channel_names: tuple[str, ...] = ()
    number: int = 0
    several: str = ""

    @classmethod
    def stated_by(cls, source: ImageSource) -> "FileAxes | None":
        """Return the axes of an image that was opened, with its channels; None where its file names none."""
        if source.axis_labels is None:
            return None
        axes = cls(source.shape, source.axis_labels, source.scale, source.units)
        if source.rgb or source.channel_axis is None:
            return axes
        at = source.channel_axis
        return cls(
            (*axes.shape[:at], source.n_channels, *axes.shape[at:]),
            (*axes.names[:at], "c", *axes.names[at:]),
            None if axes.scale is None else (*axes.scale[:at], 1.0, *axes.scale[at:]),
            None if axes.units is None else (*axes.units[:at], "pixel", *axes.units[at:]),
        )

    def of(self, shape: Sequence[int]) -> "FileAxes | None":
        """Return the axes of an array of this shape, from the file; None where it fits none of them.

        The array may be without the file's channels, and without axes of length 1.
        """
        every = range(len(self.shape))
        spatial = [at for at in every if self.names[at] != "c"]
        for kept in (list(every), spatial):
            for axes in (kept, [at for at in kept if self.shape[at] > 1]):
                if tuple(self.shape[at] for at in axes) == tuple(shape):
                    return self._only(axes)
        return None

    def _only(self, axes: Sequence[int]) -> "FileAxes":
        return FileAxes(
            tuple(self.shape[at] for at in axes),
            tuple(self.names[at] for at in axes),
            None if self.scale is None else tuple(self.scale[at] for at in axes),
            None if self.units is None else tuple(self.units[at] for at in axes),
            self.channel_names,
            self.number,
            self.several,
        )


# Chosen: of a file with more images, those behind them are not looked at.
_LOOKED_AT = 16


def file_axes(path: str | os.PathLike[str], shape: Sequence[int] | None = None) -> FileAxes | None:
    """Read which axes a file has.

    Parameters
    ----------
    path
        An image file or the folder of a zarr image.
    shape
        Of an array that was read from it: of several images in the file, the first that has these lengths is meant. By
        default the one that `open_image` opens.

    Returns
    -------
    FileAxes or None
        None where there is no such file, it cannot be read, or its kind names no axes.
    """
    axes = _image_axes(Path(path), None)
    if axes is None or shape is None or not axes.several or axes.of(shape) is not None:
        return axes
    others = (_image_axes(Path(path), number) for number in range(_LOOKED_AT) if number != axes.number)
    return next((each for each in takewhile(bool, others) if each is not None and each.of(shape) is not None), axes)


def _image_axes(path: Path, series: int | None) -> FileAxes | None:
    try:
        header = read_header(path, series)
        axes = None if header is None else FileAxes.stated_by(header.source())
    except (UserError, OSError):
        return None
    if header is None or axes is None:
        return None
    names = () if header.rgb else header.channel_names
    return replace(axes, channel_names=names, number=header.number, several=header.several)


_DEPTH = ("z", "depth", "slice", "slices", "plane", "planes")
_TIME = ("t", "time", "frame", "frames")
_CHANNELS = ("c", "channel", "channels")


def looks_like_channels(name: str, length: int) -> bool:
    """Tell whether an axis holds channels, or may well do so as it is short and nothing names it.

    Parameters
    ----------
    name
        Of the axis; a number, as napari gives, or an empty one for none.
    length
        Number of its positions.
    """
    return name.lower() in _CHANNELS or (is_unnamed(name) and length <= FEW)


def is_time(name: str) -> bool:
    """Tell whether an axis is named as time is."""
    return name.lower() in _TIME


def is_unnamed(name: str) -> bool:
    """Tell whether an axis has no name of its own but, at most, the number that napari gives it."""
    return not name or name.lower().removeprefix("axis").strip().lstrip("-").isdigit()


def likeliest_depth(axes: Sequence[int], names: Sequence[str], shape: Sequence[int]) -> list[int]:
    """Sort axes by how likely an object is carried along them: depth, what nothing names, time, channels.

    Of those that are alike the last one comes first, which in files is the fastest.

    Parameters
    ----------
    axes
        The axes that are not displayed.
    names, shape
        Name and length of every axis of the image.
    """

    def rank(axis: int) -> tuple[int, int]:
        name = names[axis].lower()
        if name in _DEPTH:
            place = 0
        elif is_time(name):
            place = 2
        elif looks_like_channels(name, shape[axis]):
            place = 4 if name in _CHANNELS else 3
        else:
            place = 1
        return place, -axis

    return sorted(axes, key=rank)
