"""An object of a stack seen along three axes, and the vote of the three on each of its voxels."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_sam.models.registry import REGISTRY
from napari_sam.nn.cancel import CancelToken
from napari_sam.planes.file_axes import is_time
from napari_sam.planes.geometry import Mask, Plane
from napari_sam.planes.image_source import ImageSource
from napari_sam.planes.resample import sample_grid
from napari_sam.prompts.encoding import inner_point
from napari_sam.prompts.prompt import Point, Prompts
from napari_sam.segment.level import diameter, pixel_aspect

if TYPE_CHECKING:
    # It needs torch, which a window waits for only when there is an image.
    from napari_sam.segment.segmenter import Segmenter

Corner = tuple[int, int, int]

CERTAIN_VOTE = 255
"""Probabilities are kept in steps of a 255th: a vote needs no finer ones, which would take four times the memory."""

MARGIN = 0.25
"""Probabilities are kept in the mask's box and so much of its sides around it: where other views may add to it."""


@dataclass(frozen=True, eq=False)
class Section:
    """How likely the pixels of one plane are an object's.

    Parameters
    ----------
    origin
        (row, column) of the first pixel.
    probability
        (rows, columns) uint8, 0 to `CERTAIN_VOTE`.
    """

    origin: tuple[int, int]
    probability: NDArray[np.uint8]

    @classmethod
    def of(cls, mask: Mask, plane_shape: tuple[int, int]) -> "Section":
        """Take what a mask, not empty, says of its surroundings too; a mask without logits says yes or no."""
        margins = [2 + math.ceil(MARGIN * (mask.box[axis + 2] - mask.box[axis])) for axis in (0, 1)]
        row0, column0 = (max(mask.box[axis] - margins[axis], 0) for axis in (0, 1))
        row1, column1 = (min(mask.box[axis + 2] + margins[axis], plane_shape[axis]) for axis in (0, 1))
        inside = np.zeros((row1 - row0, column1 - column0), bool)
        top, left = mask.box[0] - row0, mask.box[1] - column0
        inside[top : top + mask.pixels.shape[0], left : left + mask.pixels.shape[1]] = mask.pixels
        if mask.logits is None or mask.window is None:
            return cls((row0, column0), inside * np.uint8(CERTAIN_VOTE))
        logits = sample_grid(mask.logits, *mask.window.grid((row0, column0, row1, column1)))
        # Other pieces, and what went to other objects, are no part of the mask: there it is as unsure as can be.
        likely = 1 / (1 + np.exp(-np.clip(np.where(inside, np.maximum(logits, 0), np.minimum(logits, 0)), -20, 20)))
        return cls((row0, column0), np.rint(CERTAIN_VOTE * likely).astype(np.uint8))


@dataclass(eq=False)
class View:
    """An object seen along one axis of its stack.

    The axes of a stack are counted here: 0 is the one that is propagated along, 1 and 2 are the rows and the columns
    of its planes.

    Parameters
    ----------
    axis
        The axis that the object is carried along.
    seed
        Position of the plane that this view began on; of view 0 any key plane.
    stride
        Planes from one section to the next; what lies between is interpolated.
    sections
        By position; rows and columns are the two other axes, ascending.
    """

    axis: int
    seed: int
    stride: int = 1
    sections: dict[int, Section] = field(default_factory=dict)

    @property
    def axes(self) -> tuple[int, int]:
        """The rows and the columns of its sections."""
        rows, columns = (axis for axis in range(3) if axis != self.axis)
        return rows, columns

    def bounds(self) -> tuple[NDArray[np.int_], NDArray[np.int_]]:
        """Return the first voxel and the one behind the last of what it has sections of."""
        low, high = np.zeros(3, int), np.zeros(3, int)
        low[self.axis] = min(self.sections) - self.stride + 1
        high[self.axis] = max(self.sections) + self.stride
        for side, axis in enumerate(self.axes):
            low[axis] = min(each.origin[side] for each in self.sections.values())
            high[axis] = max(each.origin[side] + each.probability.shape[side] for each in self.sections.values())
        return low, high

    def probability(self, corner: Sequence[int], shape: tuple[int, int, int]) -> NDArray[np.float32]:
        """Return how likely each voxel of a part of the stack is the object's, 0..1.

        Parameters
        ----------
        corner
            The first voxel of the part.
        shape
            The part's shape.
        """
        found = np.zeros(shape, np.float32)
        for position, section in self.sections.items():
            for off in range(1 - self.stride, self.stride):
                at = position + off - corner[self.axis]
                if 0 <= at < shape[self.axis]:
                    self._add(np.moveaxis(found, self.axis, 0)[at], corner, section, 1 - abs(off) / self.stride)
        return found

    def _add(self, plane: NDArray[np.float32], corner: Sequence[int], section: Section, share: float) -> None:
        here, there = [], []
        for side, axis in enumerate(self.axes):
            start = section.origin[side] - corner[axis]
            low, high = max(start, 0), min(start + section.probability.shape[side], plane.shape[side])
            here.append(slice(low, max(high, low)))
            there.append(slice(low - start, max(high, low) - start))
        plane[tuple(here)] += np.float32(share / CERTAIN_VOTE) * section.probability[tuple(there)]


