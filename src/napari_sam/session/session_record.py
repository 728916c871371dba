"""The writing of labels, and of the session that they are of, to files in the background."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from napari_sam.errors import UserError
from napari_sam.export.provenance import make_provenance, program_versions
from napari_sam.nn.cancel import CancelToken
from napari_sam.planes.image_identity import ImageIdentity
from napari_sam.session.compute.scheduler import Priority, Scheduler
from napari_sam.session.deferred_accepts import DeferredAccept
from napari_sam.session.history.entry import Entry
from napari_sam.session.labels_files import FileConflict, FileState, LabelsFiles
from napari_sam.session.notices import Notice, NoticeKind, Notices, Remedy
from napari_sam.session.object.prompt_answering import PromptAnswering
from napari_sam.session.record.object_record import record_of
from napari_sam.session.record.recording import Done, Recordings, TargetRecording, annotation_of
from napari_sam.session.record.session_file import SessionContent, session_path, write_session
from napari_sam.session.record.versions import VersionStore, keep_version
from napari_sam.session.status import SessionSignals, StatusReporter
from napari_sam.session.workspace import Workspace

_ATTEMPTS = 3


def read_quietly(recording: TargetRecording, deed: Callable[[], None]) -> tuple[Done, ...]:
    """Do what reads labels, again where something was done to them meanwhile.

    Returns
    -------
    tuple of Done
        What had been done to them when it began.
    """
    for _ in range(_ATTEMPTS):
        done = recording.done
        deed()
        if recording.done == done:
            break
    return done


class SessionRecord:
    """The record of what was done in a session, and its files, at most one of which is written at a time.

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
    notices
        Where it stands that the image is not the same as before.
    files
        Who knows whether others write to a file.

    Attributes
    ----------
    saving : bool
        Whether a file is being written.
    versions : VersionStore or None
        Where the labels are kept as they were before, and are after, each saving; None to keep none.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        workspace: Workspace,
        answering: PromptAnswering,
        signals: SessionSignals,
        reporter: StatusReporter,
        notices: Notices,
        files: LabelsFiles,
    ) -> None:
        self._scheduler = scheduler
        self._workspace = workspace
        self._answering = answering
        self._signals = signals
        self._reporter = reporter
        self._notices = notices
        self._files = files
        self._fingerprints: dict[int, str] = {}
        self.saving = False
        self.versions: VersionStore | None = None

    @property
    def recordings(self) -> Recordings:
        """Recordings of what was done to labels and not undone, so that it can be written down."""
        return self._workspace.recording

    @property
    def waiting(self) -> Mapping[Entry, DeferredAccept]:
        """Accepted objects that are yet to be written, by their accepts, in the order of these."""
        return self._workspace.deferred.waiting

    def save(self, path: str | Path, *, anyway: bool = False) -> None:
        """Write the chosen labels to an OME-TIFF with the image's axes and scale, on the inference thread.

        Beside it goes the session, as a JSON file from which the labels can be computed again and worked on further.

        Parameters
        ----------
        path
            The file of labels.
        anyway
            Replace what another program saved there since it was read or saved here, or is working on.

        Raises
        ------
        UserError
            If there are no labels.
        FileConflict
            If it would replace what another program did, and `anyway` is False.
        """
        workspace, target, source = self._workspace, self._workspace.writer.target, self._answering.source
        if target is None or source is None:
            raise UserError("There are no labels to save yet: accept an object first.")
        path = Path(path)
        if not anyway:
            self._files.check(path)
        seen = FileState.of(path)
        self._reporter.clear()
        recording, image, array = workspace.recording.of(target), workspace.image, target.array
        made = self.provenance("Save labels", session=session_path(path).name)
        draft = record_of(workspace.draft.state, workspace.draft.label) if workspace.draft else None

        def write(_: CancelToken) -> tuple[tuple[Done, ...], str, str]:
            from napari_sam.export.save_labels import axis_letters, save_labels

            if not anyway and FileState.of(path) != seen:
                raise FileConflict(f"{path.name} was changed by another program just now: save again to see it.")
            # What is there may be another program's, or the user's own of another day.
            not_kept = keep_version(self.versions, path)

            def save() -> None:
                axes = axis_letters(source.axis_labels)
                save_labels(path, array, axes=axes, scale=source.scale, units=source.units, provenance=made)

            # Or the two files would be of different moments.
            done = read_quietly(recording, save)
            annotation = annotation_of(array, recording.prior, done, image, draft)
            identity = ImageIdentity.of(source)
            write_session(session_path(path), SessionContent(identity, annotation, path.name, program_versions()))
            return done, identity.fingerprint, not_kept or keep_version(self.versions, path)

        def saved(result: tuple[tuple[Done, ...], str, str]) -> None:
            done, fingerprint, not_kept = result
            self.compare(image, fingerprint)
            self.saving = workspace.write_at_once = False
            self._files.use(target, path)
            self._signals.saved.emit(target, done)
            self._reporter.note = f"Saved {path.name}.{not_kept}"
            self._reporter.report()

        def failed(error: Exception) -> None:
            self.saving = workspace.write_at_once = False
            self._reporter.fail(error)

        # What is recorded while the labels are read is in them by then.
        workspace.writer.table_of(target).unwritten.write()
        self.saving = workspace.write_at_once = True
        self._scheduler.submit("save", write, priority=Priority.VIEW, on_result=saved, on_error=failed)
        self._reporter.report()

    def provenance(self, made_by: str, **parameters: Any) -> dict[str, Any]:
        """Describe what the chosen labels are made by: the model in use, and the image.

        Parameters
        ----------
        made_by
            What writes them.
        parameters
            How.
        """
        opened, source = self._answering.opened, self._answering.source
        setup = None if opened is None else opened.setup
        return make_provenance(
            model="" if setup is None else Path(setup.model).name,
            digest="" if setup is None else setup.digest,
            image="" if source is None else Path(source.path).name,
            made_by=made_by,
            parameters=parameters,
        )

    def compare(self, image: int, fingerprint: str) -> None:
        """Note how an image looked just now, and show a notice while it looks otherwise than when that was noted first.

        Parameters
        ----------
        image
            Its serial number.
        fingerprint
            See `ImageIdentity`.
        """
        if image != self._workspace.image:
            return
        if self._fingerprints.setdefault(image, fingerprint) == fingerprint:
            self._notices.show(NoticeKind.IMAGE, None)
            return

        def read_anew() -> None:
            self._fingerprints[image] = fingerprint
            self._notices.show(NoticeKind.IMAGE, None)
            # What was embedded is of the former pixels.
            self._answering.open()

        tip = "Go on with the image as it is now; what was accepted before stays."
        self._notices.show(
            NoticeKind.IMAGE,
            Notice(
                "The pixels of the image are others than when you began on it: objects of before may not fit them, and "
                "the saved session cannot be replayed to the same labels. Put the former pixels back, or go on with "
                "these.",
                (Remedy("Go on with these pixels", tip, read_anew),),
            ),
        )
