"""Choosing among candidates, and accepting, asking first where pixels of other labels would be met."""

from collections.abc import Callable

from napari_sam.errors import UserError
from napari_sam.labels.paint import Collides, Collision
from napari_sam.segment.segmentation import Segmentation
from napari_sam.session.object.draft import Draft
from napari_sam.session.session import Session


class Candidates:
    """The candidates to choose from on the plane in view.

    Parameters
    ----------
    session
        The session.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    @property
    def answer(self) -> Segmentation | None:
        """The answer on the plane in view, if it offers more than one candidate."""
        plane = self._session.image.plane
        answer = None if plane is None else self._session.current.draft.segmentations.get(plane)
        return answer if answer is not None and len(answer.candidates) > 1 else None

    def choose(self, at: int) -> None:
        """Take another candidate.

        Raises
        ------
        UserError
            If there are none.
        """
        self._offered()
        self._session.prompts.choose_candidate(at)

    def cycle(self, step: int) -> None:
        """Take the next candidate that is not empty, or the one before.

        Raises
        ------
        UserError
            If there are none.
        """
        answer = self._offered()
        at = answer.chosen
        for _ in answer.candidates:
            at = (at + step) % len(answer.candidates)
            if answer.candidates[at].area:
                break
        self._session.prompts.choose_candidate(at)

    def _offered(self) -> Segmentation:
        answer = self.answer
        if answer is None:
            raise UserError("There are no candidates to choose from here: they come with a single click.")
        return answer


class AcceptDialog:
    """A dialog that accepts the object in work; a question stands until it is answered or the object changes.

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
        """Ask nothing any more."""
        self._session.collided.disconnect(self._batch_collided)

    def accept(self, collision: Collision) -> None:
        """Accept the object in work; if it is to be asked first, as soon as its mask is there.

        Raises
        ------
        UserError
            If there is nothing to accept, or it cannot be written.
        """
        draft = self._session.current.draft
        if collision is Collision.ASK and draft.in_flight:
            self._waiting = draft
            self._tell("AcceptDialog as soon as the mask is there.")
            return
        try:
            self._session.current.accept(collision)
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
            self._session.batch.write(collision)
        elif collision is not None:
            self._session.current.accept(collision)

    def draft_changed(self) -> None:
        """Go on with what waited for a change of the object in work, or its mask; a question is then out of date."""
        if self._about is not None:
            self._ask(None, None)
        waiting = self._waiting
        if waiting is None:
            return
        if waiting is not self._session.current.draft:
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
