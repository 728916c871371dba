"""What the user says of an image: axes, which of several, channels, pixel size; and what is said where nobody asked."""

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from napari_sam.errors import UserError, UserNotice
from napari_sam.planes.array_view import ArrayView, turned
from napari_sam.planes.channels import chosen_channels
from napari_sam.planes.contrast import measure_contrast
from napari_sam.planes.geometry import Plane, Window
from napari_sam.planes.image_source import ImageSource
from napari_sam.planes.open_image import open_image, open_labels
from napari_sam.planes.read_window import read_window

RNG = np.random.default_rng(0)
WHOLE = (slice(None), slice(None))
PLANE = Plane((0, 1), (0, 0))


def write(path: Path, pixels: np.ndarray, **options: object) -> Path:
    tifffile.imwrite(path, pixels, **options)
    return path


def plane_of(source: ImageSource, *index: int) -> np.ndarray:
    ndim = source.ndim
    return source.read(Plane((ndim - 2, ndim - 1), (*index, *(0,) * (ndim - len(index)))), *WHOLE)


def test_channels_that_come_last_are_named_by_the_user_and_hinted_at(tmp_path: Path) -> None:
    pixels = RNG.integers(0, 4000, (64, 70, 5), np.uint16)
    path = write(tmp_path / "last.tif", pixels)
    with pytest.warns(UserNotice, match=r"5 positions only.*--axes ZYXC|5 positions only.*--axes YXC"):
        assert open_image(path).shape == (64, 70, 5)
    source = open_image(path, axes="YXC", channel=[4, 0])
    assert (source.shape, source.n_channels, source.shown) == ((64, 70), 5, (4, 0))
    np.testing.assert_array_equal(plane_of(source), pixels)
    np.save(tmp_path / "last.npy", pixels)
    with pytest.warns(UserNotice, match="--axes YXC"):
        open_image(tmp_path / "last.npy")


@pytest.mark.parametrize("axes", ["ZYXC", "CZYX", "YXZC", "XYCZ", "ZXYC"])
def test_axes_in_any_order_end_with_rows_and_columns(tmp_path: Path, axes: str) -> None:
    there = {"Z": 3, "C": 2, "Y": 40, "X": 50}
    pixels = RNG.integers(0, 255, [there[letter] for letter in axes], np.uint8)
    np.save(tmp_path / "stack.npy", pixels)
    source = open_image(tmp_path / "stack.npy", axes=axes, scale=(2, 0.5, 0.25))
    assert (source.shape, source.axis_labels, source.n_channels) == ((3, 40, 50), ("z", "y", "x"), 2)
    assert (source.scale, source.units) == ((2, 0.5, 0.25), ("micrometer",) * 3)
    expected = np.einsum(f"{axes.lower()}->zyxc", pixels)
    np.testing.assert_array_equal(plane_of(source, 1), expected[1])


@pytest.mark.parametrize("axes", ["YX", "ZZYX", "TZCY", "ZY1X", "TZCYXQ"])
def test_axes_that_do_not_fit_are_refused(tmp_path: Path, axes: str) -> None:
    np.save(tmp_path / "stack.npy", np.zeros((3, 2, 40, 50), np.uint8))
    with pytest.raises(UserError, match=r"--axes"):
        open_image(tmp_path / "stack.npy", axes=axes)


def test_channels_go_by_name_or_number_and_the_model_is_shown_them_in_order(tmp_path: Path) -> None:
    pixels = RNG.integers(0, 4000, (3, 4, 32, 36), np.uint16)
    metadata = {"axes": "CZYX", "Channel": {"Name": ["DAPI", "GFP", "488"]}}
    path = write(tmp_path / "cells.ome.tif", pixels, ome=True, photometric="minisblack", metadata=metadata)
    source = open_image(path, channel=["gfp", "DAPI"])
    assert (source.shown, source.channel_names) == ((1, 0), ("DAPI", "GFP", "488"))
    assert open_image(path, channel="488").shown == (2,)
    assert open_image(path, channel=1).shown == (1,)
    plane, window = Plane((1, 2), (2, 0, 0)), Window((0, 0), (1, 1), (32, 36))
    limits = measure_contrast(source, (1, 2))
    shown = read_window(source, plane, window, limits, source.shown)
    alone = [read_window(source, plane, window, limits, [channel])[0] for channel in (1, 0)]
    np.testing.assert_allclose(shown, [*alone, (alone[0] + alone[1]) / 2], atol=1e-6)
    for wrong, message in ((3, "no channel 3"), ("YFP", r"0 to 2 \(DAPI, GFP, 488\)"), (["DAPI", 0], "once")):
        with pytest.raises(UserError, match=message):
            open_image(path, channel=wrong)
    with pytest.raises(UserError, match="one to three"):
        open_image(path, channel=[])


def test_more_than_three_channels_without_a_choice_are_said(tmp_path: Path) -> None:
    pixels = np.zeros((5, 32, 36), np.uint16)
    path = write(tmp_path / "five.tif", pixels, imagej=True, metadata={"axes": "CYX", "Labels": list("abcde")})
    with pytest.warns(UserNotice, match="5 channels.*a, b, c; choose others with --channel"):
        open_image(path)
    assert open_image(path, channel="e").shown == (4,)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=3, unique=True))
