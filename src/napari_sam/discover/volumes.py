"""Everything in a stack: found on each plane, linked into volumes, and carried on to where each of them ends."""

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from napari_sam.discover.everything import propose_everything
from napari_sam.discover.linking import PlaneObject, link
from napari_sam.discover.proposals import OVERLAP, Proposals, Region, Wanted, probability
from napari_sam.discover.volume_proposals import VolumeProposal, VolumeProposals
from napari_sam.errors import UserError
from napari_sam.nn.cancel import CancelToken
from napari_sam.planes.geometry import Mask, Plane
from napari_sam.segment.level import pixel_aspect
from napari_sam.segment.segmenter import Segmenter
from napari_sam.volume.carry import PropagatedPlane, planes_to_reach
from napari_sam.volume.evidence import SWIFT
from napari_sam.volume.propagate import propagate_each

ALONE = 0.6
"""Confidence from which what was found on a single plane is carried on as well (chosen)."""
SAME_PLACE = 0.4
"""IoU of the boxes of two volumes, on a plane to which both were carried, from which on they are one object.

Chosen on 20 generated stacks: AP50 .504 without, .511 from .3 or .4 on, .509 from .5 or .6 on.
"""
VOLUME_LOGISTIC = (-3.07, 1.38, 1.8)
"""Of 1, the logit of the mean confidence of the planes on which it was found, and the logarithm of how many these are:
logit that a volume has a 3-D IoU of at least .5 with an object.

Fitted with version 9 to the volumes of 16 generated stacks, each with the root of how many it has.
"""


def propose_volumes(
    segmenter: Segmenter,
    plane: Plane,
    axis: int,
    *,
    start: int | None = None,
    stop: int | None = None,
    overlap: float = OVERLAP,
    region: Region | None = None,
    movement: float | None = None,
    carried: bool = True,
    cancel: CancelToken | None = None,
) -> Iterator[tuple[int, int] | VolumeProposals]:
    """Propose all objects of a stack.

    Everything is found on each plane, and linked. Then all volumes are carried on together, from the planes on which
    they were found, to the planes in between on which they were missed and beyond both ends as far as the evidence
    speaks for them; they compete for pixels.

    Parameters
    ----------
    segmenter
        The image and the model.
    plane
        Any of the planes; its index along `axis` does not matter.
    axis
        The axis that crosses the planes; time is one as well.
    start, stop
        First and last position, both inclusive; None for the ends of the image.
    overlap
        Of the objects on a plane, see `Wanted`.
    region
        See `propose_everything`.
    movement
        See `link`.
    carried
        Whether volumes are carried on.
    cancel
        Checked between prompts and between the encoder's blocks.

    Yields
    ------
    (done, total) or VolumeProposals
        Work done, whenever something more urgent may come in between; at last all volumes.

    Raises
    ------
    UserError
        With an axis that is displayed or does not exist, or with a range outside the image.
    Cancelled
        If `cancel` was set.
    """
    shape = segmenter.source.shape
    first, last = planes_to_reach(shape, plane, axis, start, stop)
    if movement is not None and not movement > 0:
        raise UserError(f"A movement is a distance in pixels above 0, but got {movement:g}.")
    wanted = Wanted(overlap=overlap)
    planes = last - first + 1
    total = 2 * planes if carried else planes
    objects: list[PlaneObject] = []
    prompts = 0
    for done, position in enumerate(range(first, last + 1)):
        for each in propose_everything(segmenter, plane.at(axis, position), region=region, cancel=cancel):
            if isinstance(each, Proposals):
                prompts += each.prompts
                objects += _plane_objects(each, wanted, position)
            else:
                yield done, total
        yield done + 1, total
    volumes = [[objects[at] for at in volume] for volume in link(objects, plane.shape(shape), movement=movement)]
    reached: list[dict[int, PropagatedPlane]] = [_as_found(volume) for volume in volumes]
    if carried:
        for settled in _carried_on(segmenter, plane, axis, (first, last), volumes, reached, cancel):
            yield planes + int(planes * settled), total
        volumes, reached = _joined(volumes, reached)
    size = _voxel(segmenter.source.scale, plane, axis)
    found = [_proposal(volume, each, size, movement is not None) for volume, each in zip(volumes, reached, strict=True)]
    yield VolumeProposals(plane, axis, shape, sorted(found, key=lambda each: -each.confidence), prompts)


