"""Objects carried along one axis, plane by plane, from their key planes; several at once compete for pixels."""

import heapq
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_sam.errors import UserError
from napari_sam.nn.cancel import CancelToken
from napari_sam.planes.geometry import Mask, Plane, Window, overlap
from napari_sam.planes.resample import sample_grid
from napari_sam.prompts.encoding import CERTAIN
from napari_sam.prompts.prompt import Prompts
from napari_sam.segment.level import Framing
from napari_sam.volume.evidence import REVISION, TIGHT, Evidence, Stop, StopRule, evidence_for

if TYPE_CHECKING:
    # It needs torch, which a window waits for only when there is an image.
    from napari_sam.segment.segmenter import Segmenter


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
        0..1, how sure. Along one axis the trust in the mask (`Evidence.trust`) times the root of its IoU with its
        neighbour; of three views the IoU that is to be expected of it (`Vote.confidence`).
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


def outlined(mask: Mask) -> Prompts:
    """Return the prompts by which a plane is asked for what its neighbour has: mask, box and an inner point.

    The neighbour's logits are about another plane: only its outline is carried over.
    """
    return Prompts(mask=Mask(mask.box, mask.pixels))


@dataclass(frozen=True)
class AxisWalk:
    """A walk along an axis of an image, on which objects are carried from plane to plane.

    Parameters
    ----------
    segmenter
        Segments planes of the image.
    plane
        Any of the planes; its index along `axis` does not matter.
    axis
        The axis; not displayed.
    first, last
        Range of positions, both inclusive.
    rule
        When an object is taken to have ended.
    cancel
        Checked between planes and between the encoder's blocks.
    revision
        See `REVISION`.
    framing
        How much around an object the network is shown.
    """

    segmenter: "Segmenter"
    plane: Plane
    axis: int
    first: int
    last: int
    rule: StopRule
    cancel: CancelToken | None = None
    revision: int = REVISION
    framing: Framing = TIGHT

    def carry(self, keys: Mapping[int, Mask]) -> Iterator[PropagatedPlane]:
        """Carry one object from its key planes outwards, both ways in turn; then between them, from both sides.

        Parameters
        ----------
        keys
            Masks by position, ascending, none of them empty.

        Yields
        ------
        PropagatedPlane
            The last one of a direction has no mask if the object ended before the range did. From a key plane outside
            the range there are planes on the way to it as well.
        """
        positions = list(keys)
        known: dict[int, Evidence] = {}
        yield from _alternating(
            self._advance(positions[-1], keys, range(positions[-1] + 1, self.last + 1), known),
            self._advance(positions[0], keys, range(positions[0] - 1, self.first - 1, -1), known),
        )
        for lower, upper in pairwise(positions):
            if self.revision > 1 and (upper <= self.first or lower >= self.last):
                continue
            risen = {each.index: each for each in self._advance(lower, keys, range(lower + 1, upper))}
            fallen = {each.index: each for each in self._advance(upper, keys, range(upper - 1, lower, -1))}
            yield from _met(risen, fallen, lower, upper)

    def _advance(
        self, key: int, keys: Mapping[int, Mask], positions: range, known: dict[int, Evidence] | None = None
    ) -> Iterator[PropagatedPlane]:
        """Carry an object from a key plane; beyond the outermost ones `known` collects what speaks for the others."""
        standard: Evidence | None = None
        neighbour = keys[key]
        for position in positions:
            if standard is None and known is not None and self.revision > 1:
                compared = _largest(keys)
                for at in compared:
                    if at not in known:
                        known[at] = self._standard(at, self._carried(at, keys[at]))
                standard = surest([known[at] for at in compared])
            if standard is None:
                standard = self._standard(key, self._carried(key, neighbour))
            reached = self._judged(position, self._carried(position, neighbour), neighbour, standard)
            yield reached
            if reached.mask is None:
                return
            neighbour = reached.mask

    def carry_each(
        self,
        objects: Mapping[int, Mapping[int, Mask]],
        courses: Mapping[int, range] | None = None,
        taken: Callable[[Plane], NDArray[np.bool_]] | None = None,
    ) -> Iterator[tuple[int, PropagatedPlane]]:
        """Carry several objects, which compete for pixels, each as `carry` would.

        On every plane all that are to reach it are decoded together; where masks meet, a pixel goes to the higher
        logit, and those of another object's key plane to nobody else.

        Parameters
        ----------
        objects
            For each object, by a number of its own, masks by position, none of them empty.
        courses
            The positions that an object may be carried to, its key planes among them, of those that may not go
            everywhere; of a step that is not 1 only every so many are decoded.
        taken
            Which pixels of a plane, (rows, columns) bool, nothing may be carried to; None for none.

        Yields
        ------
        (int, PropagatedPlane)
            The object, and what it has on a plane that was reached.
        """
        standards: dict[tuple[int, int], Evidence] = {}
        compared = {name: _largest(keys) for name, keys in objects.items() if len(keys) > 1 and self.revision > 1}
        if self.revision == 2:
            self._measure(objects, compared, standards)
        inner: dict[tuple[int, int, int], dict[int, PropagatedPlane]] = {}
        for direction in (1, -1):
            for front, reached in self._swept(objects, courses or {}, direction, standards, compared, taken):
                if front.meets is None:
                    yield front.name, reached
                else:
                    lower, upper = sorted((front.key, front.meets))
                    inner.setdefault((front.name, lower, direction), {})[reached.index] = reached
        for name, keys in objects.items():
            for lower, upper in pairwise(sorted(keys)):
                risen, fallen = inner.get((name, lower, 1), {}), inner.get((name, lower, -1), {})
                for reached in _met(risen, fallen, lower, upper):
                    yield name, reached

    def _measure(
        self,
        objects: Mapping[int, Mapping[int, Mask]],
        compared: Mapping[int, Sequence[int]],
        standards: dict[tuple[int, int], Evidence],
    ) -> None:
        """Fill `standards` for what is `compared` ahead of the sweeps, as revision 2 did."""
        for position in sorted({at for positions in compared.values() for at in positions}):
            names = [name for name, positions in compared.items() if position in positions]
            found = self._carried_each(position, [objects[name][position] for name in names])
            for name, again in zip(names, found, strict=True):
                standards[name, position] = self._standard(position, again)

    def _swept(
        self,
        objects: Mapping[int, Mapping[int, Mask]],
        courses: Mapping[int, range],
        direction: int,
        standards: dict[tuple[int, int], Evidence],
        compared: Mapping[int, Sequence[int]],
        taken: Callable[[Plane], NDArray[np.bool_]] | None,
    ) -> Iterator[tuple["_Front", PropagatedPlane]]:
        """Carry all objects one way; `standards` is filled with the evidence for each on its key planes.

        Beyond the outermost key planes the surest of those that are `compared` holds instead: they are measured on the
        way up, which comes first, and lie before these.
        """
        starting: dict[int, list[_Front]] = {}
        measured: dict[int, list[int]] = {}
        for name, positions in compared.items():
            for position in positions:
                if (name, position) not in standards:
                    measured.setdefault(position, []).append(name)
        for name, keys in sorted(objects.items()):
            ordered = sorted(keys, reverse=direction < 0)
            for key, meets in pairwise([*ordered, None]):
                assert key is not None
                course = courses.get(name, range(self.first, self.last + 1))
                front = _Front(name, key, meets, direction * course.step, keys[key], course)
                if self._goes(front, key + front.stride):
                    starting.setdefault(key, []).append(front)
        moving: dict[int, list[_Front]] = {}
        waiting = [direction * position for position in {*starting, *measured}]
        heapq.heapify(waiting)
        while waiting:
            position = direction * heapq.heappop(waiting)
            starts, arriving = starting.pop(position, []), moving.pop(position, [])
            beginning = {each.name for each in starts if (each.name, position) not in standards}
            unknown = sorted({*beginning, *measured.get(position, ())})
            told = [objects[name][position] for name in unknown]
            found = self._carried_each(position, [*told, *(each.neighbour for each in arriving)])
            for name, again in zip(unknown, found, strict=False):
                standards[name, position] = self._standard(position, again)
            rivals = {name: keys[position] for name, keys in objects.items() if position in keys}
            masks = self._settled(position, arriving, found[len(unknown) :], rivals, taken)
            going = list(starts)
            for front, mask in zip(arriving, masks, strict=True):
                outer = compared.get(front.name, ()) if front.meets is None else ()
                standard = surest([standards[front.name, at] for at in outer or (front.key,)])
                reached = self._judged(position, mask, front.neighbour, standard)
                yield front, reached
                if reached.mask is not None:
                    going.append(replace(front, neighbour=reached.mask))
            for front in going:
                onward = position + front.stride
                if self._goes(front, onward):
                    if onward not in moving and onward not in starting and onward not in measured:
                        heapq.heappush(waiting, direction * onward)
                    moving.setdefault(onward, []).append(front)

    def _goes(self, front: "_Front", position: int) -> bool:
        if front.meets is not None and (front.meets - position) * front.stride <= 0:
            return False
        return position in front.course

    def _settled(
        self,
        position: int,
        fronts: Sequence["_Front"],
        found: Sequence[Mask],
        rivals: Mapping[int, Mask],
        taken: Callable[[Plane], NDArray[np.bool_]] | None,
    ) -> list[Mask]:
        """Share out a plane's pixels among what was found of each object."""
        masks = settle(found)
        for at, front in enumerate(fronts):
            for name, rival in rivals.items():
                if name != front.name:
                    masks[at] = without(masks[at], rival)
        if taken is not None and any(mask.area for mask in masks):
            blocked = taken(self.plane.at(self.axis, position))
            masks = [
                kept(mask, ~blocked[mask.slices]) if mask.area and blocked[mask.slices].any() else mask
                for mask in masks
            ]
        return masks

    def _carried(self, position: int, neighbour: Mask) -> Mask:
        if self.cancel is not None:
            self.cancel.check()
        here = self.plane.at(self.axis, position)
        told = outlined(neighbour)
        return self.segmenter.segment(here, told, framing=self.framing, cancel=self.cancel).mask

    def _carried_each(self, position: int, neighbours: Sequence[Mask]) -> list[Mask]:
        if self.cancel is not None:
            self.cancel.check()
        here = self.plane.at(self.axis, position)
        asked = [(here, outlined(each)) for each in neighbours]
        masks: list[Mask] = []
        # All at once, to share what is encoded; formerly so many as are decoded together.
        together = len(asked) if self.revision > 2 else self.segmenter.objects_at_once
        for start in range(0, len(asked), max(together, 1)):
            some = asked[start : start + together]
            for found in self.segmenter.segment_each(some, framing=self.framing, cancel=self.cancel):
                if isinstance(found, UserError):
                    raise found
                if found is not None:
                    masks.append(found.mask)
        return masks

    def _standard(self, key: int, again: Mask) -> Evidence:
        """Gather what speaks for a key mask when prompted with itself, as its neighbours will be: a painted one too."""
        if not again.area:
            return Evidence(0.0, 0.0)
        return evidence_for(again, self.segmenter, self.plane.at(self.axis, key), self.cancel)

    def _judged(self, position: int, found: Mask, neighbour: Mask, standard: Evidence) -> PropagatedPlane:
        if not found.area:
            return PropagatedPlane(position, None, 0.0, Stop.EMPTY)
        here = self.plane.at(self.axis, position)
        trust = evidence_for(found, self.segmenter, here, self.cancel).trust(standard, self.revision)
        stopped = self.rule.judge(found, neighbour, trust)
        if stopped:
            return PropagatedPlane(position, None, 0.0, stopped)
        return PropagatedPlane(position, found, trust * math.sqrt(overlap(found, neighbour)))


