"""Files of labels that are read back."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_sam.errors import UserError
from napari_sam.planes.image_source import ImageSource
from napari_sam.planes.open_image import open_labels


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


def long_axes(shape: Sequence[int]) -> tuple[int, ...]:
    """Return the lengths of axes but those of length 1, which files of labels leave out."""
    return tuple(length for length in shape if length > 1)
