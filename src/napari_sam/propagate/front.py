"""One direction of a propagation: from a key plane, plane by plane."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from napari_sam.nn.cancel import CancelToken
from napari_sam.planes.mask import Mask, overlap
from napari_sam.planes.plane import Plane
from napari_sam.prompts.prompt import Prompts
from napari_sam.propagate.evidence import Evidence, evidence_for
from napari_sam.propagate.propagated_plane import PropagatedPlane, Stop
from napari_sam.segment.segmenter import Segmenter


@dataclass(frozen=True)
class StopRule:
    """When an object is taken to have ended.

    Parameters
    ----------
    least_trust
        A mask that is trusted less than this ends the object: `Evidence.trust`, times the IoU with the neighbour, for
        where the object has ended the network soon draws something else. Chosen with nano on generated stacks and on
        the training stacks.
    largest_growth
        An area this many times the neighbour's ends the object, and so does its inverse.
    """

    least_trust: float = 0.55
    largest_growth: float = 2.5

    def judge(self, mask: Mask, neighbour: Mask, trust: float) -> Stop:
        """Whether, and why, the object ends at `mask`."""
        growth = mask.area / max(neighbour.area, 1)
        if growth > self.largest_growth or growth < 1 / self.largest_growth:
            return Stop.JUMP
        return Stop.DOUBTFUL if trust * overlap(mask, neighbour) < self.least_trust else Stop.NONE


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
    standard: Evidence | None = None
    neighbour = mask
    for position in positions:
        if standard is None:
            standard = _key_evidence(segmenter, plane.at(axis, key), mask, cancel)
        here = plane.at(axis, position)
        found = _carried(segmenter, here, neighbour, cancel)
        if not found.area:
            yield PropagatedPlane(position, None, 0.0, Stop.EMPTY)
            return
        trust = evidence_for(found, segmenter, here, cancel).trust(standard)
        stopped = rule.judge(found, neighbour, trust)
        if stopped:
            yield PropagatedPlane(position, None, 0.0, stopped)
            return
        yield PropagatedPlane(position, found, trust * math.sqrt(overlap(found, neighbour)))
        neighbour = found


def _carried(segmenter: Segmenter, plane: Plane, neighbour: Mask, cancel: CancelToken | None) -> Mask:
    if cancel is not None:
        cancel.check()
    # The neighbour's logits are about another plane: only its outline is carried over.
    prompts = Prompts(mask=Mask(neighbour.box, neighbour.pixels))
    return segmenter.segment(plane, prompts, tight=True, cancel=cancel).mask


def _key_evidence(segmenter: Segmenter, plane: Plane, mask: Mask, cancel: CancelToken | None) -> Evidence:
    """What speaks for the key mask when it is prompted with itself, as its neighbours will be: a painted one too."""
    again = _carried(segmenter, plane, mask, cancel)
    return evidence_for(again, segmenter, plane, cancel) if again.area else Evidence(0.0, 0.0)
