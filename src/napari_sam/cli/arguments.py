"""Arguments and options of the commands, and the prompts that they describe."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from napari_sam.errors import UserError
from napari_sam.labels.label_files import long_axes
from napari_sam.labels.label_masks import label_mask
from napari_sam.planes.geometry import Mask, Plane
from napari_sam.planes.image_source import ImageSource
from napari_sam.planes.open_image import open_labels
from napari_sam.prompts.prompt import Box, Point, Prompts


def read_numbers(option: str, text: str, counts: Collection[int]) -> tuple[float, ...]:
    """Return the finite numbers of a comma-separated list.

    Parameters
    ----------
    option
        Name of the option, for the error.
    text
        What the user wrote.
    counts
        How many numbers there may be.

    Raises
    ------
    UserError
        If it is no such list.
    """
    try:
        numbers = tuple(float(word) for word in text.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) not in counts or not all(math.isfinite(number) for number in numbers):
        expected = " or ".join(str(count) for count in sorted(counts))
        raise UserError(f"{option} takes {expected} numbers separated by commas, but got {text!r}.")
    return numbers


def read_number_list(option: str, text: str) -> tuple[float, ...]:
    """Return the finite numbers of a comma-separated list, however many; see `read_numbers`."""
    return read_numbers(option, text, {text.count(",") + 1})


def read_index(option: str, text: str, numbers: tuple[float, ...], lengths: tuple[int, ...]) -> tuple[int, ...]:
    """Return whole positions along the axes in front of the plane, each within its axis.

    Parameters
    ----------
    option, text
        Name of the option and what the user wrote, for the error.
    numbers, lengths
        One position per axis, and how long the axes are.

    Raises
    ------
    UserError
        If a position is not whole or the axis is too short for it.
    """
    for axis, (number, length) in enumerate(zip(numbers, lengths, strict=True)):
        if number != int(number):
            raise UserError(f"{option} {text} names the plane {number:g}, but planes have whole numbers.")
        if not 0 <= number < length:
            raise UserError(
                f"{option} {text} names plane {number:g} of axis {axis}, "
                f"but the image has planes 0 to {length - 1} there."
            )
    return tuple(int(number) for number in numbers)


Image = Annotated[
    Path,
    typer.Argument(
        metavar="IMAGE",
        help="A TIFF, OME-TIFF, PNG or JPEG file, an OME-Zarr folder or its address, or a folder of planes.",
        show_default=False,
    ),
]
Stack = Annotated[
    Path,
    typer.Argument(
        metavar="STACK", help="A z-stack: TIFF, OME-TIFF, OME-Zarr, a folder of planes.", show_default=False
    ),
]
Output = Annotated[
    Path, typer.Option("--output", "-o", metavar="LABELS.tif", help="Where to write the labels.", show_default=False)
]
Points = Annotated[
    list[str] | None,
    typer.Option("--point", metavar="[Z,]R,C", help="A point on the object; may be repeated.", show_default=False),
]
Negatives = Annotated[
    list[str] | None,
    typer.Option("--negative", metavar="[Z,]R,C", help="A point off the object; may be repeated.", show_default=False),
]
Boxes = Annotated[
    list[str] | None,
    typer.Option(
        "--box",
        metavar="[Z,]R0,C0,R1,C1",
        help="A box around the object, both corner pixels included; one per plane.",
        show_default=False,
    ),
]
Masks = Annotated[
    list[str] | None,
    typer.Option(
        "--mask", metavar="LABELS:ID", help="A label to refine, on the plane of the prompts.", show_default=False
    ),
]
AtPlane = Annotated[
    str | None,
    typer.Option(
        "--plane", metavar="Z", help="The plane of prompts that name none; T,Z with more axes.", show_default=False
    ),
]
ModelName = Annotated[
    str, typer.Option("--model", metavar="NAME", help="One of: napari-sam models; or a file of weights.")
]
Device = Annotated[
    str,
    typer.Option(
        "--device",
        metavar="NAME",
        help="auto, cpu, cuda or mps; or http://HOST:PORT of a machine with napari-sam serve.",
    ),
]
Token = Annotated[
    str | None,
    typer.Option(
        "--token",
        metavar="TOKEN",
        help="What another machine knows you by; better given as NAPARI_SAM_TOKEN, which others do not see.",
        show_default=False,
    ),
]
PrecisionName = Annotated[
    str, typer.Option("--precision", metavar="NAME", help="In which images are encoded: auto, float32 or bfloat16.")
]
ObjectSize = Annotated[
    float | None,
    typer.Option("--object-size", metavar="PX", help="Rough diameter of the object in pixels; found out if not given."),
]


@dataclass(frozen=True)
class PromptWords:
    """The words that the user wrote after --point, --negative, --box, --mask and --plane."""

    points: Sequence[str]
    negatives: Sequence[str]
    boxes: Sequence[str]
    masks: Sequence[str]
    plane: str | None

    @property
    def any(self) -> bool:
        """True if there are any."""
        return bool(self.points or self.negatives or self.boxes or self.masks or self.plane)

    def read(self, source: ImageSource) -> dict[Plane, Prompts]:
        """Return the prompts on every plane that has any.

        Parameters
        ----------
        source
            The image, whose last two axes are the plane.

        Raises
        ------
        UserError
            If something is malformed, names no plane or lies outside the image.
        """
        return _PromptReader(source, self.plane).read(self)


class _PromptReader:
    """A reader of words as prompts on the planes of one image."""

    def __init__(self, source: ImageSource, plane: str | None) -> None:
        self._source = source
        self._leading = source.shape[:-2]
        # Axes of length 1 need no number.
        self._needed = sum(length > 1 for length in self._leading)
        self._default = None if plane is None else self._plane("--plane", plane, self._plane_numbers(plane))
        if not self._needed and self._default is None:
            self._default = self._plane("", "", ())
        self._prompts: dict[Plane, Prompts] = {}

    def read(self, words: PromptWords) -> dict[Plane, Prompts]:
        for text in words.points:
            self._add_point("--point", text, positive=True)
        for text in words.negatives:
            self._add_point("--negative", text, positive=False)
        for text in words.boxes:
            self._add_box(text)
        for text in words.masks:
            self._add_mask(text)
        if not self._prompts:
            raise UserError("There is nothing to segment: give --point, --box or --mask.")
        return self._prompts

    def _plane_numbers(self, text: str) -> tuple[float, ...]:
        if not self._leading:
            raise UserError(f"--plane {text} was given, but the image has one plane only.")
        return read_numbers("--plane", text, {len(self._leading), self._needed or len(self._leading)})

    def _plane(self, option: str, text: str, numbers: tuple[float, ...]) -> Plane:
        index = read_index(option, text, self._spread(numbers), self._leading)
        ndim = self._source.ndim
        return Plane((ndim - 2, ndim - 1), (*index, 0, 0))

    def _spread(self, numbers: tuple[float, ...]) -> tuple[float, ...]:
        """Return one number per axis in front of the plane: 0 along those of length 1, where they were left out."""
        if len(numbers) == len(self._leading):
            return numbers
        given = iter(numbers)
        return tuple(next(given) if length > 1 else 0.0 for length in self._leading)

    def _split(self, option: str, text: str, count: int) -> tuple[Plane, tuple[float, ...]]:
        """Return the plane that `text` names, or the default one, and its last `count` numbers."""
        numbers = read_numbers(option, text, {count, self._needed + count, len(self._leading) + count})
        if len(numbers) > count:
            return self._plane(option, text, numbers[:-count]), numbers[-count:]
        if self._default is None:
            raise UserError(
                f"{option} {text} names no plane of a stack of shape {self._source.shape}: "
                "put the plane in front, or give --plane."
            )
        return self._default, numbers

    def _check_inside(self, option: str, text: str, positions: Sequence[tuple[float, float]]) -> None:
        rows, columns = self._source.shape[-2:]
        for row, column in positions:
            if not (-0.5 <= row <= rows - 0.5 and -0.5 <= column <= columns - 0.5):
                raise UserError(f"{option} {text} lies outside the image, which has {rows} rows and {columns} columns.")

    def _add_point(self, option: str, text: str, *, positive: bool) -> None:
        plane, (row, column) = self._split(option, text, 2)
        self._check_inside(option, text, [(row, column)])
        self._prompts[plane] = self._on(plane).with_point(Point(row, column, positive))

    def _add_box(self, text: str) -> None:
        plane, (row0, column0, row1, column1) = self._split("--box", text, 4)
        self._check_inside("--box", text, [(row0, column0), (row1, column1)])
        if self._on(plane).box is not None:
            raise UserError("An object has one box per plane, but --box was given more often.")
        self._prompts[plane] = replace(self._on(plane), box=Box(row0, column0, row1, column1))

    def _add_mask(self, text: str) -> None:
        planes = [self._default] if self._default is not None else list(self._prompts)
        if len(planes) != 1:
            raise UserError(f"--mask {text} needs one plane to take the label from: give --plane.")
        (plane,) = planes
        if self._on(plane).mask is not None:
            raise UserError("An object has one mask per plane, but --mask was given more often.")
        self._prompts[plane] = replace(self._on(plane), mask=_read_label(text, plane, self._source))

    def _on(self, plane: Plane) -> Prompts:
        return self._prompts.get(plane, Prompts())


def _read_label(text: str, plane: Plane, source: ImageSource) -> Mask:
    """Return the label that ``LABELS:ID`` names, on `plane` of the image."""
    name, colon, number = text.rpartition(":")
    if not colon or not number.strip().isdecimal() or int(number) == 0:
        raise UserError(f"--mask takes a file of labels, a colon and a label from 1 on, but got {text!r}.")
    labels = open_labels(Path(name))
    if labels.shape == source.shape:
        mask = label_mask(labels.array(), plane, int(number))
    elif long_axes(labels.shape) == long_axes(source.shape):
        mask = label_mask(np.asarray(labels.array()[...]).reshape(source.shape), plane, int(number))
    elif labels.shape == source.shape[-2:]:
        mask = label_mask(labels.array(), Plane((0, 1), (0, 0)), int(number))
    else:
        raise UserError(f"{name} has the shape {labels.shape}, but the image has {source.shape}.")
    if not mask.area:
        raise UserError(f"{name} has no label {number} on this plane.")
    return mask
