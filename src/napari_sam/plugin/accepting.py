"""Accepting, and asking first where pixels of other labels would be met."""

from collections.abc import Callable

from napari_sam.errors import UserError
from napari_sam.labels.collision import Collides, Collision
from napari_sam.session.draft import Draft
from napari_sam.session.session import Session


class Accepting:
    """Accepts the object in work; a question stands until it is answered or the object changes.

    Parameters
    ----------
    session
        The session.
    later
        Has a function called once the present event is over.
    on_question
        Called when `question` is different.
    tell
        Tells the user a sentence.

    Attributes
    ----------
    question : Collides or None
        What would be met, by the object in work or by a batch.
    """

    def __init__(
        self,
        session: Session,
        later: Callable[[Callable[[], None]], None],
        on_question: Callable[[], None],
        tell: Callable[[str], None],
    ) -> None:
        self._session = session
        self._later = later
        self._on_question = on_question
        self._tell = tell
        self._about: Draft | None = None
        self._waiting: Draft | None = None
        self.question: Collides | None = None
        session.collided.connect(self._batch_collided)

    def close(self) -> None:
        """Nothing is asked any more."""
        self._session.collided.disconnect(self._batch_collided)

    def accept(self, collision: Collision) -> None:
        """Accept the object in work; if it is to be asked first, as soon as its mask is there.

        Raises
        ------
        UserError
            If there is nothing to accept, or it cannot be written.
        """
        draft = self._session.draft
        if collision is Collision.ASK and draft.in_flight:
            self._waiting = draft
            self._tell("Accepting as soon as the mask is there.")
            return
        try:
            self._session.accept(collision)
        except Collides as question:
            self._ask(question, draft)

    def answer(self, collision: Collision | None) -> None:
        """Say what happens to the pixels that are met; None to write nothing.

        Raises
        ------
        UserError
            If it cannot be written.
        """
        if self.question is None:
            return
        about = self._about
        self._ask(None, None)
        if about is None:
            self._session.write_batch(collision)
        elif collision is not None:
            self._session.accept(collision)

    def draft_changed(self) -> None:
        """The object in work, or its mask, is different: go on with what waited for that; a question is out of date."""
        if self._about is not None:
            self._ask(None, None)
        waiting = self._waiting
        if waiting is None:
            return
        if waiting is not self._session.draft:
            self._waiting = None
        elif not waiting.in_flight:
            self._waiting = None
            self._later(self._accept_now)

    def _accept_now(self) -> None:
        self._tell("")
        try:
            self.accept(Collision.ASK)
        except UserError as error:
            self._tell(str(error))

    def _batch_collided(self, question: Collides) -> None:
        self._ask(question, None)

    def _ask(self, question: Collides | None, about: Draft | None) -> None:
        self.question, self._about = question, about
        self._on_question()
