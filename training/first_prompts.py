"""First prompts for the objects of one window."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage import measure

from training.config import PromptConfig
from training.mask_prompts import deform, misplace
from training.shares import draw_by_share

MASK_LOGIT = 6.9
SCRIBBLE_POINTS = (2, 4)
LARGEST_WHOLE = 0.75
"""Of the window's side, that a box around several pieces may take."""
NEGATIVE, POSITIVE, UPPER_LEFT, LOWER_RIGHT, PADDING = 0, 1, 2, 3, -1

Region = tuple[slice, slice]


class Kind(StrEnum):
    """What the user gives first. All prompts of a window are of one kind, so that no token is padding."""

    POINT = "point"
    BOX = "box"
    BOX_AND_POINT = "box_and_point"
    SCRIBBLE = "scribble"
    MASK = "mask"


@dataclass(frozen=True)
class WindowPrompts:
    """P prompts in one window of side S, and what they are to give.

    Attributes
    ----------
    points
        (P, K, 2) as (x, y) in window pixels, pixel centres on integers.
    labels
        (P, K): 1 positive, 0 negative, 2 and 3 box corners, -1 padding.
    masks
        (P, S / 2, S / 2) logits, or None.
    targets
        (P, S / 2, S / 2), the object's share of each cell.
    """

    points: NDArray[np.float32]
    labels: NDArray[np.int64]
    masks: NDArray[np.float32] | None
    targets: NDArray[np.float32]


@dataclass(frozen=True)
class Request:
    """What all prompts of a window are.

    Attributes
    ----------
    kind
        Their kind.
    scribbled
        Points of a scribble.
    """

    kind: Kind
    scribbled: int = 3


def draw_request(rng: np.random.Generator, config: PromptConfig) -> Request:
    """A kind of prompt by its configured share."""
    return Request(
        draw_by_share(rng, {kind: getattr(config, kind.value) for kind in Kind}),
        int(rng.integers(*SCRIBBLE_POINTS, endpoint=True)),
    )


