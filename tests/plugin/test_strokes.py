"""napari's own painting on the target layer is in the journal, and napari's own undo is the journal's."""

import numpy as np
import pytest
import zarr
from plugin_bench import blobs
from plugin_hand import CONTROL, SHIFT
from qtpy.QtCore import Qt

from napari_sam.planes.geometry import Plane
from napari_sam.plugin.actions import Action
from napari_sam.plugin.layers.target_layers import changes_of
from napari_sam.prompts.prompt import Point, Prompts
from napari_sam.session.batch import BatchObject


@pytest.fixture
def layer(bench):
    """The target layer, with object 1 at (4, 12, 12)."""
    bench.click(4, 12, 12)
    bench.controller.do(Action.ACCEPT)
    return bench.controller.target_layer


def brush(layer, label: int, *positions) -> None:
    """A stroke of the brush, as the mouse makes it."""
    layer.brush_size = 5
    layer._begin_stroke()
    for position in positions:
        layer.paint(position, label)
    layer._commit_stroke()


def test_a_stroke_a_fill_and_an_erasure_are_undone_in_the_order_they_were_made(bench, layer) -> None:
    states = [layer.data.copy()]
    deeds = [
        lambda: brush(layer, 7, (4, 20, 20), (4, 20, 22), (4, 21, 24)),
        lambda: layer.fill((4, 12, 12), 3),
        lambda: brush(layer, 0, (4, 12, 12), (4, 12, 13)),
        lambda: layer.data_setitem((np.array([0, 0]), np.array([1, 2]), np.array([3, 3])), 9),
    ]
    for deed in deeds:
        deed()
        states.append(layer.data.copy())
    assert bench.session.current.label == 10
    for state in reversed(states[:-1]):
        bench.controller.do(Action.UNDO)
        np.testing.assert_array_equal(layer.data, state)
    assert bench.session.current.label == 2
    for state in states[1:]:
        bench.controller.do(Action.REDO)
        np.testing.assert_array_equal(layer.data, state)
    for _ in range(6):
        bench.controller.do(Action.UNDO)
    assert not layer.data.any()
    assert not bench.session.current.draft


def test_naparis_own_undo_on_the_layer_is_the_journals(bench, layer) -> None:
    brush(layer, 7, (4, 20, 20))
    bench.click(4, 28, 34)
    bench.controller.do(Action.ACCEPT)
    layer.undo()
    assert not (layer.data == 8).any()
    assert bench.shown().any()
    layer.undo()
    layer.undo()
    assert not (layer.data == 7).any()
    assert (layer.data == 1).sum() == 81
    for _ in range(3):
        layer.redo()
    assert (layer.data == 7).any()
    assert (layer.data == 8).sum() == 81


def test_a_layer_that_was_let_go_has_naparis_undo_again(bench, layer) -> None:
    brush(layer, 7, (4, 20, 20))
    bench.controller.close(keep_layers=False)
    before = layer.data.copy()
    layer.undo()
    np.testing.assert_array_equal(layer.data, before)
    brush(layer, 9, (4, 30, 30))
    layer.undo()
    np.testing.assert_array_equal(layer.data, before)


def test_undo_in_the_middle_of_a_stroke_takes_what_is_painted_of_it(bench, layer) -> None:
    start = layer.data.copy()
    layer.brush_size = 3
    layer._begin_stroke()
    layer.paint((4, 20, 20), 7)
    bench.controller.do(Action.UNDO)
    np.testing.assert_array_equal(layer.data, start)
    layer.paint((4, 25, 25), 7)
    layer._commit_stroke()
    bench.controller.do(Action.UNDO)
    np.testing.assert_array_equal(layer.data, start)


