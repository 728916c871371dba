"""Labels that napari saves as OME-TIFF have their axes, scale and units when they are read."""

import napari_builtins
import numpy as np
import pytest
import tifffile
from napari.components import ViewerModel
from napari_builtins.io import napari_get_reader
from npe2 import PluginManager, PluginManifest

import napari_sam
from napari_sam.export.export_labels import export_labels
from napari_sam.planes.open_image import open_image

MANIFEST = PluginManifest.from_file(f"{napari_sam.__path__[0]}/napari.yaml")
SCALE = (2.0, 0.5, 0.25)


@pytest.fixture(autouse=True)
def _registered(npe2pm):
    npe2pm.register(PluginManifest.from_file(f"{napari_builtins.__path__[0]}/builtins.yaml"))
    npe2pm.register(MANIFEST)


def viewer_with(data, **attributes) -> ViewerModel:
    viewer = ViewerModel()
    viewer.add_labels(data, **attributes)
    return viewer


def stack(dtype=np.uint16) -> np.ndarray:
    labels = np.zeros((4, 20, 30), dtype)
    labels[1:3, 5:9, 5:12] = 300
    return labels


@pytest.mark.parametrize("suffix", [".ome.tif", ".ome.tiff", ".OME.TIF"])
def test_scale_units_and_axes_come_back(tmp_path, suffix) -> None:
    path = tmp_path / f"labels{suffix}"
    viewer = viewer_with(stack(), scale=SCALE, units=("um", "um", "um"), axis_labels=("z", "y", "x"))
    assert viewer.layers.save(str(path)) == [str(path)]
    read = open_image(path)
    assert read.scale == SCALE
    assert read.units == ("micrometer",) * 3
    assert "".join(read.axis_labels) == "zyx"
    stored = tifffile.imread(path)
    assert stored.dtype == np.uint16
    np.testing.assert_array_equal(stored, stack())


def test_naparis_own_names_of_axes_become_the_usual_ones(tmp_path) -> None:
    viewer = viewer_with(stack(), scale=SCALE)
    viewer.layers.save(str(tmp_path / "labels.ome.tif"))
    with tifffile.TiffFile(tmp_path / "labels.ome.tif") as file:
        assert file.series[0].axes == "ZYX"


def test_of_several_scales_the_finest_is_written(tmp_path) -> None:
    viewer = viewer_with([stack(), stack()[:, ::2, ::2]], multiscale=True)
    viewer.layers.save(str(tmp_path / "labels.ome.tif"))
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "labels.ome.tif"), stack())


@pytest.mark.parametrize(("value", "sentence"), [(2**40, "ids up to"), (-3, "negative id")])
def test_an_id_that_does_not_fit_is_refused_and_nothing_is_written(tmp_path, value, sentence) -> None:
    labels = stack(np.int64)
    labels[1, 6, 6] = value
    viewer = viewer_with(labels)
    with pytest.raises(RuntimeError, match=sentence):
        viewer.layers.save(str(tmp_path / "labels.ome.tif"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["labels.tif", "labels.tiff", "labels", "ome.tif"])
def test_other_names_are_left_to_napari(name) -> None:
    writer, _ = PluginManager.instance().get_writer(name, ["labels"])
    assert writer.plugin_name == "napari"


def test_images_are_left_to_napari() -> None:
    writer, _ = PluginManager.instance().get_writer("image.ome.tif", ["image"])
    assert writer.plugin_name == "napari"


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_napari_opens_exported_ome_zarr_with_all_its_levels(tmp_path, version):
    labels = np.kron(np.arange(12).reshape(2, 2, 3), np.ones((1, 300, 300), int)).astype(np.uint16)
    path = str(tmp_path / "cells.zarr")
    export_labels(path, labels, axes="ZYX", zarr_version=version)
    ((levels, *_),) = napari_get_reader(path)(path)
    for level, step in zip(levels, (1, 2), strict=True):
        np.testing.assert_array_equal(np.asarray(level), labels[::step, ::step, ::step])
