"""Writing the labels to a file in the background."""

from collections.abc import Callable
from pathlib import Path

from napari_sam.nn.cancel import CancelToken
from napari_sam.planes.source import ImageSource
from napari_sam.session.scheduler import Priority, Scheduler
from napari_sam.session.target import Target


class Saving:
    """At most one file at a time.

    Parameters
    ----------
    scheduler
        Where it is written.
    on_saved
        Called with the path when the file is complete.
    on_error
        Called with what writing raised.

    Attributes
    ----------
    active : bool
        Whether a file is being written.
    """

    def __init__(
        self, scheduler: Scheduler, on_saved: Callable[[Path], None], on_error: Callable[[Exception], None]
    ) -> None:
        self._scheduler = scheduler
        self._on_saved = on_saved
        self._on_error = on_error
        self.active = False

    def start(self, path: Path, target: Target, source: ImageSource) -> None:
        """Write `target` to an OME-TIFF with the axes and scale of `source`."""
        array = target.array

        def write(_: CancelToken) -> None:
            from napari_sam.export.save_labels import save_labels

            save_labels(path, array, axes=_axis_letters(source), scale=source.scale, units=source.units)

        def saved(_: None) -> None:
            self.active = False
            self._on_saved(path)

        def failed(error: Exception) -> None:
            self.active = False
            self._on_error(error)

        self.active = True
        self._scheduler.submit("save", write, priority=Priority.VIEW, on_result=saved, on_error=failed)


def _axis_letters(source: ImageSource) -> str | None:
    """The image's axis labels as one letter each, where they are such letters."""
    labels = tuple(source.axis_labels or ())
    return "".join(labels) if labels and all(len(label) == 1 for label in labels) else None
