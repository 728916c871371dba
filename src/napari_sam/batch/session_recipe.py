"""The recipe of what was just done in a session, to be done to other images as well."""

import math
import warnings
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from napari_sam.batch.recipe import (
    AlikeStep,
    ContrastChoice,
    EverythingStep,
    FindStep,
    ImageChoice,
    MeasureChoice,
    ModelChoice,
    OutputChoice,
    Recipe,
    VolumesStep,
)
from napari_sam.errors import UserError, UserNotice
from napari_sam.planes.geometry import Plane
from napari_sam.planes.image_source import ImageSource
from napari_sam.planes.open_image import open_image
from napari_sam.planes.units import in_centimeters, unit_symbol
from napari_sam.session.everything import Search
from napari_sam.session.session import Session

COMPARED = 64
"""Side of the square by which a channel is recognised (chosen)."""


def recipe_of(
    session: Session,
    images: ImageChoice,
    outputs: OutputChoice | None = None,
    measure: MeasureChoice | None = None,
) -> Recipe:
    """Make a recipe of what was looked for last in a session, as it is wanted now.

    It is the whole of each image that is looked at, whatever part of one was in view. Single objects that were clicked
    away, and corrections by hand, are not in it.

    Parameters
    ----------
    session
        The session; what was found may have been accepted since.
    images
        Which images. How their files are read is added to it: as that of the session's image is.
    outputs, measure
        What is written.

    Raises
    ------
    UserError
        If nothing was looked for yet; or of the examples that others were to be like, image or labels are in no file.
    """
    search, source = session.everything.search, session.image.source
    if search is None or source is None:
        raise UserError("Find everything, or all like an object, first: that is what is done to the other images then.")
    contrast = session.image.contrast
    try:
        return Recipe(
            images=msgspec.structs.replace(images, **_reading(source)),
            model=ModelChoice(name=session.model.name),
            contrast=None if contrast is None else ContrastChoice(limits=contrast.limits),
            find=_step(session, search, source),
            outputs=outputs or OutputChoice(),
            measure=measure,
        )
    except UserError:
        raise
    except ValueError as error:
        # Sliders that have passed each other, limits without a range.
        raise UserError(f"As it stands this would find nothing in any image: {error}.") from error


def _step(session: Session, search: Search, source: ImageSource) -> FindStep:
    wanted, pixel, unit = session.everything.wanted, *_pixel(source, search.plane.axes)
    axes = (search.plane.axes[0] - source.ndim, search.plane.axes[1] - source.ndim)
    common: dict[str, Any] = {
        "smallest": _rounded(wanted.smallest * pixel),
        "largest": None if math.isinf(wanted.largest) else _rounded(wanted.largest * pixel),
        "unit": unit,
        "overlap": wanted.overlap,
        "plane_axes": axes,
    }
    if search.axis is not None:
        movement = None if search.movement is None else _rounded(search.movement * pixel)
        return VolumesStep(axis=search.axis, confidence=wanted.confidence, movement=movement, **common)
    if search.alike is None:
        return EverythingStep(confidence=wanted.confidence, **common)
    target = session.labels.target
    labels = None if target is None else session.files.path_of(target)
    if labels is None or not source.path or not search.alike:
        raise UserError(
            "Save the labels first, and find all like it again with the object selected: the recipe names the files "
            "that the examples are in."
        )
    return AlikeStep(
        labels=str(Path(labels).absolute()),
        image=str(Path(source.path).absolute()),
        ids=search.alike,
        likeness=wanted.likeness,
        **common,
    )


def _pixel(source: ImageSource, axes: tuple[int, int]) -> tuple[float, str]:
    """Return the size of a pixel along the finer axis of a plane, and its unit, by which sizes hold in other images."""
    if source.scale is None or source.units is None:
        return 1.0, "pixel"
    units = {source.units[axis] for axis in axes}
    sizes = [abs(source.scale[axis]) for axis in axes]
    if len(units) > 1 or in_centimeters(next(iter(units))) is None or not all(0 < size < math.inf for size in sizes):
        return 1.0, "pixel"
    return min(sizes), unit_symbol(next(iter(units)))


def _reading(source: ImageSource) -> dict[str, Any]:
    """Return what `ImageChoice` says of an image that is another one than its file holds: its channel, its scale."""
    if not source.path:
        return {}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserNotice)
            file = open_image(source.path)
    except UserError:
        # What napari opened by another plugin.
        return {}
    if file.shape != source.shape:
        return {}
    reading: dict[str, Any] = {}
    if source.shown is not None and source.n_channels == file.n_channels:
        reading["channel"] = source.shown
    if file.n_channels > source.n_channels == 1:
        reading["channel"] = _channel(source, file)
    if source.scale is not None and source.units is not None and file.scale != source.scale:
        lengths = [in_centimeters(unit) for unit in source.units]
        if all(lengths) and all(0 < abs(size) < math.inf for size in source.scale):
            micrometers = (1e4 * length for length in lengths if length is not None)
            reading["scale"] = tuple(
                _rounded(abs(size) * unit) for size, unit in zip(source.scale, micrometers, strict=True)
            )
    return reading


def _channel(source: ImageSource, file: ImageSource) -> int | None:
    """Find the channel of a file that an image is: by a square in its middle."""
    index = tuple(size // 2 for size in source.shape)
    plane = Plane((source.ndim - 2, source.ndim - 1), index)
    rows, columns = (slice(at, at + COMPARED) for at in index[-2:])
    pixels = source.read(plane, rows, columns)
    return next(
        (at for at in range(file.n_channels) if np.array_equal(file.read(plane, rows, columns, channels=[at]), pixels)),
        None,
    )


def _rounded(size: float) -> float:
    """Return a size with six digits, which nobody tells apart from what a slider gave."""
    return float(f"{size:.6g}")
