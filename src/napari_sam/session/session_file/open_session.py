"""A session file and the labels beside it, to go on with."""

import os
from pathlib import Path

import numpy as np

from napari_sam.errors import UserError
from napari_sam.planes.open_image import open_image
from napari_sam.planes.source import ImageSource
from napari_sam.session.object_record import ObjectRecord
from napari_sam.session.restored import Restored, restore
from napari_sam.session.session_file.file import read_session


def open_session(path: str | os.PathLike[str], source: ImageSource) -> tuple[Restored, ObjectRecord | None]:
    """Read a session file and the labels beside it; not quick.

    Parameters
    ----------
    path
        The session file.
    source
        The image, which must be the one that the session was made on.

    Returns
    -------
    (Restored, ObjectRecord or None)
        The labels with their objects, and the object that was in work.

    Raises
    ------
    UserError
        If a file cannot be read, or does not fit.
    """
    content = read_session(path)
    content.image.recognise(source)
    file = Path(path).parent / Path(content.labels_file).name
    if not content.labels_file or not file.is_file():
        raise UserError(
            f"The labels '{content.labels_file}' are not beside {Path(path).name}: put them there, or make them again "
            "with napari-sam replay."
        )
    stored = open_image(file).array()
    annotation = content.annotation
    if tuple(stored.shape) != annotation.shape:
        raise UserError(f"{file.name} has shape {tuple(stored.shape)}, but the session's labels {annotation.shape}.")
    labels = np.asarray(stored[...]).astype(annotation.dtype)
    return restore(file.name.split(".")[0], labels, annotation), annotation.draft
