"""The accepted objects: a table of them, and the deeds that can be done with one."""

from collections.abc import Callable
from dataclasses import replace

from napari_sam.errors import UserError
from napari_sam.labels.edits import PixelChange
from napari_sam.labels.label_array import check_fits
from napari_sam.planes.geometry import Plane
from napari_sam.session.history.entry import Kind
from napari_sam.session.labels import label_writer
from napari_sam.session.labels.object_row import ObjectRow, TableRow
from napari_sam.session.labels.target import ObjectTable, Target
from napari_sam.session.object.draft import DraftState
from napari_sam.session.object.prompt_answering import PromptAnswering
from napari_sam.session.status import StatusReporter
from napari_sam.session.workspace import Workspace


class Objects:
    """The objects in the chosen labels; everything here can be undone.

    Parameters
    ----------
    work
        The object in work, and the journal.
    segmenting
        Who knows the image.
    reporting
        What the user is told.
    leave
        Stops what goes on with the object in work.
    """

    def __init__(
        self, work: Workspace, segmenting: PromptAnswering, reporting: StatusReporter, leave: Callable[[], None]
    ) -> None:
        self._work = work
        self._segmenting = segmenting
        self._reporting = reporting
        self._leave = leave

    def __len__(self) -> int:
        book = self._work.labelling.book
        return 0 if book is None else len(book.rows)

    def __contains__(self, label: object) -> bool:
        book = self._work.labelling.book
        return book is not None and label in book.rows

    @property
    def labels(self) -> list[int]:
        """The ids of the objects, ascending."""
        book = self._work.labelling.book
        return [] if book is None else sorted(book.rows)

    def row(self, label: int) -> TableRow:
        """Return what the table shows of one object.

        Raises
        ------
        UserError
            If there is none of that id.
        """
        book, row = self._find(label)
        return TableRow.of(row, book.extents[label], self._segmenting.source)

    def place(self, label: int) -> tuple[Plane, tuple[float, float]]:
        """Find where to look to see an object: one of its planes, and (row, column) of its middle there.

        Raises
        ------
        UserError
            If there is none of that id.
        """
        _, row = self._find(label)
        return row.key, row.center

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
        draft, work = self._work.draft, self._work
        if draft and draft.label == label and draft.refines:
            return
        if draft and not self._as_accepted():
            raise UserError("Another object is in work: accept or reject it first.")
        self._reporting.clear()
        before, state = draft.state, row.state()
        with work.replacing(Kind.REOPEN, before):
            work.start(replace(state, label=label, refines=True))
        work.tell_draft()

    def rename(self, label: int, name: str) -> None:
        """Give an object a name; an empty one for none.

        Raises
        ------
        UserError
            If there is none of that id.
        """
        book, row = self._find(label)
        if name != row.name:
            patch = book.make(rows={label: replace(row, name=name)})
            self._work.changed_labels(Kind.RENAME, book.target, patch)

    def delete(self, label: int) -> None:
        """Remove an object: all its pixels become background.

        Raises
        ------
        UserError
            If there is none of that id.
        """
        book, _ = self._find(label)
        self._leave()
        self._reporting.clear()
        before = self._work.draft.state
        if self._in_work(label):
            self._work.start(DraftState())
        self._work.changed_labels(Kind.DELETE, book.target, label_writer.delete(book, label), before)
        self._work.tell_draft()

    def relabel(self, label: int, new: int) -> None:
        """Give an object another id.

        Raises
        ------
        UserError
            If there is none of that id, or the new one is taken or does not fit.
        """
        book, _ = self._find(label)
        if new == label:
            return
        self.check_free(new)
        self._leave()
        self._reporting.clear()
        before = self._work.draft.state
        if self._in_work(label):
            self._work.draft.label = new
        self._work.changed_labels(Kind.RELABEL, book.target, label_writer.relabel(book, label, new), before)

    def check_free(self, label: int) -> None:
        """Refuse an id that another object has, or that does not fit.

        Raises
        ------
        UserError
            Which of these it is.
        """
        book = self._book()
        if label < 1:
            raise UserError(f"{label} cannot be an object's id: ids start at 1.")
        check_fits(label, book.target.array.dtype)
        if label in book.rows or label in self._work.finishing.labels(book.target):
            raise UserError(f"There is an object {label} already: reopen it, or choose another id.")

    def painted(self, target: Target, change: PixelChange) -> None:
        """Record what something else (a brush) changed in labels; the pixels are there already."""
        book = self._work.labelling.book_of(target)
        change = self._on_top(book, change)
        largest = max(change.written(), default=0)
        patch = book.make([change], uses=max(largest, 0), written=True)
        self._work.changed_labels(Kind.PAINT, target, patch, shown=True)

    def _on_top(self, book: ObjectTable, change: PixelChange) -> PixelChange:
        """Put on top what was painted before all of an earlier deed was written, as if painted after it."""
        if not book.unwritten:
            return change
        array = book.target.array
        change.revert(array)
        book.unwritten.write(change.box)
        change = change.made_on(array)
        change.apply(array)
        return change

    def _book(self) -> ObjectTable:
        book = self._work.labelling.book
        if book is None:
            raise UserError("Choose the labels to write into first.")
        return book

    def _find(self, label: int) -> tuple[ObjectTable, ObjectRow]:
        book = self._book()
        if label in self._work.finishing.labels(book.target):
            raise UserError(f"Object {label} is still being finished: try again when its mask is there.")
        if label not in book.rows:
            raise UserError(f"There is no accepted object {label}.")
        return book, book.rows[label]

    def _in_work(self, label: int) -> bool:
        return self._work.draft.refines and self._work.draft.label == label

    def _as_accepted(self) -> bool:
        """Tell whether the object in work was reopened and not changed since: leaving it loses nothing."""
        entry = self._work.journal.next_undo
        return entry is not None and entry.kind is Kind.REOPEN
