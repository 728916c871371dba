import csv
import sys

import dask.array as da
import numpy as np
import pyarrow.parquet
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from skimage.measure import regionprops_table

from napari_sam.errors import UserError
from napari_sam.export import measurements
from napari_sam.export.crofton import crossing_weights
from napari_sam.export.measurements import column_title, measure_objects
from napari_sam.export.table_file import check_table_path, save_table
from napari_sam.planes.image_source import ImageSource

UM = {2: ("um",) * 2, 3: ("um",) * 3}
BLOBS = np.random.default_rng(1).integers(0, 5, (7, 12, 14)).astype(np.uint16)
IMAGE = np.random.default_rng(2).integers(0, 4000, BLOBS.shape).astype(np.uint16)
SCALE = (2.0, 0.5, 0.25)


def same(found, expected, pairs) -> None:
    np.testing.assert_array_equal(found["label"], expected["label"])
    for ours, theirs in pairs:
        np.testing.assert_allclose(found[ours], expected[theirs], atol=1e-6, err_msg=ours)


def test_volumes_are_as_scikit_image_measures_them() -> None:
    found = measure_objects(BLOBS, IMAGE, scale=SCALE, units=UM[3])
    names = ("label", "area", "num_pixels", "bbox", "centroid", "axis_major_length", "axis_minor_length")
    names += ("equivalent_diameter_area", "intensity_mean", "intensity_std", "intensity_min", "intensity_max")
    expected = regionprops_table(BLOBS, IMAGE, spacing=SCALE, properties=names)
    pairs = [("volume", "area"), ("n_pixels", "num_pixels"), ("equivalent_diameter", "equivalent_diameter_area")]
    pairs += [(f"centroid_{name}", f"centroid-{axis}") for axis, name in enumerate("zyx")]
    pairs += [(f"first_{name}", f"bbox-{axis}") for axis, name in enumerate("zyx")]
    same(found, expected, pairs + [(name, name) for name in names[5:7] + names[8:]])
    assert set(found["unit"]) == {"µm"}
    np.testing.assert_array_equal(found["last_x"], expected["bbox-5"] - 1)
    assert len({len(column) for column in found.values()}) == 1


def test_planes_are_as_scikit_image_measures_them() -> None:
    # Clumps, so that there are hulls to speak of.
    labels = np.kron(np.random.default_rng(3).integers(0, 4, (4, 5, 6)), np.ones((1, 6, 5), int)).astype(np.uint8)
    found = measure_objects(labels, axes="zyx", scale=SCALE, units=UM[3], by_plane=True)
    for z, plane in enumerate(labels):
        here = {name: column[found["z"] == z] for name, column in found.items()}
        names = ("label", "area", "centroid", "axis_major_length", "axis_minor_length")
        expected = regionprops_table(plane, spacing=SCALE[1:], properties=names)
        same(here, expected, [("area", "area"), ("centroid_y", "centroid-0"), *[(name, name) for name in names[3:]]])
        # Theirs is the hull of half pixels, and in pixels: a little larger or smaller than ours.
        solid = regionprops_table(plane, properties=("solidity",))["solidity"]
        np.testing.assert_allclose(here["solidity"], solid, atol=0.08)
        assert (here["solidity"] <= 1 + 1e-9).all()


