"""The chosen labels exported to other programs, and measured, in the background."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from napari_sam.errors import UserError
from napari_sam.export.export_labels import export_format, export_labels
from napari_sam.export.measurements import Columns, measure_objects
from napari_sam.nn.cancel import CancelToken
from napari_sam.planes.image_source import ImageSource
from napari_sam.session.compute.scheduler import Priority, Scheduler
from napari_sam.session.labels.target import Target
from napari_sam.session.object.prompt_answering import PromptAnswering
from napari_sam.session.record.object_facts import object_facts
from napari_sam.session.record.recording import annotation_of
from napari_sam.session.session_record import SessionRecord, read_quietly
from napari_sam.session.status import StatusReporter
from napari_sam.session.workspace import Workspace

_T = TypeVar("_T")


class LabelOutput:
    """What is made of the chosen labels for other programs, one thing at a time.

    Parameters
    ----------
    scheduler
        Where it is made.
    workspace
        The labels, and what was done to them.
    answering
        Who knows the image, which gives its axes and scale.
    record
        Who knows what they are made by.
    reporter
        What the user is told.

    Attributes
    ----------
    doing : str
        What is being done, in a sentence; empty for nothing.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        workspace: Workspace,
        answering: PromptAnswering,
        record: SessionRecord,
        reporter: StatusReporter,
    ) -> None:
        self._scheduler = scheduler
        self._workspace = workspace
        self._answering = answering
        self._record = record
        self._reporter = reporter
        self.doing = ""

    def export(self, path: str | Path, to: str | None = None) -> None:
        """Write the chosen labels in the format of another program; see `napari_sam.export_labels`.

        Parameters
        ----------
        path, to
            Where, and in which format.

        Raises
        ------
        UserError
            If there are no labels, or no such format; what else is wrong is told.
        """
        path, chosen = Path(path), export_format(path, to)
        target, source = self._chosen()
        recording = self._workspace.recording.of(target)
        made = self._record.provenance(f"Export to {chosen.title}")

        def write(_: CancelToken) -> None:
            def deed() -> None:
                export_labels(path, target.array, to=chosen.name, image=source, provenance=made)

            read_quietly(recording, deed)

        self._begin(f"Exporting to {path.name}.", write, lambda _: f"Exported {path.name} ({chosen.title}).")

    def measure(self, told: Callable[[Columns], None], *, by_plane: bool = False) -> None:
        """Measure the objects in the chosen labels; see `napari_sam.measure_objects`.

        Parameters
        ----------
        told
            Called with the columns on the main thread.
        by_plane
            Measure each plane by itself, not volumes.

        Raises
        ------
        UserError
            If there are no labels.
        """
        target, source = self._chosen()
        workspace = self._workspace
        recording, image = workspace.recording.of(target), workspace.image

        def measure(_: CancelToken) -> Columns:
            found: list[Columns] = []

            def deed() -> None:
                facts = object_facts(annotation_of(target.array, recording.prior, recording.done, image, None))
                columns = measure_objects(
                    target.array,
                    source,
                    by_plane=by_plane,
                    confidences=facts.confidences,
                    origins=facts.makers,
                    prompts=facts.prompts,
                )
                found[:] = [columns]

            read_quietly(recording, deed)
            return found[0]

        def measured(columns: Columns) -> str:
            told(columns)
            count = len(set(columns["label"].tolist()))
            return f"Measured {count} object{'s' * (count != 1)}."

        self._begin("Measuring the objects.", measure, measured)

    def _chosen(self) -> tuple[Target, ImageSource]:
        target, source = self._workspace.writer.target, self._answering.source
        if target is None or source is None:
            raise UserError("There are no labels yet: accept an object first, or choose labels.")
        return target, source

    def _begin(self, doing: str, work: Callable[[CancelToken], _T], done: Callable[[_T], str]) -> None:
        workspace, target = self._workspace, self._workspace.writer.target
        assert target is not None

        def ended(result: _T) -> None:
            self._end()
            self._reporter.note = done(result)
            self._reporter.report()

        def failed(error: Exception) -> None:
            self._end()
            self._reporter.fail(error)

        self._reporter.clear()
        # What is recorded while the labels are read is in them by then.
        workspace.writer.table_of(target).unwritten.write()
        workspace.write_at_once = True
        self.doing = doing
        self._scheduler.submit(f"output {doing}", work, priority=Priority.VIEW, on_result=ended, on_error=failed)
        self._reporter.report()

    def _end(self) -> None:
        self.doing = ""
        self._workspace.write_at_once = self._record.saving
