"""The main job in a real window with the bundled model: click, correct, propagate, accept, save."""

import numpy as np
import pytest
from plugin_hand import RIGHT, Hand
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from scipy import ndimage

from napari_sam.plugin.segment_widget import SegmentWidget
from napari_sam.sample import TISSUE, generate_stack
from napari_sam.session.status import State


@pytest.fixture(scope="module")
def stack():
    return generate_stack(TISSUE)


def overlap(first: np.ndarray, second: np.ndarray) -> float:
    return float((first & second).sum() / (first | second).sum())


def inmost(region: np.ndarray) -> tuple[int, int]:
    distance = ndimage.distance_transform_edt(np.pad(region, 1))[1:-1, 1:-1]
    return tuple(int(at) for at in np.unravel_index(distance.argmax(), region.shape))


def test_one_nucleus_from_click_to_file(make_napari_viewer, stack, tmp_path) -> None:
    import tifffile

    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1300, 1000)
    viewer.add_image(stack.nuclei, name="nuclei", scale=stack.scale, units=("um",) * 3, axis_labels=("z", "y", "x"))
    _, widget = viewer.window.add_plugin_dock_widget("napari-sam-stacks", "Segment")
    assert isinstance(widget, SegmentWidget)
    hand, session = Hand(viewer), widget.session
    QTest.qWait(250)
    viewer.reset_view()
    QTest.qWait(20)
    hand.until(lambda: session.status.state is State.READY, 120)

    z = session.image.plane.index[0]
    known = stack.nucleus_labels
    inner = known[z, 20:-20, 20:-20]
    label = int(np.bincount(inner[inner > 0]).argmax())

    def click(region: np.ndarray, **how) -> None:
        row, column = inmost(region)
        hand.click((row * stack.scale[1], column * stack.scale[2]), **how)
        hand.until(
            lambda: session.status.state is State.READY and session.image.plane in session.current.draft.masks, 60
        )

    def drawn() -> np.ndarray:
        return session.current.draft.masks[session.image.plane].painted(known.shape[1:])

    click(known[z] == label)
    first = overlap(drawn(), known[z] == label)
    missing, surplus = (known[z] == label) & ~drawn(), drawn() & ~(known[z] == label)
    if missing.sum() > surplus.sum():
        click(missing)
    elif surplus.any():
        click(surplus, button=RIGHT)
    assert max(first, overlap(drawn(), known[z] == label)) > 0.6

    hand.key(Qt.Key.Key_G)
    hand.until(lambda: not session.volume.active, 300)
    assert len(session.current.draft.masks) > 3
    hand.key(Qt.Key.Key_Return)
    labels = widget.controller.target_layer.data
    assert overlap(labels == 1, known == label) > 0.4

    session.record.save(tmp_path / "labels.ome.tif")
    hand.until(lambda: "Saved" in session.status.sentence, 60)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "labels.ome.tif"), labels)


def test_closing_the_window_while_nano_embeds(make_napari_viewer, stack) -> None:
    import threading

    viewer = make_napari_viewer(show=True)
    viewer.add_image(stack.nuclei, scale=stack.scale)
    _, widget = viewer.window.add_plugin_dock_widget("napari-sam-stacks", "Segment")
    Hand(viewer).until(lambda: widget.session.status.state is State.EMBEDDING, 60)
    viewer.close()
    QTest.qWait(100)
    assert not [thread for thread in threading.enumerate() if thread.name == "napari-sam-inference"]
