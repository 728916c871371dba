"""The recording of what was done to labels, to be written down and done again; what is undone is no part of it."""

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from psygnal import Signal

from napari_sam.labels.edits import PixelChange
from napari_sam.labels.label_array import blocks
from napari_sam.labels.paint import Collision
from napari_sam.session.history.entry import Entry, EntryKind
from napari_sam.session.history.journal import Journal
from napari_sam.session.labels.edit_description import EditDescription
from napari_sam.session.labels.object_row import Extent, ObjectRow
from napari_sam.session.labels.packed_labels import Bounds, PackedLabels
from napari_sam.session.labels.target import Target
from napari_sam.session.record.annotation import (
    Accepted,
    Annotation,
    Deleted,
    Edited,
    Event,
    Painted,
    Relabelled,
    Renamed,
)
from napari_sam.session.record.object_record import ObjectRecord, record_of


@dataclass(frozen=True, eq=False)
class Done:
    """One thing that was done to labels; any thread may read it.

    Parameters
    ----------
    serial
        Of the journal's entry: what was done later has a higher one.
    image
        Serial number of the image that it was done on.
    kind, collision
        See `Entry`.
    pixels, rows, extents
        See `LabelsPatch`.
    edit
        See `Entry`.
    """

    serial: int
    image: int
    kind: EntryKind
    collision: Collision
    pixels: tuple[PixelChange, ...]
    rows: dict[int, tuple[ObjectRow | None, ObjectRow | None]]
    extents: dict[int, tuple[Extent | None, Extent | None]]
    edit: EditDescription | None = None

    def events(self, image: int) -> list[Event]:
        """Return what was done, as events of a session on an image; not quick: unpacks objects.

        What was done on another image cannot be computed again on this one: its pixels are kept instead.
        """
        if self.kind is EntryKind.ACCEPT and self.image == image:
            accepted = [self._accepted(label, *pair) for label, pair in self.rows.items()]
            return [each for each in accepted if each is not None]
        gone = [label for label, (_, after) in self.rows.items() if after is None]
        kept = [(label, after) for label, (_, after) in self.rows.items() if after is not None]
        if self.kind is EntryKind.DELETE:
            return [Deleted(label, self._bounds(label)) for label in gone]
        if self.kind is EntryKind.RELABEL and len(gone) == len(kept) == 1:
            return [Relabelled(gone[0], kept[0][0], self._bounds(gone[0]))]
        if self.kind is EntryKind.RENAME:
            return [Renamed(label, row.name) for label, row in kept]
        objects = tuple(record_of(row.state(), label, row.name) for label, row in kept)
        if self.edit is not None:
            return [Edited(self.edit, tuple(map(PackedLabels.after, self.pixels)), objects, tuple(gone))]
        painted: list[Event] = [Painted(PackedLabels.after(change)) for change in self.pixels]
        if (objects or gone) and self.pixels:
            painted[-1] = Painted(PackedLabels.after(self.pixels[-1]), objects, tuple(gone))
        return painted

    def _accepted(self, label: int, before: ObjectRow | None, after: ObjectRow | None) -> Accepted | None:
        if after is None:
            return None
        state = after.state()
        return Accepted(
            record_of(state, label, after.name),
            self.collision,
            # Where no pixel changed, none was removed.
            replaces=bool(self.pixels) and (state.refines or before is not None),
            left=() if before is None or not self.pixels else before.state().planes,
            within=self._bounds(label) or None,
        )

    def _bounds(self, label: int) -> Bounds:
        before = self.extents.get(label, (None, None))[0]
        return () if before is None else tuple((int(part.start), int(part.stop)) for part in before.box)


class TargetRecording:
    """The recording of what was done to one target.

    Parameters
    ----------
    target
        The labels.
    prior
        What had been done before it was chosen.
    """

    def __init__(self, target: Target, prior: Annotation | None = None) -> None:
        self.target = target
        self.prior = prior
        self._done: list[Done] = []
        self._entries: dict[int, Entry] = {}

    @property
    def done(self) -> tuple[Done, ...]:
        """Things that were done, in order."""
        return tuple(self._done)

    def put(self, entry: Entry, image: int) -> list[Done]:
        """Put what was done, or done differently.

        Returns
        -------
        list of Done
            It, and what was done after it: their pixels may be other ones.
        """
        at = bisect_left(self._done, entry.serial, key=lambda each: each.serial)
        if at < len(self._done) and self._done[at].serial == entry.serial:
            image = self._done.pop(at).image
        later = self._done[at:]
        self._entries[entry.serial] = entry
        self._done[at:] = [
            _done(entry, image),
            *(_done(self._entries[each.serial], each.image) for each in later),
        ]
        return self._done[at:]

    def drop(self, entry: Entry) -> Done | None:
        """Drop something that was undone; return what it was, or None if it was never done."""
        self._entries.pop(entry.serial, None)
        for at, each in enumerate(self._done):
            if each.serial == entry.serial:
                return self._done.pop(at)
        return None


