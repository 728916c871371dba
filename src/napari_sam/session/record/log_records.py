"""The form of the log's records, by their kind; objects, setups and pixels are those of the session file."""

from typing import Any

from msgspec import field

from napari_sam.labels.paint import Collision
from napari_sam.prompts.json_form import Form, Natural, Pair, WindowForm
from napari_sam.session.record.log_file import RecordKind
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
    """What was done to labels; together one state of them."""

    target: int
    setups: tuple[SetupForm, ...]
    areas: tuple[WindowForm, ...]
    done: tuple[DoneForm, ...]


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
