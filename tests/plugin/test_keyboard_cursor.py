"""The path without a mouse: a cross moved by the arrow keys, prompts by keys."""

import numpy as np
from napari.utils.key_bindings import coerce_keybinding
from plugin_bench import Z4
from plugin_hand import CONTROL, SHIFT
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_sam.plugin.actions import Action
from napari_sam.prompts.prompt import Box

A, B = (12, 12), (28, 34)


def press(bench, key: str, times: int = 1) -> None:
    for _ in range(times):
        bench.points.keymap[coerce_keybinding(key)](bench.points)
        bench.settle()


def move_to(bench, row: int, column: int) -> None:
    at = bench.controller.cursor.position
    for keys, off in ((("Up", "Down"), row - at[0]), (("Left", "Right"), column - at[1])):
        press(bench, keys[int(off > 0)], round(abs(off)))


def names(bench) -> list[str]:
    return [layer.name for layer in bench.viewer.layers]


def test_the_cross_is_placed_moved_and_kept_inside(bench) -> None:
    bench.controller.do(Action.CURSOR)
    cursor = bench.controller.cursor
    assert cursor.active
    assert names(bench)[-2:] == ["Segment: cursor", "Segment: clicks"]
    assert bench.viewer.layers.selection.active is bench.points
    before = cursor.position
    press(bench, "Down")
    press(bench, "Right", 2)
    assert cursor.position == (before[0] + 1, before[1] + 2)
    press(bench, "Shift-Up")
    assert cursor.position == (before[0] - 9, before[1] + 2)
    press(bench, "Shift-Left", 10)
    assert cursor.position[1] == 0
    np.testing.assert_allclose(cursor.layer.data, [[4, *cursor.position]])


def test_clicks_and_a_box_by_keys(bench) -> None:
    bench.controller.do(Action.CURSOR)
    move_to(bench, *A)
    press(bench, "D")
    move_to(bench, *B)
    press(bench, "Shift-D")
    points = bench.session.prompts.on(Z4).points
    assert [(point.row, point.column, point.positive) for point in points] == [(*A, True), (*B, False)]
    bench.controller.do(Action.CLEAR)
    move_to(bench, 5, 5)
    press(bench, "I")
    assert "One corner of a box" in bench.told[-1]
    move_to(bench, 20, 20)
    assert len(bench.shapes.data) == 1
    # Both corners are pixels inside it.
    around = [(4, 4.5, 4.5), (4, 20.5, 20.5)]
    np.testing.assert_array_equal([bench.shapes.data[0].min(axis=0), bench.shapes.data[0].max(axis=0)], around)
    assert not bench.session.current.draft
    press(bench, "I")
    assert bench.session.prompts.on(Z4).box == Box(5, 5, 20, 20)
    np.testing.assert_array_equal([bench.shapes.data[0].min(axis=0), bench.shapes.data[0].max(axis=0)], around)
    assert bench.session.current.draft.masks[Z4].area == 81


def test_a_box_by_keys_from_its_last_corner_to_the_image_s_first_pixel_and_along_one_row(bench) -> None:
    bench.controller.do(Action.CURSOR)
    for start, end, box in (((20, 20), (0, 0), Box(0, 0, 20, 20)), ((12, 20), (12, 5), Box(12, 5, 12, 20))):
        move_to(bench, *start)
        press(bench, "I")
        move_to(bench, *end)
        press(bench, "I")
        assert bench.session.prompts.on(Z4).box == box


def test_a_box_that_was_begun_is_dropped_on_another_plane_or_without_a_second_corner(bench) -> None:
    bench.controller.do(Action.CURSOR)
    press(bench, "I")
    press(bench, "Down", 5)
    bench.scroll(0, 5)
    assert not len(bench.shapes.data)
    press(bench, "I")
    press(bench, "I")
    assert "two corners" in bench.told[-1]
    assert not bench.session.current.draft


def test_pages_are_turned_and_the_cross_goes_along(bench) -> None:
    bench.controller.do(Action.CURSOR)
    press(bench, "PageUp")
    bench.controller.update_view()
    assert bench.session.image.plane == Z4.at(0, 5)
    assert bench.controller.cursor.layer.data[0, 0] == 5
    press(bench, "PageDown", 9)
    assert bench.viewer.dims.current_step[0] == 0


