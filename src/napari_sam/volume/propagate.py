"""Propagation of objects through a stack, as far as the evidence speaks for them: along an axis, or in three views."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_sam.errors import UserError
from napari_sam.nn.cancel import CancelToken
from napari_sam.planes.geometry import Mask, Plane, Window
from napari_sam.segment.level import Framing
from napari_sam.volume.carry import AxisWalk, PropagatedPlane, kept, planes_to_reach, settle, without
from napari_sam.volume.evidence import REVISION, TIGHT, Stop, StopRule
from napari_sam.volume.views import (
    CERTAIN_VOTE,
    FEWEST_PLANES,
    MAJORITY,
    Section,
    Stack,
    View,
    Vote,
    compete,
    laid,
    vote,
)

if TYPE_CHECKING:
    # It needs torch, which a window waits for only when there is an image.
    from napari_sam.segment.segmenter import Segmenter

Taken = Callable[[Plane], NDArray[np.bool_]]
"""Tells which pixels of a plane, (rows, columns) bool, belong to something that nothing is carried over."""


def propagate(
    segmenter: "Segmenter",
    plane: Plane,
    key_masks: Mapping[int, Mask],
    axis: int,
    *,
    start: int | None = None,
    stop: int | None = None,
    views: bool = False,
    rule: StopRule | None = None,
    cancel: CancelToken | None = None,
    areas: Sequence[Window] = (),
    revision: int = REVISION,
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
        First and last position, both inclusive; None for the ends of the image. Nothing is given outside, though a key
        plane may lie there, from which the object is carried into the range.
    views
        Carry it along the rows and the columns as well, and let the three views vote on each voxel (`vote`): ends along
        one axis are plain in the two others. Planes that were reached are then given once more, as they came out.
    rule
        When an object is taken to have ended; None for the default.
    cancel
        Checked between planes and between the encoder's blocks.
    areas
        `PropagatedPlane.areas` of all planes of an earlier run with the same keys, to get the same masks to the last
        bit.
    revision
        See `REVISION`: of that earlier run.

    Yields
    ------
    PropagatedPlane
        One for every plane that was reached, key planes left out; in each direction the nearest first. With `views` a
        plane may come twice, and what comes last holds, be it no mask.

    Raises
    ------
    UserError
        Without a key mask, with an axis that is displayed or does not exist, or with a range outside the image.
    Cancelled
        If `cancel` was set.
    """
    alone = propagate_each(
        segmenter,
        plane,
        {0: key_masks},
        axis,
        start=start,
        stop=stop,
        views=views,
        rule=rule,
        cancel=cancel,
        areas=areas,
        revision=revision,
    )
    for _, each in alone:
        yield each