def label_volumes(
    segmenter: Segmenter,
    stacks: Sequence[Plane],
    axis: int,
    wanted: Wanted,
    *,
    start: int | None = None,
    stop: int | None = None,
    region: Region | None = None,
    movement: float | None = None,
    told: Callable[[float], object] | None = None,
) -> tuple[NDArray[np.int32], int]:
    """Find everything in some stacks of an image, each by itself, as labels.

    Parameters
    ----------
    segmenter, axis, start, stop, region, movement
        As of `propose_volumes`.
    stacks
        A plane of each stack.
    wanted
        What is wanted: the overlap on each plane, and the confidence and the size of whole objects.
    told
        Called with the share of the work that is done, 0..1.

    Returns
    -------
    (ndarray, int)
        Labels of the image's shape, and how many objects there are: their ids go up to it, in every stack the surest
        first.
    """
    labels, count = np.zeros(segmenter.source.shape, np.int32), 0
    for at, plane in enumerate(stacks):
        for each in propose_volumes(
            segmenter,
            plane,
            axis,
            start=start,
            stop=stop,
            overlap=wanted.overlap,
            region=region,
            movement=movement,
        ):
            if isinstance(each, VolumeProposals):
                chosen = each.chosen(wanted)
                each.paint(labels, chosen, range(count + 1, count + 1 + len(chosen)))
                count += len(chosen)
            elif told is not None:
                told((at + each[0] / each[1]) / len(stacks))
    return labels, count


def _plane_objects(proposals: Proposals, wanted: Wanted, position: int) -> list[PlaneObject]:
    found = [(at, proposals.mask(at)) for at in proposals.chosen(wanted)]
    return [PlaneObject.of(proposals.proposals[at], mask, position) for at, mask in found if mask.area]


def _as_found(volume: Sequence[PlaneObject]) -> dict[int, PropagatedPlane]:
    return {each.position: PropagatedPlane(each.position, each.mask, each.confidence) for each in volume}


def _carried_on(
    segmenter: Segmenter,
    plane: Plane,
    axis: int,
    limits: tuple[int, int],
    volumes: Sequence[Sequence[PlaneObject]],
    reached: Sequence[dict[int, PropagatedPlane]],
    cancel: CancelToken | None,
) -> Iterator[float]:
    """Carry volumes on, and put into `reached` where they come; yields the share of their ends that are settled."""
    keys = {
        at: {each.position: each.mask for each in volume}
        for at, volume in enumerate(volumes)
        if len(volume) > 1 or volume[0].confidence >= ALONE
    }
    if not keys:
        return
    first, last = limits
    open_ends = sum((min(own) > first) + (max(own) < last) for own in keys.values())
    settled = 0
    for at, each in propagate_each(segmenter, plane, keys, axis, start=first, stop=last, cancel=cancel, framing=SWIFT):
        if each.mask is None or not each.mask.area:
            reached[at].pop(each.index, None)
        else:
            # Logits would take most of the memory of a stack.
            mask = Mask(each.mask.box, each.mask.pixels, each.mask.predicted_iou)
            reached[at][each.index] = PropagatedPlane(each.index, mask, each.confidence)
        settled += each.mask is None or each.index in limits
        yield min(settled / max(open_ends, 1), 1.0)