def test_every_choice_of_channels_comes_back_by_name_as_by_number(numbers: list[int]) -> None:
    names = [f"dye {letter}" for letter in "abcdef"]
    assert chosen_channels(numbers, 6, names) == tuple(numbers)
    assert chosen_channels([names[at].upper() for at in numbers], 6, names) == tuple(numbers)


def test_several_images_in_a_file_are_said_and_chosen(tmp_path: Path) -> None:
    path = tmp_path / "two.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as file:
        for name, size, length in (("survey", 0.5, 16), ("detail", 0.1, 32)):
            metadata = {"axes": "ZYX", "Name": name, "PhysicalSizeX": size, "PhysicalSizeY": size}
            file.write(np.zeros((3, length, length), np.uint8), photometric="minisblack", metadata=metadata)
    with pytest.warns(UserNotice, match=r"2 images \(0 survey, 1 detail\), and number 1 was opened.*--series"):
        source = open_image(path)
    assert (source.shape, source.scale) == ((3, 32, 32), (1, 0.1, 0.1))
    for series in (0, "0", "survey"):
        source = open_image(path, series=series)
        assert (source.shape, source.scale) == ((3, 16, 16), (1, 0.5, 0.5))
    with pytest.raises(UserError, match="0 survey, 1 detail"):
        open_image(path, series=2)


def test_a_scale_of_the_user_goes_before_the_files(tmp_path: Path) -> None:
    pixels = np.zeros((1, 4, 32, 36), np.uint8)
    path = write(tmp_path / "film.ome.tif", pixels, ome=True, metadata={"axes": "TZYX", "PhysicalSizeX": 9})
    np.save(tmp_path / "film.npy", pixels)
    assert open_image(path, scale=(2, 0.5, 0.5)).scale[-3:] == (2, 0.5, 0.5)
    source = open_image(tmp_path / "film.npy", axes="TZYX", scale=(30, 2, 0.5, 0.5))
    assert (source.scale, source.units) == ((30, 2, 0.5, 0.5), ("second", *["micrometer"] * 3))
    assert open_image(tmp_path / "film.npy", axes="TZYX", scale=(2, 0.5, 0.5)).scale == (1, 2, 0.5, 0.5)
    for wrong, message in (((1, 2), "t, z, y, x"), ((1, 2, 0), "above 0")):
        with pytest.raises(UserError, match=message):
            open_image(tmp_path / "film.npy", axes="TZYX", scale=wrong)


class Counted:
    """An array that is indexed by integers and slices only, and says how much was read."""

    def __init__(self, pixels: np.ndarray) -> None:
        self.pixels, self.shape, self.dtype, self.chunks = pixels, pixels.shape, pixels.dtype, (1, 8, 8, 2)
        self.read = 0

    def __getitem__(self, index: tuple[int | slice, ...]) -> np.ndarray:
        part = self.pixels[index]
        self.read += part.size
        return part


@given(st.permutations(range(4)), st.data())
def test_views_give_what_numpy_gives_and_read_no_more(order: list[int], data: st.DataObject) -> None:
    pixels = np.arange(3 * 9 * 8 * 2).reshape(3, 9, 8, 2)
    picked = {}
    if data.draw(st.booleans()):
        axis = order.pop()
        picked[axis] = data.draw(st.integers(0, pixels.shape[axis] - 1))
    counted = Counted(pixels)
    view = turned(counted, order, picked)
    assert isinstance(view, ArrayView)
    expected = turned(pixels, order, picked)
    assert (view.shape, view.chunks) == (expected.shape, tuple((1, 8, 8, 2)[axis] for axis in order))
    index = tuple(
        data.draw(st.integers(0, size - 1) | st.builds(slice, st.integers(0, size), st.integers(0, size)))
        for size in view.shape
    )
    np.testing.assert_array_equal(view[index], expected[index])
    assert counted.read == expected[index].size


def test_labels_may_be_booleans_or_indices_of_a_palette(tmp_path: Path) -> None:
    ids = np.zeros((20, 24), np.uint8)
    ids[4:9, 5:12], ids[12:, 15:] = 7, 200
    picture = PIL.Image.new("P", (24, 20))
    picture.putdata(ids.ravel().tolist())
    picture.putpalette(RNG.integers(0, 255, 768, np.uint8).tolist())
    picture.save(tmp_path / "ids.png")
    np.testing.assert_array_equal(open_labels(tmp_path / "ids.png").array()[...], ids)
    tifffile.imwrite(tmp_path / "mask.tif", ids > 0)
    labels = open_labels(tmp_path / "mask.tif")
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels.array()[...], ids > 0)
    tifffile.imwrite(tmp_path / "floats.tif", ids.astype(np.float32))
    with pytest.raises(UserError, match="holds no labels"):
        open_labels(tmp_path / "floats.tif")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"scale": 0.3}, "scale is a size for each axis"),
        ({"scale": "0.3,0.3"}, "scale is a size for each axis"),
        ({"axes": ["Y", "X"]}, "axes are letters in one text"),
    ],
)
def test_choices_of_another_kind_are_not_blamed_on_the_file(tmp_path: Path, said: dict, told: str) -> None:
    np.save(tmp_path / "image.npy", np.zeros((40, 50), np.uint8))
    with pytest.raises(UserError, match=told):
        open_image(tmp_path / "image.npy", **said)
