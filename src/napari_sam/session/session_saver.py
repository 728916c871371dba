"""The writing of labels, and of the session that they are of, to files in the background."""

from pathlib import Path

from napari_sam.errors import UserError
from napari_sam.nn.cancel import CancelToken
from napari_sam.planes.image_identity import ImageIdentity
from napari_sam.planes.image_source import ImageSource
from napari_sam.session.compute.scheduler import Priority, Scheduler
from napari_sam.session.object.prompt_answering import PromptAnswering
from napari_sam.session.record.object_record import record_of
from napari_sam.session.record.recording import Done, annotation_of
from napari_sam.session.record.session_file import SessionContent, current_versions, session_path, write_session
from napari_sam.session.status import SessionSignals, StatusReporter
from napari_sam.session.workspace import Workspace

_ATTEMPTS = 3


class SessionSaver:
    """The saver, which writes at most one file at a time.

    Parameters
    ----------
    scheduler
        Where it is written.
    workspace
        The labels, and what was done to them.
    answering
        Who knows the image, which gives its axes and scale.
    signals
        Who is told that the files are complete.
    reporter
        What the user is told.

    Attributes
    ----------
    active : bool
        Whether a file is being written.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        workspace: Workspace,
        answering: PromptAnswering,
        signals: SessionSignals,
        reporter: StatusReporter,
    ) -> None:
        self._scheduler = scheduler
        self._workspace = workspace
        self._answering = answering
        self._signals = signals
        self._reporter = reporter
        self.active = False

    def save(self, path: Path) -> None:
        """Write the chosen labels to an OME-TIFF, and beside it the session.

        Raises
        ------
        UserError
            If there are no labels.
        """
        workspace, target, source = self._workspace, self._workspace.writer.target, self._answering.source
        if target is None or source is None:
            raise UserError("There are no labels to save yet: accept an object first.")
        self._reporter.clear()
        recording, image, array = workspace.recording.of(target), workspace.image, target.array
        draft = record_of(workspace.draft.state, workspace.draft.label) if workspace.draft else None

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
            self.active = workspace.write_at_once = False
            self._signals.saved.emit(target, done)
            self._reporter.note = f"Saved {path.name}."
            self._reporter.report()

        def failed(error: Exception) -> None:
            self.active = workspace.write_at_once = False
            self._reporter.fail(error)

        # What is recorded while the labels are read is in them by then.
        workspace.writer.table_of(target).unwritten.write()
        self.active = workspace.write_at_once = True
        self._scheduler.submit("save", write, priority=Priority.VIEW, on_result=saved, on_error=failed)
        self._reporter.report()


def _axis_letters(source: ImageSource) -> str | None:
    """Return the image's axis labels as one letter each, where they are such letters."""
    labels = tuple(source.axis_labels or ())
    return "".join(labels) if labels and all(len(label) == 1 for label in labels) else None
