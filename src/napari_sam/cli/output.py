"""Where the labels go: checked before the work starts, written at its end."""

import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_sam.errors import UserError
from napari_sam.export.save_labels import save_labels
from napari_sam.labels.collision import Collision
from napari_sam.labels.ids import smallest_dtype
from napari_sam.labels.paint import paint
from napari_sam.planes.mask import Mask
from napari_sam.planes.plane import Plane
from napari_sam.planes.source import ImageSource


def check_output(path: Path, image: Path) -> None:
    """Fail early where labels could not be written.

    Raises
    ------
    UserError
        If `path` is no TIFF name, is the image itself or a folder, or its folder is missing or closed.
    """
    if path.suffix.lower() not in (".tif", ".tiff"):
        raise UserError(f"Labels are written as TIFF: end the name {path} with .tif.")
    if path.is_dir():
        raise UserError(f"{path} is a folder; give the name of a file.")
    if not path.parent.is_dir():
        raise UserError(f"There is no folder {path.parent} to write {path.name} to.")
    if path.exists() and image.exists() and path.samefile(image):
        raise UserError(f"{path} is the image itself; write the labels to another file.")
    try:
        # Asking for permissions would miss read-only disks and full ones.
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror or error}; choose another place.") from error


def write_object(path: Path, masks: Iterable[tuple[Plane, Mask]], source: ImageSource) -> None:
    """Write labels in which one object has the id 1."""
    labels = np.zeros(source.shape, smallest_dtype(1))
    paint(labels, masks, 1, Collision.KEEP).apply(labels)
    write_labels(path, labels, source)


def write_labels(path: Path, labels: NDArray[np.generic], source: ImageSource) -> None:
    """Write labels with the axes and the scale of the image they belong to."""
    axes = "".join(label.upper()[:1] for label in source.axis_labels) if source.axis_labels else None
    save_labels(path, labels, axes=axes, scale=source.scale, units=source.units)
