import os
import stat
from xml.etree import ElementTree

import dask.array as da
import numpy as np
import pytest
import tifffile
import zarr

from napari_sam.errors import UserError
from napari_sam.export import save_labels as module
from napari_sam.export.save_labels import save_labels
from napari_sam.planes.open_image import open_image

LABELS = np.random.default_rng(0).integers(0, 200, (3, 20, 30)).astype(np.int32)


def pixels_of(path):
    with tifffile.TiffFile(path) as file:
        root = ElementTree.fromstring(file.ome_metadata)
    return root.find(".//{*}Pixels").attrib


def test_a_stack_of_three_slices_is_no_rgb_image(tmp_path):
    path = tmp_path / "labels.tif"
    save_labels(path, LABELS, axes="ZYX", scale=(2.0, 0.5, 0.25), units=("um", "micrometer", "µm"))
    with tifffile.TiffFile(path) as file:
        assert file.is_ome
        (series,) = file.series
        assert (series.axes, series.shape, series.dtype) == ("ZYX", (3, 20, 30), np.uint32)
        # What a reader sees that does not know OME: three grey pages with a resolution.
        assert len(file.pages) == 3
        for page in (frame.aspage() for frame in file.pages):
            assert (page.shape, page.samplesperpixel, page.photometric.name) == ((20, 30), 1, "MINISBLACK")
        assert file.pages[0].resolution == pytest.approx((1e4 / 0.25, 1e4 / 0.5))
        assert file.pages[0].resolutionunit == tifffile.RESUNIT.CENTIMETER
        np.testing.assert_array_equal(file.asarray(), LABELS)
    attributes = pixels_of(path)
    assert {key: attributes[key] for key in ("SizeX", "SizeY", "SizeZ", "SizeC", "SizeT", "Type")} == {
        "SizeX": "30",
        "SizeY": "20",
        "SizeZ": "3",
        "SizeC": "1",
        "SizeT": "1",
        "Type": "uint32",
    }
    for axis, size in (("X", 0.25), ("Y", 0.5), ("Z", 2.0)):
        assert float(attributes[f"PhysicalSize{axis}"]) == size
        assert attributes[f"PhysicalSize{axis}Unit"] == "µm"


@pytest.mark.parametrize(
    ("shape", "axes", "stored"),
    [
        ((6, 7), None, "YX"),
        ((3, 6, 7), None, "ZYX"),
        ((4, 3, 6, 7), None, "TZYX"),
        ((2, 4, 3, 6, 7), None, "TZCYX"),
        ((3, 6, 7), "TYX", "TYX"),
        ((3, 6, 7), "qyx", "ZYX"),
        ((2, 3, 6, 7), "ZQYX", "ZTYX"),
        ((3, 6, 7), "abc", "ZYX"),
        ((3, 6, 7), "yyx", "ZYX"),
        ((1, 6, 7), "ZYX", "ZYX"),
    ],
)
def test_axes(tmp_path, shape, axes, stored):
    labels = np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)
    save_labels(tmp_path / "labels.tif", labels, axes=axes)
    with tifffile.TiffFile(tmp_path / "labels.tif") as file:
        sizes = dict(zip(file.series[0].axes, file.series[0].shape, strict=True))
        assert {letter: size for letter, size in sizes.items() if size > 1} == {
            letter: size for letter, size in zip(stored, shape, strict=True) if size > 1
        }
        np.testing.assert_array_equal(file.asarray().squeeze(), labels.squeeze())


def test_rows_and_columns_come_last_in_the_file(tmp_path):
    labels = np.arange(4 * 5 * 6, dtype=np.uint8).reshape(4, 5, 6)
    save_labels(tmp_path / "labels.tif", labels, axes="XZY", scale=(1, 2, 3))
    with tifffile.TiffFile(tmp_path / "labels.tif") as file:
        assert file.series[0].axes == "ZYX"
        np.testing.assert_array_equal(file.asarray(), labels.transpose(1, 2, 0))
    attributes = pixels_of(tmp_path / "labels.tif")
    assert [float(attributes[f"PhysicalSize{axis}"]) for axis in "XZY"] == [1, 2, 3]


@pytest.mark.parametrize(
    ("dtype", "stored"),
    [
        ("bool", "uint8"),
        ("uint8", "uint8"),
        ("int8", "uint8"),
        ("int16", "uint16"),
        (">u2", "uint16"),
        ("uint16", "uint16"),
        ("int32", "uint32"),
        ("uint32", "uint32"),
        ("int64", "uint32"),
        ("uint64", "uint32"),
    ],
)
def test_every_id_is_kept(tmp_path, dtype, stored):
    dtype = np.dtype(dtype)
    largest = 1 if dtype.kind == "b" else min(np.iinfo(dtype).max, 2**32 - 1)
    labels = np.array([[0, 1], [largest, 1]], dtype)
    save_labels(tmp_path / "labels.tif", labels)
    read = tifffile.imread(tmp_path / "labels.tif")
    assert read.dtype == np.dtype(stored)
    np.testing.assert_array_equal(read, labels)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.array([[0, 2**32]], np.int64), "hold the id 4294967296"),
        (np.array([[0, -1]], np.int32), "negative id -1"),
        (np.zeros((4, 4)), "must be integers, not float64"),
        (np.zeros((2, 2, 2, 2, 2, 2), int), "two to five axes"),
    ],
)
def test_what_a_file_cannot_hold_is_refused_and_leaves_nothing(tmp_path, labels, message):
    with pytest.raises(UserError, match=message):
        save_labels(tmp_path / "labels.tif", labels)
    assert not list(tmp_path.iterdir())


