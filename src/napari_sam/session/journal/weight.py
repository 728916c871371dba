"""How much memory masks and answers take."""

from collections.abc import Iterable

from napari_sam.planes.mask import Mask
from napari_sam.segment.segmentation import Segmentation
from napari_sam.session.question import Question


def masks_of(question: Question | None) -> Iterable[Mask]:
    """Every mask that a question holds."""
    if question is None:
        return
    for mask in (question.prompts.mask, question.fed):
        if mask is not None:
            yield mask
    for answer in (question.answer, question.former):
        yield from _candidates(answer)


def weight(masks: Iterable[Mask]) -> int:
    """Bytes held by masks; one that comes several times counts once."""
    distinct = {id(mask): mask for mask in masks}
    return sum(
        mask.pixels.nbytes + 256 + (0 if mask.logits is None else mask.logits.nbytes) for mask in distinct.values()
    )


def _candidates(answer: Segmentation | None) -> Iterable[Mask]:
    return () if answer is None else answer.candidates