SECTIONS = 12
"""Planes of a side view on which an object is decoded, about: between these it is interpolated."""


@dataclass(frozen=True, eq=False)
class Stack:
    """The stack that objects lie in: planes along an axis, and the two other ways to cut it.

    Parameters
    ----------
    segmenter
        Segments planes of the image.
    plane
        Any of the planes that are propagated to.
    axis
        The axis that is propagated along.
    """

    segmenter: "Segmenter"
    plane: Plane
    axis: int

    @property
    def axes(self) -> tuple[int, int, int]:
        """The image's axes: the one that is propagated along, rows, columns."""
        return self.axis, *self.plane.axes

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of planes, rows and columns."""
        planes, rows, columns = (self.segmenter.source.shape[axis] for axis in self.axes)
        return planes, rows, columns

    def across(self, view: int, position: int = 0) -> Plane:
        """Return a plane across one of the three axes."""
        rows, columns = (self.axes[axis] for axis in range(3) if axis != view)
        index = list(self.plane.index)
        index[self.axes[view]] = position
        return Plane((rows, columns), tuple(index))

    def aspect(self, view: int) -> tuple[float, float]:
        """See `pixel_aspect`."""
        return pixel_aspect(self.segmenter.source.scale, self.across(view).axes)

    def seed(self, view: int, keys: Mapping[int, Mask], cancel: CancelToken | None) -> tuple[int, Mask] | None:
        """Segment an object on the plane of a side view that cuts its key masks in the middle.

        It is asked for by points along the chords in which that plane cuts the key masks; of the candidates the one is
        taken that cuts the key planes in these chords best.

        Parameters
        ----------
        view
            1 or 2.
        keys
            The key masks by position, none of them empty.
        cancel
            Checked between the encoder's blocks.

        Returns
        -------
        (int, Mask) or None
            Position and mask; None where nothing is found.
        """
        largest = max(keys.values(), key=lambda mask: mask.area)
        middle = inner_point(largest)
        position = int(middle.row if view == 1 else middle.column)
        along = int(middle.column if view == 1 else middle.row)
        chords = {at: chord for at, mask in keys.items() if (chord := _chord(mask, view, position, along)) is not None}
        points = []
        for at, (low, high) in chords.items():
            shares = (0.25, 0.5, 0.75) if len(chords) == 1 and high - low >= 4 else (0.5,)
            points += [Point(float(at), low + share * (high - low), True) for share in shares]
        across = self.across(view, position)
        size = diameter(largest, self.aspect(0)) * self._unit_ratio(view)
        answer = self.segmenter.segment(across, Prompts(tuple(points)), object_size=size, multimask=True, cancel=cancel)

        def fits(mask: Mask) -> float:
            found = [_agreement(_row(mask, at), range(low, high + 1)) for at, (low, high) in chords.items()]
            return max(mask.predicted_iou, 0.01) * sum(found) / len(found)

        best = max(answer.candidates, key=fits)
        return (position, best) if best.area and fits(best) > 0 else None

    def stride(self, view: int, keys: Mapping[int, Mask]) -> int:
        """Return how many planes apart the sections of a side view of an object need to be."""
        sides = [mask.box[view + 1] - mask.box[view - 1] for mask in keys.values()]
        return max(1, round(max(sides) / SECTIONS))

    def course(self, view: View, keys: Mapping[int, Mask]) -> range:
        """Return where an object may be carried to in a side view: as far beyond its key masks as they are long.

        So that a view that leaks into everything takes no longer than three times one that does not.
        """
        low = min(mask.box[view.axis - 1] for mask in keys.values())
        high = max(mask.box[view.axis + 1] for mask in keys.values())
        reach = max(high - low, SECTIONS)
        first, last = max(low - reach, 0), min(high + reach, self.shape[view.axis])
        return range(first + (view.seed - first) % view.stride, last, view.stride)

    def _unit_ratio(self, view: int) -> float:
        """Return how many units of a side view one of view 0 is; diameters are counted in the finer side of a pixel."""
        scale = self.segmenter.source.scale
        sizes = [1.0] * 3 if scale is None else [abs(scale[axis]) for axis in self.axes]
        if not all(0 < size < math.inf for size in sizes):
            return 1.0
        return min(sizes[1], sizes[2]) / min(size for axis, size in enumerate(sizes) if axis != view)


def _chord(mask: Mask, view: int, position: int, along: int) -> tuple[int, int] | None:
    """Return the first and the last pixel of a mask's run on a row (view 1) or column (2): the one nearest `along`."""
    start = mask.box[view - 1]
    if not start <= position < mask.box[view + 1]:
        return None
    line = mask.pixels[position - start] if view == 1 else mask.pixels[:, position - start]
    inside = np.flatnonzero(line)
    if not inside.size:
        return None
    offset = mask.box[2 - view]
    at = int(inside[np.abs(inside + offset - along).argmin()])
    before, after = np.flatnonzero(~line[:at]), np.flatnonzero(~line[at:])
    low = int(before[-1]) + 1 if before.size else 0
    high = at + int(after[0]) - 1 if after.size else len(line) - 1
    return low + offset, high + offset


