import dask.array as da
import numpy as np
import pytest
import zarr

from napari_sam.errors import UserError
from napari_sam.planes.geometry import Plane
from napari_sam.planes.image_source import ImageSource

PIXELS = np.arange(2 * 3 * 4 * 5, dtype=np.uint16).reshape(2, 3, 4, 5)


@pytest.mark.parametrize("axes", [(0, 1), (1, 0), (2, 3), (3, 2), (0, 3), (3, 1)])
def test_any_displayed_axes_in_any_order(axes):
    source = ImageSource(PIXELS)
    index = (1, 2, 3, 4)
    read = source.read(Plane(axes, index), slice(0, 100), slice(0, 100))
    for row in range(PIXELS.shape[axes[0]]):
        for column in range(PIXELS.shape[axes[1]]):
            at = list(index)
            at[axes[0]], at[axes[1]] = row, column
            assert read[row, column, 0] == PIXELS[tuple(at)]


@pytest.mark.parametrize("channel_axis", [0, 1, 2, 3, -1])
@pytest.mark.parametrize("axes", [(0, 1), (1, 0), (0, 2), (2, 1)])
@pytest.mark.parametrize("make", [np.asarray, da.from_array, zarr.array], ids=["numpy", "dask", "zarr"])
def test_channel_axis_anywhere(channel_axis, axes, make):
    source = ImageSource(make(PIXELS), channel_axis=channel_axis)
    last = np.moveaxis(PIXELS, channel_axis, -1)
    assert source.shape == last.shape[:3]
    assert source.n_channels == last.shape[3]
    plane = Plane(axes, (1, 1, 1))
    other = ({0, 1, 2} - set(axes)).pop()
    expected = np.take(last, 1, axis=other)
    if axes[0] > axes[1]:
        expected = expected.swapaxes(0, 1)
    np.testing.assert_array_equal(source.read(plane, slice(None), slice(1, 3)), expected[:, 1:3])
    np.testing.assert_array_equal(source.read(plane, slice(0, 9), slice(0, 9), (2, 1)), expected[::2])
    chosen = list(range(source.n_channels))[::-1]
    np.testing.assert_array_equal(source.read(plane, slice(0, 9), slice(0, 9), channels=chosen), expected[..., ::-1])


def test_rgba_drops_alpha():
    pixels = np.random.default_rng(0).integers(0, 255, (2, 6, 7, 4), np.uint8)
    source = ImageSource(pixels, rgb=True)
    assert (source.shape, source.n_channels, source.rgb) == ((2, 6, 7), 3, True)
    np.testing.assert_array_equal(source.read(Plane((1, 2), (1, 0, 0)), slice(0, 6), slice(0, 7)), pixels[1, ..., :3])


def test_only_the_region_is_read(counting_array):
    array = counting_array(np.zeros((9, 3, 500, 600), np.uint16))
    source = ImageSource(array, channel_axis=1)
    assert source.read(Plane((1, 2), (4, 0, 0)), slice(10, 20), slice(30, 60), channels=[2]).shape == (10, 30, 1)
    assert array.reads == [((4, slice(2, 3, None), slice(10, 20, 1), slice(30, 60, 1)), 300)]


def test_levels_scale_the_other_axes():
    fine = np.zeros((10, 64, 64), np.uint8)
    coarse = np.arange(5, dtype=np.uint8)[:, None, None] * np.ones((32, 32), np.uint8)
    source = ImageSource([fine, coarse])
    assert source.factors(1) == (2, 2, 2)
    for z in range(10):
        assert source.read(Plane((1, 2), (z, 0, 0)), slice(0, 1), slice(0, 1), level=1)[0, 0, 0] == z // 2


@pytest.mark.parametrize(
    ("fine", "coarse", "factor"), [(101, 50, 2), (101, 51, 2), (7, 7, 1), (100, 25, 4), (30, 20, 1.5)]
)
def test_factors_are_whole_up_to_rounding(fine, coarse, factor):
    assert ImageSource([np.zeros((fine, fine)), np.zeros((coarse, coarse))]).factors(1) == (factor, factor)


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        (np.zeros((4, 4), complex), {}, "type complex128"),
        (np.zeros((4, 4), "datetime64[s]"), {}, "type datetime64"),
        (np.zeros((4, 4), object), {}, "type object"),
        (np.zeros(4), {}, "two axes"),
        (np.zeros((3, 4)), {"channel_axis": 0}, "two axes"),
        (np.zeros((4, 4, 5)), {"rgb": True}, "length 3 or 4"),
        (np.zeros((4, 4, 3)), {"rgb": True, "channel_axis": 0}, "last axis"),
        (np.zeros((4, 4, 3)), {"channel_axis": 3}, "no axis 3"),
        (np.zeros((4, 0)), {}, "empty"),
        (np.zeros((4, 4)), {"scale": (1, 1, 1)}, "scale has 3"),
        ([np.zeros((4, 4)), np.zeros((2, 2, 2))], {}, "same number of axes"),
        ([], {}, "not an array"),
        ("image.tif", {}, "not an array"),
    ],
)
def test_bad_input_is_told_in_a_sentence(data, options, message):
    with pytest.raises(UserError, match=message):
        ImageSource(data, **options)


def test_missing_planes_and_channels():
    source = ImageSource(PIXELS, channel_axis=0)
    with pytest.raises(UserError, match="Axis 0 of the image has no position 3: it goes from 0 to 2"):
        source.read(Plane((1, 2), (3, 0, 0)), slice(0, 1), slice(0, 1))
    with pytest.raises(UserError, match="no position -1"):
        source.read(Plane((1, 2), (-1, 0, 0)), slice(0, 1), slice(0, 1))
    with pytest.raises(UserError, match="no channel 2"):
        source.read(Plane((1, 2), (0, 0, 0)), slice(0, 1), slice(0, 1), channels=[2])
    with pytest.raises(UserError, match="2 axes but the image has 3"):
        source.read(Plane((0, 1), (0, 0)), slice(0, 1), slice(0, 1))
