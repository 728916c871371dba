"""What a session knows of its objects that their pixels do not tell: how sure a model is, and who made them."""

import math
from dataclasses import dataclass, field

from napari_sam.session.record.annotation import Accepted, Annotation, Deleted, Edited, Painted, Relabelled
from napari_sam.session.record.restored import accepted_rows

MODEL, HAND = "model", "hand"


@dataclass(frozen=True)
class ObjectFacts:
    """Facts about objects, by label.

    Parameters
    ----------
    confidences
        How sure the model is, 0..1: the lowest confidence of planes that were propagated or found with everything
        else; without such, the mean predicted IoU. Missing where there is neither.
    prompts
        By how many prompts it was made.
    makers
        "model", "hand" (painted or filled), or "model and hand"; missing for labels that were there before.
    """

    confidences: dict[int, float] = field(default_factory=dict)
    prompts: dict[int, int] = field(default_factory=dict)
    makers: dict[int, str] = field(default_factory=dict)


def object_facts(annotation: Annotation) -> ObjectFacts:
    """Collect what is known of the objects that there are after all that was done; not quick."""
    rows = accepted_rows(annotation)
    sure = {label: row.score if row.confidence is None else row.confidence for label, row in rows.items()}
    return ObjectFacts(
        {label: each for label, each in sure.items() if not math.isnan(each)},
        {label: row.n_prompts for label, row in rows.items()},
        _makers(annotation),
    )


def _makers(annotation: Annotation) -> dict[int, str]:
    makers: dict[int, str] = {}
    for event in annotation.events:
        match event:
            case Accepted(record=record) if record.label is not None:
                makers[record.label] = MODEL
            case Painted(after=after):
                for label in after.labels():
                    makers[label] = HAND if makers.get(label, HAND) == HAND else f"{MODEL} and {HAND}"
            case Edited(edit=edit, after=parts):
                former = next((makers[label] for label in edit.labels if label in makers), None)
                for label in {label for part in parts for label in part.labels()}:
                    if former is not None:
                        makers.setdefault(label, former)
            case Deleted():
                makers.pop(event.label, None)
            case Relabelled() if event.label in makers:
                makers[event.new] = makers.pop(event.label)
    return makers
