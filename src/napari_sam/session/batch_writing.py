"""Writing what a batch found into the labels."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from napari_sam.errors import UserError
from napari_sam.labels.collision import Collides, Collision
from napari_sam.labels.edit import Edit
from napari_sam.labels.ids import check_fits
from napari_sam.labels.paint import paint_all
from napari_sam.labels.pixel_change import Box, PixelChange, hull
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

    def by_label(self) -> dict[int, list[tuple[Plane, Draft]]]:
        """What was found of each, on which planes; by ids, which all of them have by then."""
        found: dict[int, list[tuple[Plane, Draft]]] = {}
        for plane, draft in self.objects:
            found.setdefault(draft.label or 0, []).append((plane, draft))
        return found


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
    _give_ids(findings, book.next_label)
    changes = [PixelChange.from_edit(edit) for edit in _edits(findings, collision) if edit.changed]
    if not changes:
        raise UserError("Nothing would change: every pixel has its label, or belongs to another object.")
    for change in changes:
        change.apply(target.array)
    rows: dict[int, ObjectRow] = {}
    extents: dict[int, Extent] = {}
    for label, found in findings.by_label().items():
        earlier = book.rows.get(label)
        rows[label] = ObjectRow.of(_whole(earlier, found), label, "" if earlier is None else earlier.name)
        if label not in book.extents:
            extents[label] = _extent(found, label, target)
    before = work.draft.state
    if findings.instead_of is work.draft:
        work.start(DraftState())
    patch = book.make(changes, rows, areas=extents, uses=max(rows), written=True)
    work.changed_labels(Kind.BATCH, target, patch, before)
    work.tell_draft()


def _give_ids(findings: Findings, free: int) -> None:
    """Those without an id get free ones, which are none of those that others in the batch have."""
    taken = {draft.label for _, draft in findings.objects}
    for _, draft in findings.objects:
        if draft.label is None:
            while free in taken:
                free += 1
            check_fits(free, findings.target.array.dtype)
            draft.label, free = free, free + 1


def _edits(findings: Findings, collision: Collision) -> list[Edit]:
    """What is to be painted on each plane."""
    found: dict[Plane, dict[int, Mask]] = {}
    for plane, draft in findings.objects:
        found.setdefault(plane, {})[draft.label or 0] = draft.masks[plane]
    former: dict[Plane, dict[int, Mask]] = {plane: {} for plane in found}
    for (plane, label), mask in findings.former.items():
        if label in found.get(plane, ()):
            former[plane][label] = mask
    edits, met = [], Counter[int]()
    for plane, masks in found.items():
        here = sorted(masks.items(), key=lambda each: -np.nan_to_num(each[1].predicted_iou))
        try:
            edits.append(paint_all(findings.target.array, plane, here, collision, former=former[plane]))
        except Collides as error:
            # The user is asked once, about all planes.
            met.update(error.pixels)
    if met:
        raise Collides(met)
    return edits


def _whole(earlier: ObjectRow | None, found: Sequence[tuple[Plane, Draft]]) -> Draft:
    """An object with what was found of it on some planes, and what it is on others if it was accepted before."""
    whole = Draft(label=found[0][1].label, refines=found[0][1].refines)
    if earlier is not None:
        whole.restore(earlier.state())
    for plane, draft in found:
        whole.proposal.pop(plane, None)
        whole.put(plane, draft.questions[plane])
    return whole


def _extent(found: Sequence[tuple[Plane, Draft]], label: int, target: Target) -> Extent:
    """Where a label is that is new, or came from elsewhere, as far as what was found of it tells."""
    looked_at: list[Box] = []
    boxes: list[Box] = []
    area = 0
    for plane, draft in found:
        mask = draft.masks[plane]
        around = [slice(at, at + 1) for at in plane.index]
        for axis, start, stop in zip(plane.axes, mask.box[:2], mask.box[2:], strict=True):
            around[axis] = slice(max(start, 0), min(stop, target.array.shape[axis]))
        looked_at.append(tuple(around))
        where = np.nonzero(np.asarray(target.array[tuple(around)]) == label)
        if len(where[0]):
            area += len(where[0])
            ends = [(int(at.min()), int(at.max()) + 1) for at in where]
            boxes.append(
                tuple(
                    slice(part.start + low, part.start + high) for part, (low, high) in zip(around, ends, strict=True)
                )
            )
    return Extent(area, hull(boxes) or looked_at[0])
