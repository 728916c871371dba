"""What a reader of files finds: arrays, names of axes, pixel sizes, channels; and what the user says of it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from napari_sam.errors import UserError
from napari_sam.planes.array_view import turned
from napari_sam.planes.channels import ChannelChoice, chosen_channels
from napari_sam.planes.image_source import Array, ImageSource
from napari_sam.planes.units import unit_name

Series: TypeAlias = int | str
"""One of several images in a file: its number from 0 on, or its name."""

_LETTERS = "TCZYXS"
SHORT = 5
"""A last axis of at most so many positions, after two longer ones, may well hold channels (chosen)."""


@dataclass(frozen=True)
class StoredImage:
    """An image as it lies in a file.

    Parameters
    ----------
    levels
        One array, or several from fine to coarse; all axes, channels and samples among them.
    axes
        A name per axis in lower case: "t", "c", "z", "y", "x", "s" for the samples of a colour, "" for one that the
        file does not name. None where the file names none at all.
    rgb
        Whether the samples are red, green and blue, perhaps with alpha.
    sizes
        Size of a pixel and its unit along axes, by name, as far as the file states them.
    channel_names
        Of the channels, in their order; fewer or none where the file names fewer.
    notice
        What is odd about the file, in a sentence; empty for nothing.
    number
        Which image of its file it is.
    several
        The images of its file, see `several_images`; empty where there is but one.
    """

    levels: tuple[Array, ...]
    axes: tuple[str, ...] | None = None
    rgb: bool = False
    sizes: Mapping[str, tuple[float, str]] = field(default_factory=dict)
    channel_names: tuple[str, ...] = ()
    notice: str = ""
    number: int = 0
    several: str = ""

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of every axis, of the finest level."""
        return tuple(int(size) for size in self.levels[0].shape)

    @property
    def hint(self) -> str:
        """A sentence where the last axis, which nothing names, is so short that it may hold channels; else empty."""
        shape, axes = self.shape, self.axes or ("",) * (len(self.shape) - 2)
        bare = not any(axes[: len(shape) - 2]) and not self.rgb
        if not bare or len(shape) < 3 or not 1 < shape[-1] <= SHORT or min(shape[-3:-1]) <= SHORT:
            return ""
        letters = "TZYXC"[-len(shape) :] if len(shape) <= 5 else "...YXC"
        return (
            f"The last axis has {shape[-1]} positions only and was taken for columns; if it holds channels, say so by "
            f"--axes {letters} (axes= in Python)."
        )

    def with_axes(self, axes: str) -> "StoredImage":
        """Return the same image with axes as the user says they are.

        Parameters
        ----------
        axes
            One letter per axis, in the file's order: T, C, Z, Y, X, S for the samples of a colour, or others.

        Raises
        ------
        UserError
            If there are not as many letters as axes, one comes twice, or Y or X is missing.
        """
        letters, shape = axes.strip().lower(), self.shape
        if self.rgb and len(letters) == len(shape) - 1 and "s" not in letters:
            letters += "s"
        if not letters.isalpha() or len(letters) != len(shape):
            raise UserError(
                f"--axes takes one letter for each of the {len(shape)} axes of shape {shape}, as in "
                f"{'TCZYX'[-len(shape) :]}, but got {axes!r}."
            )
        if len(set(letters)) < len(letters) or not {"x", "y"} <= set(letters):
            raise UserError(f"--axes {axes} needs Y and X, and each letter once.")
        samples = shape[letters.index("s")] if "s" in letters else 0
        return replace(self, axes=tuple(letters), rgb=samples in (3, 4))

    def source(
        self, *, channel: ChannelChoice = None, scale: Sequence[float] | None = None, path: str = ""
    ) -> ImageSource:
        """Return the image to work on: rows and columns last, at most one axis of channels, pixel sizes.

        Parameters
        ----------
        channel, scale
            See `open_image`.
        path
            Where it was read from.

        Raises
        ------
        UserError
            If there are no such channels or the scale does not fit.
        """
        image = self._in_order()
        shape, axes = image.shape, image.axes
        channel_axis = len(shape) - 1 if image.rgb else image._channel_axis()
        rest = [at for at in range(len(shape)) if at != channel_axis]
        names = None if axes is None else _all_named([axes[at] for at in rest])
        sizes = dict(image.sizes) if scale is None else _given_sizes(scale, names, [shape[at] for at in rest])
        # A time of unknown unit is left: no size is no reason to have none for the others.
        has_sizes = names is not None and any(name in sizes for name in names)
        n_channels = 3 if image.rgb else 1 if channel_axis is None else shape[channel_axis]
        channel_names = ("red", "green", "blue") if image.rgb else image.channel_names
        shown = chosen_channels(channel, n_channels, channel_names)
        return ImageSource(
            image.levels[0] if len(image.levels) == 1 else image.levels,
            rgb=image.rgb,
            channel_axis=channel_axis,
            scale=[sizes.get(name, (1.0, ""))[0] for name in names] if names and has_sizes else None,
            axis_labels=names,
            units=[_unit(name, sizes) for name in names] if names and has_sizes else None,
            path=path,
            channel_names=channel_names or None,
            shown=shown,
        )

    def _in_order(self) -> "StoredImage":
        """Return the image with rows and columns behind all other axes, and the samples of a colour last."""
        axes = self.axes
        if axes is None or not {"x", "y"} <= set(axes):
            return self
        rest = [at for at, name in enumerate(axes) if name not in ("y", "x") and not (self.rgb and name == "s")]
        order = [*rest, axes.index("y"), axes.index("x")]
        if self.rgb:
            order.append(axes.index("s"))
        # Channels may stand anywhere.
        stored = [at for at in order if axes[at] not in ("c", "s")]
        if stored == sorted(stored) and not self.rgb:
            return self
        if order == sorted(order):
            return self
        return replace(
            self, levels=tuple(turned(each, order) for each in self.levels), axes=tuple(axes[at] for at in order)
        )

    def _channel_axis(self) -> int | None:
        """Return the axis of channels: samples that are no colour before what is called so."""
        axes = self.axes or ()
        return next((axes.index(name) for name in "sc" if name in axes), None)


