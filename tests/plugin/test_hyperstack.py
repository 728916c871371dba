"""A hyperstack that napari's own reader opened is carried along its depth, and saved as its file says."""

import numpy as np
import pytest
import tifffile
from qtpy.QtCore import Qt

from napari_sam.planes.open_image import open_image
from napari_sam.plugin.actions import Action
from napari_sam.plugin.controller import axis_text
from napari_sam.session.notices import NoticeKind
from napari_sam.testing.plugin_in_viewer import DockedPlugin

MIDDLE = (6, 0, 20, 25)


def ball() -> np.ndarray:
    """(12, 2, 40, 50): a bright ball in the first of two channels."""
    z, row, column = np.ogrid[:12, :40, :50]
    stack = np.zeros((12, 2, 40, 50), np.uint8)
    stack[:, 0] = 200 * (4 * (z - 6) ** 2 + (row - 20) ** 2 + (column - 25) ** 2 < 81)
    return stack


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "ball.tif"
    metadata = {"axes": "ZCYX", "spacing": 0.5, "unit": "um"}
    tifffile.imwrite(path, ball(), imagej=True, resolution=(10, 10), metadata=metadata)
    return path


@pytest.fixture
def opened(make_napari_viewer, engine, path):
    viewer = make_napari_viewer(show=True)
    desk = DockedPlugin.on(viewer, engine, lambda: viewer.open(path, plugin="napari")[0])
    for axis, at in enumerate(MIDDLE[:2]):
        viewer.dims.set_current_step(axis, at)
    desk.hand.until(lambda: desk.session.image.plane is not None and desk.session.image.plane.index[:2] == (6, 0))
    desk.ready()
    yield desk
    vars(desk).clear()


def test_depth_is_offered_first_and_the_ball_is_carried_along_it(opened) -> None:
    assert tuple(opened.image.axis_labels) == ("-4", "-3", "-2", "-1")
    axis = opened.widget.stack.range.axis.native
    assert [axis.itemText(at) for at in range(axis.count())] == ["z", "c (2 positions: looks like channels)"]
    opened.click((20, 25))
    opened.hand.key(Qt.Key.Key_G)
    opened.hand.until(lambda: len(opened.session.current.draft.proposal) == 11)
    assert {plane.index[1] for plane in opened.session.current.draft.masks} == {0}


def test_labels_are_saved_as_the_file_says_and_the_layer_stays_as_it_is(opened, path, tmp_path) -> None:
    said = opened.widget.notices.rows[NoticeKind.AXES].sentence.text().replace("\u200b", "")
    assert "axes z, c, y, x, pixel size 0.5 x 0.1 x 0.1 µm (z, y, x)" in said
    opened.click((20, 25))
    opened.hand.key(Qt.Key.Key_Return)
    opened.hand.until(lambda: opened.widget.controller.target_layer in opened.viewer.layers)
    np.testing.assert_array_equal(opened.image.scale, 1)
    saved = tmp_path / "labels.ome.tif"
    opened.session.record.save(saved)
    opened.hand.until(lambda: saved.exists() and not opened.session.record.saving)
    layer = opened.widget.controller.target_layer
    by_napari = tmp_path / "by_napari.ome.tif"
    layer.save(str(by_napari), plugin="napari-sam-stacks")
    for written in (saved, by_napari):
        with tifffile.TiffFile(written) as file:
            assert file.series[0].axes == "ZCYX"
        read, image = open_image(written), open_image(path)
        assert (read.axis_labels, read.scale, read.units) == (image.axis_labels, image.scale, image.units)


def test_a_layer_with_axes_of_its_own_keeps_them(bench, path) -> None:
    layer = bench.viewer.open(path, plugin="napari")[0]
    layer.axis_labels, layer.scale = ("a", "b", "y", "x"), (3, 1, 1, 1)
    bench.controller.images.choose(layer)
    bench.settle()
    assert bench.session.notices[NoticeKind.AXES] is None
    assert bench.session.image.source.axis_labels == ("a", "b", "y", "x")
    assert bench.session.image.source.scale == (3, 1, 1, 1)


def test_a_layer_of_another_shape_than_its_file_keeps_its_numbers(bench, path) -> None:
    layer = bench.viewer.open(path, plugin="napari")[0]
    layer.data = layer.data[:, :, :20]
    bench.controller.images.choose(layer)
    bench.settle()
    assert bench.session.notices[NoticeKind.AXES] is None
    axes = bench.controller.propagation_axes
    assert axes == {0: "axis 0", 1: "axis 1 (2 positions: looks like channels)"}
    bench.scroll(0, 6)
    bench.scroll(1, 0)
    bench.click(6, 0, 15, 25)
    bench.controller.do(Action.PROPAGATE)
    bench.settle()
    assert len(bench.session.current.draft.proposal) == 11


def test_the_notice_goes_with_its_image(bench, path) -> None:
    cells = bench.controller.image
    layer = bench.viewer.open(path, plugin="napari")[0]
    bench.controller.images.choose(layer)
    assert bench.session.notices[NoticeKind.AXES] is not None
    bench.controller.images.choose(cells)
    assert bench.session.notices[NoticeKind.AXES] is None


def test_axes_are_called_by_what_they_are() -> None:
    assert axis_text(1, "z", 2) == "z"
    assert axis_text(1, "-3", 12) == "axis 1"
    assert axis_text(1, "-3", 3) == "axis 1 (3 positions: looks like channels)"
