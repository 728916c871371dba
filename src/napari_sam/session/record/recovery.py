"""The recovery of a session from its log."""

import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from napari_sam.errors import UserError
from napari_sam.labels.label_array import blocks
from napari_sam.labels.paint import Collision
from napari_sam.planes.contrast import Contrast
from napari_sam.planes.image_identity import ImageIdentity
from napari_sam.prompts.json_form import MALFORMED
from napari_sam.session.labels.packed_labels import PackedLabels
from napari_sam.session.record.annotation import Accepted, Annotation, Event, Painted
from napari_sam.session.record.event_json import Palette, read_events, read_object, read_pixels
from napari_sam.session.record.log_file import RecordKind, packed_frames, unpacked
from napari_sam.session.record.log_folder import LOG, SessionFolder, abandoned
from napari_sam.session.record.log_records import (
    RECORDS,
    VERSION,
    BaseDoneRecord,
    BaseRecord,
    BeginRecord,
    DraftRecord,
    DropRecord,
    ImageRecord,
    PriorRecord,
    PutRecord,
    TargetRecord,
    WaitingForm,
)
from napari_sam.session.record.object_record import ObjectRecord
from napari_sam.session.record.restored import Restored, restore
from napari_sam.session.record.session_file import read_image

# Bytes that deflate to nothing, numbers of labels that were never told, and all that is no record.
_SENSELESS = (*MALFORMED, zlib.error, KeyError)


@dataclass(frozen=True)
class Unfinished:
    """A session that did not end as it should.

    Parameters
    ----------
    path
        Its folder.
    image
        The image that it was made on last.
    changed
        When it was written to last, in seconds since 1970.
    deeds
        How often labels were changed in it.
    """

    path: Path
    image: ImageIdentity
    changed: float
    deeds: int


@dataclass(frozen=True, eq=False)
class Awaited:
    """An object that was accepted, and whose masks were not all there yet.

    Parameters
    ----------
    record
        The object.
    target
        Number of its labels among `Recovered.targets`.
    collision
        What is to happen to pixels of other labels.
    """

    record: ObjectRecord
    target: int
    collision: Collision


@dataclass(frozen=True, eq=False)
class Recovered:
    """A session that was brought back.

    Parameters
    ----------
    image
        The image that it was made on last.
    targets
        The labels that were changed.
    draft
        The object in work, and the number of its labels among `targets`; None for none.
    model
        Name of, or path to, the model; empty if that is not known.
    object_size, contrast
        What the user had set.
    waiting
        What was accepted and is yet to be written, in the order of the accepts.
    """

    image: ImageIdentity
    targets: tuple[Restored, ...]
    draft: ObjectRecord | None
    draft_target: int | None
    model: str
    object_size: float | None
    contrast: Contrast | None
    waiting: tuple[Awaited, ...] = ()


def unfinished_sessions(parent: Path) -> list[Unfinished]:
    """Find sessions that can be brought back, the newest first; not quick: every log is gone over."""
    found = []
    for path in abandoned(parent):
        image, deeds, changed = None, 0, (path / LOG).stat().st_mtime
        worth = False
        for kind, body in packed_frames(path / LOG):
            if kind == RecordKind.IMAGE:
                image = body
            deeds += kind in (RecordKind.PUT, RecordKind.DROP)
            worth = worth or kind in (RecordKind.PUT, RecordKind.PRIOR, RecordKind.DRAFT)
        if image is None or not worth:
            continue
        try:
            about = msgspec.convert(unpacked(image), ImageRecord)
            found.append(Unfinished(path, read_image(about.image), changed, deeds))
        except _SENSELESS:
            continue
    return found


def discard(path: Path) -> None:
    """Remove a session that nobody wants back; one that runs stays."""
    folder = SessionFolder.claim(path)
    if folder is not None:
        folder.remove()


def recover(path: Path) -> Recovered:
    """Bring a session back; nothing is written.

    Parameters
    ----------
    path
        Its folder.

    Raises
    ------
    UserError
        If it cannot be read, or a newer version wrote it.
    """
    reader = _Reader()
    try:
        for kind, body in packed_frames(path / LOG):
            try:
                reader.take(kind, body)
            except UserError:
                raise
            except _SENSELESS:
                # A record that makes no sense takes no other one with it.
                continue
        return reader.recovered()
    except OSError as error:
        raise UserError(f"The session in {path} cannot be read: {error.strerror or error}.") from error
    except UserError:
        raise
    except (*_SENSELESS, MemoryError) as error:
        raise UserError(f"The session in {path} cannot be brought back: {type(error).__name__}: {error}.") from error


