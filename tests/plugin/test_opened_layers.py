"""What napari cannot open is opened by the readers here, with names, axes and sizes, one layer for each channel."""

import numpy as np
import pytest
import tifffile

from napari_sam.errors import UserError, UserNotice
from napari_sam.plugin.layers.opened_layers import add_opened, open_in_viewer


def test_channels_become_layers_that_belong_together(bench, tmp_path) -> None:
    pixels = np.random.default_rng(0).integers(0, 99, (4, 2, 40, 50), np.uint16)
    metadata = {"axes": "ZCYX", "spacing": 0.5, "unit": "um", "Labels": ["DAPI", "GFP"] * 4}
    tifffile.imwrite(tmp_path / "dyes.tif", pixels, imagej=True, resolution=(10, 10), metadata=metadata)
    first, second = add_opened(bench.viewer, tmp_path / "dyes.tif")
    assert (first.name, second.name) == ("dyes.tif DAPI", "dyes.tif GFP")
    np.testing.assert_array_equal(second.data, pixels[:, 1])
    np.testing.assert_allclose(first.scale, (0.5, 0.1, 0.1))
    bench.controller.images.choose(second)
    bench.settle()
    assert bench.controller.images.channels == [first, second]
    source = bench.session.image.source
    assert (source.path, source.axis_labels) == (str(tmp_path / "dyes.tif"), ("z", "y", "x"))


def test_what_napari_cannot_open_is_opened_here(bench, tmp_path) -> None:
    np.savez(tmp_path / "one.npz", np.zeros((40, 50), np.uint8))
    (layer,) = open_in_viewer(bench.viewer, tmp_path / "one.npz")
    assert layer.data.shape == (40, 50)
    folder = tmp_path / "planes"
    folder.mkdir()
    for at in range(3):
        tifffile.imwrite(folder / f"{at}.tif", np.full((40, 50), at, np.uint8))
    (stack,) = add_opened(bench.viewer, folder)
    assert (stack.data.shape, tuple(stack.axis_labels)) == ((3, 40, 50), ("z", "y", "x"))
    np.testing.assert_array_equal(np.asarray(stack.data[:, 0, 0]), [0, 1, 2])
    (tmp_path / "cells.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(64))
    with pytest.raises(UserError, match=r"cells\.h5 could not be opened.*HDF5"):
        open_in_viewer(bench.viewer, tmp_path / "cells.h5")


def test_more_than_three_channels_are_all_opened(bench, tmp_path) -> None:
    tifffile.imwrite(tmp_path / "five.tif", np.zeros((5, 40, 50), np.uint8), imagej=True, metadata={"axes": "CYX"})
    with pytest.warns(UserNotice, match="5 channels"):
        assert len(add_opened(bench.viewer, tmp_path / "five.tif")) == 5
