"""Writing what a batch found into the labels."""

from dataclasses import dataclass, field

import numpy as np

from napari_sam.errors import UserError
from napari_sam.labels.collision import Collision
from napari_sam.labels.ids import check_fits
from napari_sam.labels.paint import paint_all
from napari_sam.labels.pixel_change import PixelChange
from napari_sam.labels.to_mask import label_mask
from napari_sam.planes.mask import Mask
from napari_sam.planes.plane import Plane
from napari_sam.session.draft import Draft, DraftState
from napari_sam.session.journal.entry import Kind
from napari_sam.session.object_row import Extent, ObjectRow
from napari_sam.session.target import Target
from napari_sam.session.work import Work


@dataclass(eq=False)
class Findings:
    """The objects that a batch has found.

    Parameters
    ----------
    target
        Where they are written.
    instead_of
        The object in work that they take the place of.
    objects
        Each, with the plane that it was found on.
    former
        Pixels that labels had on a plane before.
    """

    target: Target
    instead_of: Draft | None = None
    objects: list[tuple[Plane, Draft]] = field(default_factory=list)
    former: dict[tuple[Plane, int], Mask] = field(default_factory=dict)


def write_findings(findings: Findings, work: Work, collision: Collision) -> None:
    """Write what was found, as one entry of the journal.

    Where two objects meet, the one with the higher predicted IoU has the pixels.

    Raises
    ------
    UserError
        If nothing was found, nothing would change, or the ids are not known or do not fit; nothing is different then.
    Collides
        If pixels of other labels are met and `collision` is to ask; nothing is different then.
    """
    if not findings.objects:
        raise UserError("No object was found for any of them.")
    target, book = findings.target, work.labelling.book_of(findings.target)
    if book.next_label is None:
        raise UserError(f"The free ids of '{target.name}' are not known yet: try again in a moment.")
    free = book.next_label
    for _, draft in findings.objects:
        if draft.label is None:
            check_fits(free, target.array.dtype)
            draft.label, free = free, free + 1
    edits = []
    for plane in dict.fromkeys(plane for plane, _ in findings.objects):
        here = [(draft.label or 0, draft.masks[plane]) for on, draft in findings.objects if on == plane]
        here.sort(key=lambda each: -np.nan_to_num(each[1].predicted_iou))
        ids = {label for label, _ in here}
        former = {label: mask for (on, label), mask in findings.former.items() if on == plane and label in ids}
        edits.append(paint_all(target.array, plane, here, collision, former=former))
    changes = [PixelChange.from_edit(edit) for edit in edits if edit.changed]
    if not changes:
        raise UserError("Nothing would change: every pixel has its label, or belongs to another object.")
    for change in changes:
        change.apply(target.array)
    rows: dict[int, ObjectRow] = {}
    extents: dict[int, Extent] = {}
    for plane, draft in findings.objects:
        label = draft.label or 0
        earlier = rows.get(label, book.rows.get(label))
        rows[label] = ObjectRow.of(_joined(earlier, plane, draft), label, "" if earlier is None else earlier.name)
        if label not in book.extents:
            extents[label] = _extent_on_plane(plane, label, target)
    before = work.draft.state
    if findings.instead_of is work.draft:
        work.start(DraftState())
    patch = book.make(changes, rows, areas=extents, uses=max(rows), written=True)
    work.changed_labels(Kind.BATCH, target, patch, before)
    work.tell_draft()


def _joined(earlier: ObjectRow | None, plane: Plane, draft: Draft) -> Draft:
    """An object that has been accepted before, with what is new on one plane."""
    if earlier is None:
        return draft
    whole = Draft()
    whole.restore(earlier.state())
    whole.proposal.pop(plane, None)
    whole.put(plane, draft.questions[plane])
    return whole


def _extent_on_plane(plane: Plane, label: int, target: Target) -> Extent:
    """Where a label that came from elsewhere is, as far as one plane tells."""
    box = [slice(at, at + 1) for at in plane.index]
    here = label_mask(target.array, plane, label)
    for axis, start, stop in zip(plane.axes, here.box[:2], here.box[2:], strict=True):
        box[axis] = slice(start, stop)
    return Extent(here.area, tuple(box))
