"""Labels and their objects as they were, read back from disk; nothing here needs the main thread."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from napari_sam.labels.label_array import label_extents, next_label
from napari_sam.session.labels.object_row import Extent, ObjectRow
from napari_sam.session.object.draft import Draft
from napari_sam.session.record.annotation import Accepted, Annotation, Deleted, Edited, Painted, Relabelled, Renamed
from napari_sam.session.record.object_record import ObjectRecord, state_of


@dataclass(frozen=True, eq=False)
class Restored:
    """The labels to go on with.

    Parameters
    ----------
    name
        What the user knew them by.
    labels
        The array.
    annotation
        What was done to them.
    rows, extents
        Their objects, by label.
    next_label
        The first free id.
    complete
        Whether the labels that were there before anything was done to them are all here.
    file
        The file that they were read from, to be saved to again; None for none.
    """

    name: str
    labels: Any
    annotation: Annotation
    rows: dict[int, ObjectRow]
    extents: dict[int, Extent]
    next_label: int
    complete: bool = True
    file: Path | None = None


def restore(name: str, labels: Any, annotation: Annotation, *, complete: bool = True) -> Restored:
    """Make a table of the objects in labels."""
    rows = accepted_rows(annotation)
    extents = {label: Extent(area, box) for label, (area, box) in label_extents(labels, rows).items()}
    free = max(next_label(labels), *(label + 1 for label in rows), 1)
    return Restored(name, labels, annotation, rows, extents, free, complete)


def accepted_rows(annotation: Annotation) -> dict[int, ObjectRow]:
    """Make the rows of the objects that there are after all that was done, by label; not quick."""
    rows = {}
    for label, record in accepted_objects(annotation).items():
        draft = Draft()
        try:
            draft.restore(state_of(record))
        except ValueError:
            # It contradicts itself: its pixels are here, but it cannot be worked on further.
            continue
        if draft.masks:
            rows[label] = ObjectRow.of(draft, label, record.name)
    return rows


def accepted_objects(annotation: Annotation) -> dict[int, ObjectRecord]:
    """Find the objects that there are after all that was done, by label."""
    objects: dict[int, ObjectRecord] = {}
    for event in annotation.events:
        match event:
            case Accepted(record=record) if record.label is not None:
                objects[record.label] = record
            case Painted() | Edited():
                for label in event.gone:
                    objects.pop(label, None)
                objects.update({record.label: record for record in event.objects if record.label is not None})
            case Deleted():
                objects.pop(event.label, None)
            case Relabelled() if event.label in objects:
                objects[event.new] = replace(objects.pop(event.label), label=event.new)
            case Renamed() if event.label in objects:
                objects[event.label] = replace(objects[event.label], name=event.name)
    return objects
