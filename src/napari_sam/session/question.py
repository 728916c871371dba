"""What is asked of the model about one object on one plane, and its answer."""

from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

from napari_sam.planes.mask import Mask
from napari_sam.planes.plane import Plane
from napari_sam.prompts.prompt import Prompts
from napari_sam.segment.segmentation import Segmentation

_serials = count()


def next_serial() -> int:
    """A number that no other step of any object has."""
    return next(_serials)


@dataclass(frozen=True)
class Asked:
    """A question as a step of an object: all that it takes to ask it again, but no answer.

    Parameters
    ----------
    serial
        Of the question.
    plane, prompts, object_size, fed_from, fed_logits, chosen
        See `Question`.
    """

    serial: int
    plane: Plane
    prompts: Prompts
    object_size: float | None = None
    fed_from: int | None = None
    fed_logits: bool = False
    chosen: int | None = None


@dataclass(eq=False)
class Question:
    """An object's prompts on one plane, all that the answer depends on, and the answer once it is there.

    Whoever holds a question that was asked earlier (the journal) holds its answer too: to bring it back is to show it
    at once.

    Parameters
    ----------
    plane, prompts
        Where, and what the user said.
    fed
        The mask that is fed back to the model besides the prompts; forgotten once the answer is there.
    fed_from
        Serial number of the step that `fed` comes from; None for none.
    fed_logits
        Whether `fed` has logits; else it is fed back as a dense prompt.
    object_size
        How large the object was thought to be: diameter in plane pixels; None where nothing was known.
    answer
        What the model said; None while that is not known.
    chosen
        The candidate that the user chose; None for the model's own choice.
    former, former_from
        What is shown until the answer is there: the answer to the plane's former prompts, and the step it comes from.
    in_flight
        Whether the answer is being computed.
    failed
        Whether computing the answer raised something.
    """

    plane: Plane
    prompts: Prompts
    fed: Mask | None = None
    fed_from: int | None = None
    fed_logits: bool = False
    object_size: float | None = None
    answer: Segmentation | None = None
    chosen: int | None = None
    former: Segmentation | None = None
    former_from: int | None = None
    in_flight: bool = False
    failed: bool = False
    serial: int = field(default_factory=lambda: next_serial())

    def __getstate__(self) -> dict[str, Any]:
        # What comes back from disk is not being computed.
        return {**self.__dict__, "in_flight": False}

    @property
    def shown(self) -> Segmentation | None:
        """The answer with the user's choice; the former one until it is there."""
        if self.answer is None:
            return self.former
        return self.answer if self.chosen is None else replace(self.answer, chosen=self.chosen)

    @property
    def shown_from(self) -> int | None:
        """Serial number of the step that what is shown comes from; None if nothing is shown."""
        return self.former_from if self.answer is None else self.serial

    @property
    def step(self) -> Asked:
        """The question as a step of its object."""
        return Asked(
            self.serial, self.plane, self.prompts, self.object_size, self.fed_from, self.fed_logits, self.chosen
        )

    def choosing(self, candidate: int) -> "Question":
        """The same question and answer, with another candidate chosen."""
        return replace(self, chosen=candidate, serial=next_serial())

    def renew(self, object_size: float | None) -> None:
        """Forget the answer, and what was fed back: something else will answer."""
        self.former, self.former_from, self.answer, self.chosen = self.shown, self.shown_from, None, None
        self.fed, self.fed_from, self.fed_logits, self.object_size = None, None, False, object_size

    def take(self, answer: Segmentation) -> None:
        """The answer is there."""
        self.answer, self.former, self.former_from, self.fed = answer, None, None, None
        self.in_flight = self.failed = False
