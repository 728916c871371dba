"""What is asked of the model about one object on one plane, and its answer."""

from dataclasses import dataclass, field, replace
from typing import Any

from napari_sam.planes.mask import Mask
from napari_sam.planes.plane import Plane
from napari_sam.prompts.prompt import Prompts
from napari_sam.segment.segmentation import Segmentation
from napari_sam.segment.setup import Setup
from napari_sam.session.origin import Asked, Origin, Shown, next_serial


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
        Where `fed` comes from; None for none.
    object_size
        How large the object was thought to be: diameter in plane pixels; None where nothing was known.
    answer
        What the model said; None while that is not known.
    chosen
        The candidate that the user chose; None for the model's own choice.
    former, former_from
        What is shown until the answer is there: the answer to the plane's former prompts, and where it comes from.
    in_flight
        Whether the answer is being computed.
    failed
        Whether computing the answer raised something.
    """

    plane: Plane
    prompts: Prompts
    fed: Mask | None = None
    fed_from: Origin | None = None
    object_size: float | None = None
    answer: Segmentation | None = None
    chosen: int | None = None
    former: Segmentation | None = None
    former_from: Origin | None = None
    in_flight: bool = False
    failed: bool = False
    asked: Asked = field(init=False)
    serial: int = field(default_factory=next_serial)

    def __post_init__(self) -> None:
        self.asked = self._as_asked()

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
    def shown_from(self) -> Origin | None:
        """Where what is shown comes from; None if nothing is shown."""
        return self.former_from if self.answer is None else Shown(self.asked, self.chosen)

    def choosing(self, candidate: int) -> "Question":
        """The same question and answer, with another candidate chosen."""
        chosen = replace(self, chosen=candidate, serial=next_serial())
        chosen.asked = self.asked
        return chosen

    def again(self) -> "Question":
        """The same question and answer, for prompts that are again as they were."""
        again = replace(self, serial=next_serial(), in_flight=False)
        again.asked = self.asked
        return again

    def renew(self, object_size: float | None) -> None:
        """Forget the answer, and what was fed back: something else will answer."""
        self.former, self.former_from, self.answer, self.chosen = self.shown, self.shown_from, None, None
        self.fed, self.fed_from, self.object_size = None, None, object_size
        self.asked = self._as_asked()

    def take(self, answer: Segmentation, setup: Setup | None = None) -> None:
        """The answer is there, and what computed it is known."""
        self.asked.areas, self.asked.setup = answer.areas, setup
        self.answer, self.former, self.former_from, self.fed = answer, None, None, None
        self.in_flight = self.failed = False

    def _as_asked(self) -> Asked:
        logits = self.fed is not None and self.fed.logits is not None
        return Asked(self.plane, self.prompts, self.object_size, self.fed_from, logits)
