"""What gestures mean where there is nothing sensible to prompt: each case is one sentence, and nothing is lost."""

import threading

import numpy as np
import pytest
from plugin_bench import Z4, blobs
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_sam.planes.geometry import Plane
from napari_sam.plugin.actions import Action
from napari_sam.session.status import State

INSIDE, BOX = (4, 12, 12), (np.array([4, 5.0, 5.0]), np.array([4, 20.0, 20.0]))
STROKE = [np.array([4.0, 10 + at, 12]) for at in range(5)]


def gestures(bench):
    """Every gesture, inside the image."""
    return (
        lambda: bench.controller.canvas.clicked(np.asarray(INSIDE, float), True),
        lambda: (bench.controller.canvas.dragging(*BOX), bench.controller.canvas.dragged(*BOX)),
        lambda: (bench.controller.canvas.scribbling(STROKE, True), bench.controller.canvas.scribbled(STROKE, True)),
        lambda: bench.controller.do(Action.PICK),
        lambda: bench.controller.do(Action.EACH),
    )


def assert_refused(bench, sentence: str) -> None:
    for gesture in gestures(bench):
        bench.told.clear()
        gesture()
        bench.settle()
        assert sentence in bench.told[-1]
    assert not bench.session.current.draft
    assert not len(bench.points.data)
    assert not len(bench.shapes.data)


def test_in_the_3_d_view(bench) -> None:
    bench.viewer.dims.ndisplay = 3
    bench.controller.update_view()
    assert_refused(bench, "The view is 3-D")


def test_with_the_slider_beyond_the_image(bench) -> None:
    bench.viewer.add_image(np.zeros((30, 40, 50), np.uint8), scale=(2.0, 1.0, 1.0))
    bench.scroll(0, 25)
    assert_refused(bench, "beyond the image")


def test_on_a_hidden_image(bench) -> None:
    bench.controller.image.visible = False
    for gesture in gestures(bench)[:3]:
        gesture()
        assert "'cells' is hidden: show it" in bench.told[-1]
    assert not bench.session.current.draft
    bench.controller.image.visible = True
    bench.click(*INSIDE)
    assert bench.told[-1] == ""
    assert bench.session.current.draft


def test_outside_the_image(bench) -> None:
    bench.click(4, -3, 12)
    assert "click is outside the image" in bench.told[-1]
    away = np.array([4, -20.0, 5.0]), np.array([4, -5.0, 60.0])
    bench.controller.canvas.dragging(*away)
    bench.controller.canvas.dragged(*away)
    assert "box is outside the image" in bench.told[-1]
    bench.controller.canvas.scribbling(away, True)
    bench.controller.canvas.scribbled(away, True)
    assert "scribble is outside the image" in bench.told[-1]
    assert not bench.session.current.draft
    assert not len(bench.shapes.data)


def test_a_scribble_that_leaves_the_image_is_cut_at_its_border(bench) -> None:
    path = [np.array([4.0, 12, 12]), np.array([4.0, 12, -30])]
    bench.controller.canvas.scribbled(path, True)
    bench.settle()
    assert bench.session.prompts.on(Z4).scribbles[0].vertices == ((12, 12), (12, -0.5))


def test_with_locked_labels_nothing_is_lost(bench) -> None:
    layer = bench.viewer.add_labels(np.zeros((9, 40, 50), np.uint16), name="mine", scale=(2.0, 1.0, 1.0))
    bench.controller.choose_target(layer)
    bench.settle()
    layer.editable = False
    bench.click(*INSIDE)
    assert "'mine' is locked" in bench.told[-1]
    assert bench.session.current.draft.masks[Z4].area == 81
    for action in (Action.ACCEPT, Action.ACCEPT_OVERWRITING, Action.NEXT):
        bench.controller.do(action)
        assert "'mine' is locked" in bench.told[-1]
    assert not layer.data.any()
    assert bench.session.current.draft
    layer.editable = True
    bench.controller.do(Action.ACCEPT)
    assert (layer.data == 1).sum() == 81


def test_locked_labels_cannot_be_chosen(bench) -> None:
    layer = bench.viewer.add_labels(np.zeros((9, 40, 50), np.uint16), scale=(2.0, 1.0, 1.0))
    layer.editable = False
    bench.controller.choose_target(layer)
    assert "is locked" in bench.told[-1]
    assert bench.session.labels.target is None