def _done(entry: Entry, image: int) -> Done:
    patch = None if entry.labels is None else entry.labels.content()
    return Done(
        entry.serial,
        image,
        entry.kind,
        entry.collision or Collision.KEEP,
        () if patch is None else patch.pixels,
        {} if patch is None else patch.rows,
        {} if patch is None else patch.extents,
        entry.edit,
    )


class Recordings:
    """The recordings that follow a journal.

    Parameters
    ----------
    journal
        The journal.
    image
        Tells the serial number of the image.

    Signals
    -------
    put(Target, list[Done])
        Something was done to labels; and what was done after it, where that is different for it.
    dropped(Target, Done)
        Something was undone.
    forgotten(Target, tuple[Done, ...])
        Labels are gone, to which all that was done.
    """

    put = Signal(object, list)
    dropped = Signal(object, object)
    forgotten = Signal(object, tuple)

    def __init__(self, journal: Journal, image: Callable[[], int]) -> None:
        self._image = image
        self._targets: dict[Target, TargetRecording] = {}
        self._images: dict[int, int] = {}
        journal.recorded.connect(self._put)
        journal.redone.connect(self._put)
        journal.undone.connect(self._drop)

    def of(self, target: Target) -> TargetRecording:
        """Return the recording of what was done to one target."""
        return self._targets.setdefault(target, TargetRecording(target))

    @property
    def targets(self) -> tuple[Target, ...]:
        """Labels to which something was done, now or before they were chosen."""
        return tuple(each.target for each in self._targets.values() if each.done or each.prior is not None)

    def begin(self, target: Target, prior: Annotation) -> None:
        """Begin with what had been done to labels before they were chosen."""
        self._targets[target] = TargetRecording(target, prior)

    def forget(self, target: Target) -> None:
        """Forget labels that are gone."""
        recording = self._targets.pop(target, None)
        if recording is not None:
            self.forgotten.emit(target, recording.done)

    def _put(self, entry: Entry) -> None:
        # An accept that waits belongs to the image it was made on, even if it is written on another.
        image = self._images.setdefault(entry.serial, self._image())
        if entry.target is None or entry.labels is None or entry.pending:
            return
        patch = entry.labels.content()
        if patch.pixels or patch.rows:
            self.put.emit(entry.target, self.of(entry.target).put(entry, image))

    def _drop(self, entry: Entry) -> None:
        if entry.target is None or entry.target not in self._targets:
            return
        done = self._targets[entry.target].drop(entry)
        if done is not None:
            self.dropped.emit(entry.target, done)


def annotation_of(
    array: Any, prior: Annotation | None, done: tuple[Done, ...], image: int, draft: ObjectRecord | None
) -> Annotation:
    """Return what was done to labels, and how they were before; read them all, unless known to have been empty.

    Parameters
    ----------
    array
        The labels as they are now.
    prior
        What had been done before.
    done
        What was done since.
    image
        Serial number of the image.
    draft
        The object in work.
    """
    if prior is None:
        base = _base(array, done)
        prior = Annotation(tuple(int(size) for size in array.shape), np.dtype(array.dtype).name, base)
    events = [event for each in done for event in each.events(image)]
    # They may have been widened since.
    dtype = np.dtype(array.dtype).name
    return Annotation(prior.shape, dtype, prior.base, (*prior.events, *events), draft)


def _base(array: Any, done: tuple[Done, ...]) -> tuple[PackedLabels, ...]:
    """Find the labels before anything was done to them, where they were not 0."""
    earlier = [PackedLabels.before(change) for each in reversed(done) for change in reversed(each.pixels)]
    base = []
    for box in blocks(array):
        region = np.array(array[box])
        origin = tuple(part.start for part in box)
        for before in earlier:
            before.write_within(region, origin)
        where = region != 0
        if where.any():
            bounds = tuple((part.start, part.stop) for part in box)
            base.append(PackedLabels.of(bounds, where, region[where]))
    return tuple(base)