def _all_named(axes: Sequence[str]) -> list[str]:
    """Name axes; those that the file does not name are the next free one of z, t, c from the last to the first."""
    names = list(axes)
    free = [letter for letter in "ztc" if letter not in names]
    for at in reversed(range(len(names))):
        if not names[at]:
            names[at] = free.pop(0) if free else f"axis {at}"
    return names


def _unit(name: str, sizes: Mapping[str, tuple[float, str]]) -> str:
    """Return the stated unit; of a spatial axis without one, the other spatial axes' unit."""
    if name in sizes:
        return unit_name(sizes[name][1])
    if name in ("z", "y", "x"):
        return next((unit_name(sizes[other][1]) for other in ("x", "y", "z") if other in sizes), "pixel")
    return "pixel"


def _given_sizes(
    scale: Sequence[float], names: Sequence[str] | None, lengths: Sequence[int]
) -> dict[str, tuple[float, str]]:
    """Return sizes that the user gave: micrometres, along time seconds; axes of length 1 need none."""
    if names is None:
        names = _all_named(["", *[""] * (len(lengths) - 3), "y", "x"][-len(lengths) :])
    longer = [name for name, length in zip(names, lengths, strict=True) if length > 1]
    for wanted in (list(names), longer):
        if len(scale) == len(wanted):
            break
    else:
        raise UserError(
            f"--scale takes a size for each of the axes {', '.join(names)}, in micrometres, but got {len(scale)}."
        )
    if not all(math.isfinite(size) and size > 0 for size in scale):
        raise UserError(f"--scale takes sizes above 0, but got {', '.join(f'{size:g}' for size in scale)}.")
    return {
        name: (float(size), "second" if name == "t" else "micrometer")
        for name, size in zip(wanted, scale, strict=True)
        if name != "c"
    }


def numbered(series: Series, names: Sequence[str]) -> int:
    """Return the number of one of several images in a file.

    Parameters
    ----------
    series
        Its number from 0 on, or its name.
    names
        Of all of them.

    Raises
    ------
    UserError
        If there is none.
    """
    if isinstance(series, str):
        if series in names:
            return names.index(series)
        series = int(series) if series.strip().isdecimal() else -1
    if not 0 <= series < len(names):
        which = "holds one image only" if len(names) == 1 else f"holds the images {_listed(names)}"
        raise UserError(f"there is no such image in it: it {which}.")
    return series


def several_images(names: Sequence[str], worth: Sequence[int]) -> str:
    """List the images of a file that holds several, as in "2 images (0 survey, 1 detail)"; empty for a single one.

    Parameters
    ----------
    names
        Of all of them.
    worth
        Numbers of those that are no copies of others.
    """
    if len(worth) < 2:
        return ""
    listed = _listed(names) if len(worth) == len(names) else ", ".join(str(each) for each in worth)
    return f"{len(worth)} images ({listed})"


# Chosen: a plate has hundreds.
_LISTED = 12


def _listed(names: Sequence[str]) -> str:
    words = [f"{number} {name}".strip() for number, name in enumerate(names[:_LISTED])]
    return ", ".join(words) + (", ..." if len(names) > _LISTED else "")
