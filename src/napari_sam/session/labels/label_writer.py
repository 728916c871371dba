"""The writing of accepted objects into labels, and the change of their pixels to another label."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial

import numpy as np

from napari_sam.errors import UserError
from napari_sam.labels.edits import Edit, PixelChange, hull
from napari_sam.labels.label_array import check_fits, next_label
from napari_sam.labels.label_masks import label_mask
from napari_sam.labels.paint import Collision, paint
from napari_sam.planes.geometry import Mask
from napari_sam.planes.image_source import ImageSource
from napari_sam.session.compute.scheduler import Priority, Scheduler
from napari_sam.session.labels.object_row import Extent, LabelsPatch, ObjectRow
from napari_sam.session.labels.target import ObjectTable, Target
from napari_sam.session.object.draft import Draft


def delete(table: ObjectTable, *labels: int) -> LabelsPatch:
    """Remove objects: all their pixels become background.

    Parameters
    ----------
    table
        Of the labels that they are in.
    labels
        Their ids.

    Returns
    -------
    LabelsPatch
        What changed.
    """
    pixels = [change for label in labels for change in _repainted(table, label, 0)]
    return table.make(pixels, dict.fromkeys(labels))


def relabel(table: ObjectTable, label: int, new: int) -> LabelsPatch:
    """Give an object another id.

    Parameters
    ----------
    table
        Of the labels that it is in.
    label, new
        Its id, and the one that it gets, which no object has.

    Returns
    -------
    LabelsPatch
        What changed.
    """
    repainted = _repainted(table, label, new)
    # An object that was painted over has no pixels from which it would show where they are.
    shows = table.follows(new) and (bool(repainted) or new in table.extents)
    return table.make(
        repainted,
        {label: None, new: replace(table.rows[label], label=new)},
        areas=None if shows else {new: table.extents[label]},
        uses=new,
    )


def _repainted(table: ObjectTable, label: int, new: int) -> list[PixelChange]:
    """Make the change that gives all pixels of a label another one."""
    table.unwritten.write()
    box = table.extents[label].box
    where = np.asarray(table.target.array[box]) == label
    if not where.any():
        return []
    dtype = np.dtype(table.target.array.dtype)
    return [PixelChange.of(box, where, dtype.type(label), dtype.type(new))]


class LabelWriter:
    """The chosen labels, and an object table for each of all that were ever chosen.

    Parameters
    ----------
    scheduler
        Where free ids are looked up.
    on_found
        Called with labels when the first free id in them was looked up; they may not be chosen any more.
    on_error
        Called with what looking up raised.

    Attributes
    ----------
    target : Target or None
        The labels that objects are accepted into.
    """

    def __init__(
        self, scheduler: Scheduler, on_found: Callable[[Target], None], on_error: Callable[[Exception], None]
    ) -> None:
        self._scheduler = scheduler
        self._on_found = on_found
        self._on_error = on_error
        self._tables: dict[Target, ObjectTable] = {}
        self.target: Target | None = None

    @property
    def table(self) -> ObjectTable | None:
        """Object table of the chosen labels."""
        return None if self.target is None else self._tables[self.target]

    @property
    def next_label(self) -> int | None:
        """The next free id in the chosen labels; None while that is not known."""
        return None if self.table is None else self.table.next_label

    def table_of(self, target: Target) -> ObjectTable:
        """Return the object table of labels that were chosen at some time."""
        return self._tables.setdefault(target, ObjectTable(target))

    @property
    def tables(self) -> tuple[ObjectTable, ...]:
        """Object tables of all labels that were chosen at some time."""
        return tuple(self._tables.values())

    def knows(self, target: Target) -> bool:
        """Tell whether these labels were chosen at some time, and are not gone."""
        return target in self._tables

    def choose(self, target: Target | None, first_free: int | None = None) -> None:
        """Take other labels; the next free id is looked up unless it is given."""
        self.target = target
        if target is None:
            return
        table = self.table_of(target)
        if first_free is not None:
            table.starts_at(first_free)
            return
        table.next_label = None
        table.unwritten.write()
        array = target.array
        self._scheduler.submit(
            ("ids", id(target)),
            lambda _: next_label(array),
            priority=Priority.CLICK,
            on_result=partial(self._found, target),
            on_error=self._on_error,
        )

    def write(self, draft: Draft, label: int, target: Target, collision: Collision) -> LabelsPatch:
        """Write an object, on all its planes at once; on those that it has or had, its former pixels go.

        Raises
        ------
        UserError
            If it has no mask, nothing would change, or the id does not fit; the labels are as before.
        """
        masks = draft.masks
        if not masks:
            raise UserError("Nothing was accepted: no object was found there.")
        check_fits(label, target.array.dtype)
        table = self.table_of(target)
        table.unwritten.write()
        former, known = table.rows.get(label), table.extents.get(label)
        left = {} if former is None else dict.fromkeys(former.state().planes, _NOTHING)
        edit = paint(
            target.array,
            {**left, **masks},
            label,
            collision,
            replace=draft.refines or former is not None,
            earlier=None if known is None else known.box,
        )
        if not edit.changed and former is None:
            raise UserError("Nothing would change: every pixel has this label, or belongs to another object.")
        row = ObjectRow.of(draft, label, "" if former is None else former.name)
        return table.make(
            [PixelChange.from_edit(edit)] if edit.changed else [],
            {label: row},
            areas=None if table.follows(label) else {label: _extent_on_planes(draft, label, target, edit)},
            uses=label,
        )

    def forget(self, target: Target) -> None:
        """Forget labels that are gone, or were replaced."""
        self._scheduler.cancel(("ids", id(target)))
        table = self._tables.pop(target, None)
        if table is not None:
            # Whoever still has them has them whole, unless they can no longer be written to.
            with suppress(UserError):
                table.unwritten.write()
        if self.target is target:
            self.target = None

    def _found(self, target: Target, label: int) -> None:
        self.table_of(target).starts_at(label)
        self._on_found(target)


_NOTHING = Mask((0, 0, 0, 0), np.zeros((0, 0), bool))


def _extent_on_planes(draft: Draft, label: int, target: Target, edit: Edit) -> Extent:
    """Find the extent of a label from elsewhere once `edit` is applied, as far as the object's planes tell."""
    array = target.array
    boxes, area = [edit.box], 0
    for plane in draft.masks:
        mask = label_mask(array, plane, label)
        area += mask.area
        box = [slice(at, at + 1) for at in plane.index]
        for axis, start, stop in zip(plane.axes, mask.box[:2], mask.box[2:], strict=True):
            box[axis] = slice(start, stop)
        if mask.area:
            boxes.append(tuple(box))
    area += int(np.count_nonzero(edit.after == label)) - int(np.count_nonzero(edit.before == label))
    extent = hull(box for box in boxes if all(part.stop > part.start for part in box))
    assert extent is not None
    return Extent(area, extent)


def check_shape(target: Target, source: ImageSource | None) -> None:
    """Refuse labels that do not fit the image.

    Raises
    ------
    UserError
        If the shapes differ.
    """
    if source is not None and tuple(target.array.shape) != source.shape:
        raise UserError(
            f"The labels '{target.name}' have shape {tuple(target.array.shape)} and the image has shape "
            f"{source.shape}; choose labels of the same shape, or new ones."
        )
