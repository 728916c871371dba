"""Objects that were accepted before the answer to their last prompts, or their id, was there."""

from collections.abc import Callable

from napari_sam.errors import UserError
from napari_sam.labels.collision import Collision
from napari_sam.session.draft import Draft
from napari_sam.session.history import Accept
from napari_sam.session.labelling import Labelling
from napari_sam.session.target import Target


class Finishing:
    """Writes accepted objects as soon as all that they need is there.

    Parameters
    ----------
    labelling
        What writes them.
    on_written
        Called with what was written.
    on_given_back
        Called with an object that could not be written.
    """

    def __init__(
        self, labelling: Labelling, on_written: Callable[[Accept], None], on_given_back: Callable[[Draft], None]
    ) -> None:
        self._labelling = labelling
        self._on_written = on_written
        self._on_given_back = on_given_back
        self._waiting: dict[Draft, tuple[Target, Collision]] = {}

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def __contains__(self, draft: object) -> bool:
        return draft in self._waiting

    def add(self, draft: Draft, target: Target, collision: Collision) -> None:
        """An object was accepted; `finish` writes it."""
        self._waiting[draft] = (target, collision)
        if draft.label is not None:
            self._labelling.saw(draft.label)

    def finish(self, draft: Draft) -> Accept | None:
        """Write an object, if all that it needs is there.

        Raises
        ------
        UserError
            If it cannot be written; it is given back.
        """
        label = draft.label
        if draft not in self._waiting or draft.in_flight or label is None:
            return None
        target, collision = self._waiting.pop(draft)
        try:
            accept = self._labelling.write(draft, label, target, collision)
        except Exception:
            self._on_given_back(draft)
            raise
        self._on_written(accept)
        return accept

    def try_to_finish(self, draft: Draft) -> UserError | None:
        """As `finish`, but what it raises for the user is returned."""
        try:
            self.finish(draft)
        except UserError as error:
            return error
        return None

    def give_back(self, draft: Draft) -> None:
        """An object cannot be written, if it is waiting to be."""
        if self._waiting.pop(draft, None) is not None:
            self._on_given_back(draft)

    def give_all_back(self) -> None:
        """Nothing that waits can be written."""
        for draft in tuple(self._waiting):
            self.give_back(draft)

    def forget(self, target: Target) -> None:
        """Labels are gone: what waits for them is dropped."""
        self._waiting = {draft: into for draft, into in self._waiting.items() if into[0] is not target}

    def clear(self) -> None:
        """Nothing that waits is written any more."""
        self._waiting.clear()

    def give_ids(self, target: Target, label: int) -> list[Draft]:
        """The first free id in `target` is known: objects without one get theirs, in the order of their accepts."""
        given = []
        for draft, (into, _) in self._waiting.items():
            if into is target and draft.label is None:
                draft.label, label = label, label + 1
                if target is self._labelling.target:
                    self._labelling.saw(draft.label)
                given.append(draft)
        return given