def _row(mask: Mask, at: int) -> set[int]:
    """Return the columns that a mask has on a row."""
    if not mask.box[0] <= at < mask.box[2]:
        return set()
    return {int(column) + mask.box[1] for column in np.flatnonzero(mask.pixels[at - mask.box[0]])}


def _agreement(found: set[int], expected: range) -> float:
    union = found.union(expected)
    return len(found.intersection(expected)) / len(union) if union else 0.0


# Chosen on 59 objects of six training stacks and twelve generated ones: mean 3-D IoU of the seven sets .576 along one
# axis and .600 so after one click (.592 and .581 with .45 and .5), .621 and .635 after three. More weight for the view
# that the user works in is better on generated nuclei and worse elsewhere (docs/log-of-measurements.md, "Stacks: three
# views").
MAJORITY = 0.4
"""The share of all weights from which a voxel is the object's."""

FEWEST_PLANES = 3
"""An object that was carried to fewer planes shows nothing when it is cut across them (chosen, not measured)."""


SHORTEST_STACK = 5
"""In fewer planes the side views show next to nothing (chosen, not measured)."""


def three_views(source: ImageSource, model: str, axis: int) -> bool:
    """Tell whether three views of an object make sense, where the user did not say.

    Not over time, which is no view, nor in a few planes; nor with a model that takes long for each of the many planes
    of the two other views: only with those that know where an object ends (`ModelSpec.knows_ends`).

    Parameters
    ----------
    source
        The image.
    model
        Name of, or path to, the model.
    axis
        The axis that is propagated along.
    """
    spec = REGISTRY.get(model)
    name = source.axis_labels[axis] if source.axis_labels else ""
    return spec is not None and spec.knows_ends and not is_time(name) and source.shape[axis] >= SHORTEST_STACK


# Logistic regression of the IoU of 2,045 planes (118 times an object of six training stacks and twelve generated ones):
# planes of .7 to .8 have a mean IoU of .77, of .8 to .9 of .76, of .4 to .5 of .28. How sure the walk itself was adds
# nothing (docs/log-of-measurements.md, "Stacks: confidence").
BY_AGREEMENT, BY_SHARE, BY_NOTHING = 1.11, 4.25, -3.87
"""What the log odds of a plane's confidence are made of; see `Vote.confidence`."""


