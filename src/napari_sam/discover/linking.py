"""Objects found plane by plane, linked into volumes: neighbours compared pair by pair, linked all together."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching
from scipy.spatial import KDTree

from napari_sam.discover.proposals import Proposal, ProposalOrigin, mask_pixels
from napari_sam.planes.geometry import Mask

# Fitted to generated stacks of nuclei, tissues and membranes, each stack with the root of how many pairs it has; where
# the decision lies was chosen on them and on training stacks, by the AP50 that comes of it
# (docs/log-of-measurements.md, "Linking").
PAIR = (-1.37, 6.15, -3.36, 2.99, -0.63)
"""Of 1, IoU, shift, change of area, and whether a plane lies between: logit that two are one object."""
WAIST = (0.98, 2.97, -4.47, 2.23, -1.06, 2.58, 2.41)
"""Of the same, and of the waists of area and certainty: logit that a volume goes on there."""
LEAST_OVERLAP = 0.1
"""IoU below which two on neighbouring planes are not compared, unless objects move."""
FURTHEST = 2
"""Positions from one plane to the next that an object may have: an object may be missed on one plane (chosen)."""


@dataclass(frozen=True, eq=False)
class PlaneObject:
    """An object as it was found on one plane.

    Parameters
    ----------
    position
        Of the plane along the axis.
    mask
        Its pixels there, not empty.
    confidence
        0..1, how sure that it is an object.
    certainty
        0..1, how sure the model is of the pixels inside, on average.
    origin
        What it takes to get it again.
    """

    position: int
    mask: Mask
    confidence: float
    certainty: float
    origin: ProposalOrigin

    @classmethod
    def of(cls, proposal: Proposal, mask: Mask, position: int) -> "PlaneObject":
        """Take a proposal and its mask."""
        inside = proposal.logits[proposal.logits > 0]
        certainty = float(np.tanh(inside / 4).mean()) if inside.size else 0.0
        return cls(
            position, Mask(mask.box, mask.pixels, mask.predicted_iou), proposal.confidence, certainty, proposal.origin
        )

    @property
    def middle(self) -> tuple[float, float]:
        """(row, column) of its centre of mass."""
        rows, columns = np.nonzero(self.mask.pixels)
        return float(rows.mean()) + self.mask.box[0], float(columns.mean()) + self.mask.box[1]


def link(
    objects: Sequence[PlaneObject], plane_shape: tuple[int, int], *, movement: float | None = None
) -> list[list[int]]:
    """Link objects of neighbouring planes into volumes, each at most once on a plane.

    Two are compared by their overlap, by how far the middle shifts against their radius, and by how the area changes: a
    nucleus that tapers overlaps its next plane as little as one that lies beside another, but its middle stays. Of all
    links those are taken that together speak most for being one object (a maximum-weight path cover of the planes,
    solved as an assignment; an object may be missed on one plane). Where a volume has a waist, as two objects have that
    lie on top of each other, it is cut.

    Parameters
    ----------
    objects
        Those of all planes, in any order.
    plane_shape
        (rows, columns) of a plane.
    movement
        How far an object moves at most from one plane to the next, in pixels, where planes are points in time: then two
        may be one that do not overlap at all, and nothing is cut. None for a stack.

    Returns
    -------
    list of list of int
        For every volume the places in `objects` of its planes, ascending by position.
    """
    if not objects:
        return []
    traits = _Traits.of(objects)
    if movement is None:
        first, second, ious = _overlapping(objects, traits, plane_shape)
        gains = traits.compared(first, second, ious) @ PAIR
    else:
        first, second, gains = _near(traits, movement)
    good = gains > 0
    volumes = _path_cover(len(objects), first[good], second[good], gains[good])
    if movement is not None:
        return volumes
    known = dict(zip(zip(first.tolist(), second.tolist(), strict=True), ious.tolist(), strict=True))
    return [part for volume in volumes for part in _cut_at_waists(volume, traits, known)]


@dataclass(frozen=True, eq=False)
class _Traits:
    """What objects are compared by: one entry for each."""

    position: NDArray[np.int_]
    middle: NDArray[np.float64]
    area: NDArray[np.float64]
    certainty: NDArray[np.float64]

    @classmethod
    def of(cls, objects: Sequence[PlaneObject]) -> "_Traits":
        return cls(
            np.array([each.position for each in objects]),
            np.array([each.middle for each in objects]).reshape(-1, 2),
            np.array([each.mask.area for each in objects], float),
            np.array([each.certainty for each in objects]).clip(1e-3),
        )

    def compared(
        self, first: NDArray[np.int_], second: NDArray[np.int_], ious: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return (pairs, 5): 1, IoU, shift in radii of the smaller one, change of area in e-folds, plane between."""
        radius = np.sqrt(np.minimum(self.area[first], self.area[second]) / math.pi).clip(1)
        return np.stack(
            (
                np.ones(len(first)),
                ious,
                np.linalg.norm(self.middle[first] - self.middle[second], axis=1) / radius,
                np.abs(np.log(self.area[first] / self.area[second])),
                self.position[second] - self.position[first] > 1,
            ),
            1,
        )


