import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import arrays

from napari_sam.planes.geometry import Mask, overlap
from napari_sam.testing import strategies

SHAPE = (12, 13)
masks = strategies.masks()


@given(arrays(bool, SHAPE))
def test_cropping_and_painting_are_inverse(pixels):
    mask = Mask.from_pixels(pixels)
    np.testing.assert_array_equal(mask.painted(SHAPE), pixels)
    assert mask.area == pixels.sum()
    if mask.area:
        np.testing.assert_array_equal(pixels[mask.slices], mask.pixels)
        assert all(mask.pixels.any(axis=axis)[[0, -1]].all() for axis in (0, 1))


@given(masks, masks)
def test_overlap_is_that_of_whole_planes(first, second):
    large = (40, 40)
    shifted = [Mask(tuple(at + 10 for at in mask.box), mask.pixels).painted(large) for mask in (first, second)]
    union = (shifted[0] | shifted[1]).sum()
    expected = (shifted[0] & shifted[1]).sum() / union if union else 0
    assert overlap(first, second) == pytest.approx(expected)


def test_pixels_fill_the_box():
    with pytest.raises(ValueError, match="do not fill the box"):
        Mask((0, 0, 3, 3), np.ones((2, 3), bool))


def test_a_score_is_an_iou_though_its_prediction_need_not_be():
    pixels = np.ones((2, 2), bool)
    scores = [Mask((0, 0, 2, 2), pixels, predicted).score for predicted in (1.02, -0.1, 0.4)]
    assert scores == [1.0, 0.0, 0.4]
    assert np.isnan(Mask((0, 0, 2, 2), pixels).score)
