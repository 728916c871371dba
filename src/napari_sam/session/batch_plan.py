"""The plan of writing a batch, made off the main thread."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_sam.errors import UserError
from napari_sam.labels.edits import Box, Edit, Growth, PixelChange, hull, tiled
from napari_sam.labels.label_array import check_fits
from napari_sam.labels.label_masks import PlaneInLabels, whole_plane
from napari_sam.labels.paint import Collides, Collision, paint_all
from napari_sam.planes.geometry import Mask, Plane
from napari_sam.session.history.entry import EntryKind
from napari_sam.session.labels.object_row import Extent, ObjectRow
from napari_sam.session.labels.target import Target
from napari_sam.session.labels_plan import LabelsSnapshot, Plan, begin_planning, carry_out_plan
from napari_sam.session.object.draft import Draft
from napari_sam.session.workspace import Workspace


@dataclass(eq=False)
class BatchResults:
    """The objects that a batch has found.

    Parameters
    ----------
    target
        Where they are written.
    instead_of
        The object in work that they take the place of.
    objects
        Each, with the plane that it was found on; on several planes, several times.
    former
        Pixels that labels had on a plane before.
    crowded
        Share of its pixels that an object may lose to labels that are there and keep theirs: what loses more, or has
        no pixel left, is left out, and what comes first in `objects` has the pixels. None to leave nothing out; the
        higher predicted IoU has the pixels then.
    """

    target: Target
    instead_of: Draft | None = None
    objects: list[tuple[Plane, Draft]] = field(default_factory=list)
    former: dict[tuple[Plane, int], Mask] = field(default_factory=dict)
    crowded: float | None = None

    def by_label(self) -> dict[int, list[tuple[Plane, Draft]]]:
        """Return what was found of each, with the planes; by ids, which all of them have by then."""
        found: dict[int, list[tuple[Plane, Draft]]] = {}
        for plane, draft in self.objects:
            found.setdefault(draft.label or 0, []).append((plane, draft))
        return found


def plan_batch(results: BatchResults, basis: LabelsSnapshot, collision: Collision) -> Iterator[Plan | None]:
    """Find out what is to be written; nothing is written, and any thread may do it.

    Where two objects meet, the one with the higher predicted IoU has the pixels.

    Yields
    ------
    Plan or None
        None wherever something more urgent may come in between, then the plan.

    Raises
    ------
    UserError
        If nothing would change.
    Collides
        If pixels of other labels are met and `collision` is to ask.
    """
    if results.crowded is not None:
        results = _with_room(results, basis, collision)
        if not results.objects:
            raise UserError("All of them lie on labels that are there already: nothing was written.")
        yield None
    edits: dict[Plane, Edit] = {}
    pixels: list[PixelChange] = []
    met = Counter[int]()
    # An array that is stored in chunks is written chunk by chunk at best.
    whole = not isinstance(basis.array, np.ndarray)
    for plane, masks, former in _by_plane(results):
        try:
            edit = paint_all(basis.array, plane, masks, collision, former=former)
        except Collides as error:
            # The user is asked once, about all planes.
            met.update(error.pixels)
        else:
            edits[plane] = edit
            if edit.changed:
                pixels += [PixelChange.from_edit(edit)] if whole else tiled(edit)
        yield None
    if met:
        raise Collides(met)
    if not pixels:
        raise UserError("Nothing would change: every pixel has its label, or belongs to another object.")
    rows: dict[int, ObjectRow] = {}
    extents: dict[int, Extent] = {}
    for label, found in results.by_label().items():
        earlier = basis.rows.get(label)
        rows[label] = ObjectRow.of(_whole(earlier, found), label, "" if earlier is None else earlier.name)
        if label not in basis.extents:
            extents[label] = _extent(found, label, basis.array, edits)
        yield None
    yield Plan(basis, tuple(pixels), Growth.of(pixels), rows, extents)


def _by_plane(results: BatchResults) -> Iterator[tuple[Plane, list[tuple[int, Mask]], dict[int, Mask]]]:
    """Yield the masks on each plane, those that have the pixels where they meet first; and what was there before."""
    found: dict[Plane, dict[int, Mask]] = {}
    for plane, draft in results.objects:
        found.setdefault(plane, {})[draft.label or 0] = draft.masks[plane]
    former: dict[Plane, dict[int, Mask]] = {plane: {} for plane in found}
    for (plane, label), mask in results.former.items():
        if label in found.get(plane, ()):
            former[plane][label] = mask
    for plane, masks in found.items():
        objects = list(masks.items())
        if results.crowded is None:
            objects.sort(key=lambda each: -np.nan_to_num(each[1].predicted_iou))
        yield plane, objects, former[plane]


def _with_room(results: BatchResults, basis: LabelsSnapshot, collision: Collision) -> BatchResults:
    """Leave out what has too few pixels of its own, and give the others new ids without gaps; all of them are new."""
    on_planes: dict[Plane, list[Draft]] = {}
    for plane, draft in results.objects:
        on_planes.setdefault(plane, []).append(draft)
    masks = {draft: draft.masks for _, draft in results.objects}
    # A plane after the other: they need not all be in memory.
    lost = dict.fromkeys(masks, 0)
    free: dict[tuple[Plane, Draft], NDArray[np.bool_]] = {}
    for plane, drafts in on_planes.items():
        labels = whole_plane(basis.array, PlaneInLabels.itself(plane, basis.array.shape))
        others = (labels != 0) & (collision is Collision.KEEP)
        for draft in drafts:
            mask = masks[draft][plane]
            free[plane, draft] = mask.pixels & ~others[mask.slices]
            lost[draft] += mask.area - int(np.count_nonzero(free[plane, draft]))
    crowded = {
        draft
        for draft, count in lost.items()
        if count > (results.crowded or 0) * sum(mask.area for mask in masks[draft].values())
    }
    placed: set[tuple[Plane, Draft]] = set()
    for plane, drafts in on_planes.items():
        taken = np.zeros(plane.shape(basis.array.shape), bool)
        for draft in drafts:
            part = taken[masks[draft][plane].slices]
            if draft not in crowded and (free[plane, draft] & ~part).any():
                placed.add((plane, draft))
                part |= masks[draft][plane].pixels
    kept = [each for each in results.objects if each in placed]
    for label, draft in enumerate(dict.fromkeys(draft for _, draft in kept), basis.next_label or 1):
        draft.label = label
    return replace(results, objects=kept)


def _whole(earlier: ObjectRow | None, found: Sequence[tuple[Plane, Draft]]) -> Draft:
    """Join what was found of an object on some planes with what it is on others if it was accepted before."""
    whole = Draft(label=found[0][1].label, refines=found[0][1].refines)
    if earlier is not None:
        whole.restore(earlier.state())
    for plane, draft in found:
        whole.proposal.pop(plane, None)
        if plane in draft.requests:
            whole.put(plane, draft.requests[plane])
        else:
            whole.proposal[plane] = draft.proposal[plane]
    return whole


def _extent(found: Sequence[tuple[Plane, Draft]], label: int, array: Any, edits: dict[Plane, Edit]) -> Extent:
    """Find the extent that a label that is new, or came from elsewhere, has then, as far as what was found tells."""
    looked_at: list[Box] = []
    boxes: list[Box] = []
    area = 0
    for plane, draft in found:
        mask = draft.masks[plane]
        around = [slice(at, at + 1) for at in plane.index]
        for axis, start, stop in zip(plane.axes, mask.box[:2], mask.box[2:], strict=True):
            around[axis] = slice(max(start, 0), min(stop, array.shape[axis]))
        looked_at.append(tuple(around))
        where = np.nonzero(_after(array, tuple(around), edits[plane]) == label)
        if len(where[0]):
            area += len(where[0])
            ends = [(int(at.min()), int(at.max()) + 1) for at in where]
            boxes.append(
                tuple(
                    slice(part.start + low, part.start + high) for part, (low, high) in zip(around, ends, strict=True)
                )
            )
    return Extent(area, hull(boxes) or looked_at[0])


def _after(array: Any, box: Box, edit: Edit) -> np.ndarray[Any, Any]:
    """Return the labels in a box as an edit will leave them."""
    region = np.array(array[box])
    common = [
        (max(one.start, other.start), min(one.stop, other.stop)) for one, other in zip(box, edit.box, strict=True)
    ]
    if edit.after.size and all(start < stop for start, stop in common):
        mine, its = (
            tuple(
                slice(start - part.start, stop - part.start) for (start, stop), part in zip(common, parts, strict=True)
            )
            for parts in (box, edit.box)
        )
        region[mine] = edit.after[its]
    return region


def begin_writing(results: BatchResults, workspace: Workspace) -> LabelsSnapshot:
    """Give ids to what was found, and say what a plan of writing it is made upon.

    Raises
    ------
    UserError
        If nothing was found, or the ids are not known or do not fit.
    """
    if not results.objects:
        raise UserError("No object was found for any of them.")
    target, table = results.target, workspace.writer.table_of(results.target)
    if table.next_label is None:
        raise UserError(f"The free ids of '{target.name}' are not known yet: try again in a moment.")
    snapshot = begin_planning(table, workspace)
    _give_ids(results, table.next_label)
    return snapshot


def carry_out(plan: Plan, results: BatchResults, workspace: Workspace) -> bool:
    """Write what was planned, as one entry of the journal; the pixels follow in slices.

    Returns
    -------
    bool
        Whether it was done. If not, the labels are others than those that were planned for, and nothing is different.
    """
    table = workspace.writer.table_of(results.target)
    leave = results.instead_of is workspace.draft
    return carry_out_plan(plan, table, workspace, EntryKind.BATCH, uses=max(plan.rows), leave=leave)


def _give_ids(results: BatchResults, free: int) -> None:
    """Give free ids to those that brought none; these are none of those that others in the batch have."""
    taken = {draft.label for _, draft in results.objects if draft.refines}
    for draft in dict.fromkeys(draft for _, draft in results.objects):
        if not draft.refines:
            while free in taken:
                free += 1
            check_fits(free, results.target.array.dtype)
            draft.label, free = free, free + 1
