"""Propagation of an object along an axis from its key planes, as far as the evidence speaks for it."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_sam.errors import UserError
from napari_sam.nn.cancel import CancelToken
from napari_sam.planes.geometry import Mask, Plane, Window, overlap
from napari_sam.planes.read_window import read_window
from napari_sam.prompts.encoding import inner_point, mask_logits
from napari_sam.prompts.prompt import Prompts
from napari_sam.segment.level import diameter, pixel_aspect

if TYPE_CHECKING:
    # It needs torch, which a window waits for only when there is an image.
    from napari_sam.segment.segmenter import Segmenter


class Stop(StrEnum):
    """The reason why propagation went no further."""

    NONE = ""
    EMPTY = "the object was not found any more"
    DOUBTFUL = "the object no longer stands out"
    JUMP = "the area changed suddenly"


@dataclass(frozen=True)
class PropagatedPlane:
    """An object on one plane.

    Parameters
    ----------
    index
        Position along the axis.
    mask
        The mask, or None where propagation stopped before this plane.
    confidence
        0..1, how sure: the trust in the mask (`Evidence.trust`) times the root of its IoU with its neighbour.
    stopped
        Why it went no further; `Stop.NONE` while it goes on.
    areas
        The areas that were encoded since the plane that was reached before this one, in the order in which they were
        used.
    """

    index: int
    mask: Mask | None
    confidence: float
    stopped: Stop = Stop.NONE
    areas: tuple[Window, ...] = ()


def blend(first: Mask, second: Mask, weight: float) -> Mask:
    """Interpolate the mask between two, by their signed distances to the border (shape-based interpolation).

    Raya and Udupa, Shape-based interpolation of multidimensional objects, IEEE TMI 9 (1990).

    Parameters
    ----------
    first, second
        Two masks on one plane, not empty.
    weight
        Share of `second`, 0..1.

    Returns
    -------
    Mask
        Its predicted IoU is the weighted mean of the two; no logits.
    """
    row0, column0 = min(first.box[0], second.box[0]) - 1, min(first.box[1], second.box[1]) - 1
    row1, column1 = max(first.box[2], second.box[2]) + 1, max(first.box[3], second.box[3]) + 1
    distances = []
    for mask in (first, second):
        pixels = np.zeros((row1 - row0, column1 - column0), bool)
        pixels[
            mask.box[0] - row0 : mask.box[2] - row0,
            mask.box[1] - column0 : mask.box[3] - column0,
        ] = mask.pixels
        distances.append(ndimage.distance_transform_edt(pixels) - ndimage.distance_transform_edt(~pixels))
    between = Mask.from_pixels((1 - weight) * distances[0] + weight * distances[1] > 0, (row0, column0))
    trust = (1 - weight) * first.predicted_iou + weight * second.predicted_iou
    return Mask(between.box, between.pixels, trust)


LEAST = 0.01
"""Keeps shares finite where a key plane's evidence is nil (chosen: far below any evidence that is worth comparing)."""

LEAST_CONTRAST = 0.05
"""A key plane's contrast weaker than this, a twentieth of the contrast limits, says nothing (chosen, not measured)."""

# Chosen, not measured: beyond the blurred border, and near enough to be the surroundings.
GAP, RING = 2, 5
"""The ring around a mask lies between these distances, in pixels of the level that the mask was decoded at."""


@dataclass(frozen=True)
class Evidence:
    """The evidence that speaks for a mask.

    Parameters
    ----------
    predicted_iou
        The model's own estimate.
    agreement
        IoU with the best answer to a single click in the middle of the mask: a network that is told box and mask still
        draws what it was told where the object has ended, but a click there finds something else. None for models that
        were trained to say where an object has ended (`ModelSpec.knows_ends`): what a click finds adds nothing there,
        and costs a second decode on every plane.
    contrast
        Mean of the mask's pixels less that of a ring around them, for each channel that the network sees, as a share
        of the image's contrast limits.
    """

    predicted_iou: float
    agreement: float | None
    contrast: tuple[float, ...] = ()

    def trust(self, key: "Evidence") -> float:
        """Rate how well this compares with what speaks for the key plane's mask, 0..1.

        Shares of the key plane's evidence, since models and images differ in how high it comes out. The weights are
        those that stopped best on generated stacks and on the training stacks, with nano.
        """
        trust = _share(self.predicted_iou, key.predicted_iou)
        if self.agreement is not None and key.agreement is not None:
            trust *= _share(self.agreement, key.agreement)
        strength = sum(value**2 for value in key.contrast)
        if strength >= LEAST_CONTRAST**2:
            along = sum(mine * its for mine, its in zip(self.contrast, key.contrast, strict=True))
            trust *= math.sqrt(_share(along, strength))
        return trust