@dataclass(frozen=True, eq=False)
class Vote:
    """How likely each voxel around an object is its own, by the vote of its views.

    Parameters
    ----------
    corner
        The first voxel of the part of the stack.
    share
        (planes, rows, columns) uint8, 0 to `CERTAIN_VOTE`.
    weights
        Of every view, by its axis.
    """

    corner: tuple[int, int, int]
    share: NDArray[np.uint8]
    weights: Mapping[int, float]

    def confidence(self, views: Sequence[View], mask: Mask, position: int) -> float:
        """Tell how good the mask is likely to be that came out on a plane: the IoU to expect of it, 0..1.

        From two things: how well the views agree with it (their mean IoU with it, weighed as they are), and how large a
        share its voxels got.
        """
        corner = position, mask.box[0] - 1, mask.box[1] - 1
        part = 1, mask.pixels.shape[0] + 2, mask.pixels.shape[1] + 2
        pixels = np.pad(mask.pixels, 1)
        found = {view.axis: _iou(view.probability(corner, part)[0] > 0.5, pixels) for view in views}
        agreement = sum(self.weights.get(axis, 0.0) * iou for axis, iou in found.items()) / sum(self.weights.values())
        at, (row, column) = position - self.corner[0], self.corner[1:]
        shares: NDArray[np.uint8] = self.share[
            at, mask.box[0] - row : mask.box[2] - row, mask.box[1] - column : mask.box[3] - column
        ]
        share = float(np.mean(shares[mask.pixels])) / CERTAIN_VOTE
        return float(1 / (1 + math.exp(-(BY_AGREEMENT * agreement + BY_SHARE * share + BY_NOTHING))))


def vote(views: Sequence[View], keys: Mapping[int, Mask], shape: tuple[int, int, int]) -> Vote:
    """Weigh the views of an object and add up what they say of each voxel.

    A view counts by how well it agrees, on the key planes, with the key masks, and, on the planes that the side views
    began on, with what was found there before anything was carried: each an IoU, their product squared.

    Parameters
    ----------
    views
        View 0, and the side views that were found.
    keys
        The key masks by position.
    shape
        Of the stack.

    """
    bounds = [view.bounds() for view in views]
    low = np.clip(np.min([each[0] for each in bounds], axis=0), 0, shape)
    high = np.clip(np.max([each[1] for each in bounds], axis=0), 0, shape)
    corner = int(low[0]), int(low[1]), int(low[2])
    part = int(high[0] - low[0]), int(high[1] - low[1]), int(high[2] - low[2])
    likely = {view.axis: view.probability(corner, part) for view in views}
    seeds = {view.axis: _cut(likely[view.axis], view, corner) for view in views}
    weights = {}
    for view in views:
        on_keys = [_iou(likely[view.axis][at - corner[0]] > 0.5, laid(mask, corner, part)) for at, mask in keys.items()]
        others = [other for other in views if other.axis not in (0, view.axis)]
        on_seeds = [_iou(_cut(likely[view.axis], other, corner), seeds[other.axis]) for other in others]
        agreement = float(np.mean(on_keys)) * (float(np.mean(on_seeds)) if on_seeds else 1.0)
        weights[view.axis] = agreement**2
    total = sum(weights.values())
    if not total:
        weights, total = {0: 1.0}, 1.0
    share = np.zeros(part, np.float32)
    for axis, weight in weights.items():
        share += np.float32(weight / total) * likely[axis]
    return Vote(corner, np.rint(CERTAIN_VOTE * share).astype(np.uint8), weights)


def compete(votes: Mapping[int, Vote]) -> None:
    """Give every voxel that several objects would have to the one with the larger share, in place."""
    for first, second in combinations(votes.values(), 2):
        low = np.maximum(first.corner, second.corner)
        high = np.minimum(*(np.add(each.corner, each.share.shape) for each in (first, second)))
        if (high <= low).any():
            continue
        parts = [
            each.share[tuple(slice(a - c, b - c) for a, b, c in zip(low, high, each.corner, strict=True))]
            for each in (first, second)
        ]
        wins = parts[0] >= parts[1]
        parts[1][wins] = 0
        parts[0][~wins] = 0


def _cut(volume: NDArray[np.float32], view: View, corner: Corner) -> NDArray[np.bool_]:
    """Return what is likely the object's on the plane that a view began on."""
    planes: NDArray[np.bool_] = np.moveaxis(volume > 0.5, view.axis, 0)
    plane: NDArray[np.bool_] = planes[view.seed - corner[view.axis]]
    return plane


def laid(mask: Mask, corner: Corner, part: tuple[int, ...]) -> NDArray[np.bool_]:
    """Lay a mask on the plane of a part of the stack; see `Vote`."""
    moved = Mask(
        (mask.box[0] - corner[1], mask.box[1] - corner[2], mask.box[2] - corner[1], mask.box[3] - corner[2]),
        mask.pixels,
    )
    return moved.painted((part[1], part[2]))


def _iou(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    union = np.count_nonzero(first | second)
    return float(np.count_nonzero(first & second) / union) if union else 0.0
