"""The recovery of a session from its log."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_sam.errors import UserError
from napari_sam.labels.label_array import blocks
from napari_sam.labels.paint import Collision
from napari_sam.planes.contrast import Contrast
from napari_sam.planes.image_identity import ImageIdentity
from napari_sam.prompts.json_form import MALFORMED, items, number, numbers, text, whole, wholes
from napari_sam.session.labels.packed_labels import PackedLabels
from napari_sam.session.record.annotation import Accepted, Annotation, Event, Painted
from napari_sam.session.record.event_json import Palette, event_from_json, labels_from_json, object_from_json
from napari_sam.session.record.log_file import RecordKind, packed_frames, unpacked
from napari_sam.session.record.log_folder import LOG, SessionFolder, abandoned
from napari_sam.session.record.object_record import ObjectRecord
from napari_sam.session.record.restored import Restored, restore
from napari_sam.session.record.session_file import image_from_json


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
            found.append(Unfinished(path, image_from_json(unpacked(image)["image"]), changed, deeds))
        except MALFORMED:
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
            # A record that makes no sense takes no other one with it.
            with suppress(*MALFORMED, AssertionError, AttributeError):
                reader.take(kind, unpacked(body))
        return reader.recovered()
    except OSError as error:
        raise UserError(f"The session in {path} cannot be read: {error.strerror or error}.") from error
    except (*MALFORMED, AssertionError, AttributeError, MemoryError) as error:
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
        self._draft: dict[str, Any] | None = None

    def take(self, kind: int, content: dict[str, Any]) -> None:
        match kind:
            case RecordKind.BEGIN:
                if whole(content["version"]) > 1:
                    raise UserError("A newer version of napari-sam left this session; update napari-sam.")
            case RecordKind.IMAGE:
                # What is known of an image later may come after another image was taken.
                self._image = max(self._image, whole(content["number"]))
                self._images[whole(content["number"])] = image_from_json(content["image"])
            case RecordKind.TARGET:
                dtype = np.dtype(text(content["dtype"])).name
                self._targets[whole(content["number"])] = _Labels(
                    text(content["name"]), wholes(content["shape"]), dtype, bool(content["empty"])
                )
            case RecordKind.PRIOR:
                target, palette = self._targets[content["target"]], Palette.from_json(content)
                target.prior = Annotation(
                    target.shape,
                    target.dtype,
                    _labels(content["base"]),
                    tuple(event_from_json(event, palette) for event in items(content["events"])),
                )
            case RecordKind.BASE:
                self._targets[content["target"]].base.append(labels_from_json(content["labels"]))
            case RecordKind.BASE_DONE:
                self._targets[content["target"]].complete = True
            case RecordKind.PUT:
                target, palette = self._targets[content["target"]], Palette.from_json(content)
                # Labels may have been widened; logs of before do not tell.
                target.dtype = np.result_type(target.dtype, text(content.get("dtype", target.dtype))).name
                for each in items(content["done"]):
                    events = tuple(event_from_json(event, palette) for event in items(each["events"]))
                    pixels = _labels(each["pixels"])
                    target.done[whole(each["serial"])] = (whole(each["image"]), events, pixels)
                    target.writes.extend(pixels)
                    target.before.extend(_labels(each["before"]))
            case RecordKind.DROP:
                target = self._targets[content["target"]]
                target.done.pop(whole(content["serial"]), None)
                target.writes.extend(_labels(content["pixels"]))
            case RecordKind.DRAFT:
                self._draft = content

    def recovered(self) -> Recovered:
        """Return what the log comes to."""
        if not self._images:
            raise ValueError("it does not tell the image")
        numbered = {at: labels.restored(self._image) for at, labels in self._targets.items()}
        about = self._draft or {}
        draft, size, contrast = None, about.get("object_size"), about.get("contrast")
        if about.get("object") is not None and about.get("image") == self._image:
            draft = object_from_json(about["object"], Palette.from_json(about))
        limits = (
            None if contrast is None else tuple((low, high) for low, high in (numbers(each, 2) for each in contrast))
        )
        order = list(numbered)
        return Recovered(
            self._images[self._image],
            tuple(numbered.values()),
            draft,
            order.index(about["target"]) if about.get("target") in numbered else None,
            text(about.get("model", "")),
            None if size is None else number(size),
            None if limits is None else Contrast(limits),
            tuple(self._waiting(about, order)),
        )

    def _waiting(self, about: dict[str, Any], order: list[int]) -> Iterator[Awaited]:
        """Yield what waited when the object in work was written last, and was not written to the labels since."""
        # Logs of before do not tell.
        for each in items(about.get("waiting", [])):
            # One that makes no sense takes no other one with it.
            with suppress(*MALFORMED, AssertionError, AttributeError):
                number = whole(each["target"])
                written = whole(each["serial"]) in self._targets[number].done
                # What was asked about another image has no answer on this one.
                if not written and whole(each["image"]) == self._image:
                    record = object_from_json(each["object"], Palette.from_json(about))
                    yield Awaited(record, order.index(number), Collision(text(each["collision"])))


def _labels(content: Any) -> tuple[PackedLabels, ...]:
    return tuple(labels_from_json(each) for each in items(content))