def evidence_for(mask: Mask, segmenter: "Segmenter", plane: Plane, cancel: CancelToken | None = None) -> Evidence:
    """Gather what speaks for a decoded mask (one that has a window; not empty) on its plane."""
    if mask.window is None:
        raise ValueError("evidence needs a decoded mask")
    agreement = None if segmenter.model.spec.knows_ends else _agreement(mask, segmenter, plane, cancel)
    stride = segmenter.model.network.mask_stride
    step = (mask.window.step[0] / stride, mask.window.step[1] / stride)
    return Evidence(mask.predicted_iou, agreement, _contrast(mask, step, segmenter, plane))


def _share(value: float, standard: float) -> float:
    return min(max(value, 0.0) / max(standard, LEAST), 1.0)


def _agreement(mask: Mask, segmenter: "Segmenter", plane: Plane, cancel: CancelToken | None) -> float:
    size = diameter(mask, pixel_aspect(segmenter.source.scale, plane.axes))
    click = Prompts((inner_point(mask),))
    answers = segmenter.segment(plane, click, object_size=size, tight=True, cancel=cancel).candidates
    return max(overlap(answer, mask) for answer in answers)


def _contrast(mask: Mask, step: tuple[float, float], segmenter: "Segmenter", plane: Plane) -> tuple[float, ...]:
    margin = RING + 1
    rows, columns = (math.ceil((mask.box[axis + 2] - mask.box[axis]) / step[axis]) + 2 * margin for axis in (0, 1))
    window = Window((mask.box[0] - margin * step[0], mask.box[1] - margin * step[1]), step, (rows, columns))
    pixels = read_window(segmenter.source, plane, window, segmenter.embedder.contrast, segmenter.embedder.channels)
    inside = mask_logits(Mask(mask.box, mask.pixels), window) > 0
    beside = ndimage.binary_dilation(inside, iterations=RING) & ~ndimage.binary_dilation(inside, iterations=GAP)
    if not inside.any() or not beside.any():
        return (0.0,) * len(pixels)
    return tuple(float(channel[inside].mean() - channel[beside].mean()) for channel in pixels)


@dataclass(frozen=True)
class StopRule:
    """The rule by which an object is taken to have ended.

    Parameters
    ----------
    least_trust
        A mask that is trusted less than this ends the object: `Evidence.trust`, times the IoU with the neighbour, for
        where the object has ended the network soon draws something else. Chosen with version 5 on 204 objects of
        generated stacks and 48 of training stacks: mean 3-D IoU .648, .642 with the former rule; with version 6 it gets
        .642, the best of 880 rules .648 (docs/log-of-measurements.md, "Stacks: the rule when to stop").
    largest_growth
        An area this many times the neighbour's ends the object, and so does its inverse (chosen, not measured).
    """

    least_trust: float = 0.55
    largest_growth: float = 2.5

    def judge(self, mask: Mask, neighbour: Mask, trust: float) -> Stop:
        """Tell whether, and why, the object ends at `mask`."""
        growth = mask.area / max(neighbour.area, 1)
        if growth > self.largest_growth or growth < 1 / self.largest_growth:
            return Stop.JUMP
        return Stop.DOUBTFUL if trust * overlap(mask, neighbour) < self.least_trust else Stop.NONE


