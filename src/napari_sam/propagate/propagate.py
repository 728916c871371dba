"""Carry an object along an axis from its key planes."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

from napari_sam.errors import UserError
from napari_sam.nn.cancel import CancelToken
from napari_sam.planes.mask import Mask
from napari_sam.planes.plane import Plane
from napari_sam.planes.window import Window
from napari_sam.propagate.blend import blend
from napari_sam.propagate.front import StopRule, advance
from napari_sam.propagate.propagated_plane import PropagatedPlane
from napari_sam.segment.segmenter import Segmenter


def propagate(
    segmenter: Segmenter,
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
    first, last = _range(segmenter, plane, axis, start, stop)
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


def _range(segmenter: Segmenter, plane: Plane, axis: int, start: int | None, stop: int | None) -> tuple[int, int]:
    shape = segmenter.source.shape
    if not 0 <= axis < len(shape):
        raise UserError(f"Axis {axis} does not exist: this image has the axes 0 to {len(shape) - 1}.")
    if axis in plane.axes:
        raise UserError(f"Axis {axis} is displayed: propagate along one that is not.")
    first = 0 if start is None else start
    last = shape[axis] - 1 if stop is None else stop
    if not 0 <= first <= last < shape[axis]:
        raise UserError(f"Planes {first} to {last} do not exist: axis {axis} has the planes 0 to {shape[axis] - 1}.")
    return first, last
