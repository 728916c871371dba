"""Writing labels, and the session that they are of, to files in the background."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from napari_sam.nn.cancel import CancelToken
from napari_sam.planes.image_identity import ImageIdentity
from napari_sam.planes.source import ImageSource
from napari_sam.session.object_record import ObjectRecord
from napari_sam.session.recording import Done, TargetRecording, annotation_of
from napari_sam.session.scheduler import Priority, Scheduler
from napari_sam.session.session_file.content import SessionContent
from napari_sam.session.session_file.file import current_versions, session_path, write_session
from napari_sam.session.target import Target

OnSaved: TypeAlias = Callable[[Path, Target, tuple[Done, ...]], None]
_ATTEMPTS = 3


class Saving:
    """At most one file at a time.

    Parameters
    ----------
    scheduler
        Where it is written.
    on_saved
        Called with the path when the files are complete, the labels, and what had been done to them by then.
    on_error
        Called with what writing raised.

    Attributes
    ----------
    active : bool
        Whether a file is being written.
    """

    def __init__(self, scheduler: Scheduler, on_saved: OnSaved, on_error: Callable[[Exception], None]) -> None:
        self._scheduler = scheduler
        self._on_saved = on_saved
        self._on_error = on_error
        self.active = False

    def start(
        self,
        path: Path,
        target: Target,
        source: ImageSource,
        recording: TargetRecording,
        image: int,
        draft: ObjectRecord | None,
    ) -> None:
        """Write labels, and beside them the session.

        Parameters
        ----------
        path
            Of the OME-TIFF.
        target
            The labels.
        source
            The image, which gives its axes and scale.
        recording
            What was done to the labels.
        image
            Serial number of the image.
        draft
            The object in work.
        """
        array = target.array

        def write(_: CancelToken) -> tuple[Done, ...]:
            from napari_sam.export.save_labels import save_labels

            for _attempt in range(_ATTEMPTS):
                done = recording.done
                save_labels(path, array, axes=_axis_letters(source), scale=source.scale, units=source.units)
                if recording.done == done:
                    # Nothing was done meanwhile, or the two files would be of different moments.
                    break
            annotation = annotation_of(array, recording.prior, done, image, draft)
            content = SessionContent(ImageIdentity.of(source), annotation, path.name, current_versions())
            write_session(session_path(path), content)
            return done

        def saved(done: tuple[Done, ...]) -> None:
            self.active = False
            self._on_saved(path, target, done)

        def failed(error: Exception) -> None:
            self.active = False
            self._on_error(error)

        self.active = True
        self._scheduler.submit("save", write, priority=Priority.VIEW, on_result=saved, on_error=failed)


def _axis_letters(source: ImageSource) -> str | None:
    """The image's axis labels as one letter each, where they are such letters."""
    labels = tuple(source.axis_labels or ())
    return "".join(labels) if labels and all(len(label) == 1 for label in labels) else None
