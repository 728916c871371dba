import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from napari_sam.planes.geometry import Window
from napari_sam.testing import strategies

windows = strategies.windows(origin=(-99, 99), step=(0.1, 20), side=(8, 64))


@given(windows, st.integers(-5, 5), st.integers(-5, 5))
def test_a_crop_keeps_positions(window, row, column):
    part = window.crop(row, column, (4, 4))
    np.testing.assert_allclose(part.to_plane((2, 3)), window.to_plane((row + 2, column + 3)), atol=1e-9)


@given(windows, st.sampled_from([2, 4, 8]))
def test_a_coarser_window_covers_the_same_rectangle(window, factor):
    whole = Window(window.origin, window.step, (window.shape[0] // factor * factor, window.shape[1] // factor * factor))
    np.testing.assert_allclose(whole.coarsened(factor).bounds, whole.bounds, atol=1e-9)


def test_bounds_are_the_outer_borders_of_pixels():
    assert Window((0, 10), (1, 2), (4, 5)).bounds == (-0.5, 9, 3.5, 19)
