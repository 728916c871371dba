"""A plan of changing many pixels of labels, made off the main thread, and carried out if it still holds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from napari_sam.labels.edits import Growth, PixelChange
from napari_sam.session.history.entry import EntryKind
from napari_sam.session.labels.edit_description import EditDescription
from napari_sam.session.labels.object_row import Extent, ObjectRow
from napari_sam.session.labels.target import ObjectTable
from napari_sam.session.object.draft import DraftState
from napari_sam.session.workspace import Workspace


@dataclass(frozen=True, eq=False)
class LabelsSnapshot:
    """The basis of a plan, as it was at one moment on the main thread; the pixels are read later.

    Parameters
    ----------
    revision, next_label
        Of the object table: while they are the same, and nobody paints, the plan holds.
    array
        The labels.
    rows
        Objects that it is about and that were accepted before.
    extents
        Where labels are of which that is known.
    """

    revision: int
    next_label: int | None
    array: Any
    rows: dict[int, ObjectRow]
    extents: dict[int, Extent]

    @classmethod
    def of(cls, table: ObjectTable) -> "LabelsSnapshot":
        """Take what is known now."""
        return cls(table.revision, table.next_label, table.target.array, dict(table.rows), dict(table.extents))

    def holds(self, table: ObjectTable) -> bool:
        """Tell whether all is still as it was."""
        return (self.revision, self.next_label) == (
            table.revision,
            table.next_label,
        ) and self.array is table.target.array


@dataclass(frozen=True, eq=False)
class Plan:
    """The changes to be made to the labels, ready to be made.

    Parameters
    ----------
    basis
        What it was made upon.
    pixels, growth
        Changes of the labels that do not meet each other, and what they do to labels.
    rows, extents
        By label, what the table holds of it afterwards (None for nothing), and where it is then if that was not known.
    """

    basis: LabelsSnapshot
    pixels: tuple[PixelChange, ...]
    growth: Growth
    rows: Mapping[int, ObjectRow | None]
    extents: Mapping[int, Extent]


def begin_planning(table: ObjectTable, workspace: Workspace) -> LabelsSnapshot:
    """Have all in the labels that a plan is to be made upon, and say what that is."""
    workspace.tell_writing()
    table.unwritten.write()
    return LabelsSnapshot.of(table)


def carry_out_plan(
    plan: Plan,
    table: ObjectTable,
    workspace: Workspace,
    kind: EntryKind,
    *,
    uses: int,
    leave: bool,
    edit: EditDescription | None = None,
) -> bool:
    """Write what was planned, as one entry of the journal; the pixels follow in slices.

    Parameters
    ----------
    plan, table, workspace
        What is written, and where.
    kind, edit
        What it is called, and what is recorded of it.
    uses
        The largest id that is in use from now on.
    leave
        Whether the object in work is left by it.

    Returns
    -------
    bool
        Whether it was done. If not, the labels are others than those that were planned for, and nothing is different.

    Raises
    ------
    UserError
        If the labels cannot be written to; nothing is different then.
    """
    # What is being painted is known from now on.
    workspace.tell_writing()
    if not plan.basis.holds(table):
        return False
    before = workspace.draft.state
    growth = None if workspace.write_at_once else plan.growth
    patch = table.make(plan.pixels, plan.rows, areas=plan.extents, uses=uses, growth=growth)
    if leave:
        workspace.start(DraftState())
    workspace.changed_labels(kind, table.target, patch, before, shown=growth is not None, edit=edit)
    workspace.write_on(table.target)
    workspace.tell_draft()
    return True
