"""What points and shapes mean as prompts, whatever put them there."""

import numpy as np
import pytest
from app_model.types import KeyBinding
from plugin_bench import Z4, Bench

from napari_sam.plugin.actions import Action
from napari_sam.prompts.encoding import mask_box
from napari_sam.prompts.prompt import Box, Point, Scribble

AROUND_A, AROUND_B = (5.0, 5, 20, 20), (21.0, 27, 36, 42)
BOX_B = Box(21.5, 27.5, 35.5, 41.5)
"""The rectangle around B: a rectangle is the outer border of the box's pixels."""


def corners(row0, column0, row1, column1, z=4.0) -> np.ndarray:
    return np.asarray([(z, row0, column0), (z, row0, column1), (z, row1, column1), (z, row1, column0)], float)


def draw(bench: Bench, kind: str, vertices) -> None:
    bench.shapes.add(np.asarray(vertices, float), shape_type=kind)
    bench.settle()


def press(layer, key: str) -> None:
    layer.keymap[KeyBinding.from_str(key.replace("Control", "Ctrl"))](layer)


def red(bench: Bench, at: int) -> bool:
    return bool(bench.shapes.edge_color[at][0] > 0.9 and bench.shapes.edge_color[at][1] < 0.4)


@pytest.mark.parametrize("kind", ["ellipse", "polygon"])
def test_an_outline_is_a_mask_prompt(bench, kind) -> None:
    draw(bench, kind, corners(*AROUND_B))
    prompts = bench.session.prompts.on(Z4)
    assert prompts.box is None
    assert prompts.mask.box == (21, 27, 37, 43) if kind == "polygon" else (22, 28, 36, 42)
    assert bench.session.current.draft.masks[Z4].box == (24, 30, 33, 39)


def test_a_turned_rectangle_is_an_outline(bench) -> None:
    draw(bench, "rectangle", [(4, 20, 34), (4, 28, 42), (4, 36, 34), (4, 28, 26)])
    prompts = bench.session.prompts.on(Z4)
    assert prompts.box is None
    assert prompts.mask.area == pytest.approx(128, rel=0.15)


@pytest.mark.parametrize("kind", ["line", "path"])
def test_lines_and_paths_are_scribbles(bench, kind) -> None:
    vertices = [(4, 9, 10), (4, 15, 14)] if kind == "line" else [(4, 9, 10), (4, 12, 15), (4, 15, 14)]
    draw(bench, kind, vertices)
    assert bench.session.prompts.on(Z4).scribbles == (Scribble(tuple((r, c) for _, r, c in vertices)),)
    assert bench.session.current.draft.masks[Z4].box == (8, 8, 17, 17)


def test_all_kinds_together_describe_one_object(bench) -> None:
    bench.click(4, 12, 12)
    draw(bench, "rectangle", corners(*AROUND_B))
    draw(bench, "path", [(4, 28, 30), (4, 28, 36)])
    draw(bench, "ellipse", corners(*AROUND_A))
    prompts = bench.session.prompts.on(Z4)
    assert prompts.points == (Point(12, 12),)
    assert prompts.box == BOX_B
    assert len(prompts.scribbles) == 1
    assert prompts.mask is not None
    assert (bench.shown()[4] > 0).sum() == 162


def test_turning_a_scribble_makes_it_exclude_and_its_colour_follows(bench) -> None:
    bench.click(4, 12, 12)
    bench.click(4, 28, 34)
    draw(bench, "path", [(4, 28, 31), (4, 28, 36)])
    bench.viewer.layers.selection.active = bench.shapes
    assert not red(bench, 0)
    bench.controller.do(Action.POLARITY)
    bench.settle()
    assert not bench.session.prompts.on(Z4).scribbles[0].positive
    assert red(bench, 0)
    assert bench.session.current.draft.masks[Z4].box == (8, 8, 17, 17)


