"""Each format is written and read again, by another reader than ours where there is one."""

import json
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import roifile
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image
from shapely.geometry import shape as shapely_shape

from benchmarks.round_trips import READERS, filled
from napari_sam.errors import UserError
from napari_sam.export.export_labels import FORMATS, export_format, export_labels
from napari_sam.export.pixel_outlines import pixel_polygons
from napari_sam.export.provenance import make_provenance
from napari_sam.planes.geometry import Mask
from napari_sam.planes.image_source import ImageSource
from napari_sam.planes.open_image import open_image

MADE = {"model": {"name": "nano", "sha256": "00ff"}, "parameters": {"confidence": 0.4}}


def labels_with_holes() -> np.ndarray:
    """Three objects on two of three planes: with a hole, in two pieces, at the edge, under a large id."""
    labels = np.zeros((3, 20, 30), np.uint32)
    labels[0, 2:12, 3:15], labels[0, 5:8, 6:9] = 7, 0
    labels[0, 15:20, 20:30], labels[0, 2:5, 22:25] = 70_000, 70_000
    labels[2, 4:9, 4:9], labels[2, 9:14, 9:14], labels[2, 4:9, 9:12] = 7, 7, 3
    return labels


LABELS = labels_with_holes()


def test_imagej_regions(tmp_path) -> None:
    path = tmp_path / "cells.zip"
    export_labels(path, LABELS, axes="ZYX", provenance=MADE)
    np.testing.assert_array_equal(READERS["imagej-rois"](path, LABELS.shape), LABELS)
    regions = roifile.roiread(path)
    assert all(region.position == region.z_position for region in regions)
    assert sorted(region.name for region in regions) == ["3-z2", "7-z0", "7-z2", "70000-z0"]
    assert [region.composite for region in regions if region.name in ("7-z0", "3-z2")] == [True, False]
    with zipfile.ZipFile(path) as file:
        assert json.loads(file.comment) == MADE


def test_imagej_regions_know_hyperstacks(tmp_path) -> None:
    labels = np.zeros((2, 3, 8, 9), np.uint8)
    labels[1, 2, 2:5, 3:6] = 4
    export_labels(tmp_path / "cells.zip", labels, axes="TZYX")
    (region,) = roifile.roiread(tmp_path / "cells.zip")
    assert (region.t_position, region.z_position, region.c_position, region.position) == (2, 3, 0, 0)
    assert (region.left, region.top, region.name) == (3, 2, "4-t1-z2")


def test_qupath_geojson(tmp_path) -> None:
    path = tmp_path / "cells.geojson"
    export_labels(path, LABELS, axes="ZYX", provenance=MADE)
    stored = json.loads(path.read_text())
    assert stored["type"] == "FeatureCollection"
    assert stored["provenance"] == MADE
    # It refuses polygons that are not valid.
    np.testing.assert_array_equal(READERS["qupath"](path, LABELS.shape), LABELS)
    assert len({feature["id"] for feature in stored["features"]}) == 4
    assert stored["features"][0]["properties"]["classification"] == {"name": "Object"}


def test_coco(tmp_path, capsys) -> None:
    path = tmp_path / "cells.json"
    image = ImageSource(np.zeros(LABELS.shape), axis_labels="zyx", path="/data/stack.tif")
    export_labels(path, LABELS, image=image, provenance=MADE)
    np.testing.assert_array_equal(READERS["coco"](path, LABELS.shape), LABELS)
    stored = json.loads(path.read_text())
    for each in stored["annotations"]:
        column, row, width, height = each["bbox"]
        plane = LABELS[each["image_id"] - 1]
        assert (plane[row : row + height, column : column + width] == each["object_id"]).sum() == each["area"]
    assert [each["plane"] for each in stored["images"]] == [{"z": 0}, {"z": 1}, {"z": 2}]
    assert stored["images"][0]["file_name"] == "stack.tif"
    assert stored["info"]["provenance"] == MADE | {"image": "stack.tif"}
    capsys.readouterr()


def test_outlines(tmp_path) -> None:
    plain = np.where(LABELS[2] == 3, 3, 0)
    export_labels(tmp_path / "cells.txt", plain)
    assert (tmp_path / "cells.txt").read_text() == "9,4,12,4,12,9,9,9\n"
    export_labels(tmp_path / "cells.zip", LABELS, to="outlines", axes="ZYX")
    with zipfile.ZipFile(tmp_path / "cells.zip") as file:
        assert file.namelist() == ["z0.txt", "z1.txt", "z2.txt"]
        lines = file.read("z0.txt").decode().splitlines()
    # Two pieces have a line each; the hole is filled: what the format cannot say.
    assert len(lines) == 3
    first = np.array(lines[0].split(","), int).reshape(-1, 2)
    expected = LABELS[0] == 7
    expected[5:8, 6:9] = True
    np.testing.assert_array_equal(filled([first], expected.shape), expected)


def test_png(tmp_path) -> None:
    for labels, kind in ((LABELS[2], np.uint8), (LABELS[2] * 500, np.uint16)):
        export_labels(tmp_path / "cells.png", labels, provenance=MADE)
        with Image.open(tmp_path / "cells.png") as picture:
            stored = np.asarray(picture)
            assert json.loads(picture.text["napari-sam-stacks/provenance"]) == MADE
        assert stored.dtype == kind
        np.testing.assert_array_equal(stored, labels)
    np.testing.assert_array_equal(open_image(tmp_path / "cells.png").array()[...], LABELS[2] * 500)


