"""What both segmenting commands begin with: the image, a model, and a warning about poor pixels."""

from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import typer

from napari_sam.cli.prompts import PromptWords
from napari_sam.errors import UserError
from napari_sam.planes.contrast import Contrast, measure_contrast
from napari_sam.planes.open_image import open_image
from napari_sam.planes.plane import Plane
from napari_sam.planes.source import ImageSource
from napari_sam.prompts.prompt import Prompts

if TYPE_CHECKING:
    from napari_sam.segment.segmenter import Segmenter

MAX_INSPECTED_PIXELS = 64_000_000


def open_and_read(
    image: Path, words: PromptWords, object_size: float | None
) -> tuple[ImageSource, dict[Plane, Prompts]]:
    """The image and the prompts on it; everything that can be wrong with them shows before a model is loaded.

    Raises
    ------
    UserError
        If the image, a prompt or the object size cannot be used.
    """
    if object_size is not None and not (isfinite(object_size) and object_size > 0):
        raise UserError(f"--object-size is a diameter in pixels above 0, but got {object_size:g}.")
    source = open_image(image)
    return source, words.read(source)


def make_segmenter(
    source: ImageSource, planes: list[Plane], model: str, device: str = "auto", precision: str = "auto"
) -> "Segmenter":
    """A segmenter of the image; warns on standard error if the pixels of the prompted planes are poor.

    Raises
    ------
    UserError
        If there is no such model, device or precision.
    """
    # Importing torch takes seconds: not before it is needed, so that help and bad input answer at once.
    from napari_sam.models.load import load_model
    from napari_sam.segment.segmenter import Segmenter

    loaded = load_model(model, device, precision)
    contrast = measure_contrast(source, planes[0].axes)
    _warn(source, planes, contrast)
    return Segmenter(loaded, source, contrast)


def _warn(source: ImageSource, planes: list[Plane], contrast: Contrast) -> None:
    if contrast.constant:
        typer.echo("Warning: every pixel of the image has the same value; expect nothing useful.", err=True)
    if contrast.has_nonfinite or any(_has_nonfinite(source, plane) for plane in planes):
        typer.echo("Warning: the image has NaN or infinite pixels; they are taken as black.", err=True)


def _has_nonfinite(source: ImageSource, plane: Plane) -> bool:
    """Whether a plane of moderate size holds NaN or infinite values; larger ones are left to the sample."""
    rows, columns = plane.shape(source.shape)
    if source.dtype.kind != "f" or rows * columns > MAX_INSPECTED_PIXELS:
        return False
    return not bool(np.isfinite(source.read(plane, slice(None), slice(None))).all())
