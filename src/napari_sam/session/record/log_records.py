"""The records of a log: what is written down of labels, of what was done to them, and of the object in work."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from napari_sam.labels.label_array import blocks
from napari_sam.session.labels.packed_labels import PackedLabels
from napari_sam.session.record.annotation import Annotation
from napari_sam.session.record.event_json import Palette, event_to_json, labels_to_json, object_to_json
from napari_sam.session.record.log_file import Record, RecordKind
from napari_sam.session.record.object_record import ObjectRecord
from napari_sam.session.record.recording import Done

_BLOCK = 2**22


def target_records(about: dict[str, Any], prior: Annotation | None) -> Iterator[Record]:
    """Yield the records of labels that are followed from now on, and of what had been done to them before."""
    yield RecordKind.TARGET, about
    if prior is not None:
        palette = Palette()
        events = [event_to_json(event, palette) for event in prior.events]
        base = [labels_to_json(part) for part in prior.base]
        yield RecordKind.PRIOR, {"target": about["number"], **palette.to_json(), "base": base, "events": events}


def base_records(number: int, array: Any) -> Iterator[Record]:
    """Yield the records of all labels, as they are when they are read: what is done meanwhile is in the log too."""
    for box in blocks(array, _BLOCK):
        region = np.array(array[box])
        where = region != 0
        if where.any():
            bounds = tuple((part.start, part.stop) for part in box)
            packed = PackedLabels.of(bounds, where, region[where])
            yield RecordKind.BASE, {"target": number, "labels": labels_to_json(packed)}


def put_records(number: int, done: tuple[Done, ...], based: bool, dtype: str) -> Iterator[Record]:
    """Yield the record of what was done to labels, with how they were before where they are `based` on others."""
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
    yield RecordKind.PUT, {"target": number, "dtype": dtype, **palette.to_json(), "done": content}


def drop_records(number: int, done: Done) -> Iterator[Record]:
    """Yield the records of what was undone."""
    pixels = [labels_to_json(PackedLabels.before(change)) for change in reversed(done.pixels)]
    yield RecordKind.DROP, {"target": number, "serial": done.serial, "pixels": pixels}


def draft_records(
    about: dict[str, Any], record: ObjectRecord | None, accepted: list[tuple[dict[str, Any], ObjectRecord]]
) -> Iterator[Record]:
    """Yield the object in work, if any, and what was accepted and waits, with what is to be known of its accept."""
    palette = Palette()
    draft = None if record is None else object_to_json(record, palette)
    waiting = [{**each, "object": object_to_json(of, palette)} for each, of in accepted]
    yield RecordKind.DRAFT, {**about, **palette.to_json(), "object": draft, "waiting": waiting}
