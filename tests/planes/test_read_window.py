import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_sam.errors import UserError
from napari_sam.planes.contrast import Contrast
from napari_sam.planes.geometry import Plane, Window
from napari_sam.planes.image_source import ImageSource
from napari_sam.planes.read_window import plan_reading, read_window
from napari_sam.testing import strategies

UNSTRETCHED = Contrast(((0.0, 1.0),) * 4)
FLAT = Plane((0, 1), (0, 0))

windows = strategies.windows()


def ramp(shape, dtype=np.float32):
    rows, columns = np.indices(shape)
    return (3 * rows + 2 * columns).astype(dtype)


def interior(window, shape):
    """Pixels of the window whose smoothing does not reach the border of the plane."""
    inside = []
    for origin, step, count, size in zip(window.origin, window.step, window.shape, shape, strict=True):
        positions = origin + step * np.arange(count)
        margin = 2.5 * step + 2
        inside.append((positions >= margin) & (positions <= size - 1 - margin))
    return np.ix_(*inside)


@given(windows, st.sampled_from([np.uint16, np.float32, np.float64, np.int32]))
def test_a_ramp_reads_as_its_values_at_the_positions(window, dtype):
    shape = (150, 140)
    read = read_window(ImageSource(ramp(shape, dtype)), FLAT, window, UNSTRETCHED)
    assert read.dtype == np.float32
    assert read.shape == (3, *window.shape)
    positions = window.to_plane(np.stack(np.indices(window.shape), -1))
    expected = positions @ (3, 2)
    at = interior(window, shape)
    np.testing.assert_allclose(read[0][at], expected[at], atol=2e-3)
    np.testing.assert_array_equal(read[0], read[1])
    np.testing.assert_array_equal(read[0], read[2])


@given(windows, st.sampled_from([2, 4]))
def test_a_ramp_reads_the_same_from_a_pyramid(window, factor):
    fine = ramp((160, 160))
    coarse = fine.reshape(160 // factor, factor, 160 // factor, factor).mean((1, 3))
    read = read_window(ImageSource([fine, coarse]), FLAT, window, UNSTRETCHED)
    expected = window.to_plane(np.stack(np.indices(window.shape), -1)) @ (3, 2)
    at = interior(window, (160, 160))
    np.testing.assert_allclose(read[0][at], expected[at], atol=2e-3)


@given(windows, st.lists(st.tuples(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3)), min_size=1))
def test_positions_there_and_back(window, positions):
    np.testing.assert_allclose(window.to_window(window.to_plane(positions)), positions, atol=1e-8)
    np.testing.assert_allclose(window.to_plane(window.to_window(positions)), positions, atol=1e-8)


@given(windows, st.data())
def test_a_crop_reads_as_a_part_of_the_window(window, data):
    pixels = np.random.default_rng(0).random((150, 140)).astype(np.float32)
    source = ImageSource(pixels)
    row = data.draw(st.integers(0, window.shape[0] - 1))
    column = data.draw(st.integers(0, window.shape[1] - 1))
    shape = (
        data.draw(st.integers(1, window.shape[0] - row)),
        data.draw(st.integers(1, window.shape[1] - column)),
    )
    whole = read_window(source, FLAT, window, UNSTRETCHED)
    part = read_window(source, FLAT, window.crop(row, column, shape), UNSTRETCHED)
    np.testing.assert_allclose(part, whole[:, row : row + shape[0], column : column + shape[1]], atol=1e-4)


