import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_sam.planes.geometry import Mask
from napari_sam.prompts.prompt import Box, Point, Prompts


def test_a_box_sorts_its_corners():
    assert Box(9, 8, 2, 3) == Box(2, 3, 9, 8)


# As a layer of shapes has it. Where a place is nearer to 0, but not on it, half a pixel more costs it its last digits.
places = st.floats(-1000, 1000, width=32).filter(lambda place: place == 0 or abs(place) > 1e-5)
lengths = st.floats(1, 1000, width=32)


@given(places, places, lengths, lengths)
def test_a_box_drawn_by_its_borders_is_read_as_it_was(row, column, height, width):
    drawn = Box.within(row, column, row + height, column + width)
    assert Box.within(*drawn.borders) == drawn
    np.testing.assert_allclose(drawn.borders, (row, column, row + height, column + width), atol=1e-9)


@pytest.mark.parametrize("borders", [(1.5, 2.5, 8.5, 9.5), (8.5, 9.5, 1.5, 2.5), (8.5, 2.5, 1.5, 9.5)])
def test_a_box_may_be_drawn_from_any_corner(borders):
    assert Box.within(*borders) == Box(2, 3, 8, 9)


def test_a_box_drawn_narrower_than_a_pixel_is_one_pixel_around_its_middle():
    assert Box.within(4.25, 2, 4.75, 9) == Box(4.5, 2.5, 4.5, 8.5)
    assert Box.within(4, 2, 4, 2).borders == (3.5, 1.5, 4.5, 2.5)


def test_a_box_keeps_to_its_plane():
    assert Box(-4, 3, 50, 7.5).clipped((20, 9)) == Box(0, 3, 19, 7.5)
    assert Box.within(-9, -9, 99, 99).clipped((20, 9)).borders == (-0.5, -0.5, 19.5, 8.5)
    assert Box(-4, 30, -2, 40).clipped((20, 9)) == Box(0, 8, 0, 8)


def test_prompts_without_anything_are_false():
    assert not Prompts()
    assert Prompts((Point(1, 2),))
    assert Prompts(box=Box(0, 0, 1, 1))
    assert Prompts(mask=Mask.from_pixels(np.ones((2, 2), bool)))


def test_adding_a_point_keeps_the_order_and_the_original():
    first = Prompts((Point(1, 2),))
    second = first.with_point(Point(3, 4, positive=False))
    assert first.points == (Point(1, 2),)
    assert second.points == (Point(1, 2), Point(3, 4, positive=False))
