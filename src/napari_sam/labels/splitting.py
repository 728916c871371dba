"""An object split into parts: by what the network says of each, and by its shape where that says nothing."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.graph import MCP_Geometric

from napari_sam.nn.cancel import CancelToken
from napari_sam.planes.geometry import Mask, Plane
from napari_sam.planes.resample import sample_grid
from napari_sam.prompts.prompt import Point, Prompts
from napari_sam.segment.segmentation import Segmentation

_CERTAIN = 1.0
"""Logit of a mask that has none: any above 0 shares alike (chosen)."""

_LEAST = 1e-3
"""Least width that a way is taken to have, as a share of the widest: no step is free, and none endless."""


class AsksOfAPlane(Protocol):
    """What is asked of a plane: the part of a `Segmenter` that splitting needs."""

    def segment(
        self,
        plane: Plane,
        prompts: Prompts,
        *,
        object_size: float | None = None,
        cancel: CancelToken | None = None,
    ) -> Segmentation:
        """Segment one object on one plane."""
        ...


def ask_for_parts(
    segmenter: AsksOfAPlane, plane: Plane, own: Mask, clicks: Mapping[int, Point], cancel: CancelToken | None = None
) -> NDArray[np.int32]:
    """Share the pixels of an object on a plane out by asking for each part, the clicks of the others excluding.

    Parameters
    ----------
    segmenter
        Who is asked.
    plane, own
        Where, and the object's pixels there.
    clicks
        By number of a part, from 1, the click in it, on a pixel of the object.
    cancel
        Stops it.

    Returns
    -------
    (rows, columns) int32 of the mask's box: number of the part; 0 where none is known, and beside the object.

    Raises
    ------
    UserError
        If the model cannot answer.
    """
    size = 2 * math.sqrt(own.area / len(clicks) / math.pi)
    logits = []
    for part in clicks:
        others = [replace(each, positive=False) for other, each in clicks.items() if other != part]
        points = replace(clicks[part], positive=True), *others
        answer = segmenter.segment(plane, Prompts(points), object_size=size, cancel=cancel)
        logits.append(_logits(answer.mask, own.box))
    seeds = {
        at: [(round(each.row) - own.box[0], round(each.column) - own.box[1])]
        for at, each in enumerate(clicks.values(), 1)
    }
    shares = share_by_logits(own.pixels, logits, seeds)
    numbers = np.array([0, *clicks], np.int32)
    named: NDArray[np.int32] = numbers[shares]
    return named


def _logits(mask: Mask, box: tuple[int, int, int, int]) -> NDArray[np.float32]:
    """Return the logits of a mask on the pixels of a box."""
    if mask.logits is not None and mask.window is not None:
        return sample_grid(mask.logits, *mask.window.grid(box), outside=-_CERTAIN)
    inside = np.full((box[2] - box[0], box[3] - box[1]), -_CERTAIN, np.float32)
    moved = Mask((mask.box[0] - box[0], mask.box[1] - box[1], mask.box[2] - box[0], mask.box[3] - box[1]), mask.pixels)
    inside[moved.painted((inside.shape[0], inside.shape[1]))] = _CERTAIN
    return inside


def share_by_logits(
    own: NDArray[np.bool_], logits: Sequence[NDArray[np.float32]], seeds: Mapping[int, Sequence[tuple[int, ...]]]
) -> NDArray[np.int32]:
    """Share the pixels of an object on a plane out: each goes to the part of the highest logit above 0.

    Parameters
    ----------
    own
        (rows, columns) the object.
    logits
        (rows, columns) for every part.
    seeds
        By number of a part, its pixels that were clicked. Of what a part wins only pieces count that hold one.

    Returns
    -------
    (rows, columns) int32: number of the part, from 1; 0 where none is known.
    """
    stacked = np.stack(logits)
    best = np.where(own & (stacked.max(axis=0) > 0), np.argmax(stacked, axis=0) + 1, 0).astype(np.int32)
    return _pieces_with(best, seeds, len(logits))


def _pieces_with(
    shares: NDArray[np.int32], seeds: Mapping[int, Sequence[tuple[int, ...]]], parts: int
) -> NDArray[np.int32]:
    held = np.zeros_like(shares)
    for part in range(1, parts + 1):
        numbered, _ = ndimage.label(shares == part)
        reached = {int(numbered[at]) for at in seeds.get(part, ())} - {0}
        held[np.isin(numbered, list(reached))] = part
    for part, places in seeds.items():
        for at in places:
            held[at] = part
    return held


def share_by_shape(
    own: NDArray[np.bool_], known: NDArray[np.int32], parts: int, spacing: Sequence[float]
) -> NDArray[np.int32]:
    """Share the rest of an object out: each pixel goes to the part that is nearest inside of it, by the widest way.

    A step costs its length over the width of the object there (its distance to the border), so that two parts meet at
    the neck between them where there is one, and halfway where there is none. Of equally near parts the first has it.

    446 touching pairs of true objects on training images (six kinds), clicked at random well inside, are told apart
    with a mean IoU of .86 (mean over kinds); .79 by straight distance, .75 by watershed of the distance to the border.

    Parameters
    ----------
    own
        (axes...) the object.
    known
        (axes...) numbers of parts, from 1, where that is known already; every part is somewhere.
    parts
        How many there are.
    spacing
        Size of a pixel along every axis.

    Returns
    -------
    (axes...) int32: the number of a part on every pixel of the object, 0 beside it.
    """
    # Pixels at the border of the box count as being at the object's border.
    padded = np.pad(own, 1)
    inner = (slice(1, -1),) * own.ndim
    width = ndimage.distance_transform_edt(padded, sampling=spacing)[inner]
    costs = np.where(own, 1 / np.maximum(width, _LEAST * max(float(width.max()), _LEAST)), -1.0)
    nearest = np.zeros(own.shape, np.int32)
    least = np.full(own.shape, np.inf)
    for part in range(1, parts + 1):
        starts = np.argwhere(known == part)
        if not len(starts):
            continue
        total, _ = MCP_Geometric(
            np.where((known == 0) | (known == part), costs, -1.0), fully_connected=True, sampling=tuple(spacing)
        ).find_costs(starts)
        nearer = own & (total < least)
        nearest[nearer], least[nearer] = part, total[nearer]
    nearest = np.where(known > 0, known, nearest)
    left = own & (nearest == 0)
    if left.any():
        # Pieces without a click: to the part that is nearest in a straight line.
        at: Any = ndimage.distance_transform_edt(
            nearest == 0, sampling=spacing, return_distances=False, return_indices=True
        )
        nearest = np.where(left, nearest[tuple(at)], nearest)
    return nearest.astype(np.int32)
