"""The plan of editing accepted objects, made off the main thread."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np

from napari_sam.errors import UserError
from napari_sam.labels.edits import Box, Growth, PixelChange, hull
from napari_sam.labels.label_array import check_fits, label_boxes, label_extents, next_label
from napari_sam.labels.morphology import Reshaping, Treatment
from napari_sam.labels.object_edits import Space, known_parts, repaint_change, reshape_change, split_change
from napari_sam.labels.splitting import AsksOfAPlane
from napari_sam.nn.cancel import CancelToken
from napari_sam.planes.geometry import Mask, Plane
from napari_sam.prompts.prompt import Point, Prompts
from napari_sam.segment.segmentation import Segmentation
from napari_sam.session.labels.edit_description import EditDescription, EditKind
from napari_sam.session.labels.object_row import Extent, ObjectRow
from napari_sam.session.labels_plan import LabelsSnapshot, Plan
from napari_sam.session.object.draft import Draft, DraftState, PromptRequest


class NothingToEdit(UserError):
    """An edit that leaves all as it is, although nothing is wrong with it."""


@dataclass(eq=False)
class ObjectEdit:
    """An edit that was asked for, and what is known of how it goes.

    Parameters
    ----------
    kind
        What is done.
    labels
        To which objects; empty for all.
    axes
        (row axis, column axis) of the plane in view.
    spaces
        The planes or volumes that it is done in, one by one; empty for everywhere, as ids know no space.
    spacing
        Size of a pixel along each axis of these.
    description
        What is recorded of it.
    reshaping
        How objects are reshaped.
    clicks
        By number of a part, where it was clicked.
    segmenter
        Gives who is asked for the parts; None to ask nobody.
    done, total
        How many objects are done, of how many; 0 while that is not known.
    vanishing
        Objects that would have been gone, and are left as they are.
    unasked
        Why nobody was asked for the parts; empty where somebody was.
    """

    kind: EditKind
    labels: tuple[int, ...]
    axes: tuple[int, int]
    spaces: Sequence[Space]
    spacing: tuple[float, ...]
    description: EditDescription
    reshaping: Reshaping | None = None
    clicks: Mapping[int, tuple[Plane, Point]] = field(default_factory=dict)
    segmenter: Callable[[], AsksOfAPlane] | None = None
    done: int = 0
    total: int = 0
    vanishing: list[int] = field(default_factory=list)
    unasked: str = ""

    @property
    def ids(self) -> dict[int, int]:
        """By number of a part, its id; known once it is planned."""
        return dict(enumerate(self.description.labels, 1))


def plan_edit(edit: ObjectEdit, basis: LabelsSnapshot, cancel: CancelToken) -> Iterator[Plan | None]:
    """Find out what an edit changes; nothing is written, and any thread may do it.

    Yields
    ------
    Plan or None
        None wherever something more urgent may come in between, then the plan.

    Raises
    ------
    NothingToEdit
        If nothing would change.
    UserError
        If there is no such object.
    """
    edit.done, edit.total, edit.vanishing, edit.unasked = 0, 0, [], ""
    pixels: list[PixelChange] = []
    touched: dict[int, list[PixelChange]] = {}
    for labels, change in _changes(edit, basis, cancel):
        cancel.check()
        if change is not None:
            pixels.append(change)
            for label in labels:
                touched.setdefault(label, []).append(change)
        yield None
    if not pixels:
        raise NothingToEdit(_nothing(edit))
    growth = Growth.of(pixels)
    rows: dict[int, ObjectRow | None] = {}
    extents: dict[int, Extent] = {}
    for label in _followed(edit, basis, touched):
        cancel.check()
        extent = _extent_after(label, basis, growth)
        rows[label] = _row_after(edit, basis, label, extent, touched.get(label, []))
        if rows[label] is not None and not _is_placed(basis, label):
            extents[label] = extent
        yield None
    yield Plan(basis, tuple(pixels), growth, rows, extents)


def _nothing(edit: ObjectEdit) -> str:
    if edit.vanishing:
        return f"Nothing was done: {_named(edit.vanishing)} would be gone."
    return f"There is nothing to do ({edit.kind}): the labels are as they were."


def _named(labels: Sequence[int]) -> str:
    """Name objects in a few words."""
    return f"object {labels[0]}" if len(labels) == 1 else f"{len(labels)} objects"


def _changes(
    edit: ObjectEdit, basis: LabelsSnapshot, cancel: CancelToken
) -> Iterator[tuple[tuple[int, ...], PixelChange | None]]:
    """Yield the changes, each with the labels that it takes from or gives to."""
    match edit.kind:
        case EditKind.MERGE:
            return _merging(edit, basis)
        case EditKind.SPLIT:
            return _splitting(edit, basis, cancel)
    return _reshaping(edit, basis)


def _boxes(labels: Sequence[int], basis: LabelsSnapshot, space: Space | None) -> dict[int, Box]:
    """Find where objects are in a space, or everywhere; what is known is not looked for."""
    array = basis.array
    known: dict[int, Box] = {}
    unknown = []
    for label in labels:
        if not _is_placed(basis, label):
            unknown.append(label)
        elif basis.extents[label].area > 0:
            box = basis.extents[label].box
            part = box if space is None else space.within(box)
            if part is not None:
                known[label] = part
    if unknown or not labels:
        within = None if space is None else space.whole(array.shape)
        known.update(label_boxes(array, within, unknown or None))
    return dict(sorted(known.items()))


def _is_placed(basis: LabelsSnapshot, label: int) -> bool:
    return label in basis.extents


def _missing(labels: Iterable[int]) -> UserError:
    return UserError(f"{_named(list(labels)).capitalize()} has no pixels there: look at a plane that it is on.")


def _merging(edit: ObjectEdit, basis: LabelsSnapshot) -> Iterator[tuple[tuple[int, ...], PixelChange | None]]:
    into = min(edit.labels)
    space = edit.spaces[0] if edit.spaces else None
    boxes = _boxes(edit.labels, basis, space)
    absent = [label for label in edit.labels if label not in boxes]
    if absent:
        raise _missing(absent[:1])
    edit.total = len(boxes)
    for label, box in boxes.items():
        yield (label, into), None if label == into else repaint_change(basis.array, box, label, into)
        edit.done += 1


def _reshaping(edit: ObjectEdit, basis: LabelsSnapshot) -> Iterator[tuple[tuple[int, ...], PixelChange | None]]:
    assert edit.reshaping is not None
    found = False
    for space in edit.spaces:
        boxes = _boxes(edit.labels, basis, space)
        rivals = np.array(list(boxes), np.int64) if edit.reshaping.treatment is Treatment.GROW else None
        edit.total += len(boxes)
        for label, box in boxes.items():
            found = True
            change, vanishes = reshape_change(basis.array, space, box, label, edit.reshaping, edit.spacing, rivals)
            if vanishes:
                edit.vanishing.append(label)
            yield (label,), change
            edit.done += 1
    if not found:
        raise _missing(edit.labels[:1]) if edit.labels else UserError("There are no objects there.")


def _splitting(
    edit: ObjectEdit, basis: LabelsSnapshot, cancel: CancelToken
) -> Iterator[tuple[tuple[int, ...], PixelChange | None]]:
    (label,), (space,) = edit.labels, edit.spaces
    box = _boxes(edit.labels, basis, space).get(label)
    if box is None:
        raise _missing([label])
    clicks = {
        part: tuple(round(at) for at in plane.to_data(point.row, point.column))
        for part, (plane, point) in edit.clicks.items()
    }
    free = next_label(basis.array) if basis.next_label is None else basis.next_label
    ids = {part: label if part == 1 else free + part - 2 for part in clicks}
    check_fits(max(ids.values()), basis.array.dtype)
    edit.total = 1
    # Before anybody is asked, what makes no sense is refused.
    yield (label,), None
    split_change(basis.array, space, box, label, clicks, ids, edit.spacing)
    known = None
    if edit.segmenter is not None:
        try:
            known = known_parts(edit.segmenter(), basis.array, space, box, label, edit.clicks, cancel)
        except UserError as error:
            edit.unasked = str(error)
    change = split_change(basis.array, space, box, label, clicks, ids, edit.spacing, known)
    described = edit.description
    edit.description = EditDescription(described.kind, tuple(ids.values()), described.plane, clicks=described.clicks)
    edit.done = 1
    yield tuple(ids.values()), change


def _followed(edit: ObjectEdit, basis: LabelsSnapshot, touched: Mapping[int, object]) -> list[int]:
    """Return the labels that have a row in the table, before or afterwards."""
    if edit.kind is EditKind.SPLIT:
        return list(edit.description.labels)
    if edit.kind is EditKind.MERGE and any(label in basis.rows for label in edit.labels):
        return list(dict.fromkeys([min(edit.labels), *(label for label in touched if label in basis.rows)]))
    return [label for label in touched if label in basis.rows]


def _extent_after(label: int, basis: LabelsSnapshot, growth: Growth) -> Extent:
    known = basis.extents.get(label)
    if known is None:
        known = Extent(*label_extents(basis.array, [label])[label])
    boxes = [known.box] if known.area else []
    boxes += [growth.boxes[label]] if label in growth.boxes else []
    return Extent(known.area + growth.pixels[label], hull(boxes) or known.box)


def _row_after(
    edit: ObjectEdit, basis: LabelsSnapshot, label: int, extent: Extent, changes: Sequence[PixelChange]
) -> ObjectRow | None:
    """Make the row of an object as its pixels are afterwards; None if it has none."""
    former = [basis.rows[each] for each in dict.fromkeys([label, *_sources(edit, label)]) if each in basis.rows]
    axes = former[0].key.axes if former else edit.axes
    masks = dict(_masks_after(basis.array, extent.box, label, changes, axes))
    if not masks:
        return None
    draft = draft_of(label, masks, [row.state() for row in former])
    mine = [row for row in former if edit.kind is not EditKind.SPLIT or label == edit.labels[0]]
    return ObjectRow.of(draft, label, next((row.name for row in mine if row.name), ""))


def _sources(edit: ObjectEdit, label: int) -> tuple[int, ...]:
    """Return the objects that an object is made of."""
    if edit.kind is EditKind.MERGE and label == min(edit.labels):
        return edit.labels
    return edit.labels if edit.kind is EditKind.SPLIT else ()


def _masks_after(
    array: Any, box: Box, label: int, changes: Sequence[PixelChange], axes: tuple[int, int]
) -> Iterator[tuple[Plane, Mask]]:
    """Yield an object's masks on all its planes, as they are once changes are made."""
    region = np.array(array[box])
    for change in changes:
        change.apply(_Part(region, box))
    across = [axis for axis in range(region.ndim) if axis not in axes]
    own = region == label
    for index in product(*(range(own.shape[axis]) for axis in across)):
        at: list[Any] = [slice(None)] * own.ndim
        position = [0] * own.ndim
        for axis, each in zip(across, index, strict=True):
            at[axis], position[axis] = each, box[axis].start + each
        pixels = own[tuple(at)]
        if pixels.any():
            turned = pixels if axes[0] < axes[1] else pixels.T
            origin = box[axes[0]].start, box[axes[1]].start
            yield Plane(axes, tuple(position)), Mask.from_pixels(turned, origin)


