"""Prompts of every kind by real mouse and keys: the plugin's gestures and napari's own tools."""

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from session_deeds import Z4

from napari_sam.plugin.actions import Action
from napari_sam.testing.simulated_hand import ALT, CONTROL, RIGHT, SHIFT

A, B = (12, 12), (28, 34)
ON_B = ((28, 31), (28, 37))


def shapes_tool(desk, key: Qt.Key) -> None:
    """The shapes layer, and one of napari's tools by its key."""
    desk.hand.press(desk.widget.prompts.shapes)
    desk.hand.key(key)


def test_shift_and_drag_scribbles_and_a_right_drag_excludes(desk) -> None:
    before = desk.hand.at(A)
    desk.click(A)
    desk.hand.drag(*ON_B, modifier=SHIFT)
    desk.hand.until(lambda: desk.area() == 162)
    assert len(desk.session.prompts.on(Z4).scribbles) == 1
    assert desk.session.prompts.on(Z4).box is None
    desk.hand.drag(*ON_B, button=RIGHT)
    desk.hand.until(lambda: desk.area() == 81)
    assert [scribble.positive for scribble in desk.session.prompts.on(Z4).scribbles] == [True, False]
    for modifier in (ALT, CONTROL):
        desk.hand.drag((26, 31), (30, 37), modifier=modifier)
        desk.ready()
    assert [scribble.positive for scribble in desk.session.prompts.on(Z4).scribbles] == [True, False, False, False]
    assert desk.hand.at(A) == before


def test_an_ellipse_drawn_with_naparis_tool(desk) -> None:
    shapes_tool(desk, Qt.Key.Key_E)
    assert str(desk.shapes.mode) == "add_ellipse"
    desk.hand.drag((21, 27), (36, 42))
    desk.hand.until(lambda: desk.area() == 81)
    assert desk.session.prompts.on(Z4).mask is not None
    assert desk.session.prompts.on(Z4).box is None


def test_a_polygon_drawn_with_naparis_tool_is_finished_by_enter(desk) -> None:
    shapes_tool(desk, Qt.Key.Key_P)
    for corner in ((21, 27), (21, 42), (36, 42), (36, 27)):
        desk.hand.hover(corner)
        desk.hand.click(corner)
        QTest.qWait(20)
    desk.hand.key(Qt.Key.Key_Return)
    desk.hand.until(lambda: desk.area() == 81)
    assert desk.session.prompts.on(Z4).mask is not None
    # It did not accept the object as well.
    assert desk.widget.controller.target_layer is None


def test_a_polygon_that_is_left_half_drawn_is_what_there_is_of_it(desk) -> None:
    # Found by the monkey: the layer showed a triangle, the session knew its first corner.
    shapes_tool(desk, Qt.Key.Key_P)
    for corner in ((21, 27), (21, 42), (36, 42), (36, 27)):
        desk.hand.hover(corner)
        desk.hand.click(corner)
        QTest.qWait(20)
        assert not desk.session.current.draft
    desk.hand.press(desk.widget.prompts.draw)
    desk.hand.until(lambda: desk.area() == 81)
    assert desk.session.prompts.on(Z4).mask is not None
    assert desk.session.prompts.on(Z4).scribbles == ()


def test_the_first_corner_of_a_polygon_that_is_left_is_no_prompt(desk) -> None:
    shapes_tool(desk, Qt.Key.Key_P)
    desk.hand.hover((21, 27))
    desk.hand.click((21, 27))
    desk.hand.press(desk.widget.prompts.draw)
    QTest.qWait(20)
    assert len(desk.shapes.data) == 0
    assert not desk.session.current.draft


def test_a_line_is_turned_by_key_with_its_colour(desk) -> None:
    desk.click(A)
    desk.click(B)
    shapes_tool(desk, Qt.Key.Key_L)
    desk.hand.drag(*ON_B)
    desk.hand.until(lambda: len(desk.session.prompts.on(Z4).scribbles) == 1)
    desk.ready()
    assert desk.area() == 162
    desk.hand.key(Qt.Key.Key_Y)
    desk.hand.until(lambda: desk.area() == 81)
    np.testing.assert_allclose(desk.shapes.edge_color[0][:3], [1, 0.23, 0.19], atol=0.01)