def _overlapping(
    objects: Sequence[PlaneObject], traits: _Traits, plane_shape: tuple[int, int]
) -> tuple[NDArray[np.int_], NDArray[np.int_], NDArray[np.float64]]:
    """Return all pairs, on planes that are near enough, that overlap, and their IoU."""
    firsts, seconds, ious = [], [], []
    before: list[tuple[int, NDArray[np.int_], csr_array]] = []
    for position in np.unique(traits.position).tolist():
        own = np.flatnonzero(traits.position == position)
        pixels = mask_pixels([objects[at].mask for at in own.tolist()], plane_shape)
        before = [each for each in before if position - each[0] <= FURTHEST]
        for _, others, other_pixels in before:
            common = (other_pixels @ pixels.T).tocoo()
            first, second = others[common.row], own[common.col]
            iou = common.data / (traits.area[first] + traits.area[second] - common.data)
            firsts.append(first[iou > LEAST_OVERLAP])
            seconds.append(second[iou > LEAST_OVERLAP])
            ious.append(iou[iou > LEAST_OVERLAP])
        before.append((position, own, pixels))
    if not ious:
        return np.zeros(0, int), np.zeros(0, int), np.zeros(0)
    return np.concatenate(firsts), np.concatenate(seconds), np.concatenate(ious)


def _near(traits: _Traits, movement: float) -> tuple[NDArray[np.int_], NDArray[np.int_], NDArray[np.float64]]:
    """Return pairs that one object may be that moves, and what speaks for that: nearness and a like area (chosen)."""
    pairs = []
    for position in np.unique(traits.position).tolist():
        own = np.flatnonzero(traits.position == position)
        tree = KDTree(traits.middle[own])
        for step in range(1, FURTHEST + 1):
            later = np.flatnonzero(traits.position == position + step)
            if len(later):
                near = tree.sparse_distance_matrix(KDTree(traits.middle[later]), movement * step, output_type="ndarray")
                pairs.append(np.stack((own[near["i"]], later[near["j"]], near["v"] / (movement * step)), 1))
    found = np.concatenate([np.zeros((0, 3)), *pairs])
    first, second, distance = found[:, 0].astype(int), found[:, 1].astype(int), found[:, 2]
    change = np.abs(np.log(traits.area[first] / traits.area[second]))
    gap = traits.position[second] - traits.position[first] > 1
    return first, second, 1 - distance - change - 0.5 * gap


def _path_cover(
    count: int, first: NDArray[np.int_], second: NDArray[np.int_], gains: NDArray[np.float64]
) -> list[list[int]]:
    """Find the paths through `count` nodes whose links gain most in all.

    Every node follows one at most, and is followed by one at most: an assignment of nodes to their followers, in which
    a node may also be its own end. Solved exactly by shortest augmenting paths (Jonker and Volgenant, Computing 38,
    1987, for sparse costs).
    """
    nodes = np.arange(count)
    # The lower half stands for "nobody": who has a follower leaves its own nobody to that one's.
    rows = np.concatenate((first, nodes, nodes + count, second + count))
    columns = np.concatenate((second, nodes + count, nodes, first + count))
    most = float(gains.max(initial=0)) + 1
    costs = np.concatenate((most - gains, np.full(2 * count + len(first), most)))
    before, after = min_weight_full_bipartite_matching(
        csr_array((costs, (rows, columns)), shape=(2 * count, 2 * count))
    )
    linked = (before < count) & (after < count)
    follower = dict(zip(before[linked].tolist(), after[linked].tolist(), strict=True))
    paths = []
    for start in sorted(set(range(count)) - set(follower.values())):
        path = [start]
        while path[-1] in follower:
            path.append(follower[path[-1]])
        paths.append(path)
    return paths


def _cut_at_waists(volume: list[int], traits: _Traits, ious: Mapping[tuple[int, int], float]) -> list[list[int]]:
    """Cut a volume, at its least likely link first, until all its links are likely."""
    if len(volume) < 2:
        return [volume]
    places = np.array(volume)
    links = list(pairwise(volume))
    compared = traits.compared(places[:-1], places[1:], np.array([ious[each] for each in links]))
    waists = [_waist(values[places]) for values in (traits.area, traits.certainty)]
    likely = np.column_stack((compared, *waists)) @ WAIST
    worst = int(likely.argmin())
    if likely[worst] > 0:
        return [volume]
    return [part for half in (volume[: worst + 1], volume[worst + 1 :]) for part in _cut_at_waists(half, traits, ious)]


def _waist(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the logarithm of how narrow every link is, against the widest on either side, the lesser of them."""
    before = np.maximum.accumulate(values)[:-1]
    after = np.maximum.accumulate(values[::-1])[::-1][1:]
    return np.log(np.minimum(values[:-1], values[1:]) / np.minimum(before, after))