def test_on_a_plane_that_is_not_embedded_yet(bench) -> None:
    gate = bench.engine.gate = threading.Event()
    bench.viewer.dims.set_current_step(0, 5)
    bench.controller.canvas.clicked(np.array([5.0, 12, 12]), True)
    plane = Z4.at(0, 5)
    assert bench.session.image.plane == plane
    assert bench.session.status.state is State.SEGMENTING
    assert len(bench.points.data) == 1
    gate.set()
    bench.settle()
    assert bench.session.current.draft.masks[plane].area == 81


@pytest.mark.parametrize("order", [(0, 2, 1), (1, 0, 2), (2, 1, 0), (2, 0, 1)])
@pytest.mark.parametrize("kind", ["box", "scribble", "pick", "each"])
def test_with_axes_reordered(make_bench, order, kind) -> None:
    bench = make_bench(blobs(), scale=(2.0, 1.0, 0.5), translate=(3.0, 0.0, -7.0))
    labels = np.zeros((9, 40, 50), np.uint8)
    labels[3:6, 10:15, 10:15] = 5
    theirs = bench.viewer.add_labels(labels, scale=(2.0, 1.0, 0.5), translate=(3.0, 0.0, -7.0))
    at = (4, 12, 12)
    bench.viewer.dims.order = order
    bench.viewer.dims.set_point(0, 2.0 * at[0] + 3)
    bench.viewer.dims.set_point(1, at[1])
    bench.viewer.dims.set_point(2, 0.5 * at[2] - 7)
    bench.controller.update_view()
    bench.settle()
    plane = Plane(order[1:], at)
    assert bench.session.image.plane == plane
    low, high = np.array([2.0, 9.0, 9.0]), np.array([6.0, 15.0, 15.0])
    low[order[0]] = high[order[0]] = at[order[0]]
    if kind == "box":
        bench.controller.canvas.dragging(low, high)
        bench.controller.canvas.dragged(low, high)
    elif kind == "scribble":
        bench.controller.canvas.scribbled([low, high], True)
    elif kind == "pick":
        bench.viewer.cursor.position = tuple(bench.controller.image.data_to_world(at))
        bench.controller.do(Action.PICK)
    else:
        bench.controller.sources.chosen = theirs
        bench.controller.do(Action.EACH)
    bench.settle()
    cut = [slice(1, 8), slice(8, 17), slice(8, 17)]
    cut[order[0]] = at[order[0]]
    expected = np.zeros((9, 40, 50), bool)
    expected[tuple(cut)] = True
    found = bench.shown() > 0 if kind != "each" else bench.controller.target_layer.data == 5
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(("units", "scale"), [(("nm",) * 3, 1e3), (("um",) * 3, 1.0), (("pixel",) * 3, 0.01)])
def test_with_the_image_in_other_units_and_scales(make_bench, units, scale) -> None:
    steps = (2 * scale, scale, scale)
    bench = make_bench(blobs(), scale=steps, units=units)
    bench.scroll(0, 4)
    assert bench.points.units == bench.controller.image.units
    bench.controller.canvas.dragging(*BOX)
    bench.controller.canvas.dragged(*BOX)
    bench.settle()
    assert (bench.shown()[4] > 0).sum() == 81
    bench.controller.do(Action.ACCEPT)
    layer = bench.controller.target_layer
    assert layer.units == bench.controller.image.units
    np.testing.assert_allclose(layer.scale, steps)


def test_real_clicks_in_the_3_d_view_and_on_a_hidden_image_are_told(desk) -> None:
    message = desk.widget.status.message
    desk.image.visible = False
    desk.hand.click((12, 12))
    desk.hand.until(lambda: "hidden" in message.text())
    desk.image.visible = True
    desk.viewer.dims.ndisplay = 3
    QTest.qWait(150)
    QTest.mouseClick(desk.hand.canvas, Qt.MouseButton.LeftButton, pos=desk.hand.canvas.rect().center())
    desk.hand.until(lambda: "3-D" in message.text())
    assert not len(desk.points.data)
    desk.viewer.dims.ndisplay = 2
    desk.viewer.dims.set_current_step(0, 4)
    desk.hand.until(lambda: desk.session.image.plane == Z4)
    desk.viewer.reset_view()
    QTest.qWait(50)
    desk.ready()
    desk.click((12, 12))
    assert desk.area() == 81
