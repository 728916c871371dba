"""Channels in napari: layers of one image are shown to the model together; a slider over channels can be split."""

import numpy as np
import pytest
import tifffile
from npe2 import PluginManager, PluginManifest

from napari_sam.errors import UserError
from napari_sam.planes.image_identity import ImageIdentity
from napari_sam.planes.open_image import open_image
from napari_sam.plugin.actions import Action
from napari_sam.plugin.layers.channel_layers import sibling_channels
from napari_sam.session.notices import NoticeKind
from napari_sam.testing.fake_engine import blobs
from napari_sam.testing.plugin_in_viewer import DockedPlugin

DYES = ("DAPI", "GFP", "RFP", "Cy5")


@pytest.fixture
def dyed(bench):
    """The bench with four layers of one shape, and two others."""
    bench.viewer.layers[0].name = DYES[0]
    for at, name in enumerate(DYES[1:], 1):
        bench.viewer.add_image(blobs() // (at + 1), name=name, scale=(2.0, 1.0, 1.0))
    bench.viewer.add_image(blobs(), name="elsewhere", scale=(2.0, 1.0, 1.0), translate=(0, 5, 0))
    bench.viewer.add_image(blobs()[1:], name="shorter", scale=(2.0, 1.0, 1.0))
    bench.settle()
    return bench


def test_layers_that_lie_alike_are_channels_of_one_image(dyed) -> None:
    images = dyed.controller.images
    assert [layer.name for layer in images.channels] == list(DYES)
    assert [layer.name for layer in images.shown] == ["DAPI"]
    assert sibling_channels(dyed.viewer.layers["shorter"], images.layers) == [dyed.viewer.layers["shorter"]]


def test_the_model_is_shown_them_in_the_order_in_which_they_were_chosen(dyed) -> None:
    images, layers = dyed.controller.images, dyed.viewer.layers
    images.choose_channels([layers["RFP"], layers["DAPI"]])
    dyed.settle()
    source = dyed.session.image.source
    assert (source.shape, source.n_channels, source.shown) == ((9, 40, 50), 4, (2, 0))
    assert source.channel_names == DYES
    assert dyed.controller.image is layers["DAPI"]
    assert [layer.name for layer in images.shown] == ["RFP", "DAPI"]
    plane = dyed.session.image.plane
    read = source.read(plane, slice(None), slice(None), channels=source.shown)
    np.testing.assert_array_equal(read[..., 0], plane.view_of(layers["RFP"].data))
    identity = ImageIdentity.unread(source)
    assert (identity.shown, identity.n_channels) == ((2, 0), 4)
    images.choose_channels([layers["GFP"]])
    assert dyed.controller.image is layers["GFP"]
    assert dyed.session.image.source.n_channels == 1


def test_an_object_in_work_is_not_lost_to_other_channels(dyed) -> None:
    dyed.scroll(0, 4)
    dyed.click(4, 12, 12)
    layers = dyed.viewer.layers
    with pytest.raises(UserError, match="Accept or reject the object in work first"):
        dyed.controller.images.choose_channels([layers["DAPI"], layers["GFP"]])
    assert dyed.session.current.draft
    dyed.session.current.reject()
    with pytest.raises(UserError, match="one to three"):
        dyed.controller.images.choose_channels([layers[name] for name in DYES])
    with pytest.raises(UserError, match="no channels"):
        dyed.controller.images.choose_channels([layers["DAPI"], layers["shorter"]])


def test_objects_on_two_channels_are_accepted_into_the_same_labels(dyed) -> None:
    dyed.controller.images.choose_channels([dyed.viewer.layers[name] for name in DYES[:2]])
    dyed.settle()
    dyed.scroll(0, 4)
    dyed.click(4, 12, 12)
    dyed.controller.do(Action.ACCEPT)
    dyed.settle()
    assert dyed.controller.target_layer.data[4, 12, 12] == 1
    # Other pixels in any of them are another image.
    number = dyed.session.image.number
    dyed.viewer.layers["GFP"].data = blobs()
    assert dyed.session.image.number == number + 1
    assert [layer.name for layer in dyed.controller.images.shown] == ["DAPI"]


def test_limits_of_each_layer_are_those_of_its_channel(dyed) -> None:
    dyed.controller.images.choose_channels([dyed.viewer.layers[name] for name in DYES[:2]])
    dyed.viewer.layers["GFP"].contrast_limits = (3, 33)
    dyed.controller.images.use_layer_contrast(True)
    limits = dyed.session.image.contrast.limits
    assert len(limits) == 4
    assert limits[1] == (3, 33)
    assert limits[0] != (3, 33)


@pytest.fixture
def readers() -> None:
    """napari's own readers, which a viewer without a window does not bring."""
    plugins = PluginManager.instance()
    if "napari" not in plugins:
        plugins.register(PluginManifest.from_distribution("napari"))


@pytest.fixture
def path(tmp_path, readers):
    path = tmp_path / "dyes.tif"
    stack = np.stack([blobs(), blobs()[::-1]], axis=1)
    metadata = {"axes": "ZCYX", "spacing": 0.5, "unit": "um", "Labels": ["DAPI", "GFP"] * 9}
    tifffile.imwrite(path, stack, imagej=True, resolution=(10, 10), metadata=metadata)
    return path


def test_a_slider_over_channels_is_split_into_layers_with_the_files_names_and_axes(bench, path) -> None:
    layer = bench.viewer.open(path, plugin="napari")[0]
    bench.controller.images.choose(layer)
    bench.settle()
    notice = bench.session.notices[NoticeKind.AXES]
    assert "Its channels lie along a slider" in notice.sentence
    (remedy,) = notice.remedies
    remedy.do()
    bench.settle()
    images = bench.controller.images
    assert [each.name for each in images.channels] == ["dyes DAPI", "dyes GFP"]
    assert not layer.visible
    source = bench.session.image.source
    assert (source.axis_labels, source.scale) == (("z", "y", "x"), pytest.approx((0.5, 0.1, 0.1)))
    assert (source.path, source.shape) == (str(path), (9, 40, 50))
    # The session on one of them, or on both, is one on the file.
    for channels in (images.channels[1:], images.channels[::-1]):
        images.choose_channels(channels)
        bench.settle()
        found = ImageIdentity.of(bench.session.image.source).recognise(open_image(path))
        plane = bench.session.image.plane
        np.testing.assert_array_equal(
            found.read(plane, slice(None), slice(None)),
            bench.session.image.source.read(plane, slice(None), slice(None)),
        )
        assert found.shown == bench.session.image.source.shown


def test_a_short_last_axis_is_hinted_at_and_split(bench) -> None:
    pixels = np.zeros((40, 50, 5), np.uint16)
    pixels[10:20, 10:20, 4] = 100
    layer = bench.viewer.add_image(pixels, name="last")
    bench.controller.images.choose(layer)
    notice = bench.session.notices[NoticeKind.AXES]
    assert "may hold channels, and is taken for columns" in notice.sentence
    notice.remedies[0].do()
    bench.settle()
    assert [each.name for each in bench.controller.images.channels] == [f"last channel {at}" for at in range(5)]
    assert bench.session.image.source.shape == (40, 50)
    turned = bench.viewer.add_image(pixels, name="turned", rotate=[[1, 0, 0], [0, 0, -1], [0, 1, 0]])
    bench.controller.images.choose(turned)
    with pytest.raises(UserError, match="rotated"):
        bench.session.notices[NoticeKind.AXES].remedies[0].do()


def test_several_images_in_the_file_of_a_layer_are_said_and_opened(bench, tmp_path, readers) -> None:
    path = tmp_path / "two.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as file:
        for name, length in (("small", 20), ("large", 40)):
            pixels = np.full((3, length, length), length, np.uint8)
            metadata = {"axes": "ZYX", "Name": name, "PhysicalSizeX": 1 / length}
            file.write(pixels, photometric="minisblack", metadata=metadata)
    # napari opens the first, which is not the largest.
    layer = bench.viewer.open(path, plugin="napari")[0]
    assert layer.data.shape == (3, 20, 20)
    bench.controller.images.choose(layer)
    assert bench.session.image.source.scale[-1] == 1 / 20
    notice = bench.session.notices[NoticeKind.AXES]
    assert "Its file holds 2 images (0 small, 1 large); this is number 0." in notice.sentence
    (remedy,) = notice.remedies
    remedy.do()
    opened = bench.viewer.layers["two.ome.tif 1"]
    assert (opened.data.shape, opened.scale[-1]) == ((3, 40, 40), 1 / 40)


def test_channels_are_chosen_in_the_panel_with_a_picture(make_napari_viewer, engine) -> None:
    viewer = make_napari_viewer(show=True)
    desk = DockedPlugin(viewer, engine, blobs())
    row = desk.widget.choices.channels
    desk.ready()
    assert not row.isVisible()
    viewer.layers[0].name = DYES[0]
    for name in DYES[1:]:
        viewer.add_image(blobs()[:, ::-1], name=name)
    desk.hand.until(row.isVisible)
    assert [action.text() for action in row.menu.actions()] == list(DYES)
    viewer.dims.set_current_step(0, 4)
    desk.ready()
    row.menu.actions()[1].trigger()
    desk.hand.until(lambda: desk.session.image.source.shown == (0, 1))
    assert row.names.text() == "DAPI red, GFP green, their mean blue"

    def colours() -> list[tuple[int, int, int]]:
        picture = row.picture.pixmap().toImage()
        step = picture.width() / 50
        spots = [picture.pixelColor(int(12 * step), int(at * step)) for at in (12, 27)]
        return [(colour.red(), colour.green(), colour.blue()) for colour in spots]

    # DAPI shows the object above the middle, GFP the one below.
    desk.hand.until(lambda: row.picture.pixmap().width() > 1 and colours()[1][1] > 200)
    (above, below) = colours()
    assert (above[0] > 200, above[1] < 60) == (True, True)
    assert (below[0] < 60, below[1] > 200) == (True, True)
    assert abs(above[2] - 128) < 30
    row.menu.actions()[2].trigger()
    desk.hand.until(lambda: desk.session.image.source.shown == (0, 1, 2))
    told: list[str] = []
    desk.controller.told.connect(told.append)
    row.menu.actions()[3].trigger()
    assert told[-1].startswith("The model is shown 3 channels at most")
    assert [action.isChecked() for action in row.menu.actions()] == [True, True, True, False]
    vars(desk).clear()
