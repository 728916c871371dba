"""Writing accepted objects into labels, and taking them back."""

from collections.abc import Callable
from functools import partial

from napari_sam.errors import UserError
from napari_sam.labels.collision import Collision
from napari_sam.labels.ids import check_fits, next_label
from napari_sam.labels.paint import paint
from napari_sam.planes.source import ImageSource
from napari_sam.session.draft import Draft
from napari_sam.session.history import Accept, History
from napari_sam.session.scheduler import Priority, Scheduler
from napari_sam.session.target import Target


class Labelling:
    """The chosen labels, the next free id in them, and the history of what was written.

    Parameters
    ----------
    scheduler
        Where free ids are looked up.
    on_label
        Called when `next_label` is different.
    on_found
        Called with labels and the first free id in them, when it was looked up; the labels may not be chosen any more.
    on_error
        Called with what looking up raised.

    Attributes
    ----------
    target : Target or None
        The labels that objects are accepted into.
    next_label : int or None
        The next free id there; None while that is not known.
    history : History
        What was accepted, into any labels.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        on_label: Callable[[], None],
        on_found: Callable[[Target, int], None],
        on_error: Callable[[Exception], None],
    ) -> None:
        self._scheduler = scheduler
        self._on_label = on_label
        self._on_found = on_found
        self._on_error = on_error
        self.target: Target | None = None
        self.next_label: int | None = None
        self.history = History()

    def choose(self, target: Target | None, first_free: int | None = None) -> None:
        """Take other labels; the next free id is looked up unless it is given."""
        self.target, self.next_label = target, first_free
        if target is not None and first_free is None:
            array = target.array
            self._scheduler.submit(
                ("ids", id(target)),
                lambda _: next_label(array),
                priority=Priority.CLICK,
                on_result=partial(self._found, target),
                on_error=self._on_error,
            )
        self._on_label()

    def saw(self, label: int) -> None:
        """`label` is in use; later objects get higher ids."""
        if self.next_label is not None and label >= self.next_label:
            self.next_label = label + 1
            self._on_label()

    def write(self, draft: Draft, label: int, target: Target, collision: Collision) -> Accept:
        """Write an object, on all its planes at once.

        Raises
        ------
        UserError
            If it has no mask, nothing would change, or the id does not fit; the labels are as before.
        """
        masks = draft.masks
        if not masks:
            raise UserError("Nothing was accepted: no object was found there.")
        check_fits(label, target.array.dtype)
        edit = paint(target.array, masks, label, collision, replace=draft.refines)
        if not edit.changed:
            raise UserError("Nothing would change: every pixel has this label, or belongs to another object.")
        edit.apply(target.array)
        accept = Accept(target, edit, label, draft)
        self.history.record(accept)
        if target is self.target:
            self.saw(label)
        return accept

    def undo(self) -> Accept:
        """Take the last accept back; its id is free again.

        Raises
        ------
        UserError
            If there is none.
        """
        accept = self.history.undo()
        if accept is None:
            raise UserError("There is nothing to undo.")
        newest = self.next_label == accept.label + 1 and not accept.draft.refines
        if accept.target is self.target and newest:
            self.next_label = accept.label
        return accept

    def redo(self) -> Accept:
        """Do the accept that was undone last again.

        Raises
        ------
        UserError
            If there is none.
        """
        accept = self.history.redo()
        if accept is None:
            raise UserError("There is nothing to redo.")
        if accept.target is self.target:
            self.saw(accept.label)
        return accept

    def forget(self, target: Target) -> None:
        """Labels are gone, or were replaced: nothing in them is undone any more."""
        self._scheduler.cancel(("ids", id(target)))
        self.history.forget(lambda accept: accept.target is target)
        if self.target is target:
            self.choose(None)

    def _found(self, target: Target, label: int) -> None:
        if target is self.target:
            self.next_label = label
            self._on_label()
        self._on_found(target, label)


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
