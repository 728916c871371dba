"""The answers begun before the request is made: while a click's button is held, or even before it is pressed."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

from napari_sam.nn.cancel import CancelToken
from napari_sam.planes.geometry import Mask, Plane
from napari_sam.prompts.prompt import Prompts
from napari_sam.segment.segmentation import Segmentation
from napari_sam.session.compute.engine import OpenedImage
from napari_sam.session.compute.scheduler import Priority, Scheduler
from napari_sam.session.object.draft import PromptRequest


def previous_mask_prompt(prompts: Prompts, fed: Mask | None) -> tuple[Prompts, Mask | None]:
    """Find what to ask of a segmenter.

    Parameters
    ----------
    prompts
        What the user said.
    fed
        The mask that is corrected; None for none.

    Returns
    -------
    (Prompts, Mask or None)
        The prompts, and the previous mask. A mask without logits cannot be fed back as such: it is a dense prompt,
        where the user gave none.
    """
    if fed is None or fed.logits is not None:
        return prompts, fed
    return (prompts if prompts.mask is not None else replace(prompts, mask=fed)), None


_KEY = "early answer"


@dataclass(frozen=True)
class SpeculativeRequest:
    """The request with all that an answer depends on; equal ones have the same answer.

    Parameters
    ----------
    opened
        The image as the model sees it.
    plane, prompts, fed, object_size
        See `PromptRequest`.
    """

    opened: OpenedImage
    plane: Plane
    prompts: Prompts
    fed: Mask | None
    object_size: float | None

    @classmethod
    def of(cls, opened: OpenedImage, request: PromptRequest) -> Self:
        """Make what a request asks of an image."""
        return cls(opened, request.plane, request.prompts, request.fed, request.object_size)

    def answer(self, cancel: CancelToken) -> Segmentation:
        """Have the model answer; on the inference thread only."""
        prompts, previous = previous_mask_prompt(self.prompts, self.fed)
        return self.opened.segmenter().segment(
            self.plane, prompts, object_size=self.object_size, previous=previous, cancel=cancel
        )

    def rehearsed(self, cancel: CancelToken) -> Segmentation | None:
        """Have the model answer without a trace, unless that takes it long; on the inference thread only."""
        prompts, previous = previous_mask_prompt(self.prompts, self.fed)
        return self.opened.segmenter().rehearse(
            self.plane, prompts, object_size=self.object_size, previous=previous, cancel=cancel
        )


class _SpeculativeAnswer:
    def __init__(self, likely: SpeculativeRequest, *, rehearsed: bool) -> None:
        self.likely = likely
        self._rehearsed = rehearsed
        self._answer: Segmentation | None = None

    def compute(self, cancel: CancelToken) -> None:
        self._answer = self.likely.rehearsed(cancel) if self._rehearsed else self.likely.answer(cancel)

    def take(self, cancel: CancelToken) -> Segmentation:
        if self._answer is None:
            return self.likely.answer(cancel)
        if self._rehearsed:
            self.likely.opened.segmenter().take_in(self.likely.plane, self._answer, cancel)
        return self._answer


class SpeculativeAnswers:
    """The answers to what is likely to be asked in a moment, handed out if it is asked indeed.

    Between pressing a button and releasing it a hand takes about a tenth of a second, in which a small model answers;
    before it presses it rests for about as long.

    Parameters
    ----------
    scheduler
        Where it is computed.
    """

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._early: _SpeculativeAnswer | None = None

    def expect(self, likely: SpeculativeRequest) -> None:
        """Begin to answer; what was expected before is forgotten."""
        if self._early is None or self._early.likely != likely:
            self._submit(_SpeculativeAnswer(likely, rehearsed=False), Priority.CLICK)
        else:
            self._scheduler.hurry(_KEY, Priority.CLICK)

    def suppose(self, likely: SpeculativeRequest) -> None:
        """Begin to answer what may be asked or may not, without a trace unless it is; everything else goes first."""
        if self._early is None or self._early.likely != likely:
            self._submit(_SpeculativeAnswer(likely, rehearsed=True), Priority.SUPPOSED)

    def forget(self) -> None:
        """Forget what was expected: nothing is likely to be asked any more."""
        if self._early is not None:
            self._early = None
            self._scheduler.cancel(_KEY)

    def take(self, likely: SpeculativeRequest) -> Callable[[CancelToken], Segmentation]:
        """Return what computes the answer to a request that is made now; at once, if it was expected.

        It is to run after what was submitted before.
        """
        early = self._early
        if early is None or early.likely != likely:
            self.forget()
            return likely.answer
        self._early = None
        self._scheduler.hurry(_KEY, Priority.CLICK)
        return early.take

    def _submit(self, early: _SpeculativeAnswer, priority: Priority) -> None:
        self._early = early
        # What goes wrong is told if the question is really asked, and goes wrong again.
        self._scheduler.submit(_KEY, early.compute, priority=priority, preemptible=priority is not Priority.CLICK)
