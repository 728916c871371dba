"""The candidates of an ambiguous click."""

from napari_sam.errors import UserError
from napari_sam.segment.segmentation import Segmentation
from napari_sam.session.session import Session


class Candidates:
    """What there is to choose from on the plane in view.

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
        plane = self._session.plane
        answer = None if plane is None else self._session.draft.segmentations.get(plane)
        return answer if answer is not None and len(answer.candidates) > 1 else None

    def choose(self, at: int) -> None:
        """Take another candidate.

        Raises
        ------
        UserError
            If there are none.
        """
        self._offered()
        self._session.choose(at)

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
        self._session.choose(at)

    def _offered(self) -> Segmentation:
        answer = self.answer
        if answer is None:
            raise UserError("There are no candidates to choose from here: they come with a single click.")
        return answer
