"""Writing what a batch found into the labels."""

from napari_sam.errors import UserError
from napari_sam.labels.ids import check_fits
from napari_sam.session.batch_plan import Basis, Findings, Plan
from napari_sam.session.draft import DraftState
from napari_sam.session.journal.entry import Kind
from napari_sam.session.work import Work


def begin_writing(findings: Findings, work: Work) -> Basis:
    """Give ids to what was found, and say what a plan of writing it is made upon.

    Raises
    ------
    UserError
        If nothing was found, or the ids are not known or do not fit.
    """
    if not findings.objects:
        raise UserError("No object was found for any of them.")
    target, book = findings.target, work.labelling.book_of(findings.target)
    if book.next_label is None:
        raise UserError(f"The free ids of '{target.name}' are not known yet: try again in a moment.")
    # A plan reads the labels.
    work.tell_writing()
    book.unwritten.write()
    _give_ids(findings, book.next_label)
    return Basis.of(book, findings)


def carry_out(plan: Plan, findings: Findings, work: Work) -> bool:
    """Write what was planned, as one entry of the journal; the pixels follow in slices.

    Returns
    -------
    bool
        Whether it was done. If not, the labels are others than those that were planned for, and nothing is different.
    """
    target, book = findings.target, work.labelling.book_of(findings.target)
    # What is being painted is known from now on.
    work.tell_writing()
    if not plan.basis.holds(book):
        return False
    before = work.draft.state
    if findings.instead_of is work.draft:
        work.start(DraftState())
    growth = None if work.write_at_once else plan.growth
    patch = book.make(plan.pixels, plan.rows, areas=plan.extents, uses=max(plan.rows), growth=growth)
    work.changed_labels(Kind.BATCH, target, patch, before, shown=growth is not None)
    work.write_on(target)
    work.tell_draft()
    return True


def _give_ids(findings: Findings, free: int) -> None:
    """Those that brought no id get free ones, which are none of those that others in the batch have."""
    taken = {draft.label for _, draft in findings.objects if draft.refines}
    for _, draft in findings.objects:
        if not draft.refines:
            while free in taken:
                free += 1
            check_fits(free, findings.target.array.dtype)
            draft.label, free = free, free + 1
