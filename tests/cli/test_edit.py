"""``napari-sam edit``."""

import numpy as np
import pytest
import tifffile

import napari_sam
from napari_sam.export.save_labels import save_labels
from napari_sam.planes.open_image import open_image


@pytest.fixture
def stored(tmp_path):
    labels = np.zeros((8, 30, 40), np.uint16)
    labels[2:6, 5:15, 5:15], labels[2:6, 5:15, 20:30] = 3, 7
    labels[3:5, 9:11, 9:11], labels[7, 28, 38] = 0, 3
    save_labels(tmp_path / "labels.tif", labels, axes="ZYX", scale=(2.0, 0.5, 0.5), units=("micrometer",) * 3)
    return tmp_path / "labels.tif", labels


def test_objects_are_edited_in_the_order_of_the_options(run, stored, tmp_path):
    path, labels = stored
    ended = run("edit", path, "-o", tmp_path / "out.tif", "--keep-largest", "--fill-holes", "--grow", "1")
    assert ended.status == 0, ended.err
    assert "2 objects" in ended.out
    assert "distances in µm" in ended.out
    expected = napari_sam.keep_largest_part(napari_sam.fill_holes(labels))
    expected = napari_sam.grow_objects(expected, 1.0, scale=(2.0, 0.5, 0.5))
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out.tif"), expected)
    assert open_image(tmp_path / "out.tif").scale == (2.0, 0.5, 0.5)
    # 1 µm is no plane and two pixels.
    assert (expected[3, 10] == 3).sum() == 14
    assert not expected[1].any()


def test_some_objects_plane_by_plane_with_another_scale(run, stored, tmp_path):
    path, labels = stored
    ended = run("edit", path, "-o", tmp_path / "out.tif", "--grow=-1", "--ids", "7", "--planes", "--scale", "1,1,1")
    assert ended.status == 0, ended.err
    expected = napari_sam.grow_objects(labels, -1, [7], spatial=2)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out.tif"), expected)
    assert (expected[2] == 7).sum() == 64


def test_objects_are_merged(run, stored, tmp_path):
    path, labels = stored
    assert run("edit", path, "-o", tmp_path / "out.tif", "--merge", "7,3").status == 0
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out.tif"), np.where(labels > 0, 3, 0))


def test_time_is_not_mixed(run, tmp_path):
    labels = np.zeros((6, 20, 20), np.uint8)
    labels[3, 8:12, 8:12] = 1
    save_labels(tmp_path / "labels.tif", labels, axes="TYX")
    assert run("edit", tmp_path / "labels.tif", "-o", tmp_path / "out.tif", "--grow", "2").status == 0
    after = tifffile.imread(tmp_path / "out.tif")
    assert (after[3] == 1).sum() > 16
    assert not np.delete(after, 3, axis=0).any()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "Nothing is to be done"),
        (["--merge", "3"], "two objects at least"),
        (["--merge", "3,99"], "no object 99"),
        (["--fill-holes", "--ids", "x"], "ids from 1 on"),
        (["--grow", "0"], "distance above 0"),
        (["--grow", "1", "--scale", "1,1"], "3 numbers"),
    ],
)
def test_bad_input_gets_one_sentence(run, stored, tmp_path, words, says):
    ended = run("edit", stored[0], "-o", tmp_path / "out.tif", *words)
    assert ended.status == 2
    assert len(ended.sentences) == 1
    assert says in ended.err
    assert not (tmp_path / "out.tif").exists()