def draw_first_prompts(
    rng: np.random.Generator,
    labels: NDArray[np.int32],
    neighbour: NDArray[np.int32] | None,
    inside: NDArray[np.bool_],
    request: Request,
    smallest: int,
    config: PromptConfig,
) -> WindowPrompts | None:
    """Prompts for objects drawn from one window.

    An object is a connected piece: what else has its label may be far away, or its mirror image beyond the border.
    Some boxes are drawn around all pieces of a label all the same, as people do who know that these belong together.

    Parameters
    ----------
    labels
        (S, S).
    neighbour
        (S, S) labels of a neighbouring plane at the same place, from which mask prompts are taken; or None.
    inside
        (S, S), False beyond the image, where it is mirrored.
    request
        What is given for each object.
    smallest
        Pixels that an object must show.

    Returns
    -------
    None if there is no object.
    """
    kind = request.kind
    if kind is not Kind.MASK:
        neighbour = None
    pieces = measure.label(labels, background=0, connectivity=1)
    source = pieces if neighbour is None else measure.label(neighbour, background=0, connectivity=1)
    areas = np.bincount(source.ravel())
    areas[0] = 0
    ids = np.flatnonzero(areas >= smallest)
    if not len(ids):
        return None
    frame = np.concatenate([source[0], source[-1], source[:, 0], source[:, -1]])
    weights = np.where(np.isin(ids, frame), config.cut_objects, 1.0)
    chosen = rng.choice(ids, config.per_window, replace=len(ids) < config.per_window, p=weights / weights.sum())
    boxes = ndimage.find_objects(source)
    points, kinds, masks, targets = [], [], [], []
    for label in chosen:
        target = pieces == label if neighbour is None else _continued(labels, pieces, neighbour, source == label)
        region = boxes[label - 1]
        if kind in (Kind.BOX, Kind.BOX_AND_POINT) and rng.random() < config.whole:
            target, region = _whole(labels, inside, target, region)
        if kind is Kind.MASK:
            if neighbour is None and rng.random() < config.missing:
                shape = misplace(rng, target, pieces)
                target = np.zeros_like(target)
            else:
                shape = deform(rng, source == label, gentle=neighbour is not None)
            masks.append(np.where(_thinned(shape), np.float32(MASK_LOGIT), np.float32(-MASK_LOGIT)))
            rows, columns = np.nonzero(shape)
            region = np.s_[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
            placed = [*_box(region), _point_in(rng, shape, region, "centre")]
            given = [UPPER_LEFT, LOWER_RIGHT, POSITIVE]
        else:
            placed, given = _place(rng, target, region, request, config)
        points.append(placed)
        kinds.append(given)
        targets.append(_halve(target))
    return WindowPrompts(
        np.array(points, np.float32),
        np.array(kinds, np.int64),
        np.stack(masks) if masks else None,
        np.stack(targets),
    )


def _continued(
    labels: NDArray[np.int32], pieces: NDArray[np.int32], neighbour: NDArray[np.int32], shape: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """The pieces of this plane with the label of a neighbouring plane's piece that lie where it was, or nearly so."""
    same = labels == neighbour[shape][0]
    near = ndimage.binary_dilation(shape, iterations=4)
    return np.isin(pieces, np.unique(pieces[same & near])) & same


def _whole(
    labels: NDArray[np.int32], inside: NDArray[np.bool_], piece: NDArray[np.bool_], region: Region
) -> tuple[NDArray[np.bool_], Region]:
    """All pieces with the label of one of them, and their box; only that one where they lie far apart or mirrored."""
    if not inside[piece].all():
        return piece, region
    whole = piece | ((labels == labels[piece][0]) & inside)
    (box,) = ndimage.find_objects(whole.astype(np.uint8))
    if max(side.stop - side.start for side in box) > LARGEST_WHOLE * len(labels):
        return piece, region
    return whole, box


def _thinned(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Every other pixel; of what is so thin that none is left, every block that it touches."""
    every_other = mask[::2, ::2]
    return every_other if every_other.any() else _halve(mask) > 0


def _halve(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    counts = mask.view(np.uint8)
    rows = counts[::2] + counts[1::2]
    return (rows[:, ::2] + rows[:, 1::2]) * np.float32(0.25)


def _place(
    rng: np.random.Generator,
    target: NDArray[np.bool_],
    region: Region,
    request: Request,
    config: PromptConfig,
) -> tuple[list[NDArray[np.float64]], list[int]]:
    kind = request.kind
    if kind is Kind.POINT:
        where = rng.choice(["centre", "inner", "any"], p=[0.3, 0.5, 0.2])
        return [_point_in(rng, target, region, str(where))], [POSITIVE]
    if kind is Kind.SCRIBBLE:
        scribble = [_point_in(rng, target, region, "inner") for _ in range(request.scribbled)]
        return scribble, [POSITIVE] * len(scribble)
    corners = np.array(_box(region))
    sides = np.minimum(corners[1] - corners[0] + 1, 60)
    corners += rng.normal(0, config.box_jitter * rng.choice([0.2, 1.0]), (2, 2)) * sides
    corners = np.clip(np.sort(corners, axis=0), 0, target.shape[0] - 1)
    if kind is Kind.BOX:
        return list(corners), [UPPER_LEFT, LOWER_RIGHT]
    return [*corners, _point_in(rng, target, region, "inner")], [UPPER_LEFT, LOWER_RIGHT, POSITIVE]


def _box(region: Region) -> list[NDArray[np.float64]]:
    rows, columns = region
    return [np.array([columns.start, rows.start], float), np.array([columns.stop - 1, rows.stop - 1], float)]


def _point_in(rng: np.random.Generator, mask: NDArray[np.bool_], region: Region, where: str) -> NDArray[np.float64]:
    """A pixel (x, y) of the mask: its innermost, one off its border, or any."""
    piece = mask[region]
    if where == "any":
        rows, columns = np.nonzero(piece)
    else:
        depth = ndimage.distance_transform_edt(np.pad(piece, 1))[1:-1, 1:-1]
        rows, columns = np.nonzero(depth >= depth.max() * (0.9 if where == "centre" else rng.uniform(0.2, 0.9)))
    index = rng.integers(len(rows))
    return np.array([columns[index] + region[1].start, rows[index] + region[0].start], float)
