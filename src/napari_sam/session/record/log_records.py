"""The records of a log: their forms by kind, and what is written down of labels, of deeds and of the object in work.

Objects, setups and pixels have the forms of the session file.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from msgspec import field

from napari_sam.labels.label_array import blocks
from napari_sam.labels.paint import Collision
from napari_sam.prompts.json_form import Form, Natural, Pair, WindowForm
from napari_sam.session.labels.packed_labels import PackedLabels
from napari_sam.session.record.annotation import Annotation
from napari_sam.session.record.event_json import Palette, event_form, object_form, pixels_form
from napari_sam.session.record.log_file import Record, RecordKind
from napari_sam.session.record.object_record import ObjectRecord
from napari_sam.session.record.recording import Done
from napari_sam.session.record.session_form import EventForm, ImageForm, LabelType, ObjectForm, PixelsForm, SetupForm

VERSION = 1


class BeginRecord(Form):
    """The first record: which form the log has, and what wrote it."""

    version: int
    written_by: dict[str, str] = field(default_factory=dict)
    began: str = ""


class ImageRecord(Form):
    """An image that objects are drawn on, told again when more is known of it."""

    number: int
    image: ImageForm


class TargetRecord(Form):
    """Labels that are followed from now on, and whether they were all 0."""

    number: int
    name: str
    shape: tuple[Natural, ...]
    dtype: LabelType
    empty: bool


class PriorRecord(Form):
    """What had been done to labels before."""

    target: int
    setups: tuple[SetupForm, ...]
    areas: tuple[WindowForm, ...]
    base: tuple[PixelsForm, ...]
    events: tuple[EventForm, ...]


class BaseRecord(Form):
    """A part of the labels as they were when it was read."""

    target: int
    labels: PixelsForm


class BaseDoneRecord(Form):
    """The end of such parts: all of them are in the log."""

    target: int


class DoneForm(Form):
    """One thing that was done to labels: its events, the pixels after it, and before it where others were there."""

    image: int
    serial: int
    events: tuple[EventForm, ...]
    pixels: tuple[PixelsForm, ...]
    before: tuple[PixelsForm, ...]


class PutRecord(Form):
    """What was done to labels, together one state of them; and their type then, which may have been widened.

    Logs of before do not tell the type.
    """

    target: int
    setups: tuple[SetupForm, ...]
    areas: tuple[WindowForm, ...]
    done: tuple[DoneForm, ...]
    dtype: LabelType | None = None


class DropRecord(Form):
    """What was undone, and the pixels after that."""

    target: int
    serial: int
    pixels: tuple[PixelsForm, ...]


class WaitingForm(Form):
    """An object that was accepted, and whose masks are not all there yet."""

    serial: int
    image: int
    target: int
    collision: Collision
    object: ObjectForm


class DraftRecord(Form):
    """The object in work, what the user had set, and what waits.

    Each of those that wait is a `WaitingForm`, looked at by itself: one that makes no sense takes no other with it.
    """

    image: int | None = None
    target: int | None = None
    model: str = ""
    object_size: float | None = None
    contrast: tuple[Pair, ...] | None = None
    setups: tuple[SetupForm, ...] = ()
    areas: tuple[WindowForm, ...] = ()
    object: ObjectForm | None = None
    waiting: tuple[Any, ...] = ()


RECORDS: dict[int, type[Form]] = {
    RecordKind.BEGIN: BeginRecord,
    RecordKind.IMAGE: ImageRecord,
    RecordKind.TARGET: TargetRecord,
    RecordKind.PRIOR: PriorRecord,
    RecordKind.BASE: BaseRecord,
    RecordKind.BASE_DONE: BaseDoneRecord,
    RecordKind.PUT: PutRecord,
    RecordKind.DROP: DropRecord,
    RecordKind.DRAFT: DraftRecord,
}


# Elements of labels in one record of the snapshot; chosen, not measured.
_BLOCK = 2**22


def target_records(about: TargetRecord, prior: Annotation | None) -> Iterator[Record]:
    """Yield the records of labels that are followed from now on, and of what had been done to them before."""
    yield RecordKind.TARGET, about
    if prior is not None:
        palette = Palette()
        # First, so that the palette is complete when it is written.
        events = tuple(event_form(event, palette) for event in prior.events)
        base = tuple(map(pixels_form, prior.base))
        yield RecordKind.PRIOR, PriorRecord(about.number, palette.setups, palette.areas, base, events)


def base_records(number: int, array: Any) -> Iterator[Record]:
    """Yield the records of all labels, as they are when they are read: what is done meanwhile is in the log too."""
    for box in blocks(array, _BLOCK):
        region = np.array(array[box])
        where = region != 0
        if where.any():
            bounds = tuple((part.start, part.stop) for part in box)
            packed = PackedLabels.of(bounds, where, region[where])
            yield RecordKind.BASE, BaseRecord(number, pixels_form(packed))


def put_records(number: int, done: tuple[Done, ...], based: bool, dtype: LabelType) -> Iterator[Record]:
    """Yield the record of what was done to labels, with how they were before where they are `based` on others."""
    # One record for all of them: together they are one state of the labels.
    palette = Palette()
    forms = tuple(
        DoneForm(
            each.image,
            each.serial,
            tuple(event_form(event, palette) for event in each.events(each.image)),
            tuple(pixels_form(PackedLabels.after(change)) for change in each.pixels),
            tuple(pixels_form(PackedLabels.before(change)) for change in each.pixels) if based else (),
        )
        for each in done
    )
    yield RecordKind.PUT, PutRecord(number, palette.setups, palette.areas, forms, dtype)


def drop_records(number: int, done: Done) -> Iterator[Record]:
    """Yield the records of what was undone."""
    pixels = tuple(pixels_form(PackedLabels.before(change)) for change in reversed(done.pixels))
    yield RecordKind.DROP, DropRecord(number, done.serial, pixels)


def draft_records(
    about: dict[str, Any], record: ObjectRecord | None, accepted: list[tuple[dict[str, Any], ObjectRecord]]
) -> Iterator[Record]:
    """Yield the object in work, if any, and what was accepted and waits, with what is to be known of its accept."""
    palette = Palette()
    draft = None if record is None else object_form(record, palette)
    waiting = tuple(WaitingForm(**each, object=object_form(of, palette)) for each, of in accepted)
    yield (
        RecordKind.DRAFT,
        DraftRecord(**about, setups=palette.setups, areas=palette.areas, object=draft, waiting=waiting),
    )