def advance(
    segmenter: "Segmenter",
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


def _carried(segmenter: "Segmenter", plane: Plane, neighbour: Mask, cancel: CancelToken | None) -> Mask:
    if cancel is not None:
        cancel.check()
    # The neighbour's logits are about another plane: only its outline is carried over.
    prompts = Prompts(mask=Mask(neighbour.box, neighbour.pixels))
    return segmenter.segment(plane, prompts, tight=True, cancel=cancel).mask


def _key_evidence(segmenter: "Segmenter", plane: Plane, mask: Mask, cancel: CancelToken | None) -> Evidence:
    """Gather what speaks for the key mask when prompted with itself, as its neighbours will be: a painted one too."""
    again = _carried(segmenter, plane, mask, cancel)
    return evidence_for(again, segmenter, plane, cancel) if again.area else Evidence(0.0, 0.0)


def propagate(
    segmenter: "Segmenter",
    plane: Plane,
    key_masks: Mapping[int, Mask],
    axis: int,
    *,
    start: int | None = None,
    stop: int | None = None,
    rule: StopRule | None = None,
    cancel: CancelToken | None = None,
    areas: Sequence[Window] = (),
) -> Iterator[PropagatedPlane]:
    """Carry an object along an axis, outwards from its key planes.

    Beyond the outermost key planes it goes on until the object ends. Between two key planes it comes from both sides,
    and the two are blended by distance.

    Parameters
    ----------
    segmenter
        Segments planes of the image.
    plane
        Any of the planes; its index along `axis` does not matter.
    key_masks
        The masks that the user made, by position along `axis`; not empty.
    axis
        The data axis to go along; must not be displayed.
    start, stop
        First and last position, both inclusive; None for the ends of the image.
    rule
        When an object is taken to have ended; None for the default.
    cancel
        Checked between planes and between the encoder's blocks.
    areas
        `PropagatedPlane.areas` of all planes of an earlier run with the same keys, to get the same masks to the last
        bit.

    Yields
    ------
    PropagatedPlane
        One for every plane that was reached, key planes left out; in each direction the nearest first.

    Raises
    ------
    UserError
        Without a key mask, with an axis that is displayed or does not exist, or with a range outside the image.
    Cancelled
        If `cancel` was set.
    """
    keys = {position: mask for position, mask in sorted(key_masks.items()) if mask.area}
    first, last = planes_to_reach(segmenter.source.shape, plane, axis, start, stop)
    if not keys:
        raise UserError("There is nothing to propagate: segment the object on one plane first.")
    rule = StopRule() if rule is None else rule
    traced, trace = segmenter.traced(areas)

    def front(key: int, positions: range) -> Iterator[PropagatedPlane]:
        return advance(traced, plane, axis, key, keys[key], positions, rule, cancel)

    for reached in _all_reached(front, list(keys), first, last):
        yield replace(reached, areas=trace.take())


def _all_reached(
    front: Callable[[int, range], Iterator[PropagatedPlane]], positions: list[int], first: int, last: int
) -> Iterator[PropagatedPlane]:
    yield from _alternating(
        front(positions[-1], range(positions[-1] + 1, last + 1)),
        front(positions[0], range(positions[0] - 1, first - 1, -1)),
    )
    for lower, upper in pairwise(positions):
        risen = {each.index: each for each in front(lower, range(lower + 1, upper))}
        fallen = {each.index: each for each in front(upper, range(upper - 1, lower, -1))}
        for position in range(lower + 1, upper):
            yield _between(risen.get(position), fallen.get(position), position, (position - lower) / (upper - lower))


def _between(
    below: PropagatedPlane | None, above: PropagatedPlane | None, position: int, weight: float
) -> PropagatedPlane:
    masks = [None if each is None else each.mask for each in (below, above)]
    if below and above and masks[0] is not None and masks[1] is not None:
        confidence = (1 - weight) * below.confidence + weight * above.confidence
        return PropagatedPlane(position, blend(masks[0], masks[1], weight), confidence)
    for each, mask in zip((below, above), masks, strict=True):
        if each is not None and mask is not None:
            return PropagatedPlane(position, mask, each.confidence / 2)
    return PropagatedPlane(position, None, 0.0, (below or above or PropagatedPlane(position, None, 0.0)).stopped)


def _alternating(*fronts: Iterator[PropagatedPlane]) -> Iterator[PropagatedPlane]:
    running = list(fronts)
    while running:
        for front in list(running):
            reached = next(front, None)
            if reached is None:
                running.remove(front)
            else:
                yield reached


def planes_to_reach(
    shape: Sequence[int], plane: Plane, axis: int, start: int | None, stop: int | None
) -> tuple[int, int]:
    """Return the first and the last position along an axis of an image of `shape`; see `propagate`.

    Raises
    ------
    UserError
        With an axis that is displayed or does not exist, or with a range outside the image.
    """
    if not 0 <= axis < len(shape):
        raise UserError(f"Axis {axis} does not exist: this image has the axes 0 to {len(shape) - 1}.")
    if axis in plane.axes:
        raise UserError(f"Axis {axis} is displayed: propagate along one that is not.")
    first = 0 if start is None else start
    last = shape[axis] - 1 if stop is None else stop
    if not 0 <= first <= last < shape[axis]:
        raise UserError(f"Planes {first} to {last} do not exist: axis {axis} has the planes 0 to {shape[axis] - 1}.")
    return first, last
