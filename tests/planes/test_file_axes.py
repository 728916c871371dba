"""Axes, pixel size and units are read from a file without its pixels, and only where the shape agrees."""

import numpy as np
import pytest
import tifffile

from napari_sam.planes import open_tiff
from napari_sam.planes.file_axes import FileAxes, file_axes, is_unnamed, likeliest_depth, looks_like_channels


@pytest.fixture
def hyperstack(tmp_path):
    path = tmp_path / "hyper.tif"
    metadata = {"axes": "ZCYX", "spacing": 0.5, "unit": "um"}
    tifffile.imwrite(path, np.zeros((12, 2, 16, 20), np.uint16), imagej=True, resolution=(10, 10), metadata=metadata)
    return path


def test_a_hyperstack_states_its_axes_with_its_channels(hyperstack, monkeypatch) -> None:
    monkeypatch.delattr(open_tiff, "_pixels")
    axes = file_axes(hyperstack)
    assert axes == FileAxes(
        (12, 2, 16, 20), tuple("zcyx"), (0.5, 1, 0.1, 0.1), ("micrometer", "pixel", *["micrometer"] * 2)
    )


def test_they_are_those_of_an_array_without_channels_or_short_axes_too(hyperstack) -> None:
    axes = file_axes(hyperstack)
    assert axes.of((12, 2, 16, 20)) == axes
    assert axes.of((12, 16, 20)).names == tuple("zyx")
    assert axes.of((12, 16, 20)).scale == (0.5, 0.1, 0.1)
    assert axes.of((2, 12, 16, 20)) is None
    assert axes.of((12, 2, 20, 16)) is None
    assert FileAxes((1, 5, 16, 20), tuple("tzyx")).of((5, 16, 20)).names == tuple("zyx")


def test_files_that_name_none_or_cannot_be_read_have_none(tmp_path) -> None:
    np.save(tmp_path / "stack.npy", np.zeros((3, 8, 8)))
    (tmp_path / "damaged.tif").write_bytes(b"II*\0\xff\xff\xff\xff")
    for name in ("stack.npy", "damaged.tif", "missing.tif", "."):
        assert file_axes(tmp_path / name) is None


def test_depth_is_likelier_than_what_has_no_name_and_that_than_time_and_channels() -> None:
    assert likeliest_depth([0, 1], "zcyx", (12, 2, 9, 9)) == [0, 1]
    assert likeliest_depth([0, 1, 2], "tczyx", (3, 2, 5, 9, 9)) == [2, 0, 1]
    assert likeliest_depth([0, 1], ("-4", "-3", "-2", "-1"), (12, 2, 9, 9)) == [0, 1]
    assert likeliest_depth([0, 1], ("-4", "-3", "-2", "-1"), (12, 30, 9, 9)) == [1, 0]
    assert likeliest_depth([0, 1], ("t", "", "y", "x"), (12, 30, 9, 9)) == [1, 0]


def test_short_axes_look_like_channels_only_where_nothing_names_them() -> None:
    assert looks_like_channels("-3", 2)
    assert looks_like_channels("axis -3", 4)
    assert looks_like_channels("C", 40)
    assert not looks_like_channels("z", 2)
    assert not looks_like_channels("-3", 12)
    assert [is_unnamed(name) for name in ("", "-1", "axis 2", "z", "axis")] == [True, True, True, False, False]
