"""Objects that were accepted before the answer to their last prompts, or their id, was there."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from napari_sam.labels.edits import Box
from napari_sam.labels.paint import Collision
from napari_sam.session.history.entry import Entry, EntryKind
from napari_sam.session.history.journal import Journal
from napari_sam.session.labels import label_writer
from napari_sam.session.labels.label_writer import LabelWriter
from napari_sam.session.labels.object_row import Extent, LabelsPatch
from napari_sam.session.labels.target import ObjectTable, Target, refuse_read_only
from napari_sam.session.object.draft import Draft, PromptRequest


@dataclass(eq=False)
class DeferredAccept:
    """An object that is to be written.

    Parameters
    ----------
    draft
        The object.
    target, collision
        Where to, and what happens to pixels of other labels.
    """

    draft: Draft
    target: Target
    collision: Collision


class DeferredAccepts:
    """The accepts that wait: objects are written, in the order of these, as soon as all that they need is there.

    Parameters
    ----------
    writer
        What writes them.
    journal
        Whose entries are completed when they are written.
    on_written
        Called with the entry and the object.
    on_failed
        Called with the entry, the object and what was raised.
    """

    def __init__(
        self,
        writer: LabelWriter,
        journal: Journal,
        on_written: Callable[[Entry, Draft], None],
        on_failed: Callable[[Entry, Draft, Exception], None],
    ) -> None:
        self._writer = writer
        self._journal = journal
        self._on_written = on_written
        self._on_failed = on_failed
        self._waiting: dict[Entry, DeferredAccept] = {}

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def __contains__(self, request: PromptRequest) -> bool:
        return any(waiting.draft.requests.get(request.plane) is request for waiting in self._waiting.values())

    @property
    def waiting(self) -> Mapping[Entry, DeferredAccept]:
        """The objects that wait, by their accepts, in the order of these."""
        return dict(self._waiting)

    def labels(self, target: Target | None) -> set[int | None]:
        """Return the ids of the objects that wait to be written into `target`."""
        return {waiting.draft.label for waiting in self._waiting.values() if waiting.target is target}

    def add(self, entry: Entry, draft: Draft) -> None:
        """Add an object that was accepted, and cannot be written yet."""
        assert entry.target is not None
        assert entry.collision is not None
        entry.pending = True
        self._waiting[entry] = DeferredAccept(draft, entry.target, entry.collision)
        self._reserve(entry, draft.label)

    def call_off(self, entry: Entry) -> Draft | None:
        """Drop an accept that waits and was undone; return the object, which is not written any more."""
        waiting = self._waiting.pop(entry, None)
        return None if waiting is None else waiting.draft

    def finish(self) -> None:
        """Write what can be written."""
        stuck: set[Target] = set()
        for entry, waiting in tuple(self._waiting.items()):
            draft = waiting.draft
            if entry not in self._waiting:
                continue
            if draft.label is None:
                # Ids are given in the order of the accepts.
                draft.label = self._writer.table_of(waiting.target).next_label
                self._reserve(entry, draft.label)
            if draft.label is None or draft.in_flight or waiting.target in stuck:
                stuck.add(waiting.target)
                continue
            del self._waiting[entry]
            entry.pending = False
            try:
                self._write(entry, draft, draft.label, waiting)
            except Exception as error:
                self._on_failed(entry, draft, error)
            else:
                self._journal.amended(entry)
                self._on_written(entry, draft)

    def fail(self, request: PromptRequest, error: Exception) -> None:
        """Fail the objects that wait for a request that has no answer."""
        for entry, waiting in tuple(self._waiting.items()):
            if waiting.draft.requests.get(request.plane) is request:
                self._fail(entry, error)

    def fail_all(self, error: Exception) -> None:
        """Fail all that waits: nothing of it can be written."""
        for entry in tuple(self._waiting):
            self._fail(entry, error)

    def forget(self, target: Target) -> None:
        """Drop what waits for labels that are gone."""
        self._waiting = {entry: each for entry, each in self._waiting.items() if each.target is not target}

    def clear(self) -> None:
        """Drop all that waits: nothing of it is written any more."""
        self._waiting.clear()

    def _reserve(self, entry: Entry, label: int | None) -> None:
        """Reserve the id, so that nobody else gets it meanwhile."""
        if label is not None and entry.target is not None:
            entry.change_labels(LabelsPatch(next_label=self._writer.table_of(entry.target).saw(label)))

    def _fail(self, entry: Entry, error: Exception) -> None:
        waiting = self._waiting.pop(entry)
        entry.pending = False
        self._on_failed(entry, waiting.draft, error)

    def _write(self, entry: Entry, draft: Draft, label: int, waiting: DeferredAccept) -> None:
        """Write an object as if that had been done when it was accepted: what was painted since stays on top."""
        table = self._writer.table_of(waiting.target)
        # Before anything is taken back.
        refuse_read_only(waiting.target.array)
        since = [
            later
            for later in self._journal.since(entry)
            # Another type of the array changes no label, and the object may need it.
            if later.target is waiting.target and later.labels is not None and later.kind is not EntryKind.WIDEN
        ]
        patches = [later.labels.content() for later in since if later.labels is not None]
        for patch in reversed(patches):
            table.exchange(patch, forward=False)
        try:
            written = self._writer.write(draft, label, waiting.target, waiting.collision)
        except Exception:
            for patch in patches:
                table.exchange(patch, forward=True)
            raise
        if entry.labels is not None:
            written = replace(written, next_label=entry.labels.content().next_label)
        entry.change_labels(written)
        for later, patch in zip(since, patches, strict=True):
            later.change_labels(_made_again(table, later.kind, patch))
        # What was undone since was to be redone on labels without the object.
        self._journal.drop_undone(of=waiting.target)


def _made_again(table: ObjectTable, kind: EntryKind, patch: LabelsPatch) -> LabelsPatch:
    """Do again, on other labels, what was done and taken back."""
    gone = [label for label, (_, row) in patch.rows.items() if row is None]
    kept = {label: row for label, (_, row) in patch.rows.items() if row is not None}
    # Pixels that belong to another object now are none of those that were meant.
    if kind is EntryKind.DELETE:
        return label_writer.delete(table, *gone)
    if kind is EntryKind.RELABEL:
        return label_writer.relabel(table, *gone, *kept)
    pixels = []
    for change in patch.pixels:
        pixels.append(change.made_on(table.target.array))
        pixels[-1].apply(table.target.array)
    areas = {
        label: _counted(table, label, after.box)
        for label, (_, after) in patch.extents.items()
        if after is not None and not table.follows(label)
    }
    after = patch.next_label[1]
    return table.make(
        pixels, {**dict.fromkeys(gone), **kept}, areas=areas, uses=0 if after is None else after - 1, written=True
    )


def _counted(table: ObjectTable, label: int, box: Box) -> Extent:
    return Extent(int(np.count_nonzero(np.asarray(table.target.array[box]) == label)), box)
