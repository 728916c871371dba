"""What a log says, in records; made on the thread that writes them."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from napari_sam.labels.blocks import blocks
from napari_sam.session.annotation import Annotation
from napari_sam.session.autosave.frames import Kind
from napari_sam.session.autosave.log_writer import Record
from napari_sam.session.object_record import ObjectRecord
from napari_sam.session.packed_labels import PackedLabels
from napari_sam.session.recording import Done
from napari_sam.session.session_file.event_json import event_to_json, labels_to_json
from napari_sam.session.session_file.object_json import object_to_json
from napari_sam.session.session_file.palette import Palette

_BLOCK = 2**22


def target_records(about: dict[str, Any], prior: Annotation | None) -> Iterator[Record]:
    """Labels that are followed from now on, and what had been done to them before."""
    yield Kind.TARGET, about
    if prior is not None:
        palette = Palette()
        events = [event_to_json(event, palette) for event in prior.events]
        base = [labels_to_json(part) for part in prior.base]
        yield Kind.PRIOR, {"target": about["number"], **palette.to_json(), "base": base, "events": events}


def base_records(number: int, array: Any) -> Iterator[Record]:
    """All labels, as they are when they are read: what is done meanwhile is in the log too."""
    for box in blocks(array, _BLOCK):
        region = np.array(array[box])
        where = region != 0
        if where.any():
            bounds = tuple((part.start, part.stop) for part in box)
            packed = PackedLabels.of(bounds, where, region[where])
            yield Kind.BASE, {"target": number, "labels": labels_to_json(packed)}


def put_records(number: int, done: tuple[Done, ...], based: bool) -> Iterator[Record]:
    """What was done to labels, with how they were before where they are `based` on others."""
    # One record for all of them: together they are one state of the labels.
    palette = Palette()
    content = [
        {
            "image": each.image,
            "serial": each.serial,
            "events": [event_to_json(event, palette) for event in each.events(each.image)],
            "pixels": [labels_to_json(PackedLabels.after(change)) for change in each.pixels],
            "before": [labels_to_json(PackedLabels.before(change)) for change in each.pixels] if based else [],
        }
        for each in done
    ]
    yield Kind.PUT, {"target": number, **palette.to_json(), "done": content}


def drop_records(number: int, done: Done) -> Iterator[Record]:
    """What was undone."""
    pixels = [labels_to_json(PackedLabels.before(change)) for change in reversed(done.pixels)]
    yield Kind.DROP, {"target": number, "serial": done.serial, "pixels": pixels}


def draft_records(
    about: dict[str, Any], record: ObjectRecord | None, accepted: list[tuple[dict[str, Any], ObjectRecord]]
) -> Iterator[Record]:
    """The object in work, if any, and what was accepted and waits, each with what is to be known of its accept."""
    palette = Palette()
    draft = None if record is None else object_to_json(record, palette)
    waiting = [{**each, "object": object_to_json(of, palette)} for each, of in accepted]
    yield Kind.DRAFT, {**about, **palette.to_json(), "object": draft, "waiting": waiting}