@given(
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    st.tuples(st.integers(-30, 30), st.integers(-30, 30)),
    st.tuples(st.integers(1, 30), st.integers(1, 30)),
)
def test_beyond_the_border_the_image_is_mirrored(image_shape, origin, shape):
    pixels = np.random.default_rng(0).random(image_shape).astype(np.float32)
    padded = np.pad(pixels, 70, mode="reflect" if min(image_shape) > 1 else "symmetric")
    if min(image_shape) == 1:
        # np.pad reflects about single pixels by repeating them.
        padded = pixels
        for axis, size in enumerate(image_shape):
            widths = [(0, 0), (0, 0)]
            widths[axis] = (70, 70)
            padded = np.pad(padded, widths, mode="reflect" if size > 1 else "edge")
    expected = padded[70 + origin[0] :, 70 + origin[1] :][: shape[0], : shape[1]]
    read = read_window(ImageSource(pixels), FLAT, Window(origin, (1, 1), shape), UNSTRETCHED)
    np.testing.assert_array_equal(read[0], expected)


@pytest.mark.parametrize("step", [1.25, 2, 3.7, 4, 8, 16.5])
def test_smoothing_agrees_with_a_gaussian_of_0_45_steps(step):
    pixels = ndimage.gaussian_filter(np.random.default_rng(0).random((300, 300)), 2)
    pixels = (pixels - pixels.min()) / np.ptp(pixels)
    count = int(140 / step)
    window = Window((80.3, 75.8), (step, step), (count, count))
    blurred = ndimage.gaussian_filter(pixels, 0.45 * step)
    positions = window.to_plane(np.stack(np.indices(window.shape), -1))
    expected = ndimage.map_coordinates(blurred, positions.transpose(2, 0, 1), order=1)
    read = read_window(ImageSource(pixels), FLAT, window, UNSTRETCHED)[0]
    assert np.abs(read - expected).max() < 0.03


def test_fine_texture_does_not_alias():
    stripes = np.tile(np.array([0, 1], np.float32), (512, 256))
    for step in (2, 3, 4.3, 8):
        read = read_window(ImageSource(stripes), FLAT, Window((60, 60), (step, step), (32, 32)), UNSTRETCHED)
        assert np.abs(read - 0.5).max() < 0.05


def test_anisotropic_and_swapped_planes():
    volume = np.zeros((30, 40, 50), np.float32)
    volume += 5 * np.arange(30)[:, None, None] + np.arange(50)
    window = Window((10, 8), (2, 0.5), (6, 9))
    read = read_window(ImageSource(volume), Plane((2, 0), (0, 3, 0)), window, UNSTRETCHED)
    x, z = window.to_plane(np.stack(np.indices(window.shape), -1)).transpose(2, 0, 1)
    np.testing.assert_allclose(read[0], 5 * z + x, atol=1e-3)


@pytest.mark.parametrize("origin", [(100, 200), (100.4, 200.6)])
def test_at_step_one_nothing_more_than_the_window_is_read(counting_array, origin):
    array = counting_array(np.random.default_rng(0).random((3, 1000, 1000)).astype(np.float32))
    source = ImageSource(array)
    read_window(source, Plane((1, 2), (1, 0, 0)), Window(origin, (1, 1), (64, 64)), UNSTRETCHED)
    assert len(array.reads) == 1
    assert array.pixels_read == (64 * 64 if origin == (100, 200) else 65 * 65)


def test_smoothing_reads_a_small_margin(counting_array):
    array = counting_array(np.zeros((2000, 2000), np.float32))
    read_window(ImageSource(array), FLAT, Window((900, 900), (8, 8), (32, 32)), UNSTRETCHED)
    assert array.pixels_read <= (32 * 8 + 2 * 20) ** 2


def test_a_window_across_the_border_reads_only_what_is_inside(counting_array):
    array = counting_array(np.random.default_rng(0).random((1000, 1000)))
    read_window(ImageSource(array), FLAT, Window((-32, 968), (1, 1), (64, 64)), UNSTRETCHED)
    assert array.pixels_read <= 33 * 33


def test_large_lazy_regions_are_read_strided(counting_array):
    array = counting_array(np.broadcast_to(ramp((1, 20000), np.uint16), (20000, 20000)))
    source = ImageSource(array)
    window = Window((30, 40), (78, 78), (256, 256))
    reading = plan_reading(source, FLAT, window)
    assert reading.skips_pixels
    read = read_window(source, FLAT, window, UNSTRETCHED)
    assert array.pixels_read * 2 <= 64 * 2**20
    expected = 2 * (40 + 78 * np.arange(256))
    np.testing.assert_allclose(read[0, 5], expected, atol=150)
    np.testing.assert_allclose(read[0, 5, 5:-5], expected[5:-5], atol=0.1)


