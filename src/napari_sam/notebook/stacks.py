"""Stacks in a notebook: an image with a model, and its planes by number."""

from os import PathLike
from pathlib import Path
from typing import Any

from napari_sam.errors import UserError
from napari_sam.models.load import load_model
from napari_sam.models.model import Model
from napari_sam.planes.contrast import measure_contrast
from napari_sam.planes.geometry import Plane
from napari_sam.planes.image_source import ImageSource
from napari_sam.planes.open_image import open_image
from napari_sam.segment.segmenter import Segmenter


def open_stack(
    image: str | PathLike[str] | ImageSource | Any,
    *,
    model: str | Path | Model = "nano",
    device: str = "auto",
    token: str | None = None,
    precision: str = "auto",
    axes: tuple[int, int] = (-2, -1),
) -> Segmenter:
    """Open an image, of any number of axes, for segmentation.

    Parameters
    ----------
    image
        A path, an `ImageSource`, or an array (grayscale, any number of axes; wrap others in an `ImageSource`).
    model
        A model's name, the path of a checkpoint, or a loaded model.
    device
        "auto", "cpu", "cuda" or "mps"; or ``http://HOST:PORT`` of a machine on which `napari-sam serve` runs.
    token
        What that machine knows us by; None for that in ``NAPARI_SAM_TOKEN``.
    precision
        "auto", "float32" or "bfloat16"; see `load_model`.
    axes
        (row axis, column axis) of the planes that contrast is measured on.

    Returns
    -------
    Segmenter

    Raises
    ------
    UserError
        If the image or the model cannot be read.

    Examples
    --------
    >>> import napari_sam
    >>> from napari_sam.sample import StackRecipe, generate_stack
    >>> sample = generate_stack(StackRecipe(shape=(8, 80, 80)), seed=2)
    >>> stack = napari_sam.open_stack(sample.nuclei)
    >>> stack.model.name, stack.source.shape
    ('nano', (8, 80, 80))
    """
    source = as_source(image)
    loaded = model if isinstance(model, Model) else load_model(model, device, precision, token=token)
    return Segmenter(loaded, source, measure_contrast(source, checked_axes(source, axes)))


def plane_at(stack: Segmenter, plane: int | Plane | None = None, axes: tuple[int, int] = (-2, -1)) -> Plane:
    """Return the plane of an image that an index names.

    Parameters
    ----------
    stack
        The image.
    plane
        A `Plane`; or the index along the one axis of a 3-D image that is not displayed; or None for a 2-D image.
    axes
        (row axis, column axis); negative numbers count from the last axis.

    Raises
    ------
    UserError
        If the plane does not exist or more than an integer is needed to name it.

    Examples
    --------
    >>> import numpy as np
    >>> import napari_sam
    >>> stack = napari_sam.open_stack(np.zeros((8, 80, 80), np.uint8))
    >>> napari_sam.plane_at(stack, 4)
    Plane(axes=(1, 2), index=(4, 0, 0))
    >>> napari_sam.plane_at(stack, 8)
    Traceback (most recent call last):
    napari_sam.errors.UserError: Plane 8 does not exist: axis 0 has the planes 0 to 7.
    """
    shape = stack.source.shape
    if isinstance(plane, Plane):
        found = plane
    else:
        displayed = checked_axes(stack.source, axes)
        others = [axis for axis in range(len(shape)) if axis not in displayed]
        if plane is None and others:
            raise UserError(f"This image has {len(shape)} axes: say which plane you mean.")
        if plane is not None and len(others) != 1:
            raise UserError(f"A plane number needs an image of three axes, and this one has {len(shape)}.")
        index = [0] * len(shape)
        for axis in others:
            index[axis] = int(plane or 0)
        found = Plane(displayed, tuple(index))
    if found.ndim != len(shape):
        raise UserError(f"This plane is of an image of {found.ndim} axes, and the image has {len(shape)}.")
    for axis, at in enumerate(found.index):
        if not 0 <= at < shape[axis]:
            raise UserError(f"Plane {at} does not exist: axis {axis} has the planes 0 to {shape[axis] - 1}.")
    return found


def as_source(image: str | PathLike[str] | ImageSource | Any) -> ImageSource:
    """Return the image that a user gave, whichever way."""
    if isinstance(image, ImageSource):
        return image
    return open_image(Path(image)) if isinstance(image, str | PathLike) else ImageSource(image)


def checked_axes(source: ImageSource, axes: tuple[int, int]) -> tuple[int, int]:
    """Return (row axis, column axis) that a user gave, counted from the first axis.

    Raises
    ------
    UserError
        If there are no such two axes.
    """
    ndim = len(source.shape)
    for axis in axes:
        if not -ndim <= axis < ndim:
            raise UserError(f"Axis {axis} does not exist: this image has {ndim} axes.")
    if axes[0] % ndim == axes[1] % ndim:
        raise UserError(f"A plane has a row axis and a column axis, but got axis {axes[0]} for both.")
    return axes[0] % ndim, axes[1] % ndim