def test_a_free_path_is_a_scribble(desk) -> None:
    shapes_tool(desk, Qt.Key.Key_T)
    desk.hand.drag(*ON_B)
    desk.hand.until(lambda: desk.area() == 81)
    assert len(desk.session.prompts.on(Z4).scribbles) == 1


def test_a_shape_is_moved_and_deleted_with_naparis_tool(desk) -> None:
    desk.hand.drag((5, 5), (20, 20))
    desk.hand.until(lambda: desk.area() == 81)
    desk.ready()
    desk.hand.press(desk.widget.prompts.shapes)
    desk.hand.hover(A)
    desk.hand.click(A)
    desk.hand.drag(A, B, steps=12)
    desk.hand.until(
        lambda: (
            desk.session.current.draft.masks.get(Z4) and desk.session.current.draft.masks[Z4].box == (24, 30, 33, 39)
        )
    )
    desk.hand.key(Qt.Key.Key_Delete)
    desk.hand.until(lambda: not desk.session.current.draft)


def test_clicks_are_copied_and_pasted_onto_another_plane(desk) -> None:
    desk.click(A)
    desk.click(B, RIGHT)
    desk.hand.press(desk.widget.prompts.points)
    desk.hand.key(Qt.Key.Key_A)
    assert len(desk.points.selected_data) == 2
    desk.hand.key(Qt.Key.Key_C, CONTROL)
    desk.viewer.dims.set_current_step(0, 5)
    desk.hand.until(lambda: desk.session.image.plane == Z4.at(0, 5))
    desk.ready()
    desk.hand.key(Qt.Key.Key_V, CONTROL)
    desk.hand.until(lambda: desk.area() == 81)
    assert desk.session.prompts.on(Z4.at(0, 5)) == desk.session.prompts.on(Z4)


def test_rectangles_drawn_one_after_another_become_objects_by_key(desk) -> None:
    shapes_tool(desk, Qt.Key.Key_R)
    desk.hand.drag((5, 5), (20, 20))
    desk.hand.drag((21, 27), (36, 42))
    desk.hand.until(lambda: len(desk.shapes.data) == 2)
    desk.ready()
    desk.hand.key(Qt.Key.Key_M)
    desk.hand.until(lambda: len(desk.session.objects) == 2)
    assert [(desk.labels == label).sum() for label in (1, 2)] == [81, 81]
    assert not len(desk.shapes.data)
    desk.hand.key(Qt.Key.Key_Z, CONTROL)
    assert not desk.labels.any()
    assert len(desk.shapes.data) == 2


def test_a_layer_of_the_users_is_chosen_and_used_by_button(desk) -> None:
    layer = desk.viewer.add_points(np.zeros((0, 3)), name="spots", scale=(1.0, 0.5, 0.5))
    row = desk.widget.prompts.source
    assert not row.use.isEnabled()
    row.layer.setCurrentIndex(row.layer.findText("spots"))
    layer.mode = "add"
    desk.viewer.layers.selection.active = layer
    desk.hand.click(A)
    assert len(layer.data) == 1
    assert not desk.session.current.draft
    desk.hand.press(row.use)
    desk.hand.until(lambda: desk.area() == 81)
    desk.hand.click(B)
    desk.hand.until(lambda: desk.area() == 162)
    desk.ready()
    desk.hand.key(Qt.Key.Key_Return)
    assert (desk.labels == 1).sum() == 162
    assert len(layer.data) == 2
    desk.hand.press(row.each[Action.EACH])
    desk.hand.until(lambda: desk.session.status.state.value in ("error", "ready") and not desk.session.batch.active)
    assert not desk.session.current.draft
