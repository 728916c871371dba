"""The accepted objects: a table of them, and the deeds that can be done with one."""

from collections.abc import Callable
from dataclasses import replace

from napari_sam.errors import UserError
from napari_sam.labels.edits import PixelChange
from napari_sam.labels.label_array import check_fits
from napari_sam.planes.geometry import Plane
from napari_sam.session.history.entry import EntryKind
from napari_sam.session.labels import label_writer
from napari_sam.session.labels.object_row import ObjectRow, TableRow
from napari_sam.session.labels.target import ObjectTable, Target
from napari_sam.session.object.draft import DraftState
from napari_sam.session.object.prompt_answering import PromptAnswering
from napari_sam.session.propagation import DOUBTFUL, doubtful_planes
from napari_sam.session.status import StatusReporter
from napari_sam.session.workspace import Workspace
from napari_sam.volume.carry import PropagatedPlane


class Objects:
    """The objects in the chosen labels; everything here can be undone.

    Parameters
    ----------
    workspace
        The object in work, and the journal.
    answering
        Who knows the image.
    reporter
        What the user is told.
    leave
        Stops what goes on with the object in work.
    """

    def __init__(
        self, workspace: Workspace, answering: PromptAnswering, reporter: StatusReporter, leave: Callable[[], None]
    ) -> None:
        self._workspace = workspace
        self._answering = answering
        self._reporter = reporter
        self._leave = leave

    def __len__(self) -> int:
        table = self._workspace.writer.table
        return 0 if table is None else len(table.rows)

    def __contains__(self, label: object) -> bool:
        table = self._workspace.writer.table
        return table is not None and label in table.rows

    @property
    def labels(self) -> list[int]:
        """The ids of the objects, ascending."""
        table = self._workspace.writer.table
        return [] if table is None else sorted(table.rows)

    def row(self, label: int) -> TableRow:
        """Return what the table shows of one object.

        Raises
        ------
        UserError
            If there is none of that id.
        """
        table, row = self._find(label)
        return TableRow.of(row, table.extents[label], self._answering.source)

    def place(self, label: int) -> tuple[Plane, tuple[float, float]]:
        """Find where to look to see an object: one of its planes, and (row, column) of its middle there.

        Raises
        ------
        UserError
            If there is none of that id.
        """
        _, row = self._find(label)
        return row.key, row.center

    def doubtful(self) -> dict[tuple[int, Plane], PropagatedPlane]:
        """Find the planes of accepted objects that propagation was not sure of, the least sure one first.

        Those of the object in work are left out.
        """
        table, draft = self._workspace.writer.table, self._workspace.draft
        found = [
            ((label, plane), each)
            for label, row in ({} if table is None else table.rows).items()
            if row.confidence is not None and row.confidence < DOUBTFUL and not (draft.refines and draft.label == label)
            for plane, each in doubtful_planes(row.state()).items()
        ]
        return dict(sorted(found, key=lambda item: item[1].confidence))

    def reopen(self, label: int) -> None:
        """Go on with an accepted object: all its prompts, masks and choices come back.

        Its pixels stay in the labels until it is accepted again. On the planes that it has or had, all pixels of its
        id then become what its masks say, also those that were painted by hand since; elsewhere they stay.

        Raises
        ------
        UserError
            If there is none of that id, or another object is in work.
        """
        _, row = self._find(label)
        self._leave()
        draft, workspace = self._workspace.draft, self._workspace
        if draft and draft.label == label and draft.refines:
            return
        if draft and not self.as_accepted:
            raise UserError("Another object is in work: accept or reject it first.")
        self._reporter.clear()
        before, state = draft.state, row.state()
        with workspace.replacing(EntryKind.REOPEN, before):
            workspace.start(replace(state, label=label, refines=True))
        workspace.tell_draft()

    def rename(self, label: int, name: str) -> None:
        """Give an object a name; an empty one for none.

        Raises
        ------
        UserError
            If there is none of that id.
        """
        table, row = self._find(label)
        if name != row.name:
            patch = table.make(rows={label: replace(row, name=name)})
            self._workspace.changed_labels(EntryKind.RENAME, table.target, patch)

    def delete(self, *labels: int) -> None:
        """Remove objects, as one step: all their pixels become background.

        Raises
        ------
        UserError
            If there is none of one of these ids.
        """
        table = self._table()
        for label in labels:
            self._find(label)
        self._leave()
        self._reporter.clear()
        before = self._workspace.draft.state
        patch = label_writer.delete(table, *labels)
        if any(map(self._in_work, labels)):
            self._workspace.start(DraftState())
        self._workspace.changed_labels(EntryKind.DELETE, table.target, patch, before)
        self._workspace.tell_draft()

    def relabel(self, label: int, new: int) -> None:
        """Give an object another id.

        Raises
        ------
        UserError
            If there is none of that id, or the new one is taken or does not fit.
        """
        table, _ = self._find(label)
        if new == label:
            return
        self.check_free(new)
        self._leave()
        self._reporter.clear()
        before = self._workspace.draft.state
        patch = label_writer.relabel(table, label, new)
        if self._in_work(label):
            self._workspace.draft.label = new
        self._workspace.changed_labels(EntryKind.RELABEL, table.target, patch, before)

    def check_free(self, label: int) -> None:
        """Refuse an id that another object has, or that does not fit.

        Raises
        ------
        UserError
            Which of these it is.
        """
        table = self._table()
        if label < 1:
            raise UserError(f"{label} cannot be an object's id: ids start at 1.")
        check_fits(label, table.target.array.dtype)
        if label in table.rows or label in self._workspace.deferred.labels(table.target):
            raise UserError(f"There is an object {label} already: reopen it, or choose another id.")

    def painted(self, target: Target, change: PixelChange) -> None:
        """Record what something else (a brush) changed in labels; the pixels are there already."""
        table = self._workspace.writer.table_of(target)
        change = self._on_top(table, change)
        largest = max(change.written(), default=0)
        patch = table.make([change], uses=max(largest, 0), written=True)
        self._workspace.changed_labels(EntryKind.PAINT, target, patch, shown=True)

    def _on_top(self, table: ObjectTable, change: PixelChange) -> PixelChange:
        """Put on top what was painted before all of an earlier deed was written, as if painted after it."""
        if not table.unwritten:
            return change
        array = table.target.array
        change.revert(array)
        table.unwritten.write(change.box)
        change = change.made_on(array)
        change.apply(array)
        return change

    def _table(self) -> ObjectTable:
        table = self._workspace.writer.table
        if table is None:
            raise UserError("Choose the labels to write into first.")
        return table

    def _find(self, label: int) -> tuple[ObjectTable, ObjectRow]:
        table = self._table()
        if label in self._workspace.deferred.labels(table.target):
            raise UserError(f"Object {label} is still being finished: try again when its mask is there.")
        if label not in table.rows:
            raise UserError(f"There is no accepted object {label}.")
        return table, table.rows[label]

    def _in_work(self, label: int) -> bool:
        return self._workspace.draft.refines and self._workspace.draft.label == label

    @property
    def as_accepted(self) -> bool:
        """Tell whether the object in work was reopened and not changed since: leaving it loses nothing."""
        entry = self._workspace.journal.next_undo
        return entry is not None and entry.kind is EntryKind.REOPEN