@settings(max_examples=40, deadline=None)
@given(
    arrays(np.uint8, array_shapes(min_dims=2, max_dims=3, min_side=1, max_side=9), elements=st.integers(0, 3)),
    st.integers(1, 60),
    st.booleans(),
)
def test_blocks_do_not_show(labels, most, by_plane) -> None:
    names = "zyx"[-labels.ndim :]
    whole = measure_objects(labels, labels * 2.0, axes=names, by_plane=by_plane)
    chunked = zarr.create_array({}, data=labels, chunks=tuple(min(4, size) for size in labels.shape))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measurements, "_BLOCK", most)
        parts = measure_objects(chunked, da.from_array(labels * 2.0, chunks=3), axes=names, by_plane=by_plane)
    assert list(parts) == list(whole)
    for name, column in whole.items():
        if column.dtype.kind == "U":
            assert parts[name].tolist() == column.tolist()
        else:
            np.testing.assert_allclose(parts[name], column, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("spacing", [(1, 1), (1, 0.5), (3, 1), (1, 1, 1), (2, 1, 1), (4, 1, 1)])
def test_borders_of_balls_are_as_long_as_they_are(spacing) -> None:
    radius, ndim = 24 * min(spacing) if len(spacing) == 2 else 20, len(spacing)
    half = [int(radius / step) + 2 for step in spacing]
    grid = np.meshgrid(*(np.arange(-each, each + 1) * step for each, step in zip(half, spacing, strict=True)))
    ball = (sum((along - 0.3) ** 2 for along in grid) < radius**2).astype(np.uint8).swapaxes(0, 1)
    found = measure_objects(ball, scale=spacing, units=UM[ndim], axes="zyx"[-ndim:])
    expected = 2 * np.pi * radius if ndim == 2 else 4 * np.pi * radius**2
    np.testing.assert_allclose(found["perimeter" if ndim == 2 else "surface"], expected, rtol=0.01)
    np.testing.assert_allclose(found["circularity" if ndim == 2 else "sphericity"], 1, rtol=0.02)
    assert len(crossing_weights(spacing)) == 3**ndim - 1


def test_neighbours_share_their_border() -> None:
    labels = np.zeros((30, 40), np.uint32)
    labels[5:25, 5:20], labels[5:25, 20:35], labels[25, 35] = 7, 2**31, 9
    found = measure_objects(labels)
    assert found["label"].tolist() == [7, 9, 2**31]
    assert found["neighbours"].tolist() == [str(2**31), str(2**31), "7 9"]
    assert found["n_neighbours"].tolist() == [1, 1, 2]
    seven, nine, large = found["contact"]
    # The line between two squares: a straight border comes out up to a tenth too short or too long.
    np.testing.assert_allclose(seven, 20, rtol=0.1)
    np.testing.assert_allclose(large, seven + nine, rtol=1e-9)
    assert found["touches_edge"].tolist() == [False, False, False]
    assert measure_objects(labels[:, :21])["touches_edge"].tolist() == [False, True]


def test_time_has_rows_of_its_own() -> None:
    labels = np.zeros((3, 2, 8, 9), np.uint8)
    labels[0, :, 2:4, 2:4], labels[2, 1, 2:4, 2:4] = 5, 5
    found = measure_objects(ImageSource(labels, axis_labels="tzyx"))
    assert found["t"].tolist() == [0, 2]
    assert found["volume"].tolist() == [8, 4]
    # Depth first in the array.
    turned = measure_objects(labels.swapaxes(0, 1), axes="ZTYX")
    assert turned["t"].tolist() == [0, 2]
    assert turned["volume"].tolist() == [8, 4]
    planes = measure_objects(labels, axes="tzyx", by_plane=True)
    assert list(zip(planes["t"].tolist(), planes["z"].tolist(), strict=True)) == [(0, 0), (0, 1), (2, 1)]


def test_columns_are_called_with_their_unit() -> None:
    found = measure_objects(BLOBS, IMAGE, scale=SCALE, units=UM[3])
    titles = [column_title(name, found) for name in ("volume", "surface", "contact", "centroid_z", "n_pixels")]
    assert titles == ["volume (µm³)", "surface (µm²)", "contact (µm²)", "centroid z (µm)", "n pixels"]
    found = measure_objects(BLOBS[0])
    assert [column_title(name, found) for name in ("area", "contact")] == ["area (px²)", "contact (px)"]


def test_channels_and_pixels_that_are_no_number() -> None:
    labels = np.zeros((6, 7), np.int64)
    labels[1:3, 1:3], labels[4, 4] = 1, 2
    image = np.zeros((2, 6, 7), np.float32)
    image[0], image[1, 1:3, 1:3], image[1, 1, 1], image[1, 4, 4] = 3, 5, np.nan, np.inf
    found = measure_objects(labels, image)
    assert found["intensity_mean-0"].tolist() == [3, 3]
    np.testing.assert_array_equal(found["intensity_mean-1"], [5, np.nan])
    np.testing.assert_array_equal(found["intensity_max-1"], [5, np.nan])


def test_what_is_known_of_objects_goes_along() -> None:
    found = measure_objects(BLOBS[0], confidences={1: 0.5}, origins={2: "hand"}, prompts={1: 3})
    np.testing.assert_array_equal(found["confidence"], [0.5, np.nan, np.nan, np.nan])
    assert found["made_by"].tolist() == ["", "hand", "", ""]
    assert found["n_prompts"].tolist() == [3, 0, 0, 0]


def test_no_object_is_no_row(tmp_path) -> None:
    found = measure_objects(np.zeros((4, 5), np.uint8), np.zeros((4, 5)))
    assert {len(column) for column in found.values()} == {0}
    assert list(found) == list(measure_objects(np.ones((4, 5), np.uint8), np.zeros((4, 5))))
    save_table(tmp_path / "none.csv", found)
    assert (tmp_path / "none.csv").read_text().startswith("label,n_pixels,area")


@pytest.mark.parametrize(
    ("labels", "image", "says"),
    [
        (np.zeros((4, 5)), None, "whole numbers"),
        (np.full((4, 5), -1), None, "negative id -1"),
        (np.ones((4, 5), int), np.zeros((5, 4)), "their own image"),
        (np.zeros(4, int), None, "two axes"),
    ],
)
def test_what_cannot_be_measured_is_one_sentence(labels, image, says) -> None:
    with pytest.raises(UserError, match=says):
        measure_objects(labels, image)


def test_tables_are_read_back(tmp_path) -> None:
    found = measure_objects(BLOBS, IMAGE, scale=SCALE, units=UM[3], confidences={1: 0.5})
    save_table(tmp_path / "table.csv", found)
    with (tmp_path / "table.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == list(found)
    assert [float(row["surface"]) for row in rows] == found["surface"].tolist()
    assert [row["confidence"] for row in rows] == ["0.5", "", "", ""]
    save_table(tmp_path / "table.parquet", found)
    stored = pyarrow.parquet.read_table(tmp_path / "table.parquet").to_pydict()
    assert stored["label"] == found["label"].tolist()
    assert stored["neighbours"] == found["neighbours"].tolist()
    assert stored["touches_edge"] == found["touches_edge"].tolist()
    assert len(list(tmp_path.iterdir())) == 2


def test_tables_that_cannot_be_saved_are_one_sentence(monkeypatch) -> None:
    with pytest.raises(UserError, match=r"ends in \.csv, not table\.xls"):
        check_table_path("table.xls")
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(UserError, match="pip install"):
        check_table_path("table.parquet")
