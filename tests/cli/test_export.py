"""``napari-sam export``."""

import json

import numpy as np
import pytest
import roifile

from napari_sam.export.provenance import make_provenance
from napari_sam.export.save_labels import save_labels
from napari_sam.planes.open_image import open_image

LABELS = np.zeros((4, 30, 40), np.uint16)
LABELS[1:3, 5:15, 5:15], LABELS[2, 20:24, 20:24] = 3, 7


@pytest.fixture
def stored(tmp_path):
    path = tmp_path / "labels.ome.tif"
    made = make_provenance(model="nano", digest="ab12")
    save_labels(path, LABELS, axes="ZYX", scale=(2.0, 0.5, 0.5), units=("micrometer",) * 3, provenance=made)
    return path


@pytest.mark.parametrize("version", [None, "0.4"])
def test_to_ome_zarr_with_axes_and_scale(run, stored, tmp_path, version):
    out = tmp_path / "out.zarr"
    ended = run("export", stored, "-o", out, *(("--zarr-version", version) if version else ()))
    assert ended.status == 0, ended.err
    assert "OME-Zarr" in ended.out
    found = open_image(out)
    np.testing.assert_array_equal(found.array()[...], LABELS)
    assert (found.scale, found.axis_labels) == ((2.0, 0.5, 0.5), ("z", "y", "x"))
    assert (out / ".zattrs").exists() == (version == "0.4")
    beside = json.loads((tmp_path / "out.provenance.json").read_text())
    assert beside["labels"]["model"] == {"name": "nano", "sha256": "ab12"}
    assert beside["made_by"] == "napari-sam export"


def test_a_scale_is_in_micrometres_in_every_format(run, tmp_path):
    np.save(tmp_path / "labels.npy", LABELS)
    for name in ("out.zarr", "out.ome.tif"):
        assert run("export", tmp_path / "labels.npy", "--scale", "2,0.5,0.5", "-o", tmp_path / name).status == 0
        found = open_image(tmp_path / name)
        assert (found.scale, found.units) == ((2.0, 0.5, 0.5), ("micrometer",) * 3)


def test_the_image_of_other_labels_is_refused(run, stored, tmp_path):
    np.save(tmp_path / "image.npy", LABELS[0])
    ended = run("export", stored, "--image", tmp_path / "image.npy", "-o", tmp_path / "out.json")
    assert ended.status == 2
    assert "give their own image" in ended.err


def test_to_imagej_with_another_ending_for_another_format(run, stored, tmp_path):
    assert run("export", stored, "-o", tmp_path / "a.zip").status == 0
    assert sorted(each.name for each in roifile.roiread(tmp_path / "a.zip")) == ["3-z1", "3-z2", "7-z2"]
    assert run("export", stored, "--to", "outlines", "-o", tmp_path / "a.zip").status == 0
    ended = run("export", stored, "--to", "qupath", "-o", tmp_path / "a.zip")
    assert ended.status == 2
    assert "end in .geojson" in ended.err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["-o", "out.shp"], "does not say its format"),
        (["-o", "labels.ome.tif"], "the labels themselves"),
        (["-o", "out.png"], "one plane"),
        (["-o", "out.json", "--scale", "1"], "3 numbers"),
        (["-o", "out.zarr", "--zarr-version", "3"], "0.4 or 0.5"),
    ],
)
def test_bad_input_gets_one_sentence(run, stored, tmp_path, monkeypatch, words, says):
    monkeypatch.chdir(tmp_path)
    ended = run("export", stored, *words)
    assert ended.status == 2
    assert len(ended.sentences) == 1
    assert says in ended.err