def test_a_pyramid_is_read_at_the_level_that_fits(counting_array):
    fine = ramp((4096, 4096))
    levels = [counting_array(fine[None])]
    for _ in range(4):
        fine = fine.reshape(fine.shape[0] // 2, 2, -1, 2).mean((1, 3))
        levels.append(counting_array(fine[None]))
    plane = Plane((1, 2), (0, 0, 0))
    source = ImageSource(levels)
    window = Window((64, 64), (5, 5), (128, 128))
    read = read_window(source, plane, window, UNSTRETCHED)
    assert [len(level.reads) for level in levels] == [0, 0, 1, 0, 0]
    expected = window.to_plane(np.stack(np.indices(window.shape), -1)) @ (3, 2)
    np.testing.assert_allclose(read[0], expected, atol=2e-2)


def test_levels_that_merge_planes_are_not_read(counting_array):
    levels = [counting_array(np.zeros((8 // f, 256 // f, 256 // f), np.uint8)) for f in (1, 2, 4)]
    window = Window((8, 8), (4, 4), (32, 32))
    read_window(ImageSource(levels), Plane((1, 2), (1, 0, 0)), window, UNSTRETCHED)
    assert [len(level.reads) for level in levels] == [1, 0, 0]


def test_channels_become_three():
    pixels = np.random.default_rng(0).random((5, 20, 20)).astype(np.float32)
    window = Window((2, 3), (1, 1), (8, 9))
    part = pixels[:, 2:10, 3:12]
    contrast = Contrast(((0.0, 1.0),) * 5)
    np.testing.assert_array_equal(read_window(ImageSource(pixels, channel_axis=0), FLAT, window, contrast), part[:3])
    np.testing.assert_array_equal(
        read_window(ImageSource(pixels, channel_axis=0), FLAT, window, contrast, [4, 1, 2]), part[[4, 1, 2]]
    )
    two = read_window(ImageSource(pixels[:2], channel_axis=0), FLAT, window, contrast)
    np.testing.assert_allclose(two, np.stack([part[0], part[1], part[:2].mean(0)]), atol=1e-6)
    one = read_window(ImageSource(pixels, channel_axis=0), FLAT, window, contrast, [3])
    np.testing.assert_array_equal(one, np.stack([part[3]] * 3))
    with pytest.raises(UserError, match="one to three channels"):
        read_window(ImageSource(pixels, channel_axis=0), FLAT, window, contrast, [0, 1, 2, 3])


@settings(max_examples=30)
@given(windows)
def test_non_finite_values_become_low_and_do_not_spread(window):
    pixels = np.full((100, 100), 7.0, np.float32)
    pixels[20:60:7, 10:90:9] = np.nan
    pixels[5, 5] = np.inf
    cleaned = np.where(np.isfinite(pixels), pixels, 3)
    contrast = Contrast(((3.0, 11.0),))
    read = read_window(ImageSource(pixels), FLAT, window, contrast)
    assert np.isfinite(read).all()
    np.testing.assert_allclose(read, read_window(ImageSource(cleaned), FLAT, window, contrast), atol=1e-5)


@pytest.mark.parametrize(
    "dtype", [np.bool_, np.uint8, np.int16, np.uint32, np.int64, np.float16, np.float32, np.float64]
)
def test_every_real_dtype(dtype):
    pixels = (np.indices((20, 30)).sum(0) % 2).astype(dtype)
    read = read_window(ImageSource(pixels), FLAT, Window((0, 0), (1, 1), (20, 30)), UNSTRETCHED)
    np.testing.assert_array_equal(read[0], pixels.astype(np.float32))