def _joined(
    volumes: Sequence[list[PlaneObject]], reached: Sequence[dict[int, PropagatedPlane]]
) -> tuple[list[list[PlaneObject]], list[dict[int, PropagatedPlane]]]:
    """Make one of volumes that were carried to the same place of a plane, where they share out one object's pixels.

    Neither was found there, so that they were not linked: the object was missed on two planes or more. Two that were
    found on the same plane stay apart.
    """
    found = [{each.position for each in volume} for volume in volumes]
    group = list(range(len(volumes)))
    carried: dict[int, list[int]] = {}
    for at, planes in enumerate(reached):
        for position, each in planes.items():
            if position not in found[at] and each.mask is not None:
                carried.setdefault(position, []).append(at)
    for position, there in sorted(carried.items()):
        boxes = np.array([mask.box for at in there if (mask := reached[at][position].mask) is not None])
        for one, other in np.argwhere(np.triu(_box_ious(boxes) > SAME_PLACE, 1)).tolist():
            first, second = group[there[one]], group[there[other]]
            if first != second and not found[first] & found[second]:
                found[first] |= found[second]
                group = [first if each == second else each for each in group]
    parts: dict[int, list[int]] = {}
    for at, first in enumerate(group):
        parts.setdefault(first, []).append(at)
    joined = [
        sorted((each for at in some for each in volumes[at]), key=lambda each: each.position) for some in parts.values()
    ]
    return joined, [_united([reached[at] for at in some]) for some in parts.values()]


def _united(parts: Sequence[dict[int, PropagatedPlane]]) -> dict[int, PropagatedPlane]:
    """Return the planes of several parts of an object; where two share one, it has the pixels of both."""
    planes: dict[int, PropagatedPlane] = {}
    for part in parts:
        for position, each in part.items():
            before = planes.get(position)
            if before is None or before.mask is None or each.mask is None:
                planes[position] = each
                continue
            row0, column0 = (min(before.mask.box[axis], each.mask.box[axis]) for axis in (0, 1))
            row1, column1 = (max(before.mask.box[axis + 2], each.mask.box[axis + 2]) for axis in (0, 1))
            pixels = np.zeros((row1 - row0, column1 - column0), bool)
            for mask in (before.mask, each.mask):
                pixels[mask.box[0] - row0 : mask.box[2] - row0, mask.box[1] - column0 : mask.box[3] - column0] |= (
                    mask.pixels
                )
            mask = Mask((row0, column0, row1, column1), pixels, max(before.mask.predicted_iou, each.mask.predicted_iou))
            planes[position] = PropagatedPlane(position, mask, max(before.confidence, each.confidence))
    return planes


def _box_ious(boxes: NDArray[np.int_]) -> NDArray[np.float64]:
    """Return the IoU of every two of (N, 4) boxes (row0, column0, row1, column1), (N, N)."""
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    common = (high - low).clip(0).prod(axis=2)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    ious: NDArray[np.float64] = common / np.maximum(areas[:, None] + areas[None] - common, 1)
    return ious


def _voxel(scale: Sequence[float] | None, plane: Plane, axis: int) -> tuple[float, float]:
    """Return the area of a pixel and the depth of a plane, in units (pixels of the finer axis of the planes)."""
    aspect = pixel_aspect(scale, plane.axes)
    depth = 1.0
    if scale is not None and math.isfinite(scale[axis]) and scale[axis]:
        depth = abs(scale[axis]) / min(abs(scale[each]) for each in plane.axes)
    return 1 / (aspect[0] * aspect[1]), depth


def _proposal(
    volume: Sequence[PlaneObject], reached: dict[int, PropagatedPlane], voxel: tuple[float, float], moving: bool
) -> VolumeProposal:
    """Make the proposal of a volume; `voxel` as of `_voxel`."""
    planes = dict(sorted(reached.items()))
    areas = [each.mask.area for each in planes.values() if each.mask is not None]
    sure = min(max(float(np.mean([each.confidence for each in volume])), 0.01), 0.99)
    confidence = probability(VOLUME_LOGISTIC, (1.0, math.log(sure / (1 - sure)), math.log(len(volume))))
    area, depth = voxel
    if moving:
        diameter = 2 * math.sqrt(max(areas) * area / math.pi)
    else:
        diameter = (6 * sum(areas) * area * depth / math.pi) ** (1 / 3)
    surest = max(volume, key=lambda each: each.confidence)
    return VolumeProposal(planes, len(volume), surest.position, surest.origin, confidence, diameter)
