"""The options of every command that takes an image: what its axes are, which image of a file, channels, pixel size."""

import functools
import inspect
from collections.abc import Callable, Collection
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any

import typer

from napari_sam.cli.arguments import read_number_list, read_numbers
from napari_sam.errors import UserError
from napari_sam.export.save_labels import MOST_AXES, kept_axes
from napari_sam.planes.file_axes import is_time
from napari_sam.planes.image_source import ImageSource
from napari_sam.planes.open_image import open_image, open_labels

_Axes = Annotated[
    str | None,
    typer.Option(
        "--axes",
        metavar="LETTERS",
        help="What the axes of the file are, in its order, as in ZYXC; by default what it says itself.",
        show_default=False,
    ),
]
_Series = Annotated[
    str | None,
    typer.Option(
        "--series",
        metavar="N",
        help="Which image of a file, plate or collection with several, from 0 on, or its name.",
        show_default=False,
    ),
]
_Channels = Annotated[
    list[str] | None,
    typer.Option(
        "--channel",
        metavar="NAME",
        help="A channel that the model is shown, by name or number from 0 on; up to three, in this order.",
        show_default=False,
    ),
]
Scale = Annotated[
    str | None,
    typer.Option(
        "--scale",
        metavar="Z,Y,X",
        help="Size of a pixel along every axis, in micrometres, in place of the file's.",
        show_default=False,
    ),
]


@dataclass(frozen=True)
class ImageOptions:
    """What the user says of an image besides its name; see `open_image`."""

    axes: _Axes = None
    series: _Series = None
    channel: _Channels = None
    scale: Scale = None

    def open(self, path: Path) -> ImageSource:
        """Open an image to be segmented.

        Raises
        ------
        UserError
            If it cannot be opened, or labels of its shape could not be written.
        """
        source = open_image(
            path,
            axes=self.axes,
            series=self.series,
            channel=self.channel or None,
            scale=None if self.scale is None else read_number_list("--scale", self.scale),
        )
        if len(kept_axes(source.shape)) > MOST_AXES:
            raise UserError(
                f"{path} has {source.ndim} axes besides channels, and labels are written with {MOST_AXES} at most: "
                "segment a part of it."
            )
        return source

    def open_labels(self, path: Path, image: Path | None) -> ImageSource:
        """Open labels; without an image beside them the options are said of the labels.

        Raises
        ------
        UserError
            If they cannot be opened.
        """
        return open_labels(path) if image is not None else open_labels(path, axes=self.axes, series=self.series)

    @property
    def said(self) -> dict[str, object]:
        """What was said, by the name of the option; what was not is left out."""
        return {f"image_{name}": value for name, value in vars(self).items() if value}


@dataclass(frozen=True)
class LabelSizes:
    """The pixel size of labels that the user gave, in place of the file's; None for what was not given."""

    scale: tuple[float, ...] | None = None
    units: tuple[str, ...] | None = None

    @classmethod
    def read(cls, text: str | None, labels: ImageSource) -> "LabelSizes":
        """Read the option --scale of a command that takes labels: micrometres, along time seconds.

        Raises
        ------
        UserError
            If it is not a size above 0 for every axis.
        """
        if text is None:
            return cls()
        sizes = read_numbers("--scale", text, {labels.ndim})
        if not all(size > 0 for size in sizes):
            raise UserError(f"--scale takes sizes above 0, but got {text}.")
        names = labels.axis_labels or ("",) * labels.ndim
        return cls(sizes, tuple("second" if is_time(name) else "micrometer" for name in names))


def takes_image(command: Callable[..., Any], leave_out: Collection[str] = ()) -> Callable[..., Any]:
    """Give a command the options of `ImageOptions` in the place of its one parameter of that type.

    Parameters
    ----------
    command
        The command.
    leave_out
        Names of options that it has no use for, or has itself.
    """
    signature = inspect.signature(command)
    (name,) = (each.name for each in signature.parameters.values() if each.annotation is ImageOptions)
    options = [
        inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=field.type)
        for field in fields(ImageOptions)
        if field.name not in leave_out
    ]

    @functools.wraps(command)
    def with_options(**given: Any) -> Any:
        chosen = ImageOptions(**{option.name: given.pop(option.name) for option in options})
        return command(**given, **{name: chosen})

    others = [
        each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in signature.parameters.values() if each.name != name
    ]
    with_options.__signature__ = signature.replace(parameters=[*others, *options])  # type: ignore[attr-defined]
    with_options.__annotations__ = {each.name: each.annotation for each in (*others, *options)}
    return with_options
