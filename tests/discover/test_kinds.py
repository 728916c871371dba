import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_sam.discover.kinds import ObjectTraits, likeness, same_kind

SEEDS = st.integers(0, 2**16)


def traits(rng: np.random.Generator, count: int, size: float = 4.0) -> ObjectTraits:
    """Objects of one kind that differ a little in everything."""
    measures = np.array([0.5, -3.0, size, 0.3]) + 0.1 * rng.normal(size=(count, 4))
    return ObjectTraits(rng.normal(size=(count, 5)), measures)


def joined(*some: ObjectTraits) -> ObjectTraits:
    return ObjectTraits(
        np.concatenate([each.embedding for each in some]), np.concatenate([each.measures for each in some])
    )


def some_of(these: ObjectTraits, places) -> ObjectTraits:
    return ObjectTraits(these.embedding[places], these.measures[places])


@pytest.mark.parametrize("few", [4, 20])
def test_two_kinds_are_told_apart_in_one_trait(few):
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(1.0, 0.1, 20), rng.normal(3.0, 0.1, few)])
    same = same_kind(values, 3.1, range(len(values)))
    assert (same[:20] < -0.9).all()
    assert (same[20:] > 0.9).all()
    # Beyond the examples it is still their kind.
    assert same_kind(np.append(values, 9.0), 3.1, range(len(values)))[-1] > 0.9


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.integers(5, 60), st.sampled_from(["normal", "uniform", "exponential"]))
def test_one_kind_is_not_taken_for_two(seed, count, shape):
    rng = np.random.default_rng(seed)
    values = getattr(rng, shape)(size=count)
    assert (np.abs(same_kind(values, float(np.median(values)), range(count))) <= 1).all()
    if shape == "normal":
        assert not same_kind(values, 0.0, range(count)).any()


def test_few_equal_or_single_odd_values_are_one_kind():
    assert not same_kind(np.array([1.0, 5.0, 5.0]), 1.0, [0, 1, 2]).any()
    assert not same_kind(np.full(30, 2.0), 2.0, range(30)).any()
    rng = np.random.default_rng(1)
    assert not same_kind(np.append(rng.normal(size=30), 40.0), 0.0, range(31)).any()


def test_objects_of_the_other_size_are_unlike_and_confidence_decides_where_there_is_one_kind():
    rng = np.random.default_rng(2)
    candidates = joined(traits(rng, 15, 4.0), traits(rng, 15, 6.0))
    confidence = np.full(30, 0.7)
    alike = likeness(confidence, candidates, traits(rng, 1, 6.0), np.ones(5), range(30))
    assert (alike[:15] < 0.1).all()
    assert (alike[15:] > 0.9).all()
    one = traits(rng, 20)
    sure = np.linspace(0.2, 0.9, 20)
    alike = likeness(sure, one, traits(rng, 1), np.ones(5), range(20))
    assert ((alike >= 0.5) == (sure >= 0.4)).all()
    assert (np.diff(alike) > 0).all()


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.data())
def test_the_order_of_the_examples_and_of_the_candidates_means_nothing(seed, data):
    rng = np.random.default_rng(seed)
    candidates, examples = (
        joined(traits(rng, 12, 4.0), traits(rng, 9, 6.0)),
        joined(traits(rng, 2), traits(rng, 2, 6.0)),
    )
    confidence = rng.uniform(0.2, 0.95, 21)
    alike = likeness(confidence, candidates, examples, np.ones(5), range(21))
    order = data.draw(st.permutations(range(len(examples))))
    again = likeness(confidence, candidates, some_of(examples, order), np.ones(5), range(21))
    np.testing.assert_array_equal(again, alike)
    assert ((alike >= 0) & (alike <= 1)).all()
    order = data.draw(st.permutations(range(21)))
    again = likeness(confidence[order], some_of(candidates, order), examples, np.ones(5), range(21))
    np.testing.assert_allclose(again, alike[order], atol=1e-6)
