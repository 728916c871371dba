"""Leave a session behind that was not finished, so that the next window offers it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from napari_sam.errors import UserError
from napari_sam.labels.edits import PixelChange
from napari_sam.planes.image_source import ImageSource
from napari_sam.session.labels.target import ArrayTarget
from napari_sam.session.record.autosave import Autosave
from napari_sam.session.session import Session


def leave_unfinished(source: ImageSource, folder: Path, strokes: int) -> None:
    """Paint some labels on an image, and go away without saving them.

    Parameters
    ----------
    source
        The image.
    folder
        Of the logs.
    strokes
        How often.
    """
    session = Session(_forget)
    autosave = Autosave(session, folder, _forget, _refuse)
    session.image.choose(source)
    target = ArrayTarget(np.zeros(source.shape, np.uint16))
    session.labels.choose(target, next_label=1)
    for stroke in range(strokes):
        box = tuple(slice(stroke, stroke + 1) for _ in source.shape)
        change = PixelChange.of(box, np.ones((1,) * len(box), bool), np.uint16(0), np.uint16(stroke + 1))
        change.apply(target.array)
        session.labels.painted(target, change)
    autosave.close()
    session.close()


def _forget(_: Callable[[], None]) -> None:
    """Nobody waits for what is posted to the main thread."""


def _refuse(error: UserError) -> None:
    raise error