def test_of_more_than_five_axes_those_of_length_1_are_left_out(tmp_path):
    labels = LABELS.reshape(1, 1, 3, 1, 20, 30)
    um = ("micrometer",) * 2
    units = ("pixel", "second", "pixel", "pixel", *um)
    save_labels(tmp_path / "labels.tif", labels, axes="QTZCYX", scale=(1, 9, 2, 1, 0.5, 0.5), units=units)
    read = open_image(tmp_path / "labels.tif")
    np.testing.assert_array_equal(np.squeeze(read.array()), LABELS)
    assert read.scale[-3:] == (2, 0.5, 0.5)


def test_time_and_unknown_units(tmp_path):
    path = tmp_path / "labels.tif"
    save_labels(path, LABELS, axes="TYX", scale=(30, 2, 2), units=("second", "furlong", "pixel"))
    attributes = pixels_of(path)
    assert (attributes["TimeIncrement"], attributes["TimeIncrementUnit"]) == ("30.0", "s")
    assert (attributes["PhysicalSizeX"], attributes["PhysicalSizeXUnit"]) == ("2.0", "pixel")
    assert attributes["PhysicalSizeYUnit"] == "pixel"
    save_labels(path, LABELS)
    assert "PhysicalSizeX" not in pixels_of(path)


@pytest.mark.parametrize("make", [zarr.array, da.from_array], ids=["zarr", "dask"])
def test_lazy_labels_are_written_plane_by_plane(tmp_path, make):
    save_labels(tmp_path / "labels.tif", make(LABELS), axes="ZYX")
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "labels.tif"), LABELS)


def test_files_are_replaced_whole_or_not_at_all(tmp_path):
    path = tmp_path / "labels.tif"
    save_labels(path, LABELS)
    path.chmod(0o640)
    before = path.read_bytes()
    with pytest.raises(UserError, match="exists already"):
        save_labels(path, LABELS, overwrite=False)
    broken = LABELS.copy()
    broken[2, 3, 3] = -5
    with pytest.raises(UserError, match="negative"):
        save_labels(path, broken)
    assert path.read_bytes() == before
    save_labels(path, LABELS + 1)
    np.testing.assert_array_equal(tifffile.imread(path), LABELS + 1)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert list(tmp_path.iterdir()) == [path]


def test_names_that_cannot_be_written(tmp_path):
    with pytest.raises(UserError, match=r"ends in \.tif, not labels\.png"):
        save_labels(tmp_path / "labels.png", LABELS)
    with pytest.raises(UserError, match="there is no folder"):
        save_labels(tmp_path / "missing" / "labels.tif", LABELS)
    (tmp_path / "folder.tif").mkdir()
    with pytest.raises(UserError, match="is a folder"):
        save_labels(tmp_path / "folder.tif", LABELS)
    with pytest.raises(UserError, match="scale has 2 entries"):
        save_labels(tmp_path / "labels.tif", LABELS, scale=(1, 1))
    with pytest.raises(UserError, match="2 axis names"):
        save_labels(tmp_path / "labels.tif", LABELS, axes="YX")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="needs a user whom permissions stop")
def test_a_folder_without_permission(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(UserError, match="Permission denied"):
        save_labels(tmp_path / "labels.tif", LABELS)


def test_large_planes_have_a_pyramid_that_keeps_every_id(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_LARGE_SIDE", 600)
    monkeypatch.setattr(module, "_COARSEST_SIDE", 300)
    labels = np.kron(LABELS, np.ones((1, 33, 29), int)).astype(np.uint16)
    save_labels(tmp_path / "a.ome.tif", labels, axes="ZYX", scale=(2, 0.5, 0.25), units=("um",) * 3)
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as file:
        (series,) = file.series
        assert [level.shape for level in series.levels] == [(3, 660, 870), (3, 330, 435), (3, 165, 218)]
        for level, step in zip(series.levels, (1, 2, 4), strict=True):
            np.testing.assert_array_equal(level.asarray(), labels[:, ::step, ::step])
            assert level.keyframe.resolution == pytest.approx((1e4 / 0.25 / step, 1e4 / 0.5 / step))
        assert series.keyframe.is_tiled
    stored = open_image(tmp_path / "a.ome.tif")
    np.testing.assert_array_equal(stored.array()[...], labels)
    assert stored.scale == (2, 0.5, 0.25)
    assert pixels_of(tmp_path / "a.ome.tif")["SizeX"] == "870"