@dataclass(frozen=True, eq=False)
class _Front:
    """The plane that an object has reached on its way from a key plane, one way.

    Parameters
    ----------
    name
        The object.
    key
        The key plane.
    meets
        The next key plane of the object; None beyond the outermost.
    stride
        Planes to the next one that is decoded; negative on the way down.
    neighbour
        The mask that the next plane is prompted with.
    course
        The positions that it may go to.
    """

    name: int
    key: int
    meets: int | None
    stride: int
    neighbour: Mask
    course: range


# Chosen: three clicked planes are all looked at, and of labels that are there already not every plane.
COMPARED = 3
"""Of so many key planes, the largest, the surest one is the standard beyond the outermost ones."""


def _largest(keys: Mapping[int, Mask]) -> list[int]:
    return sorted(sorted(keys), key=lambda at: -keys[at].area)[:COMPARED]


def surest(found: Sequence[Evidence]) -> Evidence:
    """Return the evidence with the highest predicted IoU, the first of equals.

    Beyond its outermost key plane an object is compared with its surest plane, not with that one: near an end it is
    small and dim, and much that is not the object compares well with it.
    """
    return max(found, key=lambda each: each.predicted_iou)


def kept(mask: Mask, pixels: NDArray[np.bool_]) -> Mask:
    """Return what is left of a mask where `pixels`, of its box, are True."""
    left = Mask.from_pixels(mask.pixels & pixels, mask.box[:2])
    return Mask(left.box, left.pixels, mask.predicted_iou, mask.logits, mask.window)