class _Part:
    """A copy of a part of an array that takes changes of the whole array; what lies beside it is left out."""

    def __init__(self, region: np.ndarray[Any, Any], box: Box) -> None:
        self._region = region
        self._box = box

    def __getitem__(self, box: Box) -> np.ndarray[Any, Any]:
        whole = np.zeros([part.stop - part.start for part in box], self._region.dtype)
        mine, its = self._common(box)
        whole[its] = self._region[mine]
        return whole

    def __setitem__(self, box: Box, values: np.ndarray[Any, Any]) -> None:
        mine, its = self._common(box)
        self._region[mine] = values[its]

    def _common(self, box: Box) -> tuple[Box, Box]:
        ends = [
            (max(one.start, other.start), max(min(one.stop, other.stop), max(one.start, other.start)))
            for one, other in zip(self._box, box, strict=True)
        ]
        mine, its = (
            tuple(slice(start - part.start, stop - part.start) for (start, stop), part in zip(ends, parts, strict=True))
            for parts in (self._box, box)
        )
        return mine, its


def draft_of(label: int, masks: Mapping[Plane, Mask], former: Sequence[DraftState]) -> Draft:
    """Make an object of its pixels: where they are another ones than its masks were, they are a mask that was drawn.

    Parameters
    ----------
    label
        Its id.
    masks
        Its pixels.
    former
        What it was before, or what it was made of; prompts and propagated planes stay where the pixels are the same.
    """
    draft = Draft(label=label, refines=True)
    draft.carried = former[0].carried if former else None
    for plane, mask in masks.items():
        request = next((state.requests[plane] for state in former if _is_still(state, plane, mask)), None)
        carried = former[0].proposal.get(plane) if former else None
        if request is not None:
            draft.put(plane, request)
        elif carried is not None and plane not in former[0].requests and _same(carried.mask, mask):
            draft.proposal[plane] = carried
        else:
            drawn = PromptRequest(plane, Prompts(mask=mask))
            drawn.take(Segmentation((mask,), 0))
            draft.put(plane, drawn)
    if not draft.proposal:
        draft.carried = None
    return draft


def _is_still(state: DraftState, plane: Plane, mask: Mask) -> bool:
    request = state.requests.get(plane)
    return request is not None and request.answer is not None and _same(request.answer.mask, mask)


def _same(former: Mask | None, mask: Mask) -> bool:
    if former is None or former.area != mask.area:
        return False
    cropped = Mask.from_pixels(former.pixels, (former.box[0], former.box[1]))
    return cropped.box == mask.box and bool((cropped.pixels == mask.pixels).all())
