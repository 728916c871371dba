from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

from napari_sam.discover.everything import _common_cells
from napari_sam.discover.proposals import (
    EXACT,
    Proposal,
    ProposalOrigin,
    Proposals,
    Wanted,
    _exchanged,
    best_independent,
)
from napari_sam.planes.geometry import Window

SHAPE = (80, 100)


def proposal(row: int, column: int, side: int, confidence: float = 0.9) -> Proposal:
    """A square, decoded at half the plane's resolution."""
    cells = side // 2
    logits = np.full((cells + 2, cells + 2), -5, np.float32)
    logits[1:-1, 1:-1] = 5
    window = Window((row - 1.5, column - 1.5), (2.0, 2.0), logits.shape)
    origin = ProposalOrigin((row + side / 2, column + side / 2), 0.0, window, 0)
    return Proposal(logits, window, origin, confidence, confidence, side)


def proposals(*each: Proposal) -> Proposals:
    return Proposals(SHAPE, each, _common_cells(each, SHAPE, (2.0, 2.0)))


def test_masks_and_cells_cover_the_same():
    found = proposals(proposal(10, 20, 20), proposal(0, 0, 12))
    for at, (row, column, side) in enumerate([(10, 20, 20), (0, 0, 12)]):
        painted = np.zeros(SHAPE, bool)
        painted[row : row + side, column : column + side] = True
        mask = found.mask(at).painted(SHAPE)
        assert np.count_nonzero(mask & painted) / np.count_nonzero(mask | painted) > 0.85
        cells = found.cells[[at]].toarray().reshape(40, 50).astype(bool)
        np.testing.assert_array_equal(cells, painted[::2, ::2])


def test_a_whole_beats_its_part_and_two_that_are_sure_beat_the_group():
    whole, part = proposal(10, 10, 24, 0.8), proposal(10, 10, 12, 0.85)
    assert proposals(part, whole).chosen(Wanted(overlap=0.3)) == [1]
    left, right = proposal(10, 10, 24, 0.9), proposal(10, 34, 24, 0.9)
    group = Proposal(
        np.pad(np.full((12, 24), 5, np.float32), 1, constant_values=-5),
        Window((8.5, 8.5), (2.0, 2.0), (14, 26)),
        ProposalOrigin((22, 34), 0.0, left.window, 0),
        0.6,
        0.6,
        34.0,
    )
    assert sorted(proposals(left, right, group).chosen(Wanted(overlap=0.3))) == [0, 1]


def test_the_surer_one_has_what_two_share():
    found = proposals(proposal(10, 10, 20, 0.7), proposal(10, 26, 20, 0.9))
    chosen = found.chosen(Wanted(overlap=0.5))
    assert chosen == [1, 0]
    painted = found.labels(chosen)
    assert painted[20, 27] == 1
    assert painted[20, 15] == 2


def test_one_found_twice_is_one_whatever_may_overlap():
    found = proposals(proposal(10, 10, 20, 0.7), proposal(10, 10, 20, 0.9))
    assert found.chosen(Wanted(overlap=1.0)) == [1]


def test_nothing_proposed_is_nothing_chosen():
    empty = proposals()
    assert empty.chosen(Wanted()) == []
    assert not empty.labels([]).any()


placed = st.tuples(
    st.integers(0, 56), st.integers(0, 76), st.sampled_from([8, 14, 24]), st.floats(0.2, 1.0, allow_nan=False)
)


@given(st.lists(placed, max_size=14), st.floats(0.2, 1), st.floats(0, 1), st.floats(0, 30))
def test_what_is_chosen_is_wanted_and_compatible(places, confidence, overlap, smallest):
    found = proposals(*(proposal(*place) for place in places))
    wanted = Wanted(confidence, smallest, 22.0, overlap)
    chosen = found.chosen(wanted)
    cells = found.cells.toarray().astype(bool)
    for at in chosen:
        each = found.proposals[at]
        assert each.confidence >= confidence
        assert smallest <= each.diameter <= 22
    for one, other in combinations(chosen, 2):
        shared = np.count_nonzero(cells[one] & cells[other])
        assert shared <= max(min(overlap, 0.95), 0) * min(cells[one].sum(), cells[other].sum()) + 1e-9
    # Nothing that would fit is left out.
    for at in set(range(len(found))) - set(chosen):
        each = found.proposals[at]
        if each.confidence >= confidence and smallest <= each.diameter <= 22:
            assert any(
                np.count_nonzero(cells[at] & cells[other])
                > min(overlap, 0.95) * min(cells[at].sum(), cells[other].sum()) - 1e-9
                for other in chosen
            )


graphs = st.integers(1, 9).flatmap(
    lambda count: st.tuples(
        st.lists(st.floats(0.01, 10), min_size=count, max_size=count),
        st.lists(st.booleans(), min_size=count * (count - 1) // 2, max_size=count * (count - 1) // 2),
    )
)


def conflicts(edges: list[bool], count: int) -> np.ndarray:
    matrix = np.zeros((count, count), bool)
    matrix[np.triu_indices(count, 1)] = edges
    return matrix | matrix.T


@given(graphs)
def test_the_best_set_is_the_best_of_all(graph):
    weights, edges = np.array(graph[0]), conflicts(graph[1], len(graph[0]))
    best = max(
        weights[list(some)].sum()
        for size in range(1, len(weights) + 1)
        for some in combinations(range(len(weights)), size)
        if not edges[np.ix_(some, some)].any()
    )
    kept = best_independent(csr_array(edges), weights)
    assert not edges[np.ix_(kept, kept)].any()
    assert weights[kept].sum() == pytest.approx(best)


def test_of_many_that_hang_together_none_are_in_conflict_and_no_exchange_gains():
    rng = np.random.default_rng(0)
    count = 3 * EXACT
    edges = conflicts(list(rng.random(count * (count - 1) // 2) < 0.15), count)
    weights = rng.uniform(0.1, 1, count)
    kept = best_independent(csr_array(edges), weights)
    assert not edges[np.ix_(kept, kept)].any()
    for out in kept:
        others = [at for at in range(count) if edges[at, out] and not edges[at, list(set(kept) - {out})].any()]
        assert all(weights[at] <= weights[out] * (1 + 1e-9) for at in others)


def test_exchanging_leaves_the_greedy_choice_for_a_better_one():
    # The heaviest excludes two that weigh more together.
    excluded = {0: {1, 2}, 1: {0}, 2: {0}}
    assert sorted(_exchanged([0, 1, 2], excluded, {0: 1.0, 1: 0.7, 2: 0.7})) == [1, 2]