def test_ome_tiff_says_by_what_it_was_made(tmp_path) -> None:
    export_labels(tmp_path / "cells.ome.tif", LABELS, axes="ZYX", provenance=MADE)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "cells.ome.tif"), LABELS)
    with tifffile.TiffFile(tmp_path / "cells.ome.tif") as file:
        described = tifffile.xml2dict(file.ome_metadata)["OME"]["StructuredAnnotations"]["CommentAnnotation"]
    assert json.loads(described["Value"]) == MADE


@pytest.mark.parametrize("name", ["a.ome.tif", "a.zarr", "a.zip", "a.geojson", "a.json", "a.txt", "a.png"])
def test_every_file_says_beside_it_by_what_it_was_made(tmp_path, name) -> None:
    export_labels(tmp_path / name, LABELS[0] % 100)
    beside = json.loads((tmp_path / "a.provenance.json").read_text())
    assert beside["versions"]["napari-sam-stacks"]
    assert beside["date"].endswith("+00:00")
    assert len(list(tmp_path.iterdir())) == 2


def test_what_is_empty_is_not_said() -> None:
    assert set(make_provenance()) == {"date", "versions"}
    odd = make_provenance(parameters={"largest": float("inf"), "none": None, "to": Path("a"), "n": (1, 2)})
    assert odd["parameters"] == {"largest": "inf", "to": "a", "n": [1, 2]}
    assert make_provenance(model="nano", digest="ab")["model"] == {"name": "nano", "sha256": "ab"}


@settings(max_examples=150, deadline=None)
@given(arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=8)))
def test_outlines_are_the_pixels_themselves(pixels) -> None:
    polygons = pixel_polygons(Mask.from_pixels(pixels, (3, 5)))
    rings = [ring[:, ::-1] - (5, 3) for polygon in polygons for ring in polygon.rings]
    np.testing.assert_array_equal(filled(rings, pixels.shape), pixels)
    shapes = [
        shapely_shape({"type": "Polygon", "coordinates": [ring.tolist() for ring in polygon.rings]})
        for polygon in polygons
    ]
    assert all(each.is_valid for each in shapes)
    assert sum(each.area for each in shapes) == pixels.sum()


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_any_labels_come_back_from_coco_and_geojson(tmp_path_factory, data) -> None:
    labels = data.draw(arrays(np.uint16, array_shapes(min_dims=2, max_dims=2, max_side=7), elements=st.integers(0, 3)))
    folder = tmp_path_factory.mktemp("out")
    export_labels(folder / "a.json", labels)
    export_labels(folder / "a.geojson", labels)
    found = np.zeros((2, *labels.shape), labels.dtype)
    for each in json.loads((folder / "a.json").read_text())["annotations"]:
        counts = each["segmentation"]["counts"]
        assert sum(counts) == labels.size
        flat = np.repeat(np.arange(len(counts)) % 2, counts).astype(bool)
        found[0][flat.reshape(labels.shape[::-1]).T] = each["object_id"]
    for feature in json.loads((folder / "a.geojson").read_text())["features"]:
        parts = feature["geometry"]["coordinates"]
        parts = parts if feature["geometry"]["type"] == "MultiPolygon" else [parts]
        inside = filled([ring[:-1] for part in parts for ring in part], labels.shape)
        found[1][inside] = int(feature["properties"]["name"])
    np.testing.assert_array_equal(found, [labels, labels])


@pytest.mark.parametrize(
    ("name", "to", "labels", "says"),
    [
        ("a.tiff2", None, LABELS, "does not say its format"),
        ("a.json", "shapefile", LABELS, "no format shapefile"),
        ("a.json", "qupath", LABELS, r"end in \.geojson"),
        ("a.txt", None, LABELS, "one plane"),
        ("a.png", None, LABELS, "one plane"),
        ("a.png", None, LABELS[0], "not 70000"),
        ("a.zip", None, -LABELS.astype(np.int64), "negative id"),
        ("a.zarr", None, -LABELS.astype(np.int64), "negative id"),
        ("a.zip", None, LABELS.astype(float), "whole numbers"),
    ],
)
def test_what_cannot_be_exported_is_one_sentence_and_no_file(tmp_path, name, to, labels, says) -> None:
    with pytest.raises(UserError, match=says):
        export_labels(tmp_path / name, labels, to=to)
    assert not list(tmp_path.iterdir())


def test_packages_that_are_missing_are_named(tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "roifile", None)
    monkeypatch.setitem(sys.modules, "zarr", None)
    for name in ("a.zip", "a.zarr"):
        with pytest.raises(UserError, match=r"stacks\[export\]"):
            export_labels(tmp_path / name, LABELS)
    assert not list(tmp_path.iterdir())


def test_existing_files_are_kept_where_that_is_asked_for(tmp_path) -> None:
    for name in ("a.ome.tif", "a.geojson", "a.zarr"):
        export_labels(tmp_path / name, LABELS)
        with pytest.raises(UserError, match="exists already"):
            export_labels(tmp_path / name, LABELS, overwrite=False)


def test_formats_are_guessed_from_names() -> None:
    assert export_format("A.OME.TIF").name == "ome-tiff"
    assert export_format(Path("image.zarr") / "labels" / "cells").name == "ome-zarr"
    assert {export_format(f"a{each.suffixes[0]}").name for each in FORMATS.values()} == set(FORMATS)
