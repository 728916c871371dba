"""The chosen labels exported to other programs, and measured, in the background."""

from collections.abc import Callable, Iterator
from pathlib import Path

from napari_sam.errors import UserError
from napari_sam.export.export_labels import export_format, export_labels
from napari_sam.export.measurements import Columns, measure_steps
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

_KEY = "output"


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
    exporting : str
        What is being exported, in a sentence; empty for nothing.
    measuring : bool
        Whether objects are measured.
    progress : (int, int)
        How many steps of that are done, and how many there are; 0 where that is not known.
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
        self.exporting = ""
        self.measuring = False
        self.progress = (0, 0)

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

        self._begin()
        self.exporting = f"Exporting to {path.name}."
        self._workspace.write_at_once = True
        self._scheduler.submit(
            _KEY,
            write,
            priority=Priority.VIEW,
            on_result=lambda _: self._end(f"Exported {path.name} ({chosen.title})."),
            on_error=self._failed,
        )
        self._reporter.report()

    def measure(self, told: Callable[[Columns, bool], None], *, by_plane: bool = False) -> None:
        """Measure the objects in the chosen labels; see `napari_sam.measure_objects`. Clicks are answered meanwhile.

        Parameters
        ----------
        told
            Called on the main thread with the columns, and whether nothing was done to the labels meanwhile.
        by_plane
            Measure each plane by itself, not volumes.

        Raises
        ------
        UserError
            If there are no labels.
        """
        # Another way of measuring takes the place of the former one.
        self.cancel()
        target, source = self._chosen()
        workspace = self._workspace
        recording, image = workspace.recording.of(target), workspace.image
        found: list[Columns] = []

        def measure(_: CancelToken) -> Iterator[tuple[int, int]]:
            facts = object_facts(annotation_of(target.array, recording.prior, done, image, None))
            columns = yield from measure_steps(
                target.array,
                source,
                by_plane=by_plane,
                confidences=facts.confidences,
                origins=facts.makers,
                prompts=facts.prompts,
            )
            found.append(columns)

        def progress(step: tuple[int, int]) -> None:
            self.progress = step
            self._reporter.report()

        def measured() -> None:
            (columns,) = found
            count = len(set(columns["label"].tolist()))
            self._end(f"Measured {count} object{'s' * (count != 1)}.")
            told(columns, recording.done == done)

        self._begin()
        self.measuring = True
        done = recording.done
        self._scheduler.submit_steps(
            _KEY,
            measure,
            priority=Priority.PROPAGATION,
            on_step=progress,
            on_done=measured,
            on_error=self._failed,
        )
        self._reporter.report()

    def cancel(self) -> None:
        """Stop measuring; what is being exported is written to its end."""
        if self.measuring:
            self._scheduler.cancel(_KEY)
            self._end("")

    def _chosen(self) -> tuple[Target, ImageSource]:
        target, source = self._workspace.writer.target, self._answering.source
        if target is None or source is None:
            raise UserError("There are no labels yet: accept an object first, or choose labels.")
        if self.measuring or self.exporting:
            raise UserError(f"{self.exporting or 'Objects are measured.'} Try again when that is done.")
        return target, source

    def _begin(self) -> None:
        workspace, target = self._workspace, self._workspace.writer.target
        assert target is not None
        self._reporter.clear()
        # What is recorded when the labels are read is in them by then.
        workspace.writer.table_of(target).unwritten.write()

    def _end(self, note: str) -> None:
        self.exporting, self.measuring, self.progress = "", False, (0, 0)
        self._workspace.write_at_once = self._record.saving
        self._reporter.note = note
        self._reporter.report()

    def _failed(self, error: Exception) -> None:
        self._end("")
        self._reporter.fail(error)
