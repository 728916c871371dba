"""OME-Zarr labels: as other readers find them, inside images and on their own, and written by halves never."""

import json
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import dask.array as da
import numpy as np
import pytest
import yaozarrs
import zarr
from yaozarrs import validate_zarr_store

from napari_sam.errors import UserError
from napari_sam.export.export_labels import export_labels
from napari_sam.export.ome_zarr import write_ome_zarr
from napari_sam.export.provenance import NAMESPACE
from napari_sam.planes.image_source import ImageSource
from napari_sam.planes.open_image import open_image

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 2**40, (3, 30, 40)).astype(np.uint64)
SCALE, UNITS = (2.0, 0.5, 0.25), ("micrometer",) * 3


def write_image(path: Path, version: str, *, consolidated: bool = False) -> np.ndarray:
    """An OME-Zarr image of one level, written by zarr alone."""
    pixels = RNG.integers(0, 255, (3, 30, 40)).astype(np.uint8)
    axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in "zyx"]
    scale = [{"type": "scale", "scale": list(SCALE)}]
    multiscale = {"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": scale}]}
    old = version == "0.4"
    group = zarr.open_group(path, mode="w", zarr_format=2 if old else 3)
    chunk_key = {"chunk_key_encoding": {"name": "v2", "separator": "/"}} if old else {"dimension_names": list("zyx")}
    array = group.create_array("0", shape=pixels.shape, chunks=(1, 16, 16), dtype=pixels.dtype, **chunk_key)
    array[...] = pixels
    if old:
        group.attrs["multiscales"] = [{"version": "0.4", "name": "image", **multiscale}]
    else:
        group.attrs["ome"] = {"version": "0.5", "multiscales": [{"name": "image", **multiscale}]}
    if consolidated:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            zarr.consolidate_metadata(path)
    return pixels


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_labels_on_their_own(tmp_path, version) -> None:
    path = tmp_path / "cells.zarr"
    source = ImageSource(LABELS, axis_labels="zyx", scale=SCALE, units=UNITS)
    place = write_ome_zarr(path, source, {"model": {"name": "nano"}}, version)
    assert place.image is None
    validate_zarr_store(str(path))
    group = yaozarrs.open_group(str(path))
    metadata = group.ome_metadata()
    assert [(axis.name, axis.unit) for axis in metadata.multiscales[0].axes] == [(name, "micrometer") for name in "zyx"]
    stored = open_image(path)
    np.testing.assert_array_equal(stored.array()[...], LABELS)
    assert (stored.dtype, stored.scale, stored.units) == (np.uint64, SCALE, UNITS)
    assert stored.axis_labels == ("z", "y", "x")
    attributes = dict(zarr.open_group(path, mode="r").attrs)
    assert attributes[NAMESPACE] == {"model": {"name": "nano"}}
    label = attributes["image-label"] if version == "0.4" else attributes["ome"]["image-label"]
    assert {each["label-value"] for each in label["colors"]} == set(LABELS.ravel().tolist()) - {0}


