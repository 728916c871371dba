"""One direction of a propagation: from a key plane, plane by plane."""

from collections.abc import Iterator
from dataclasses import dataclass

from napari_sam.nn.cancel import CancelToken
from napari_sam.planes.mask import Mask, overlap
from napari_sam.planes.plane import Plane
from napari_sam.prompts.prompt import Prompts
from napari_sam.propagate.propagated_plane import PropagatedPlane, Stop
from napari_sam.segment.segmenter import Segmenter


@dataclass(frozen=True)
class StopRule:
    """When an object is taken to have ended.

    Parameters
    ----------
    least_trust
        Predicted IoU, as a share of the key plane's, below which a mask is doubtful.
    least_overlap
        A doubtful mask ends the object if its IoU with its neighbour is below this.
    largest_growth
        An area this many times the neighbour's ends the object, and so does its inverse.
    """

    least_trust: float = 0.6
    least_overlap: float = 0.5
    largest_growth: float = 2.5

    def judge(self, mask: Mask, neighbour: Mask, trust: float) -> Stop:
        """Whether, and why, the object ends at `mask`; `trust` is its predicted IoU as a share of the key plane's."""
        if not mask.area:
            return Stop.EMPTY
        growth = mask.area / max(neighbour.area, 1)
        if growth > self.largest_growth or growth < 1 / self.largest_growth:
            return Stop.JUMP
        if trust < self.least_trust and overlap(mask, neighbour) < self.least_overlap:
            return Stop.DOUBTFUL
        return Stop.NONE


def advance(
    segmenter: Segmenter,
    plane: Plane,
    axis: int,
    key: int,
    mask: Mask,
    positions: range,
    rule: StopRule,
    cancel: CancelToken | None,
) -> Iterator[PropagatedPlane]:
    """Carry a mask from its key plane along `positions`, until the object ends.

    Each plane is prompted with its neighbour's mask as a dense prompt, the mask's box and an inner point.

    Yields
    ------
    PropagatedPlane
        The last one has no mask if the object ended before the range did.
    """
    standard = _trusted(mask, segmenter, plane.at(axis, key), cancel)
    neighbour = mask
    for position in positions:
        if cancel is not None:
            cancel.check()
        prompt = Prompts(mask=Mask(neighbour.box, neighbour.pixels))
        found = segmenter.segment(plane.at(axis, position), prompt, cancel=cancel).mask
        trust = min(found.predicted_iou / standard, 1.0)
        stopped = rule.judge(found, neighbour, trust)
        if stopped:
            yield PropagatedPlane(position, None, 0.0, stopped)
            return
        yield PropagatedPlane(position, found, max(trust, 0.0) * overlap(found, neighbour) ** 0.5)
        neighbour = found


def _trusted(mask: Mask, segmenter: Segmenter, plane: Plane, cancel: CancelToken | None) -> float:
    """The predicted IoU that the model gives the key mask itself when prompted with it: the standard for the others.

    Models differ in how high their predicted IoU comes out, and a painted key mask has none.
    """
    again = segmenter.segment(plane, Prompts(mask=Mask(mask.box, mask.pixels)), cancel=cancel).mask
    return max(again.predicted_iou, 0.05)
