"""Answering a question before it is asked: while the button of a click is still held."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from napari_sam.nn.cancel import CancelToken
from napari_sam.planes.mask import Mask
from napari_sam.planes.plane import Plane
from napari_sam.prompts.prompt import Prompts
from napari_sam.segment.segmentation import Segmentation
from napari_sam.session.engine import OpenedImage
from napari_sam.session.fed_back import fed_back
from napari_sam.session.question import Question
from napari_sam.session.scheduler import Priority, Scheduler

_KEY = "early answer"


@dataclass(frozen=True)
class Inquiry:
    """All that an answer depends on; equal ones have the same answer.

    Parameters
    ----------
    opened
        The image as the model sees it.
    plane, prompts, fed, object_size
        See `Question`.
    """

    opened: OpenedImage
    plane: Plane
    prompts: Prompts
    fed: Mask | None
    object_size: float | None

    @classmethod
    def of(cls, opened: OpenedImage, question: Question) -> Self:
        """What a question asks of an image."""
        return cls(opened, question.plane, question.prompts, question.fed, question.object_size)

    def answer(self, cancel: CancelToken) -> Segmentation:
        """Have the model answer; on the inference thread only."""
        prompts, previous = fed_back(self.prompts, self.fed)
        return self.opened.segmenter().segment(
            self.plane, prompts, object_size=self.object_size, previous=previous, cancel=cancel
        )


class _Early:
    def __init__(self, inquiry: Inquiry) -> None:
        self.inquiry = inquiry
        self.answer: Segmentation | None = None

    def compute(self, cancel: CancelToken) -> None:
        self.answer = self.inquiry.answer(cancel)


class EarlyAnswer:
    """Computes what is likely to be asked in a moment, and hands it out if it is asked indeed.

    Between pressing a button and releasing it a hand takes about a tenth of a second, in which a small model answers.

    Parameters
    ----------
    scheduler
        Where it is computed.
    """

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._early: _Early | None = None

    def expect(self, inquiry: Inquiry) -> None:
        """Begin to answer; what was expected before is forgotten."""
        if self._early is None or self._early.inquiry != inquiry:
            early = self._early = _Early(inquiry)
            # What goes wrong is told if the question is really asked, and goes wrong again.
            self._scheduler.submit(_KEY, early.compute, priority=Priority.CLICK)

    def forget(self) -> None:
        """Nothing is likely to be asked any more."""
        if self._early is not None:
            self._early = None
            self._scheduler.cancel(_KEY)

    def take(self, inquiry: Inquiry) -> Callable[[CancelToken], Segmentation]:
        """What computes the answer to a question that is asked now; at once, if it was expected.

        It is to run after what was submitted before.
        """
        early = self._early
        if early is None or early.inquiry != inquiry:
            self.forget()
            return inquiry.answer
        self._early = None
        return lambda cancel: inquiry.answer(cancel) if early.answer is None else early.answer