@pytest.mark.parametrize("consolidated", [False, True])
@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_labels_in_an_image(tmp_path, version, consolidated) -> None:
    path = tmp_path / "image.zarr"
    pixels = write_image(path, version, consolidated=consolidated)
    before = content(path)
    export_labels(path, LABELS, to="ome-zarr", image=open_image(path))
    export_labels(path / "labels" / "nuclei", LABELS // 2, image=open_image(path))
    validate_zarr_store(str(path))
    root = zarr.open_group(path, mode="r")
    listed = dict(root["labels"].attrs)
    assert (listed if version == "0.4" else listed["ome"])["labels"] == ["labels", "nuclei"]
    np.testing.assert_array_equal(root["labels/labels/0"][...], LABELS)
    np.testing.assert_array_equal(open_image(path / "labels" / "nuclei").array()[...], LABELS // 2)
    assert open_image(path / "labels" / "nuclei").scale == SCALE
    after = content(path)
    untouched = {name for name in before if not consolidated or name not in ("zarr.json", ".zmetadata")}
    assert {name: after[name] for name in untouched} == {name: before[name] for name in untouched}
    np.testing.assert_array_equal(root["0"][...], pixels)
    # Again, in place of the former.
    export_labels(path / "labels" / "nuclei", LABELS // 3)
    np.testing.assert_array_equal(zarr.open_array(path / "labels/nuclei/0", mode="r")[...], LABELS // 3)
    assert [each.name for each in path.iterdir() if each.name.startswith(".un")] == []


def test_a_pyramid_of_large_planes_in_the_order_of_ome(tmp_path) -> None:
    labels = np.kron(RNG.integers(0, 5, (2, 3, 90, 130)), np.ones((1, 1, 10, 10), int)).astype(np.int16)
    lazy = da.from_array(labels, chunks=(1, 1, 300, 400))
    source = ImageSource(lazy, axis_labels=("z", "t", "y", "x"), scale=(0.2, 3.0, 0.2, 0.2))
    write_ome_zarr(tmp_path / "a.zarr", source, {})
    validate_zarr_store(str(tmp_path / "a.zarr"))
    stored = open_image(tmp_path / "a.zarr")
    assert stored.axis_labels == ("t", "z", "y", "x")
    assert stored.dtype == np.int16
    assert stored.array().chunks == (1, 1, 300, 400)
    expected = labels.swapaxes(0, 1)
    for level in range(stored.n_levels):
        np.testing.assert_array_equal(stored.array(level)[...], expected)
        # Depth is as fine as the rest, so it is halved too.
        expected = expected[:, ::2, ::2, ::2]
    assert stored.n_levels == 3
    assert stored.array(2).shape == (3, 1, 225, 325)


def test_what_is_no_place_for_labels_is_one_sentence(tmp_path) -> None:
    source = ImageSource(LABELS)
    (tmp_path / "other.zarr").mkdir()
    for name, says in (("other.zarr", "holds no labels"), ("cells", r"ends in \.zarr"), ("no/a.zarr", "no folder")):
        with pytest.raises(UserError, match=says):
            write_ome_zarr(tmp_path / name, source, {})
    with pytest.raises(UserError, match=r"not 0\.6"):
        write_ome_zarr(tmp_path / "a.zarr", source, {}, "0.6")
    assert [path.name for path in tmp_path.iterdir()] == ["other.zarr"]


def test_an_error_leaves_what_was_there(tmp_path) -> None:
    path = tmp_path / "image.zarr"
    write_image(path, "0.5")
    export_labels(path, LABELS, to="ome-zarr")
    before = content(path)
    with pytest.raises(UserError, match="negative"):
        export_labels(path, np.full((3, 30, 40), -1), to="ome-zarr")
    assert content(path) == before


def test_what_a_killed_process_left_goes_after_a_day(tmp_path) -> None:
    for name, age in ((".unfinished-zarr-old", 2), (".unfinished-zarr-new", 0)):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (time.time() - age * 24 * 3600,) * 2)
    export_labels(tmp_path / "cells.zarr", LABELS)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [".unfinished-zarr-new", "cells.provenance.json", "cells.zarr"]


def test_labels_that_were_being_replaced_come_back(tmp_path) -> None:
    path = tmp_path / "cells.zarr"
    export_labels(path, LABELS)
    # As a process leaves it that is killed between the two renamings.
    path.replace(tmp_path / ".former-cells.zarr")
    with pytest.raises(UserError, match="negative"):
        export_labels(path, np.full((3, 30, 40), -1))
    np.testing.assert_array_equal(open_image(path).array()[...], LABELS)


WRITER = """
import sys, numpy as np
from napari_sam.export.export_labels import export_labels
labels = np.random.default_rng(1).integers(0, 9, (60, 256, 256)).astype(np.uint16)
print("ready", flush=True)
while True:
    export_labels(sys.argv[1], labels, to="ome-zarr")
    print("done", flush=True)
"""


def test_a_killed_write_leaves_nothing_half(tmp_path) -> None:
    path = tmp_path / "image.zarr"
    pixels = write_image(path, "0.5")
    expected = np.random.default_rng(1).integers(0, 9, (60, 256, 256)).astype(np.uint16)
    goal = path / "labels" / "labels"
    for wait in (0.0, 0.03, 0.1, 0.3):
        with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout.readline() == "ready\n"
            time.sleep(wait)
            writer.send_signal(signal.SIGKILL)
        np.testing.assert_array_equal(zarr.open_array(path / "0", mode="r")[...], pixels)
        former = goal.with_name(".former-labels")
        there = goal if goal.exists() else former
        if there.exists():
            np.testing.assert_array_equal(zarr.open_array(there / "0", mode="r")[...], expected)
            assert json.loads((there / "zarr.json").read_text())["attributes"]["ome"]["multiscales"]
        listed = path / "labels" / "zarr.json"
        if listed.exists():
            assert json.loads(listed.read_text())["attributes"]["ome"]["labels"] == ["labels"]
    export_labels(path, LABELS, to="ome-zarr")
    np.testing.assert_array_equal(zarr.open_array(goal / "0", mode="r")[...], LABELS)