def propagate_each(
    segmenter: "Segmenter",
    plane: Plane,
    objects: Mapping[int, Mapping[int, Mask]],
    axis: int,
    *,
    start: int | None = None,
    stop: int | None = None,
    views: bool = False,
    taken: Taken | None = None,
    rule: StopRule | None = None,
    cancel: CancelToken | None = None,
    areas: Sequence[Window] = (),
    revision: int = REVISION,
    framing: Framing = TIGHT,
) -> Iterator[tuple[int, PropagatedPlane]]:
    """Carry several objects along an axis at once; they compete for pixels.

    Each goes as far as `propagate` would carry it. What several of them claim goes to the one with the highest logit,
    on the way as well as in the end; an object's key masks are its own.

    Parameters
    ----------
    segmenter, plane, axis, start, stop, views, rule, cancel, areas, revision
        As of `propagate`.
    objects
        For each object, by a number of its own, the masks that the user made, by position along `axis`.
    taken
        Which pixels belong to something else already; None for none.
    framing
        How much around an object the network is shown.

    Yields
    ------
    (int, PropagatedPlane)
        The object, and what it has on a plane that was reached. A plane may come several times, and what comes last
        holds, be it no mask.

    Raises
    ------
    UserError, Cancelled
        As of `propagate`.
    """
    first, last = planes_to_reach(segmenter.source.shape, plane, axis, start, stop)
    known = {
        name: {position: mask for position, mask in sorted(keys.items()) if mask.area}
        for name, keys in sorted(objects.items())
    }
    if not any(known.values()):
        raise UserError("There is nothing to propagate: segment the object on one plane first.")
    known = {name: keys for name, keys in known.items() if keys}
    traced, trace = segmenter.traced(areas)
    rule = StopRule() if rule is None else rule
    walk = AxisWalk(traced, plane, axis, first, last, rule, cancel, revision, framing)
    carried: Iterator[tuple[int, PropagatedPlane]]
    reached: dict[int, dict[int, PropagatedPlane]] = {name: {} for name in known}
    if len(known) == 1 and taken is None:
        # By itself it is decoded by itself, nearest planes first: former sessions replay so, to the last bit.
        ((alone, keys),) = known.items()
        carried = ((alone, each) for each in walk.carry(keys))
    else:
        carried = walk.carry_each(known, _courses(known, first, last), taken)
    given = range(first, last + 1) if revision > 1 else range(segmenter.source.shape[axis])
    for name, each in carried:
        reached[name][each.index] = each
        if each.index in given:
            yield name, replace(each, areas=trace.take())
    finals = _seen_from_all_sides(walk, known, reached, taken) if views else _shared_out(known, reached)
    for name, each in finals:
        if each.index in given:
            yield name, replace(each, areas=trace.take())


def _courses(objects: Mapping[int, Mapping[int, Mask]], first: int, last: int) -> dict[int, range]:
    """Return where objects must go that have key planes outside the range: from these into it."""
    ends = {name: (min(first, *keys), max(last, *keys)) for name, keys in objects.items()}
    return {name: range(low, high + 1) for name, (low, high) in ends.items() if (low, high) != (first, last)}


def _shared_out(
    objects: Mapping[int, Mapping[int, Mask]], reached: Mapping[int, Mapping[int, PropagatedPlane]]
) -> Iterator[tuple[int, PropagatedPlane]]:
    """Share out the pixels of planes that objects reached from different sides."""
    for position in sorted({position for planes in reached.values() for position in planes}):
        names = [name for name, planes in reached.items() if position in planes and planes[position].mask is not None]
        found = [reached[name][position].mask for name in names]
        masks = settle([mask for mask in found if mask is not None])
        rivals = {name: keys[position] for name, keys in objects.items() if position in keys}
        for name, before, after in zip(names, found, masks, strict=True):
            for other, rival in rivals.items():
                after = after if other == name else without(after, rival)
            if after is not before:
                each = reached[name][position]
                yield (
                    name,
                    replace(each, mask=after) if after.area else PropagatedPlane(position, None, 0.0, Stop.TAKEN),
                )


def _seen_from_all_sides(
    walk: AxisWalk,
    objects: Mapping[int, Mapping[int, Mask]],
    reached: Mapping[int, Mapping[int, PropagatedPlane]],
    taken: Taken | None,
) -> Iterator[tuple[int, PropagatedPlane]]:
    """Let three views of each object vote, and give every plane as it came out.

    Parameters
    ----------
    walk
        The walk on which the objects were carried along the first axis.
    objects
        Their key masks.
    reached
        What came of that.
    taken
        See `propagate_each`.
    """
    stack = Stack(walk.segmenter, walk.plane, walk.axis)
    views = {name: [_first_view(stack, keys, reached[name])] for name, keys in objects.items()}
    for side in (1, 2):
        for name in _add_side_views(walk, stack, side, objects, reached, taken, views):
            if reached[name]:
                # Nothing new, but whoever clicks meanwhile goes first.
                *_, latest = reached[name].values()
                yield name, latest
    votes = {name: vote(views[name], objects[name], stack.shape) for name in objects}
    compete(votes)
    for name, keys in objects.items():
        yield from ((name, each) for each in _outcome(walk, votes[name], keys, reached[name], views[name], taken))


