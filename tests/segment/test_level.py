import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_sam.planes.geometry import Mask, Window
from napari_sam.prompts.prompt import Box, Point, Prompts
from napari_sam.segment.level import (
    diameter,
    extent,
    level_for,
    level_holding,
    level_of,
    mask_extent,
    pixel_aspect,
    prompt_box,
    step_at,
    touches_inner_edge,
)


@given(st.floats(6, 1000))
def test_an_object_comes_out_near_the_size_that_the_network_likes(size):
    assert size / 2 ** level_for(size, 36) == pytest.approx(36, rel=0.19)


@given(st.floats(30, 5000))
def test_what_must_be_held_is_held_and_no_coarser_than_needed(length):
    level = level_holding(length, 128)
    assert length / 2**level <= 128 * (1 + 1e-9)
    assert length / 2 ** (level - 0.5) > 128 * (1 - 1e-9) or level == -3.0


@pytest.mark.parametrize("level", [-1.5, 0.0, 2.5])
def test_step_and_level_are_inverse_on_anisotropic_planes(level):
    aspect = pixel_aspect((2.0, 0.5, 1.0), (0, 1))
    assert aspect == (0.25, 1.0)
    step = step_at(level, aspect)
    assert step == (0.25 * 2**level, 2**level)
    assert level_of(step, aspect) == pytest.approx(level)


@pytest.mark.parametrize("scale", [None, (1.0, 0.0, 1.0), (1.0, math.inf, 1.0), (1.0, math.nan, 1.0)])
def test_pixels_are_square_when_nothing_useful_is_known(scale):
    assert pixel_aspect(scale, (1, 2)) == (1.0, 1.0)


def test_sizes_count_pixels_and_units():
    mask = Mask((10, 20, 30, 60), np.ones((20, 40), bool))
    assert mask_extent(mask, (0.5, 1.0)) == (40, 40)
    assert extent((10, 20, 29, 59), (0.5, 1.0)) == (40, 40)
    assert diameter(mask, (1.0, 1.0)) == pytest.approx(2 * math.sqrt(800 / math.pi))


def test_the_box_of_all_prompts():
    assert prompt_box(Prompts()) is None
    mask = Mask((1, 50, 3, 60), np.ones((2, 10), bool))
    assert prompt_box(Prompts((Point(5, 6),), Box(7, 8, 9, 10), mask)) == (1, 6, 9, 59)


@pytest.mark.parametrize(
    ("box", "touches"),
    [
        ((40, 40, 60, 60), False),
        ((33, 40, 60, 60), True),
        ((40, 40, 95, 60), True),
        ((40, 33, 60, 60), True),
        ((40, 40, 60, 96), True),
    ],
)
def test_a_cut_object_is_noticed(box, touches):
    mask = Mask(box, np.ones((box[2] - box[0], box[3] - box[1]), bool))
    assert touches_inner_edge(mask, Window((32, 32), (1, 1), (64, 64)), (200, 200)) is touches


def test_the_plane_s_own_border_does_not_cut():
    mask = Mask((0, 0, 10, 10), np.ones((10, 10), bool))
    assert not touches_inner_edge(mask, Window((0, 0), (1, 1), (64, 64)), (200, 200))