def test_a_batch_in_the_middle_of_a_stroke_is_written_after_what_is_painted_of_it(bench, layer) -> None:
    states = [layer.data.copy()]
    layer.brush_size = 3
    layer._begin_stroke()
    layer.paint((4, 28, 34), 7)
    states.append(layer.data.copy())
    bench.session.batch.segment([BatchObject(Plane((1, 2), (4, 0, 0)), Prompts(points=(Point(28, 36),)))])
    bench.settle()
    states.append(layer.data.copy())
    layer.paint((4, 28, 38), 7)
    layer._commit_stroke()
    states.append(layer.data.copy())
    assert (states[2] == 8).any()
    assert (states[2] == 7).sum() == (states[1] == 7).sum() > 0
    for state in reversed(states[:-1]):
        bench.controller.do(Action.UNDO)
        np.testing.assert_array_equal(layer.data, state)
    for state in states[1:]:
        bench.controller.do(Action.REDO)
        np.testing.assert_array_equal(layer.data, state)


def test_strokes_on_zarr_labels(bench) -> None:
    store = zarr.zeros((9, 40, 50), dtype=np.uint16, chunks=(1, 16, 16))
    layer = bench.viewer.add_labels(store, scale=(2.0, 1.0, 1.0))
    bench.controller.choose_target(layer)
    bench.settle()
    brush(layer, 7, (4, 20, 20), (4, 20, 23))
    painted = np.asarray(store[:])
    assert painted.any()
    bench.controller.do(Action.UNDO)
    assert not np.asarray(store[:]).any()
    bench.controller.do(Action.REDO)
    np.testing.assert_array_equal(np.asarray(store[:]), painted)


def test_strokes_on_a_former_target_are_undone_there(bench, layer) -> None:
    other = bench.viewer.add_labels(np.zeros((9, 40, 50), np.uint16), scale=(2.0, 1.0, 1.0))
    bench.controller.choose_target(other)
    bench.settle()
    brush(layer, 7, (4, 20, 20))
    brush(other, 5, (4, 20, 20))
    bench.controller.do(Action.UNDO)
    assert not other.data.any()
    bench.controller.do(Action.UNDO)
    assert not (layer.data == 7).any()


def test_an_item_that_changes_a_pixel_twice_remembers_what_was_there_first() -> None:
    positions = (np.array([0, 0]), np.array([1, 2]))
    first = (positions, np.array([4, 4]), np.array([5, 5]))
    second = (positions, np.array([5, 5]), 6)
    (change,) = changes_of([first, second], np.dtype(np.uint16))
    array = np.array([[0, 6, 6, 0]], np.uint16)
    change.revert(array)
    assert array.tolist() == [[0, 4, 4, 0]]
    back = (positions, np.array([5, 5]), 4)
    assert changes_of([first, back], np.dtype(np.uint16)) == []


def test_by_hand_in_the_window(desk) -> None:
    """Painting with the mouse, and Ctrl+Z while the target layer is active."""
    desk.click((12, 12))
    desk.hand.key(Qt.Key.Key_Return)
    layer = desk.widget.controller.target_layer
    desk.hand.until(lambda: layer in desk.viewer.layers)
    desk.viewer.layers.selection.active = layer
    layer.mode, layer.selected_label, layer.brush_size = "paint", 6, 4
    desk.hand.drag((25, 20), (25, 28))
    desk.hand.until(lambda: (layer.data == 6).any())
    painted = layer.data.copy()
    assert len(painted[painted == 6]) > 20
    desk.hand.key(Qt.Key.Key_Z, CONTROL)
    assert (layer.data == 1).sum() == 81
    assert not (layer.data == 6).any()
    desk.hand.key(Qt.Key.Key_Z, CONTROL)
    assert not layer.data.any()
    assert len(desk.points.data) == 1
    desk.hand.key(Qt.Key.Key_Z, CONTROL | SHIFT)
    desk.hand.key(Qt.Key.Key_Z, CONTROL | SHIFT)
    np.testing.assert_array_equal(layer.data, painted)


def test_labels_that_are_made_for_the_first_object_stay_when_it_is_undone(make_bench) -> None:
    bench = make_bench(blobs())
    bench.click(4, 12, 12)
    bench.controller.do(Action.ACCEPT)
    layer = bench.controller.target_layer
    bench.controller.do(Action.UNDO)
    assert layer in bench.viewer.layers
    assert bench.controller.target_layer is layer
    assert bench.session.current.label == 1