@dataclass(eq=False)
class _Labels:
    """The labels of one target, as the log tells of them."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    complete: bool
    prior: Annotation | None = None
    base: list[PackedLabels] = field(default_factory=list)
    writes: list[PackedLabels] = field(default_factory=list)
    before: list[PackedLabels] = field(default_factory=list)
    done: dict[int, tuple[int, tuple[Event, ...], tuple[PackedLabels, ...]]] = field(default_factory=dict)

    def restored(self, image: int) -> Restored:
        labels: NDArray[Any] = np.zeros(self.shape, self.dtype)
        for part in self.base:
            part.write(labels)
        prior = self.prior
        if prior is None:
            prior = Annotation(self.shape, self.dtype, self._base(labels) if self.base else ())
        for part in self.writes:
            part.write(labels)
        events: list[Event] = list(prior.events)
        for _, (on, made, pixels) in sorted(self.done.items()):
            if on != image and any(isinstance(event, Accepted) for event in made):
                # It cannot be computed again on this image.
                objects = tuple(event.record for event in made if isinstance(event, Accepted))
                events.extend(Painted(part, objects) for part in pixels)
            else:
                events.extend(made)
        annotation = Annotation(prior.shape, self.dtype, prior.base, tuple(events))
        return restore(self.name, labels, annotation, complete=self.complete)

    def _base(self, labels: NDArray[Any]) -> tuple[PackedLabels, ...]:
        """Find the labels before anything was done: the snapshot may have been taken later."""
        array = labels.copy() if self.before else labels
        for part in reversed(self.before):
            part.write(array)
        packed = []
        for box in blocks(array):
            where = array[box] != 0
            if where.any():
                bounds = tuple((part.start, part.stop) for part in box)
                packed.append(PackedLabels.of(bounds, where, array[box][where]))
        return tuple(packed)


class _Reader:
    """A reader that takes in the records of a log, in order."""

    def __init__(self) -> None:
        self._images: dict[int, ImageIdentity] = {}
        self._image = 0
        self._targets: dict[int, _Labels] = {}
        self._draft = DraftRecord()

    def take(self, kind: int, body: bytes) -> None:
        match msgspec.convert(unpacked(body), RECORDS[kind]):
            case BeginRecord(version=version):
                if version > VERSION:
                    raise UserError("A newer version of napari-sam left this session; update napari-sam.")
            case ImageRecord(number=number, image=image):
                # What is known of an image later may come after another image was taken.
                self._image = max(self._image, number)
                self._images[number] = read_image(image)
            case TargetRecord() as about:
                self._targets[about.number] = _Labels(about.name, about.shape, about.dtype, about.empty)
            case PriorRecord() as prior:
                target, palette = self._targets[prior.target], Palette(prior.setups, prior.areas)
                base, events = tuple(map(read_pixels, prior.base)), read_events(prior.events, palette)
                target.prior = Annotation(target.shape, target.dtype, base, events)
            case BaseRecord() as base:
                self._targets[base.target].base.append(read_pixels(base.labels))
            case BaseDoneRecord() as done:
                self._targets[done.target].complete = True
            case PutRecord() as put:
                target, palette = self._targets[put.target], Palette(put.setups, put.areas)
                # Labels may have been widened.
                target.dtype = np.result_type(target.dtype, put.dtype or target.dtype).name
                for each in put.done:
                    pixels = tuple(map(read_pixels, each.pixels))
                    target.done[each.serial] = (each.image, read_events(each.events, palette), pixels)
                    target.writes.extend(pixels)
                    target.before.extend(map(read_pixels, each.before))
            case DropRecord() as drop:
                target = self._targets[drop.target]
                target.done.pop(drop.serial, None)
                target.writes.extend(map(read_pixels, drop.pixels))
            case DraftRecord() as draft:
                self._draft = draft

    def recovered(self) -> Recovered:
        """Return what the log comes to."""
        if not self._images:
            raise ValueError("it does not tell the image")
        numbered = {at: labels.restored(self._image) for at, labels in self._targets.items()}
        about, draft = self._draft, None
        if about.object is not None and about.image == self._image:
            draft = read_object(about.object, Palette(about.setups, about.areas))
        order = list(numbered)
        return Recovered(
            self._images[self._image],
            tuple(numbered.values()),
            draft,
            order.index(about.target) if about.target in numbered else None,
            about.model,
            about.object_size,
            None if about.contrast is None else Contrast(about.contrast),
            tuple(self._waiting(about, order)),
        )

    def _waiting(self, about: DraftRecord, order: list[int]) -> Iterator[Awaited]:
        """Yield what waited when the object in work was written last, and was not written to the labels since."""
        for each in about.waiting:
            with suppress(*_SENSELESS):
                form = msgspec.convert(each, WaitingForm)
                # What was asked about another image has no answer on this one.
                if form.serial not in self._targets[form.target].done and form.image == self._image:
                    record = read_object(form.object, Palette(about.setups, about.areas))
                    yield Awaited(record, order.index(form.target), form.collision)
