"""Proposed objects of one plane, and the choice of those that explain it best."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from napari_sam.planes.geometry import Mask, Window

Region = tuple[float, float, float, float]
"""(row0, column0, row1, column1), borders in plane coordinates."""

# Chosen on the training images (docs/log-of-measurements.md, "Everything").
CONFIDENCE = 0.4
"""Least confidence, if nothing else is wanted."""
LIKENESS = 0.5
"""Least likeness to the examples, if nothing else is wanted."""
OVERLAP = 0.4
"""Share of the smaller of two that they may have in common, if nothing else is wanted; .25 to .55 differ by .016."""
CERTAINTY = 4
"""Power of the confidence in what a proposal weighs."""
EXACT = 18
"""Proposals in conflict up to which the best choice is found by trying; beyond, by exchanging."""


@dataclass(frozen=True)
class ProposalOrigin:
    """What it takes to get a proposal again, see `propose_again`.

    Parameters
    ----------
    point
        (row, column) in plane coordinates that was prompted.
    level
        Level at which it was decoded.
    area
        Area that was encoded for it.
    candidate
        Which of the candidates it is.
    """

    point: tuple[float, float]
    level: float
    area: Window
    candidate: int


@dataclass(frozen=True, eq=False)
class Proposal:
    """An object that the network draws without being asked for it.

    Parameters
    ----------
    logits
        (h, w) float32, cropped to the mask and what is around it.
    window
        Where they lie: one logit per window pixel.
    origin
        Where it comes from.
    confidence
        0..1, how sure that it is an object.
    predicted_iou
        The decoder's own estimate.
    diameter
        Of the disc of its area, in units (pixels of the finer axis).
    """

    logits: NDArray[np.float32]
    window: Window
    origin: ProposalOrigin
    confidence: float
    predicted_iou: float
    diameter: float

    def mask(self, plane_shape: tuple[int, int]) -> Mask:
        """Compute the mask at the resolution of a plane of (rows, columns)."""
        # Late, since it imports torch: the session knows proposals before it computes any.
        from napari_sam.segment.decoding import mask_from_logits

        point = np.array([self.origin.point])
        return mask_from_logits(self.logits, self.window, plane_shape, self.predicted_iou, point)


@dataclass(frozen=True)
class Wanted:
    """What of the proposals is wanted.

    Parameters
    ----------
    confidence
        Least confidence, 0..1.
    smallest, largest
        Bounds of the diameter, in units (pixels of the finer axis).
    overlap
        Share of the smaller of two objects that they may have in common, 0..1; what they share goes to the surer one.
    likeness
        Least likeness, 0..1, of what was found by examples; that stands for the confidence there.
    """

    confidence: float = CONFIDENCE
    smallest: float = 0.0
    largest: float = math.inf
    overlap: float = OVERLAP
    likeness: float = LIKENESS


@dataclass(frozen=True, eq=False)
class Proposals:
    """Everything that was proposed on one plane.

    What can be known of all pairs is computed once, so that a change of `Wanted` costs next to nothing.

    Parameters
    ----------
    plane_shape
        (rows, columns) of the plane.
    proposals
        All of them, whatever their confidence.
    cells
        (N, cells of the plane at one common resolution) 1 where a proposal lies.
    prompts
        How many places were asked for it.
    likeness
        (N,) 0..1, how likely each is an object like the examples; None where nothing was to be alike.
    """

    plane_shape: tuple[int, int]
    proposals: Sequence[Proposal]
    cells: csr_array
    prompts: int = 0
    likeness: NDArray[np.float64] | None = None
    _masks: dict[int, Mask] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.proposals)

    def chosen(self, wanted: Wanted) -> list[int]:
        """Choose the proposals that explain the plane best and do not contradict each other, the surest first.

        Of a part, a whole and a group those stay that together weigh most: the root of the area, times how sure a
        proposal is, of which certainty counts by far the most. Of two that are as sure, a whole beats its part, and two
        objects beat the group of both. Those found by examples are chosen by their likeness, then in the same way.

        Parameters
        ----------
        wanted
            What is wanted.

        Returns
        -------
        list of int
            Places in `proposals`.
        """
        surely, least = (
            (self._confidence, wanted.confidence) if self.likeness is None else (self.likeness, wanted.likeness)
        )
        active = np.flatnonzero(
            (surely >= least) & (self.diameters >= wanted.smallest) & (self.diameters <= wanted.largest)
        )
        if not len(active):
            return []
        first, second, shared = self._pairs
        # Equal ones are in conflict whatever is allowed.
        allowed = min(wanted.overlap, 0.95)
        place = np.full(len(self.proposals), -1)
        place[active] = np.arange(len(active))
        conflicting = (shared > allowed) & (place[first] >= 0) & (place[second] >= 0)
        rows, columns = place[first[conflicting]], place[second[conflicting]]
        graph = csr_array((np.ones(len(rows), bool), (rows, columns)), shape=(len(active), len(active)))
        weights = (np.sqrt(self._areas) * self._confidence**CERTAINTY)[active]
        kept = best_independent(graph + graph.T, weights)
        order = np.argsort(-surely[active[kept]], kind="stable")
        return [int(at) for at in active[kept][order]]

    def mask(self, at: int) -> Mask:
        """Return one proposal's mask at the plane's resolution; computed when it is first asked for."""
        known = self._masks.get(at)
        if known is None:
            known = self._masks[at] = self.proposals[at].mask(self.plane_shape)
        return known

    def labels(self, chosen: Sequence[int]) -> NDArray[np.int32]:
        """Paint some proposals as labels.

        Parameters
        ----------
        chosen
            Places in `proposals`, the surest first: where two overlap, the surer one has the pixel.

        Returns
        -------
        ndarray
            Of the plane's shape; the first has label 1, and so on.
        """
        painted = np.zeros(self.plane_shape, np.int32)
        for label in range(len(chosen), 0, -1):
            mask = self.mask(chosen[label - 1])
            painted[mask.slices][mask.pixels] = label
        return painted

    @cached_property
    def _confidence(self) -> NDArray[np.float64]:
        return np.array([each.confidence for each in self.proposals])

    @cached_property
    def diameters(self) -> NDArray[np.float64]:
        """How large each is, in units."""
        return np.array([each.diameter for each in self.proposals])

    @cached_property
    def _areas(self) -> NDArray[np.float64]:
        return np.asarray(self.cells.sum(axis=1), float).ravel()

    @cached_property
    def _pairs(self) -> tuple[NDArray[np.int_], NDArray[np.int_], NDArray[np.float64]]:
        """All pairs that overlap, first < second, with the share of the smaller one that both have."""
        common = (self.cells @ self.cells.T).tocoo()
        upper = common.row < common.col
        first, second = common.row[upper], common.col[upper]
        smaller = np.minimum(self._areas[first], self._areas[second])
        return first, second, common.data[upper] / np.maximum(smaller, 1)


def probability(weights: Sequence[float], features: Sequence[float]) -> float:
    """Return what a logistic regression says, 0..1, of as many features as it has weights."""
    return 1 / (1 + math.exp(-sum(weight * feature for weight, feature in zip(weights, features, strict=True))))


def mask_pixels(masks: Sequence[Mask], plane_shape: tuple[int, int]) -> csr_array:
    """Return which pixels of a plane of (rows, columns) masks cover: (masks, pixels) int32, 1 where one lies."""
    indices, starts = [np.zeros(0, int)], [0]
    for mask in masks:
        rows, columns = np.nonzero(mask.pixels)
        rows, columns = rows + mask.box[0], columns + mask.box[1]
        inside = (rows >= 0) & (rows < plane_shape[0]) & (columns >= 0) & (columns < plane_shape[1])
        indices.append(rows[inside] * plane_shape[1] + columns[inside])
        starts.append(starts[-1] + len(indices[-1]))
    shape = len(masks), plane_shape[0] * plane_shape[1]
    return csr_array((np.ones(starts[-1], np.int32), np.concatenate(indices), np.array(starts)), shape=shape)


def best_independent(conflicts: csr_array, weights: NDArray[np.float64]) -> NDArray[np.int_]:
    """Find the heaviest set of nodes of which no two are in conflict.

    Exact for up to `EXACT` nodes that hang together; of more, the heaviest first and then every exchange of one for
    others in conflict with it alone that gains.

    Parameters
    ----------
    conflicts
        (N, N) symmetric, nonzero where two exclude each other.
    weights
        (N,) positive.

    Returns
    -------
    ndarray
        The nodes, ascending.
    """
    count, group = connected_components(conflicts, directed=False)
    kept: list[int] = []
    order = np.argsort(group, kind="stable")
    bounds = np.searchsorted(group[order], np.arange(count + 1))
    indptr, indices = conflicts.indptr, conflicts.indices
    for at in range(count):
        nodes = order[bounds[at] : bounds[at + 1]].tolist()
        if len(nodes) == 1:
            kept += nodes
            continue
        excluded = {node: set(indices[indptr[node] : indptr[node + 1]].tolist()) - {node} for node in nodes}
        worth = {node: float(weights[node]) for node in nodes}
        kept += _tried(nodes, excluded, worth) if len(nodes) <= EXACT else _exchanged(nodes, excluded, worth)
    return np.array(sorted(kept), int)


def _tried(nodes: list[int], excluded: dict[int, set[int]], worth: dict[int, float]) -> list[int]:
    """Return the heaviest set, by branching on the node with the most conflicts."""

    def best(left: frozenset[int]) -> tuple[float, tuple[int, ...]]:
        if not left:
            return 0.0, ()
        if left in known:
            return known[left]
        busiest = max(left, key=lambda node: (len(excluded[node] & left), -node))
        if not excluded[busiest] & left:
            answer = sum(worth[node] for node in left), tuple(left)
        else:
            with_value, with_nodes = best(left - excluded[busiest] - {busiest})
            without = best(left - {busiest})
            answer = max((with_value + worth[busiest], (*with_nodes, busiest)), without, key=lambda each: each[0])
        known[left] = answer
        return answer

    known: dict[frozenset[int], tuple[float, tuple[int, ...]]] = {}
    return list(best(frozenset(nodes))[1])


def _exchanged(nodes: list[int], excluded: dict[int, set[int]], worth: dict[int, float]) -> list[int]:
    kept: set[int] = set()
    for node in sorted(nodes, key=lambda node: (-worth[node], node)):
        if not excluded[node] & kept:
            kept.add(node)
    gaining = True
    while gaining:
        gaining = False
        for out in sorted(kept):
            freed = [node for node in excluded[out] if excluded[node] & kept == {out}]
            others: set[int] = set()
            for node in sorted(freed, key=lambda node: (-worth[node], node)):
                if not excluded[node] & others:
                    others.add(node)
            if sum(worth[node] for node in others) > worth[out] * (1 + 1e-9):
                kept = (kept - {out}) | others
                gaining = True
                break
    return list(kept)
