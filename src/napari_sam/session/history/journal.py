"""The journal: everything that was done, in one order."""

from collections.abc import Callable

from psygnal import Signal

from napari_sam.session.history.entry import Entry
from napari_sam.session.history.spill import HeldBytes, SpillFolder
from napari_sam.session.labels.target import Target

# Bounds for bytes and entries; chosen, not measured.
_MEMORY = 128 * 2**20
_DISK = 4 * 2**30
_MOST = 20_000
# So many of the newest entries are weighed anew, since late answers may still make them heavier: chosen, not measured.
_STILL_CHANGING = 8
_SPILLED_DOWN_TO = 0.9
"""To go through all entries takes a while: this much of the memory is left, so that it is not done at every deed.

With 900 entries the sums took milliseconds a deed. The share is chosen.
"""


class Journal:
    """The entries, with a position among them: those before it are done, those after it were undone.

    What is far from the position goes to disk when memory runs out; what is oldest is forgotten when the disk's share
    does.

    Parameters
    ----------
    memory_bytes, disk_bytes
        Bounds for what is held in memory and on disk; the newest entry is always kept.
    most
        Bound for the number of entries, which take a little memory themselves.

    Signals
    -------
    changed()
        What can be undone or redone is different.
    recorded(Entry)
        Something was done, or an accept that was waiting was written (then the entry is not new).
    undone(Entry), redone(Entry)
        It was taken back, or done again.
    """

    changed = Signal()
    recorded = Signal(object)
    undone = Signal(object)
    redone = Signal(object)

    def __init__(self, memory_bytes: int = _MEMORY, disk_bytes: int = _DISK, most: int = _MOST) -> None:
        self.most = most
        self.memory_bytes = memory_bytes
        self.disk_bytes = disk_bytes
        self._done: list[Entry] = []
        self._undone: list[Entry] = []
        self._folder = SpillFolder()
        self._held = HeldBytes()

    @property
    def folder(self) -> SpillFolder:
        """Folder that entries go to when memory runs out."""
        return self._folder

    @property
    def next_undo(self) -> Entry | None:
        """Entry that would be undone next."""
        return self._done[-1] if self._done else None

    @property
    def next_redo(self) -> Entry | None:
        """Entry that would be redone next."""
        return self._undone[-1] if self._undone else None

    @property
    def done(self) -> tuple[Entry, ...]:
        """Entries that can be undone, the oldest first."""
        return tuple(self._done)

    @property
    def can_undo(self) -> bool:
        """True if there is something to undo."""
        return bool(self._done)

    @property
    def can_redo(self) -> bool:
        """True if there is something to redo."""
        return bool(self._undone)

    @property
    def nbytes(self) -> int:
        """Memory held, roughly."""
        return self._held.memory

    @property
    def spilled_bytes(self) -> int:
        """Bytes held on disk, roughly."""
        return self._held.disk

    def record(self, entry: Entry) -> None:
        """Record something that was done; what was undone before can no longer be redone."""
        self.drop_undone()
        self._done.append(entry)
        entry.count_in(self._held)
        self._told(entry)

    def amended(self, entry: Entry) -> None:
        """Tell that an entry holds more than when it was recorded."""
        self._told(entry)

    def undo(self, take_back: Callable[[Entry], None]) -> Entry:
        """Have the newest entry taken back, and step before it; if that raises, nothing is different."""
        entry = self._done[-1]
        take_back(entry)
        if self._done and self._done[-1] is entry:
            self._undone.append(self._done.pop())
        self._bound()
        self.undone.emit(entry)
        self.changed.emit()
        return entry

    def redo(self, do_again: Callable[[Entry], None]) -> Entry:
        """Have the entry that was undone last done again, and step after it; if that raises, nothing is different."""
        entry = self._undone[-1]
        do_again(entry)
        self._done.append(self._undone.pop())
        self._bound()
        self.redone.emit(entry)
        self.changed.emit()
        return entry

    def since(self, entry: Entry) -> list[Entry]:
        """Return what was done after an entry, the oldest first."""
        return self._done[self._done.index(entry) + 1 :]

    def remove(self, entry: Entry, take_back: Callable[[Entry], None] | None = None) -> None:
        """Forget one entry, as if it had never been; `take_back` undoes it first."""
        if take_back is not None:
            take_back(entry)
            # What was undone was to be redone on what it had done.
            self.drop_undone()
            self.undone.emit(entry)
        for entries in (self._done, self._undone):
            if entry in entries:
                entries.remove(entry)
        entry.drop()
        self.changed.emit()

    def drop_undone(self, *, of: Target | None = None) -> None:
        """Drop all that was undone, so that it cannot be redone; with `of`, only if any of it changes those labels."""
        if of is None or any(entry.target is of and entry.labels is not None for entry in self._undone):
            for entry in self._undone:
                entry.drop()
            self._undone.clear()

    def forget_target(self, target: Target) -> None:
        """Forget labels that are gone: what was done to them cannot be undone; changes of the object in work can."""
        for entry in (*self._done, *self._undone):
            if entry.target is target:
                entry.change_labels(None)
                entry.target, entry.pending = None, False
        self._remove_empty()

    def forget_drafts(self) -> None:
        """Forget what was done to the object in work, as the image is another one: it cannot be undone."""
        for entry in (*self._done, *self._undone):
            entry.change_draft(None)
        self._remove_empty()

    def close(self) -> None:
        """Forget everything, on disk too."""
        for entry in (*self._done, *self._undone):
            entry.drop()
        self._done.clear()
        self._undone.clear()
        self._folder.close()

    def _told(self, entry: Entry) -> None:
        self._bound()
        self.recorded.emit(entry)
        self.changed.emit()

    def _remove_empty(self) -> None:
        for entries in (self._done, self._undone):
            entries[:] = [
                entry for entry in entries if entry.draft is not None or entry.labels is not None or entry.pending
            ]
        self.changed.emit()

    def _bound(self) -> None:
        for entry in self._done[-_STILL_CHANGING:]:
            entry.weigh()
        if self._held.memory > self.memory_bytes:
            self._spill(int(self.memory_bytes * _SPILLED_DOWN_TO))
        while len(self._done) > 1 and (self._held.disk > self.disk_bytes or len(self._done) > self.most):
            if self._done[0].pending:
                break
            self._done.pop(0).drop()

    def _spill(self, memory_bytes: int) -> None:
        # The farthest from the position first; the newest stays, and what is still to be written.
        for entry in (*self._done[:-1], *self._undone[:-1]):
            if self._held.memory <= memory_bytes:
                break
            if entry.in_memory and not entry.pending:
                entry.spill(self._folder)