def test_turning_selected_clicks_and_the_last_one(bench) -> None:
    bench.click(4, 12, 12)
    bench.click(4, 28, 34)
    bench.controller.do(Action.POLARITY)
    assert [point.positive for point in bench.session.prompts.on(Z4).points] == [True, False]
    bench.viewer.layers.selection.active = bench.points
    bench.points.selected_data = {0, 1}
    bench.controller.do(Action.POLARITY)
    assert [point.positive for point in bench.session.prompts.on(Z4).points] == [False, True]
    np.testing.assert_allclose(bench.points.face_color[0][:2], [1, 0.23], atol=0.02)


def test_there_may_be_nothing_to_turn(bench) -> None:
    bench.controller.do(Action.POLARITY)
    assert "no click or scribble to turn" in bench.told[-1]
    draw(bench, "rectangle", corners(*AROUND_B))
    bench.viewer.layers.selection.active = bench.shapes
    bench.controller.do(Action.POLARITY)
    assert "no click or scribble to turn" in bench.told[-1]


def test_another_type_of_shape_is_another_prompt(bench) -> None:
    draw(bench, "rectangle", corners(*AROUND_B))
    assert bench.session.prompts.on(Z4).box is not None
    bench.shapes.shape_type = "ellipse"
    bench.settle()
    assert bench.session.prompts.on(Z4).box is None
    assert bench.session.prompts.on(Z4).mask.box == (22, 28, 36, 42)
    bench.shapes.shape_type = "path"
    bench.settle()
    assert bench.session.prompts.on(Z4).mask is None
    assert len(bench.session.prompts.on(Z4).scribbles[0].vertices) == 4


def test_moved_and_deleted_shapes_are_followed(bench) -> None:
    draw(bench, "ellipse", corners(*AROUND_A))
    assert bench.session.current.draft.masks[Z4].box == (8, 8, 17, 17)
    bench.shapes.data = [corners(*AROUND_B)]
    bench.settle()
    assert bench.session.current.draft.masks[Z4].box == (24, 30, 33, 39)
    bench.shapes.selected_data = {0}
    bench.shapes.remove_selected()
    bench.settle()
    assert not bench.session.current.draft


def test_copied_clicks_and_shapes_are_pasted_onto_another_plane(bench) -> None:
    bench.click(4, 12, 12)
    bench.click(4, 28, 34, positive=False)
    draw(bench, "line", [(4, 9, 10), (4, 15, 14)])
    bench.points.selected_data = {0, 1}
    press(bench.points, "Control-C")
    bench.shapes.selected_data = {0}
    bench.shapes._copy_data()
    bench.scroll(0, 5)
    press(bench.points, "Control-V")
    bench.shapes._paste_data()
    bench.settle()
    first, second = bench.session.prompts.on(Z4), bench.session.prompts.on(Z4.at(0, 5))
    assert second == first
    assert len(second.points) == 2
    assert bench.session.current.draft.masks[Z4.at(0, 5)].box == (8, 8, 17, 17)


def test_undone_outlines_and_scribbles_come_back_as_they_were_drawn(bench) -> None:
    draw(bench, "ellipse", corners(*AROUND_A))
    draw(bench, "path", [(4, 9, 10), (4, 15, 14)])
    before = bench.session.prompts.on(Z4)
    bench.controller.do(Action.ACCEPT)
    assert not len(bench.shapes.data)
    bench.controller.do(Action.UNDO)
    assert bench.shapes.shape_type == ["ellipse", "path"]
    assert bench.session.prompts.on(Z4) == before
    bench.click(4, 12, 13)
    assert bench.session.prompts.on(Z4).mask is before.mask


def test_a_label_prompt_stays_while_shapes_come_and_go(bench) -> None:
    labels = np.zeros((9, 40, 50), np.uint8)
    labels[4, 10:13, 10:13] = 3
    bench.viewer.add_labels(labels, scale=(2.0, 1.0, 1.0))
    bench.viewer.cursor.position = (8.0, 11.0, 11.0)
    bench.controller.do(Action.PICK)
    bench.settle()
    label = bench.session.prompts.on(Z4).mask
    draw(bench, "rectangle", corners(*AROUND_A))
    assert bench.session.prompts.on(Z4).mask is label
    draw(bench, "polygon", corners(*AROUND_B))
    assert bench.session.prompts.on(Z4).mask is not label


