"""Objects of planes linked into volumes."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_sam.discover.linking import PlaneObject, link
from napari_sam.discover.proposals import ProposalOrigin
from napari_sam.planes.geometry import Mask, Window

SHAPE = (80, 90)
AREA = Window((0.0, 0.0), (1.0, 1.0), SHAPE)


def disc(position: int, row: float, column: float, radius: float, certainty: float = 0.9) -> PlaneObject:
    rows, columns = np.indices(SHAPE)
    mask = Mask.from_pixels((rows - row) ** 2 + (columns - column) ** 2 < radius**2)
    assert mask.area
    return PlaneObject(position, mask, 0.9, certainty, ProposalOrigin((row, column), 0.0, AREA, 0))


def ball(row: float, column: float, middle: int, radius: int) -> list[PlaneObject]:
    heights = range(1 - radius, radius)
    return [disc(middle + z, row, column, math.sqrt(radius**2 - z**2)) for z in heights]


def as_sets(volumes: list[list[int]]) -> set[frozenset[int]]:
    return {frozenset(volume) for volume in volumes}


def test_balls_are_linked_each_by_itself() -> None:
    # Side by side they touch; the third begins where the first ends, beside it.
    balls = [ball(30, 30, 8, 8), ball(30, 45, 8, 8), ball(50, 34, 16, 8)]
    objects = [each for some in balls for each in some]
    volumes = link(objects, SHAPE)
    ends = np.cumsum([0, *map(len, balls)])
    assert as_sets(volumes) == {frozenset(range(a, b)) for a, b in pairwise(ends)}
    for volume in volumes:
        positions = [objects[at].position for at in volume]
        assert positions == sorted(positions)


def test_an_object_may_be_missed_on_one_plane_but_not_on_two() -> None:
    objects = ball(30, 30, 10, 8)
    assert len(link([each for each in objects if each.position != 10], SHAPE)) == 1
    assert len(link([each for each in objects if each.position not in (10, 11)], SHAPE)) == 2


def test_of_two_on_top_of_each_other_each_is_one() -> None:
    # Both ends meet in the middle: the network is less sure there, and they are narrow.
    low, high = ball(30, 30, 7, 7), ball(32, 33, 20, 7)
    objects = [*low, *high]
    assert as_sets(link(objects, SHAPE)) == {frozenset(range(len(low))), frozenset(range(len(low), len(objects)))}


def test_what_tapers_stays_one() -> None:
    objects = [disc(z, 40, 40, radius) for z, radius in enumerate((24, 20, 16, 12, 9, 6))]
    assert len(link(objects, SHAPE)) == 1


def test_what_moves_is_followed_only_over_time() -> None:
    # 12 pixels a step, of discs of 10 across; two on crossing ways, one of them larger.
    objects = [disc(t, 20, 10 + 12 * t, 5) for t in range(6)] + [disc(t, 60 - 8 * t, 70 - 2 * t, 8) for t in range(6)]
    assert len(link(objects, SHAPE)) > 2
    assert as_sets(link(objects, SHAPE, movement=15)) == {frozenset(range(6)), frozenset(range(6, 12))}
    assert len(link(objects, SHAPE, movement=4)) == 12


def test_nothing_is_linked_of_nothing() -> None:
    assert link([], SHAPE) == []
    assert link([disc(3, 20, 20, 4)], SHAPE) == [[0]]
    assert link([disc(3, 20, 20, 4)], SHAPE, movement=9) == [[0]]


places = st.tuples(
    st.integers(0, 5), st.integers(10, 70), st.integers(10, 80), st.integers(3, 9), st.floats(0.1, 1, allow_nan=False)
)


@given(st.lists(places, max_size=14), st.randoms(use_true_random=False), st.sampled_from([None, 20.0]))
def test_each_is_in_one_volume_and_the_order_does_not_matter(given_places, random, movement) -> None:
    objects = [disc(*place) for place in given_places]
    volumes = link(objects, SHAPE, movement=movement)
    assert sorted(at for volume in volumes for at in volume) == list(range(len(objects)))
    for volume in volumes:
        positions = [objects[at].position for at in volume]
        assert all(0 < after - before <= 2 for before, after in pairwise(positions))
    if len(set(given_places)) < len(given_places):
        return
    order = list(range(len(objects)))
    random.shuffle(order)
    again = link([objects[at] for at in order], SHAPE, movement=movement)
    links = sum(len(volume) - 1 for volume in volumes)
    # Where several choices are equally good any of them may be taken.
    assert sum(len(volume) - 1 for volume in again) == pytest.approx(links, abs=2)


@given(st.integers(-8, 8), st.integers(-8, 8), st.integers(0, 9))
def test_translation_changes_nothing(rows, columns, planes) -> None:
    def there(dz: int, dr: int, dc: int) -> list[PlaneObject]:
        return [
            disc(each.position + dz, row + dr, column + dc, radius)
            for row, column, radius in ((30, 30, 6), (40, 55, 9), (52, 52, 7))
            for each in ball(row, column, 9, 6)
        ]

    assert link(there(planes, rows, columns), SHAPE) == link(there(0, 0, 0), SHAPE)
