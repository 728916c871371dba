"""A session whose log is written when a test says so, on the main thread: every order of events can be had at will."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import killed_sessions

from napari_sam.labels.edits import tiled
from napari_sam.planes.image_source import ImageSource
from napari_sam.session.labels.target import ArrayTarget
from napari_sam.session.record.autosave import Autosave
from napari_sam.session.record.log_file import LogWriter
from napari_sam.session.record.log_records import draft_records
from napari_sam.session.session import Session
from napari_sam.testing.event_loop import ManualEventLoop
from napari_sam.testing.fake_engine import FakeEngine


class SteppedWriter(LogWriter):
    """Writes in `step`; calls `moment` wherever its thread might have written instead."""

    stepping = False
    drafted: Callable[[], None] | None = None
    spacing = afterwards = 0.0

    def start(self) -> None:
        self._begin()

    def moment(self) -> None:
        """Tests put something here."""

    def write(self, job, then=None) -> None:
        self.moment()
        if self.drafted is not None and getattr(job, "func", None) is draft_records:
            self.drafted()
        super().write(job, then)
        self.moment()

    def write_slowly(self, records, last, then=None) -> None:
        super().write_slowly(records, last, then)
        self.moment()

    def step(self, meanwhile: Callable[[], None] | None = None, whole: bool = True) -> None:
        """Write what there is; `meanwhile` is what the user does before each block of labels is read.

        Unless it is to be the `whole` of them, only one block is read.
        """
        if not self.stepping:
            self.stepping, self.meanwhile, self.whole = True, meanwhile, whole
            try:
                self._round()
            finally:
                self.stepping = False

    def _write_slow(self) -> None:
        first, go_on = self._slow[0], True
        while go_on:
            if self.meanwhile is not None:
                self.meanwhile()
            super()._write_slow()
            go_on = self.whole and bool(self._slow) and self._slow[0] is first


class _ToldAutosave(Autosave):
    """Calls `drafted` whenever the object in work is given to be logged."""

    drafted: Callable[[], None]

    def _open(self):
        writer = super()._open()
        if writer is not None:
            writer.drafted = self.drafted
        return writer


class SteppedSession:
    """A session with labels, whose log waits for `step`; `log_in_steps` comes first.

    What there was is kept: in `states`, and in `done` (numbers of what was done), after each change of labels; in
    `drafts`, what was said of the object in work and of the accepted ones that wait, each time it was given.

    Parameters
    ----------
    parent
        The folder of logs.
    empty
        Whether the labels begin empty.
    """

    def __init__(self, parent: Path, empty: bool) -> None:
        self.posts = ManualEventLoop()
        self.engine = FakeEngine(ambiguous=True)
        self.session = Session(self.posts.post, engine=self.engine)
        self.session.image.choose(ImageSource(killed_sessions.image()), axes=(1, 2))
        self.session.image.set_view(killed_sessions.PLACES[0][0])
        self.target = ArrayTarget(killed_sessions.labels_at_first(empty))
        self.session.labels.choose(self.target)
        self.posts.settle(self.session)
        self.states: list[str] = []
        self.done: list[set[int]] = []
        self.drafts: list[tuple[str, dict[int, str]]] = []
        self._changed()
        for signal in (self.session.record.recordings.put, self.session.record.recordings.dropped):
            signal.connect(self._changed)
        self.errors: list[Exception] = []
        self.autosave = _ToldAutosave(self.session, parent, self.posts.post, self.errors.append)
        self.autosave.drafted = self._drafted

    def _changed(self, *_: object) -> None:
        self.states.append(self.state)
        self.done.append({each.serial for each in self.session.record.recordings.of(self.target).done})

    def _drafted(self) -> None:
        said = killed_sessions.said(self.session.current.draft.prompts)
        self.drafts.append((said, killed_sessions.waiting_in(self.session)))

    @property
    def state(self) -> str:
        """What the labels and the objects are, once all pixels are written that count as such."""
        table = self.session._workspace.writer.table
        names = {label: row.name for label, row in table.rows.items()}
        return killed_sessions.digest(killed_sessions.with_owed(table), names)

    @property
    def writer(self) -> SteppedWriter | None:
        """None while there is nothing to log."""
        return self.autosave._writer

    @property
    def log(self) -> Path:
        """The file."""
        return self.autosave.folder / "log"

    def step(self, meanwhile: Callable[[], None] | None = None, whole: bool = True) -> None:
        """Have the log written, once there is one."""
        if self.writer is not None:
            self.writer.step(meanwhile, whole)
            self.writer._file.flush()

    def finish(self) -> None:
        """Have everything written."""
        for _ in range(4):
            self.posts.settle(self.session)
            self.step()
        assert not self.writer._left
        assert not self.errors

    def close(self) -> None:
        """As if it had been killed."""
        if self.writer is not None:
            self.writer._file.close()
            self.autosave._folder.release()
            self.autosave._watch.close()
        assert self.session.close()


def log_in_steps(monkeypatch) -> None:
    """Have sessions logged by `SteppedWriter`, their labels read in several blocks, and batches written in slices."""
    monkeypatch.setattr("napari_sam.session.batch_plan.tiled", partial(tiled, size=5))
    monkeypatch.setattr("napari_sam.session.labels.target.SLICE_CHANGES", 1)
    monkeypatch.setattr("napari_sam.session.record.autosave.LogWriter", SteppedWriter)
    monkeypatch.setattr("napari_sam.session.record.log_records._BLOCK", 5000)