def test_of_several_boxes_the_last_counts_and_the_others_stay(bench) -> None:
    draw(bench, "rectangle", corners(*AROUND_A))
    draw(bench, "rectangle", corners(*AROUND_B))
    bench.click(4, 30, 30)
    assert bench.session.prompts.on(Z4).box == BOX_B
    bench.controller.do(Action.REMOVE_LAST)
    assert len(bench.shapes.data) == 2


def test_a_rectangle_around_the_outermost_pixels_is_the_objects_box(bench) -> None:
    draw(bench, "rectangle", corners(23.5, 29.5, 32.5, 38.5))
    mask = bench.session.current.draft.masks[Z4]
    assert bench.session.prompts.on(Z4).box == mask_box(mask) == Box(24, 30, 32, 38)


def test_a_shape_is_clipped_to_the_image_and_one_outside_says_nothing(bench) -> None:
    draw(bench, "rectangle", corners(-10, 27, 36, 80))
    assert bench.session.prompts.on(Z4).box == Box(0, 27.5, 35.5, 49)
    bench.shapes.data = []
    draw(bench, "line", [(4, -30, 10), (4, -20, 10)])
    assert not bench.session.current.draft


def test_remove_last_takes_a_scribble(bench) -> None:
    bench.click(4, 12, 12)
    draw(bench, "line", [(4, 28, 31), (4, 28, 36)])
    bench.controller.do(Action.REMOVE_LAST)
    assert not len(bench.shapes.data)
    assert bench.session.prompts.on(Z4).points == (Point(12, 12),)


def test_dragged_scribbles_add_and_exclude(bench) -> None:
    bench.click(4, 12, 12)
    path = [np.array([4, 28.0, 31.0 + step / 4]) for step in range(20)]
    bench.controller.canvas.scribbling(path[:5], True)
    assert len(bench.shapes.data) == 1
    assert not bench.session.prompts.on(Z4).scribbles
    bench.controller.canvas.scribbling(path, True)
    bench.controller.canvas.scribbled(path, True)
    bench.settle()
    assert len(bench.shapes.data) == 1
    assert bench.session.prompts.on(Z4).scribbles == (Scribble(((28, 31), (28, 35.75))),)
    assert (bench.shown()[4] > 0).sum() == 162
    bench.controller.canvas.scribbled(path, False)
    bench.settle()
    assert (bench.shown()[4] > 0).sum() == 81
    assert red(bench, 1)
    assert not red(bench, 0)


def test_clicks_and_shapes_carry_the_objects_id(bench) -> None:
    labels = np.zeros((9, 40, 50), np.uint16)
    labels[0, 0, 0] = 6
    bench.controller.choose_target(bench.viewer.add_labels(labels, scale=(2.0, 1.0, 1.0)))
    bench.settle()
    bench.click(4, 12, 12)
    draw(bench, "line", [(4, 28, 31), (4, 28, 36)])
    assert list(bench.points.features["object"]) == list(bench.shapes.features["object"]) == [7]
    bench.controller.do(Action.ACCEPT)
    bench.click(4, 12, 12)
    assert list(bench.points.features["object"]) == [8]


def test_a_reopened_object_shows_its_shapes_and_nothing_is_asked_again(bench) -> None:
    bench.click(4, 12, 12)
    draw(bench, "ellipse", corners(*AROUND_A))
    draw(bench, "path", [(4, 9, 10), (4, 15, 14)])
    bench.controller.do(Action.ACCEPT)
    bench.session.objects.reopen(1)
    bench.settle()
    assert bench.shapes.shape_type == ["ellipse", "path"]
    asked = len(bench.engine.segmented)
    bench.scroll(0, 5)
    bench.click(5, 12, 12)
    assert len(bench.engine.segmented) == asked + 1
