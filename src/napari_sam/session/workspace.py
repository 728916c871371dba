"""The object in work, the labels, and the journal over both."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial

from napari_sam.errors import UserError
from napari_sam.labels.edits import Box, hull
from napari_sam.labels.paint import Collision
from napari_sam.session.compute.scheduler import Scheduler
from napari_sam.session.deferred_accepts import DeferredAccepts
from napari_sam.session.history.entry import DraftPatch, Entry, EntryKind
from napari_sam.session.history.journal import Journal
from napari_sam.session.history.spill import Spillable
from napari_sam.session.labels.edit_description import EditDescription
from napari_sam.session.labels.label_writer import LabelWriter
from napari_sam.session.labels.object_row import LabelsPatch
from napari_sam.session.labels.target import Target
from napari_sam.session.object.draft import Draft, DraftState
from napari_sam.session.object.prompt_answering import PromptAnswering
from napari_sam.session.record.recording import Recordings
from napari_sam.session.record.restored import Restored
from napari_sam.session.status import SessionSignals, StatusReporter

_TELL_EVERY_S = 0.1
"""Labels may take longer to show than to be written in slices: in 3-D all of them are shown anew each time.

Chosen, not measured: ten times a second.
"""


class Workspace:
    """The workspace that all deeds go through, so that they are in the journal and can be taken back.

    Parameters
    ----------
    scheduler
        Where free ids are looked up.
    answering
        Who answers prompts.
    signals
        Who is told of changes.
    reporter
        What the user is told.

    Attributes
    ----------
    draft : Draft
        The object in work.
    journal : Journal
        What was done.
    recording : Recordings
        What was done to labels and not undone, so that it can be written down.
    writer : LabelWriter
        The labels.
    deferred : DeferredAccepts
        Objects that were accepted and are yet to be written.
    write_at_once : bool
        Whether labels may not lag behind the journal, as somebody else reads all of them.
    """

    def __init__(
        self, scheduler: Scheduler, answering: PromptAnswering, signals: SessionSignals, reporter: StatusReporter
    ) -> None:
        self._scheduler = scheduler
        self._answering = answering
        self._signals = signals
        self._reporter = reporter
        self._image = 0
        self.write_at_once = False
        self._told_at = 0.0
        self.draft = Draft()
        self.journal = Journal()
        self.recording = Recordings(self.journal, lambda: self._image)
        self.writer = LabelWriter(scheduler, self._ids_found, self._ids_failed)
        self.deferred = DeferredAccepts(self.writer, self.journal, self._written, self._not_written)
        self.journal.changed.connect(signals.history_changed.emit)

    @property
    def current_label(self) -> int | None:
        """The id that the object in work will get; None while that is not known."""
        return self.writer.next_label if self.draft.label is None else self.draft.label

    # Doing

    @contextmanager
    def deed(self, kind: EntryKind, target: Target | None = None) -> Iterator[Draft]:
        """Change the object in work inside, as one entry of the journal.

        Parameters
        ----------
        kind
            What is done.
        target
            The labels that an id of the object means.
        """
        before = self.draft.state
        yield self.draft
        patch = DraftPatch.between(before, self.draft.state)
        self.journal.record(Entry(kind, Spillable(patch, patch.nbytes), target=target))

    @contextmanager
    def replacing(self, kind: EntryKind, before: DraftState) -> Iterator[None]:
        """Put another object to work inside, as one entry of the journal; its id is one of the chosen labels."""
        yield
        patch = DraftPatch.between(before, self.draft.state)
        self.journal.record(Entry(kind, Spillable(patch, patch.nbytes), target=self.writer.target))

    def changed_labels(
        self,
        kind: EntryKind,
        target: Target,
        patch: LabelsPatch,
        before: DraftState | None = None,
        *,
        shown: bool = False,
        edit: EditDescription | None = None,
    ) -> None:
        """Record what was done to labels, and to the object in work since it was `before`; tell of it.

        With `shown`, the pixels are on the screen already. With `edit`, that is recorded of it.
        """
        entry = Entry(kind, labels=Spillable(patch, patch.nbytes), target=target, edit=edit)
        if before is not None:
            entry.change_draft(DraftPatch.between(before, self.draft.state))
        self.journal.record(entry)
        self.tell_labels(target, None if shown else patch.box)

    def write_on(self, target: Target) -> None:
        """Write a slice of what labels are owed, go on soon if there is more, and tell of it now and then."""
        if not self.writer.knows(target):
            return
        unwritten = self.writer.table_of(target).unwritten
        try:
            unwritten.write_some()
        except Exception as error:
            # It is owed still: whoever reads or changes these labels next has it written first.
            self._reporter.fail(error)
            return
        if not unwritten or time.monotonic() - self._told_at >= _TELL_EVERY_S:
            box = unwritten.written_box()
            if box is not None:
                self._signals.labels_changed.emit(target, box)
            self._told_at = time.monotonic()
        if unwritten:
            self._scheduler.post(partial(self._write_more, target))

    def accept(self, collision: Collision) -> LabelsPatch | None:
        """Write the object in work into the chosen labels, now or when all that it needs is there; start the next one.

        Returns
        -------
        LabelsPatch or None
            What changed; None if it is yet to be written.

        Raises
        ------
        UserError
            If it cannot be written; nothing is different then.
        """
        target, draft, before = self.writer.target, self.draft, self.draft.state
        assert target is not None
        if draft.label is None:
            draft.label = self.writer.next_label
        entry = Entry(EntryKind.ACCEPT, target=target, collision=collision)
        ready = not draft.in_flight and draft.label is not None and not self.deferred.labels(target)
        patch = None
        if ready and draft.label is not None:
            try:
                patch = self.writer.write(draft, draft.label, target, collision)
            except Exception:
                draft.label = before.label
                raise
            entry.change_labels(patch)
        else:
            self.deferred.add(entry, draft)
        self.start(DraftState())
        entry.change_draft(DraftPatch.between(before, self.draft.state))
        self.journal.record(entry)
        # First, so that nothing is changed about prompts that are about to go.
        self.tell_draft()
        if patch is not None:
            self._written(entry, draft)
        return patch

    def accept_again(self, state: DraftState, target: Target, collision: Collision) -> None:
        """Accept an object that is not in work, as one entry of the journal; what it has no answer to is asked.

        It is written as soon as all that it needs is there.
        """
        draft = Draft(image=self._image)
        draft.restore(state)
        entry = Entry(EntryKind.ACCEPT, target=target, collision=collision)
        self.deferred.add(entry, draft)
        # To undo it brings the object to work, in place of the one that is in work now.
        entry.change_draft(DraftPatch.between(state, self.draft.state))
        self.journal.record(entry)
        for request in draft.requests.values():
            if request.answer is None:
                self._answering.ask(request)
        self.deferred.finish()

    def start(self, state: DraftState) -> None:
        """Go on with another object; the one in work is left as it is."""
        old = self.draft
        self.draft = Draft(image=self._image)
        self.draft.restore(state)
        self._answering.turn_to(self.draft, old, self.deferred.__contains__)

    # Taking back and doing again

    def undo(self) -> None:
        """Take the newest entry back."""
        entry = self.journal.undo(self._take_back)
        if entry.pending and entry.draft is None:
            # The object belonged to another image, and was not written yet: nothing of it is left.
            self.journal.remove(entry)
        self.tell_draft()

    def redo(self) -> None:
        """Do again what was undone last."""
        self.journal.redo(self._do_again)
        self.deferred.finish()
        self.tell_draft()

    def _take_back(self, entry: Entry) -> None:
        self.deferred.call_off(entry)
        self._move(entry, forward=False)

    def _do_again(self, entry: Entry) -> None:
        if entry.pending:
            # It was undone before it was written.
            entry.change_labels(None)
            self.deferred.add(entry, self.draft)
        self._move(entry, forward=True)

    def _move(self, entry: Entry, *, forward: bool) -> None:
        patch = None if entry.labels is None else entry.labels.content()
        if patch is not None and entry.target is not None:
            later = not self.write_at_once and not entry.pending
            self.writer.table_of(entry.target).exchange(patch, forward=forward, later=later)
        if entry.draft is not None:
            change = entry.draft.content()
            self.start(change.moved(self.draft.state, forward=forward))
            if change.label[0] != change.label[1] and entry.target is not self.writer.target:
                self.draft.label, self.draft.refines = None, False
        if patch is not None and entry.target is not None:
            self.tell_labels(entry.target, None)
            self.write_on(entry.target)

    # Another image, other labels

    @property
    def image(self) -> int:
        """Serial number of the image."""
        return self._image

    def new_image(self) -> None:
        """Take another image: its objects start anew; accepts that wait are still written."""
        self._image += 1
        self.journal.forget_drafts()
        self.start(DraftState())
        self.choose_target(None, None)
        self.tell_draft()

    def choose_target(self, target: Target | None, next_label: int | None) -> None:
        """Accept into other labels."""
        if target is not self.writer.target:
            # An id of the former labels means nothing in these.
            self.draft.label, self.draft.refines = None, False
        self.writer.choose(target, next_label)
        self._signals.label_changed.emit()
        self._signals.objects_changed.emit()

    def restore_target(self, target: Target, restored: Restored) -> None:
        """Accept into labels that were read back, with their objects."""
        self.recording.begin(target, restored.annotation)
        self.writer.table_of(target).fill(restored.rows, restored.extents)
        self.choose_target(target, restored.next_label)

    def forget_target(self, target: Target) -> None:
        """Forget labels that are gone."""
        if target is self.writer.target:
            self.draft.label, self.draft.refines = None, False
        self.deferred.forget(target)
        self.writer.forget(target)
        self.journal.forget_target(target)
        self.recording.forget(target)
        self._signals.label_changed.emit()
        self._signals.objects_changed.emit()

    def close(self) -> None:
        """Close it: nothing is written any more, and nothing can be undone; what labels are owed they get first."""
        for table in self.writer.tables:
            with suppress(UserError):
                table.unwritten.write()
            box = table.unwritten.written_box()
            if box is not None:
                self._signals.labels_changed.emit(table.target, box)
        self.deferred.clear()
        self.journal.close()

    # Telling

    def tell_draft(self) -> None:
        """Tell that the object in work is another one, or is as it was at another time."""
        self._signals.prompts_changed.emit()
        self._signals.masks_changed.emit()
        self._signals.label_changed.emit()

    def tell_writing(self) -> None:
        """Tell that labels are about to change by themselves."""
        self._signals.writing.emit()

    def tell_labels(self, target: Target, box: Box | None) -> None:
        """Tell that labels are different inside a box."""
        if box is not None:
            self._signals.labels_changed.emit(target, box)
        self._signals.objects_changed.emit()
        self._signals.label_changed.emit()

    # Inside

    def _write_more(self, target: Target) -> None:
        self.tell_writing()
        self.write_on(target)

    def _written(self, entry: Entry, draft: Draft) -> None:
        patch = None if entry.labels is None else entry.labels.content()
        if patch is None or entry.target is None:
            return
        if draft.image == self._image:
            self._answering.accepted_size = draft.diameter
        since = self.journal.since(entry)
        boxes = [
            later.labels.content().box for later in since if later.target is entry.target and later.labels is not None
        ]
        self._reporter.clear()
        self._reporter.note = f"Object {draft.label} was accepted."
        self.tell_labels(entry.target, hull(box for box in (patch.box, *boxes) if box is not None))

    def _not_written(self, entry: Entry, draft: Draft, error: Exception) -> None:
        """Let the user go on with the object, unless there is a next one already: then undoing brings it back."""
        if self.journal.next_undo is entry and not self.draft and entry.draft is not None:
            self.journal.remove(entry, self._take_back)
            self.tell_draft()
        self._signals.objects_changed.emit()
        self._reporter.error = (
            str(error)
            if isinstance(error, UserError)
            else f"An unexpected error kept object {draft.label} from being written ({type(error).__name__}: {error})."
        )
        if not isinstance(error, UserError):
            self._signals.crashed.emit(error)

    def _ids_found(self, _: Target) -> None:
        self.deferred.finish()
        self._signals.label_changed.emit()

    def _ids_failed(self, error: Exception) -> None:
        self.deferred.fail_all(error)
