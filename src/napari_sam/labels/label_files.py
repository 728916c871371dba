"""Files of labels that are read back."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_sam.errors import UserError
from napari_sam.planes.image_source import ImageSource
from napari_sam.planes.open_image import open_image


def open_labels(path: Path) -> ImageSource:
    """Open a file of labels.

    Raises
    ------
    UserError
        If it cannot be read, or holds no labels.
    """
    labels = open_image(path)
    if labels.n_channels != 1 or labels.dtype.kind not in "iu":
        raise UserError(f"{path} holds no labels, which are whole numbers in one channel.")
    return labels


def read_labels(path: Path, source: ImageSource) -> NDArray[Any]:
    """Return the labels of a file, which has the shape of the image.

    Raises
    ------
    UserError
        If it holds no labels, or they do not fit.
    """
    labels = open_labels(path)
    if labels.shape != source.shape:
        raise UserError(f"{path} has the shape {labels.shape}, but the image has {source.shape}.")
    return np.asarray(labels.array()[...]).reshape(labels.shape)