def test_a_label_under_the_cross_is_picked(bench) -> None:
    labels = np.zeros((9, 40, 50), np.uint8)
    labels[4, 10:14, 10:14] = 3
    bench.viewer.add_labels(labels, scale=(2.0, 1.0, 1.0))
    bench.controller.do(Action.CURSOR)
    move_to(bench, *A)
    bench.controller.do(Action.PICK)
    bench.settle()
    assert bench.session.current.draft.masks[Z4].area == 81


def test_turned_off_it_leaves_no_trace(bench) -> None:
    before, keys = names(bench), set(bench.points.keymap)
    bench.controller.do(Action.CURSOR)
    assert set(bench.points.keymap) > keys
    bench.controller.do(Action.CURSOR)
    assert names(bench) == before
    assert set(bench.points.keymap) == keys
    bench.controller.do(Action.CURSOR)
    bench.viewer.layers.remove(bench.controller.cursor.layer)
    assert not bench.controller.cursor.active
    bench.controller.do(Action.CURSOR)
    bench.viewer.layers.remove(bench.controller.image)
    assert not bench.controller.cursor.active
    assert not len(bench.viewer.layers)


def test_it_needs_a_plane_in_view_and_hides_without_one(bench) -> None:
    bench.viewer.dims.ndisplay = 3
    bench.controller.update_view()
    bench.controller.do(Action.CURSOR)
    assert "3-D" in bench.told[-1]
    assert not bench.controller.cursor.active
    bench.viewer.dims.ndisplay = 2
    bench.controller.update_view()
    bench.controller.do(Action.CURSOR)
    bench.viewer.dims.ndisplay = 3
    bench.controller.update_view()
    assert not len(bench.controller.cursor.layer.data)


def test_from_prompt_to_propagated_and_accepted_object_without_a_mouse(desk) -> None:
    key = desk.hand.key
    assert desk.viewer.window._qt_window.focusWidget() is desk.hand.canvas
    key(Qt.Key.Key_J)
    cursor = desk.widget.controller.cursor
    assert cursor.active
    assert desk.widget.buttons[Action.CURSOR].isChecked()
    for _ in range(60):
        if cursor.position[0] > 12:
            key(Qt.Key.Key_Up)
        if cursor.position[1] > 12:
            key(Qt.Key.Key_Left)
    assert cursor.position == A
    asked = len(desk.engine.segmented)
    key(Qt.Key.Key_D)
    desk.hand.until(lambda: len(desk.engine.segmented) > asked)
    desk.ready()
    assert desk.area() == 81
    key(Qt.Key.Key_Right, SHIFT)
    key(Qt.Key.Key_Right, SHIFT)
    key(Qt.Key.Key_Down, SHIFT)
    key(Qt.Key.Key_Down)
    key(Qt.Key.Key_D, SHIFT)
    desk.ready()
    assert [point.positive for point in desk.session.prompts.on(Z4).points] == [True, False]
    key(Qt.Key.Key_PageUp)
    desk.hand.until(lambda: desk.session.image.plane == Z4.at(0, 5))
    key(Qt.Key.Key_PageDown)
    desk.hand.until(lambda: desk.session.image.plane == Z4)
    desk.ready()
    key(Qt.Key.Key_G)
    desk.hand.until(lambda: desk.session.current.draft.proposal and not desk.session.volume.active)
    key(Qt.Key.Key_Return)
    assert (desk.labels == 1).sum() == 7 * 81
    key(Qt.Key.Key_Z, CONTROL)
    assert not desk.labels.any()
    key(Qt.Key.Key_J)
    assert not cursor.active
    desk.viewer.dims.set_current_step(0, 4)
    key(Qt.Key.Key_Right)
    QTest.qWait(100)
    assert desk.viewer.dims.current_step[0] == 5


def test_the_camera_goes_along_where_the_cross_leaves_the_view(desk) -> None:
    camera = desk.viewer.scene.camera
    camera.zoom *= 4
    QTest.qWait(400)
    desk.hand.key(Qt.Key.Key_J)
    before = tuple(camera.center)
    for _ in range(6):
        desk.hand.key(Qt.Key.Key_Right, SHIFT)
        desk.hand.until(lambda: True)
    assert camera.center[2] > before[2]
    assert 0 <= desk.widget.controller.cursor.position[1] <= 49