def without(mask: Mask, other: Mask) -> Mask:
    """Return what is left of a mask outside another one of the same plane."""
    shared = _shared(mask, other)
    if shared is None:
        return mask
    pixels = np.ones(mask.pixels.shape, bool)
    pixels[_within(mask, shared)] = ~other.pixels[_within(other, shared)]
    return mask if (pixels | ~mask.pixels).all() else kept(mask, pixels)


def settle(masks: Sequence[Mask]) -> list[Mask]:
    """Share out the pixels of masks of one plane: where several meet, the highest logit has it.

    A mask without logits counts as sure as a mask prompt is; of equal ones the first in order has the pixel.
    """
    lost: dict[int, NDArray[np.bool_]] = {}
    for first, second in combinations(range(len(masks)), 2):
        box = _shared(masks[first], masks[second])
        if box is None:
            continue
        parts = _within(masks[first], box), _within(masks[second], box)
        both = masks[first].pixels[parts[0]] & masks[second].pixels[parts[1]]
        if not both.any():
            continue
        wins = _logits_in(masks[first], box) >= _logits_in(masks[second], box)
        for at, part, loses in ((first, parts[0], both & ~wins), (second, parts[1], both & wins)):
            lost.setdefault(at, np.zeros(masks[at].pixels.shape, bool))[part] |= loses
    return [kept(mask, ~lost[at]) if at in lost else mask for at, mask in enumerate(masks)]


def _shared(first: Mask, second: Mask) -> tuple[int, int, int, int] | None:
    row0, column0 = max(first.box[0], second.box[0]), max(first.box[1], second.box[1])
    row1, column1 = min(first.box[2], second.box[2]), min(first.box[3], second.box[3])
    return (row0, column0, row1, column1) if row0 < row1 and column0 < column1 else None


def _within(mask: Mask, box: tuple[int, int, int, int]) -> tuple[slice, slice]:
    return slice(box[0] - mask.box[0], box[2] - mask.box[0]), slice(box[1] - mask.box[1], box[3] - mask.box[1])


def _logits_in(mask: Mask, box: tuple[int, int, int, int]) -> NDArray[np.float32]:
    if mask.logits is None or mask.window is None:
        return np.full((box[2] - box[0], box[3] - box[1]), CERTAIN, np.float32)
    return sample_grid(mask.logits, *mask.window.grid(box))


def _met(
    risen: Mapping[int, PropagatedPlane], fallen: Mapping[int, PropagatedPlane], lower: int, upper: int
) -> Iterator[PropagatedPlane]:
    """Blend what came from the key planes on both sides, by distance."""
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
