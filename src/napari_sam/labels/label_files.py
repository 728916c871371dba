"""Files of labels that are read back."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_sam.errors import UserError
from napari_sam.planes.image_source import ImageSource
from napari_sam.planes.open_image import open_labels, read_stored_image


def read_labels(path: Path, source: ImageSource) -> NDArray[Any]:
    """Return the labels of a file, which has the shape of the image.

    Raises
    ------
    UserError
        If it holds no labels, or they do not fit.
    """
    labels = open_labels(path)
    if long_axes(labels.shape) != long_axes(source.shape):
        raise UserError(f"{path} has the shape {labels.shape}, but the image has {source.shape}.")
    return np.asarray(labels.array()[...]).reshape(source.shape)


def read_saved_labels(path: Path, shape: Sequence[int]) -> NDArray[Any] | None:
    """Return labels as they were saved, of any axes (channels too), in the shape that they had then.

    Returns
    -------
    ndarray or None
        None where the file holds labels of another shape.

    Raises
    ------
    UserError
        If it cannot be read.
    """
    stored = read_stored_image(path).levels[0]
    if long_axes(stored.shape) != long_axes(shape):
        return None
    return np.asarray(stored[...]).reshape(tuple(shape))


def long_axes(shape: Sequence[int]) -> tuple[int, ...]:
    """Return the lengths of axes but those of length 1, which files of labels leave out."""
    return tuple(length for length in shape if length > 1)
