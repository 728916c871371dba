import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_sam.plugin.layers.layer_prompts import Outlines


def square(row0, column0, row1, column1) -> np.ndarray:
    return np.asarray([(row0, column0), (row0, column1), (row1, column1), (row1, column0)], float)


def test_a_polygon_holds_the_pixel_centres_inside_it():
    mask = Outlines().mask("polygon", square(2.5, 3.5, 6.5, 9.5), (20, 20))
    assert mask.box == (3, 4, 7, 10)
    assert mask.pixels.all()


def test_a_triangle_is_not_its_box():
    mask = Outlines().mask("polygon", np.asarray([(0.5, 0.5), (0.5, 10.5), (10.5, 0.5)]), (20, 20))
    assert 35 < mask.area < 60


@given(st.floats(5, 30), st.floats(5, 30), st.floats(0, np.pi))
def test_an_ellipse_has_its_area_however_it_is_turned(height, width, angle):
    turn = np.asarray([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    corners = square(-height, -width, height, width) @ turn.T + 60
    mask = Outlines().mask("ellipse", corners, (120, 120))
    border = 2 * np.pi * np.sqrt((height**2 + width**2) / 2)
    assert mask.area == pytest.approx(np.pi * height * width, abs=border / 2)
    assert abs((mask.box[0] + mask.box[2] - 1) / 2 - 60) < 1


def test_what_lies_outside_the_plane_is_dropped():
    outlines = Outlines()
    assert outlines.mask("polygon", square(-5.5, -5.5, 3.5, 30), (10, 10)).box == (0, 0, 4, 10)
    assert outlines.mask("polygon", square(12, 12, 15, 15), (10, 10)) is None
    assert outlines.mask("polygon", square(2.1, 2.1, 2.9, 2.9), (10, 10)) is None


def test_the_same_outline_gives_the_same_mask_and_it_is_known_where_it_came_from():
    outlines = Outlines()
    corners = square(2, 2, 8, 8)
    mask = outlines.mask("ellipse", corners, (20, 20))
    assert outlines.mask("ellipse", corners.copy(), (20, 20)) is mask
    assert outlines.mask("polygon", corners, (20, 20)) is not mask
    assert mask.outline.kind == "ellipse"
    np.testing.assert_array_equal(mask.outline.vertices, corners)


def test_a_mask_drawn_earlier_is_known_again():
    corners = square(2, 2, 8, 8)
    earlier = Outlines().mask("polygon", corners, (20, 20))
    outlines = Outlines()
    outlines.know(earlier)
    assert outlines.mask("polygon", corners, (20, 20)) is earlier