def _first_view(stack: Stack, keys: Mapping[int, Mask], reached: Mapping[int, PropagatedPlane]) -> View:
    masks = {position: each.mask for position, each in reached.items() if each.mask is not None}
    planes = {**masks, **{position: Mask(mask.box, mask.pixels) for position, mask in keys.items()}}
    shape = stack.shape[1], stack.shape[2]
    return View(0, next(iter(keys)), 1, {position: Section.of(mask, shape) for position, mask in planes.items()})


def _add_side_views(
    walk: AxisWalk,
    stack: Stack,
    side: int,
    objects: Mapping[int, Mapping[int, Mask]],
    reached: Mapping[int, Mapping[int, PropagatedPlane]],
    taken: Taken | None,
    all_views: Mapping[int, list[View]],
) -> Iterator[int]:
    """Carry the objects along the rows or the columns of their planes, and add what is seen so to `all_views`.

    Yields
    ------
    int
        An object that came a plane further.
    """
    views: dict[int, View] = {}
    seeds: dict[int, Mask] = {}
    rows, columns = (stack.shape[axis] for axis in range(3) if axis != side)
    for name, keys in objects.items():
        found = sum(each.mask is not None for each in reached[name].values())
        seed = stack.seed(side, keys, walk.cancel) if len(keys) + found >= FEWEST_PLANES else None
        if seed is not None:
            position, seeds[name] = seed
            section = Section.of(seeds[name], (rows, columns))
            views[name] = View(side, position, stack.stride(side, keys), {position: section})
            all_views[name].append(views[name])
        yield name
    across = AxisWalk(
        walk.segmenter,
        stack.across(side),
        stack.axes[side],
        0,
        stack.shape[side] - 1,
        walk.rule,
        walk.cancel,
        walk.revision,
        walk.framing,
    )
    started = {name: {view.seed: seeds[name]} for name, view in views.items()}
    courses = {name: stack.course(view, objects[name]) for name, view in views.items()}
    for name, each in across.carry_each(started, courses, taken):
        if each.mask is not None:
            views[name].sections[each.index] = Section.of(each.mask, (rows, columns))
        yield name


def _outcome(
    walk: AxisWalk,
    votes: Vote,
    keys: Mapping[int, Mask],
    reached: Mapping[int, PropagatedPlane],
    views: Sequence[View],
    taken: Taken | None,
) -> Iterator[PropagatedPlane]:
    """Give what the vote leaves of an object, plane by plane: the pieces that hang together with its key masks."""
    inside = votes.share >= np.uint8(math.ceil(MAJORITY * CERTAIN_VOTE))
    for position, mask in keys.items():
        inside[position - votes.corner[0]] = laid(mask, votes.corner, inside.shape)
    pieces, _ = ndimage.label(inside, np.ones((3, 3, 3), bool))
    own = {int(piece) for at in keys for piece in np.unique(pieces[at - votes.corner[0]])} - {0}
    inside = np.isin(pieces, sorted(own))
    low = max(walk.first, min(votes.corner[0], *reached, *keys))
    high = min(walk.last, max(votes.corner[0] + len(inside) - 1, *reached, *keys))
    for position in range(low, high + 1):
        if position in keys:
            continue
        at = position - votes.corner[0]
        plane: NDArray[np.bool_] = inside[at] if 0 <= at < len(inside) else np.zeros((0, 0), bool)
        mask = Mask.from_pixels(plane, votes.corner[1:])
        if taken is not None and mask.area:
            mask = kept(mask, ~taken(walk.plane.at(walk.axis, position))[mask.slices])
        if mask.area:
            confidence = votes.confidence(views, mask, position)
            yield PropagatedPlane(position, Mask(mask.box, mask.pixels, confidence), confidence)
        elif position in reached:
            before = reached[position]
            yield before if before.mask is None else PropagatedPlane(position, None, 0.0, Stop.OUTVOTED)
