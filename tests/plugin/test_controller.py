"""Viewer and session mirror each other; no window, a fake engine."""

import dask.array
import numpy as np
import pytest
import zarr
from napari.components import ViewerModel
from napari.layers import Labels
from plugin_bench import Bench, blobs

from napari_sam.labels.paint import Collision
from napari_sam.planes.geometry import Mask, Plane
from napari_sam.plugin.actions import Action
from napari_sam.prompts.prompt import Box, Point, Prompts
from napari_sam.session.status import State

Z4 = Plane((1, 2), (4, 0, 0))


def test_a_click_becomes_a_point_and_a_preview(bench) -> None:
    bench.click(4, 12, 12)
    np.testing.assert_array_equal(bench.points.data, [[4, 12, 12]])
    assert list(bench.points.features["polarity"]) == ["positive"]
    expected = np.zeros((9, 40, 50), bool)
    expected[4, 8:17, 8:17] = True
    np.testing.assert_array_equal(bench.shown() > 0, expected)


def test_the_preview_is_outline_and_fill(bench) -> None:
    bench.click(4, 12, 12)
    shown = bench.shown()[4, 8:17, 8:17]
    assert (shown[0] == shown[0, 0]).all()
    assert shown[4, 4] != shown[0, 0]
    assert (shown[1:-1, 1:-1] == shown[4, 4]).all()


def test_colours_follow_the_polarity(bench) -> None:
    bench.click(4, 12, 12)
    bench.click(4, 28, 34, positive=False)
    bench.click(4, 13, 13)
    green, red = bench.points.face_color[0], bench.points.face_color[1]
    assert not np.allclose(green, red)
    np.testing.assert_allclose(bench.points.face_color[2], green)


def rectangle(bench) -> np.ndarray:
    """(2, ndim) first and last corner of the only shape."""
    (corners,) = bench.shapes.data
    return np.stack([corners.min(axis=0), corners.max(axis=0)])


def test_a_dragged_box_lands_in_the_shapes_layer(bench) -> None:
    bench.controller.canvas.dragging(np.array([4, 20.0, 25.0]), np.array([4, 25.0, 30.0]))
    assert not bench.session.current.draft
    bench.controller.canvas.dragging(np.array([4, 20.0, 25.0]), np.array([4, 36.0, 45.0]))
    bench.controller.canvas.dragged(np.array([4, 20.0, 25.0]), np.array([4, 36.0, 45.0]))
    bench.settle()
    assert len(bench.shapes.data) == 1
    np.testing.assert_array_equal(rectangle(bench), [(4, 20, 25), (4, 36, 45)])
    assert bench.session.prompts.on(Z4).box == Box(20.5, 25.5, 35.5, 44.5)
    assert bench.session.current.draft.masks[Z4].box == (24, 30, 33, 39)


def test_a_box_may_be_dragged_from_any_corner(bench) -> None:
    for start, end in (((23.5, 38.5), (32.5, 29.5)), ((32.5, 38.5), (23.5, 29.5)), ((32.5, 29.5), (23.5, 38.5))):
        bench.controller.canvas.dragged(np.array([4, *start]), np.array([4, *end]))
        bench.settle()
        # The outermost pixels of object B.
        assert bench.session.prompts.on(Z4).box == Box(24, 30, 32, 38)
        np.testing.assert_array_equal(rectangle(bench), [(4, 23.5, 29.5), (4, 32.5, 38.5)])


def test_a_dragged_box_comes_back_as_it_was_and_nothing_is_asked_again(bench) -> None:
    bench.controller.canvas.dragged(np.array([4, 20.3, 25.1]), np.array([4, 36.7, 44.9]))
    bench.settle()
    box, drawn = bench.session.prompts.on(Z4).box, rectangle(bench)
    bench.controller.do(Action.ACCEPT)
    bench.session.objects.reopen(1)
    bench.settle()
    assert bench.session.prompts.on(Z4).box == box
    np.testing.assert_array_equal(rectangle(bench), drawn)
    asked = len(bench.engine.segmented)
    bench.controller.canvas.dragged(np.array([4, 20.3, 25.1]), np.array([4, 36.7, 44.9]))
    bench.settle()
    assert bench.session.prompts.on(Z4).box == box
    assert len(bench.engine.segmented) == asked


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (0, 2, 1), (2, 1, 0)])
def test_a_box_is_drawn_around_its_pixels_on_any_plane(make_bench, order) -> None:
    bench = make_bench(blobs(), scale=(2.0, 1.0, 1.0))
    bench.viewer.dims.order = order
    bench.scroll(order[0], (4, 28, 34)[order[0]])
    plane = bench.session.image.plane
    first, last = np.array([3, 24, 30]), np.array([5, 32, 38])
    beside = np.asarray([axis in plane.axes for axis in range(3)]) / 2
    bench.controller.canvas.dragged(last + beside, first - beside)
    bench.settle()
    box = Box(*plane.from_data(first), *plane.from_data(last))
    assert bench.session.prompts.on(plane).box == box
    drawn = rectangle(bench)
    np.testing.assert_array_equal(drawn[:, plane.axes], np.stack([first - beside, last + beside])[:, plane.axes])
    bench.controller.do(Action.ACCEPT)
    assert not len(bench.shapes.data)
    bench.controller.do(Action.UNDO)
    assert bench.session.prompts.on(plane).box == box
    np.testing.assert_array_equal(rectangle(bench), drawn)


def test_a_second_box_on_a_plane_replaces_the_first(bench) -> None:
    for end in (36.0, 38.0):
        bench.controller.canvas.dragged(np.array([4, 20.0, 25.0]), np.array([4, end, 45.0]))
        bench.settle()
    assert len(bench.shapes.data) == 1
    assert bench.session.prompts.on(Z4).box.row1 == 37.5


def test_a_box_is_clipped_to_the_image(bench) -> None:
    bench.controller.canvas.dragged(np.array([4, -20.0, 25.0]), np.array([4, 36.0, 450.0]))
    assert bench.session.prompts.on(Z4).box == Box(0, 25.5, 35.5, 49)
    np.testing.assert_array_equal(rectangle(bench), [(4, -0.5, 25), (4, 36, 49.5)])


def test_points_added_moved_recoloured_and_deleted_in_the_layer_count_the_same(bench) -> None:
    bench.points.add([4, 12, 12])
    bench.settle()
    assert bench.session.prompts.on(Z4) == Prompts((Point(12, 12),))
    bench.points.data = [[4, 28, 34]]
    bench.settle()
    assert bench.session.current.draft.masks[Z4].box == (24, 30, 33, 39)
    bench.points.features = {"polarity": ["negative"], "axes": ["1,2"]}
    bench.settle()
    assert bench.session.prompts.on(Z4) == Prompts((Point(28, 34, False),))
    bench.points.selected_data = {0}
    bench.points.remove_selected()
    bench.settle()
    assert not bench.session.current.draft
    assert not bench.shown().any()


def test_a_rectangle_drawn_in_the_shapes_layer_counts_the_same(bench) -> None:
    bench.shapes.add_rectangles(np.array([[4, 20, 25], [4, 20, 45], [4, 36, 45], [4, 36, 25]]))
    bench.settle()
    assert bench.session.current.draft.masks[Z4].box == (24, 30, 33, 39)
    bench.shapes.selected_data = {0}
    bench.shapes.remove_selected()
    bench.settle()
    assert not bench.session.current.draft


def test_clicks_outside_the_image_are_refused_with_a_sentence(bench) -> None:
    bench.click(4, -3, 12)
    assert "outside the image" in bench.told[-1]
    assert not len(bench.points.data)


def test_three_d_display_is_refused_with_a_sentence_and_comes_back(bench) -> None:
    bench.viewer.dims.ndisplay = 3
    bench.controller.update_view()
    assert bench.session.status.state is State.NO_PLANE
    assert "3-D" in bench.session.status.sentence
    bench.click(4, 12, 12)
    assert "3-D" in bench.told[-1]
    bench.viewer.dims.ndisplay = 2
    bench.controller.update_view()
    bench.settle()
    assert bench.session.status.state is State.READY


def test_accept_makes_labels_on_the_image_and_writes_the_box_only(bench) -> None:
    bench.click(4, 12, 12)
    bench.controller.do(Action.ACCEPT)
    layer = bench.controller.target_layer
    assert isinstance(layer, Labels)
    np.testing.assert_allclose(layer.scale, [2, 1, 1])
    assert (layer.data == 1).sum() == 81
    assert layer.data[4, 12, 12] == 1
    assert not len(bench.points.data)
    assert not bench.shown().any()
    # The clicks stay on top and active, so that the next click is a prompt again.
    assert bench.viewer.layers.selection.active is bench.points
    assert bench.viewer.layers.index(layer) < bench.viewer.layers.index(bench.preview)


def test_new_labels_come_into_the_viewer_a_moment_later_and_are_not_lost_if_the_plugin_closes(engine) -> None:
    viewer = ViewerModel()
    viewer.add_image(blobs(), name="cells")
    posted: list = []
    bench = Bench(viewer, engine, later=posted.append)
    bench.controller.images.choose_first()
    bench.settle()
    bench.scroll(0, 4)
    bench.click(4, 12, 12)
    active = viewer.layers.selection.active
    bench.controller.do(Action.ACCEPT)
    layer = bench.controller.target_layer
    assert (layer.data == 1).sum() == 81
    assert layer not in viewer.layers
    assert bench.controller.close(keep_layers=False)
    assert layer in viewer.layers
    assert active not in viewer.layers
    for function in posted:
        function()
    assert list(viewer.layers).count(layer) == 1


def test_undo_and_redo_by_key_actions(bench) -> None:
    bench.click(4, 12, 12)
    bench.controller.do(Action.ACCEPT)
    layer = bench.controller.target_layer
    after = layer.data.copy()
    bench.controller.do(Action.UNDO)
    assert not layer.data.any()
    np.testing.assert_array_equal(bench.points.data, [[4, 12, 12]])
    assert bench.shown().any()
    bench.controller.do(Action.REDO)
    np.testing.assert_array_equal(layer.data, after)
    assert not len(bench.points.data)


def test_what_cannot_be_done_is_told(bench) -> None:
    for action, sentence in [
        (Action.ACCEPT, "nothing to accept"),
        (Action.REJECT, "nothing to reject"),
        (Action.REMOVE_LAST, "no click"),
        (Action.CLEAR, "no prompts"),
        (Action.PROPAGATE, "nothing to propagate"),
        (Action.CANCEL, "Nothing is being"),
        (Action.UNDO, "nothing to undo"),
        (Action.REDO, "nothing to redo"),
        (Action.PICK, "no label there"),
    ]:
        bench.controller.do(action)
        assert sentence in bench.told[-1], action


def test_remove_last_and_clear_show_in_the_layers(bench) -> None:
    bench.click(4, 12, 12)
    bench.controller.canvas.dragged(np.array([4, 20.0, 25.0]), np.array([4, 36.0, 45.0]))
    bench.settle()
    bench.controller.do(Action.REMOVE_LAST)
    assert not len(bench.shapes.data)
    assert len(bench.points.data) == 1
    bench.click(4, 28, 34, positive=False)
    bench.controller.do(Action.CLEAR)
    assert not len(bench.points.data)
    bench.click(4, 12, 12)
    assert list(bench.points.features["polarity"]) == ["positive"]
    assert bench.session.prompts.on(Z4) == Prompts((Point(12, 12),))


def test_propagation_is_previewed_on_every_plane_and_accepted_at_once(bench) -> None:
    bench.click(4, 12, 12)
    bench.controller.do(Action.PROPAGATE)
    bench.settle()
    shown = bench.shown()
    expected = np.zeros((9, 40, 50), bool)
    expected[1:8, 8:17, 8:17] = True
    np.testing.assert_array_equal(shown > 0, expected)
    key, propagated, doubtful = shown[4, 12, 12], shown[3, 12, 12], shown[5, 12, 12]
    assert len({key, propagated, doubtful}) == 3
    bench.controller.do(Action.ACCEPT)
    layer = bench.controller.target_layer
    np.testing.assert_array_equal(layer.data > 0, expected)
    bench.controller.do(Action.UNDO)
    assert not layer.data.any()


def test_one_array_serves_the_preview_of_one_object_after_another(make_bench) -> None:
    bench = make_bench(np.zeros((4, 600, 700), np.uint8))
    preview = bench.controller.own.preview
    plane = Plane((1, 2), (0, 0, 0))
    arrays = []
    for side, corner in ((30, (300, 400)), (35, (100, 100)), (25, (0, 680 - 25))):
        mask = Mask.from_pixels(np.ones((side, side), bool), corner)
        preview.show({plane: mask}, (), (), plane)
        arrays.append(preview.layer.data)
        expected = np.zeros((4, 600, 700), bool)
        expected[0][mask.slices] = True
        np.testing.assert_array_equal(bench.shown() > 0, expected)
        preview.show({}, (), (), plane)
        assert not bench.shown().any()
    assert all(array is arrays[0] for array in arrays)


def test_the_preview_stays_small_on_a_large_image(make_bench) -> None:
    stack = dask.array.zeros((40, 4096, 4096), np.uint8, chunks=(1, 512, 512))
    bench = make_bench(stack)
    mask = np.ones((30, 30), bool)
    planes = {Plane((1, 2), (z, 0, 0)): Mask.from_pixels(mask, (2000, 3000)) for z in range(40)}
    bench.controller.own.preview.show(planes, (), (), None)
    assert bench.preview.data.size < 40 * 64 * 64
    np.testing.assert_allclose(bench.preview.data_to_world([0, 0, 0])[1:], [2000 - 16, 3000 - 16])


@pytest.mark.parametrize(
    "attributes",
    [
        {"scale": (3.0, 0.5, 0.25), "translate": (10.0, -7.0, 3.0)},
        {"rotate": 30.0, "scale": (2.0, 1.5, 1.5)},
        {"shear": (0.2, 0.1, 0.3), "translate": (1.0, 2.0, 3.0)},
        {"affine": np.array([[1, 0, 0, 4], [0, 0.8, -0.3, 5], [0, 0.3, 0.8, 6], [0, 0, 0, 1.0]])},
    ],
    ids=["scale and translate", "rotate", "shear", "affine"],
)
def test_the_preview_lies_on_the_object_under_any_transform(make_bench, attributes) -> None:
    bench = make_bench(blobs(), **attributes)
    bench.scroll(0, bench.viewer.dims.nsteps[0] // 2)
    z = bench.session.image.plane.index[0]
    bench.click(z, 12, 12)
    expected = np.zeros((9, 40, 50), bool)
    expected[z, 8:17, 8:17] = True
    np.testing.assert_array_equal(bench.shown() > 0, expected)
    bench.controller.do(Action.ACCEPT)
    layer = bench.controller.target_layer
    np.testing.assert_allclose(
        layer.data_to_world([z, 12, 12]), bench.controller.image.data_to_world([z, 12, 12]), atol=1e-9
    )


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 1, 0), (0, 2, 1), (1, 2, 0)])
def test_any_axis_may_be_scrolled_and_displayed_either_way(make_bench, order) -> None:
    bench = make_bench(blobs(), scale=(2.0, 1.0, 1.0))
    bench.viewer.dims.order = order
    axes = tuple(order[1:])
    at = (4, 12, 12)
    bench.scroll(order[0], at[order[0]])
    assert bench.session.image.plane == Plane(axes, at)
    bench.click(*at)
    cut = [slice(1, 8), slice(8, 17), slice(8, 17)]
    cut[order[0]] = at[order[0]]
    expected = np.zeros((9, 40, 50), bool)
    expected[tuple(cut)] = True
    np.testing.assert_array_equal(bench.shown() > 0, expected)
    bench.controller.do(Action.PROPAGATE)
    bench.settle()
    bench.controller.do(Action.ACCEPT)
    expected[1:8, 8:17, 8:17] = True
    np.testing.assert_array_equal(bench.controller.target_layer.data > 0, expected)


def test_prompts_on_crossing_planes_belong_to_one_object(bench) -> None:
    bench.click(4, 12, 12)
    bench.viewer.dims.order = (1, 0, 2)
    bench.scroll(1, 12)
    bench.click(3, 12, 12)
    expected = np.zeros((9, 40, 50), bool)
    expected[4, 8:17, 8:17] = True
    expected[1:8, 12, 8:17] = True
    np.testing.assert_array_equal(bench.shown() > 0, expected)
    assert {plane.axes for plane in bench.session.current.draft.prompts} == {(1, 2), (0, 2)}


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, bool])
def test_two_d_images_of_any_type(make_bench, dtype) -> None:
    bench = make_bench(blobs()[4].astype(dtype))
    bench.click(12, 12)
    assert (bench.shown() > 0).sum() == 81
    bench.controller.do(Action.ACCEPT)
    assert (bench.controller.target_layer.data == 1).sum() == 81


def test_rgb_multiscale_and_time_series(make_bench) -> None:
    plane = blobs()[4]
    rgb = make_bench(np.stack([plane] * 3, axis=-1))
    rgb.click(12, 12)
    rgb.controller.do(Action.ACCEPT)
    assert rgb.controller.target_layer.data.shape == (40, 50)
    assert (rgb.controller.target_layer.data == 1).sum() == 81
    pyramid = make_bench([plane, plane[::2, ::2]], multiscale=True)
    pyramid.click(12, 12)
    pyramid.controller.do(Action.ACCEPT)
    assert (pyramid.controller.target_layer.data == 1).sum() == 81
    series = make_bench(np.stack([blobs()] * 2))
    series.scroll(0, 1)
    series.scroll(1, 4)
    series.click(1, 4, 12, 12)
    assert list(series.controller.propagation_axes) == [1, 0]
    series.controller.do(Action.PROPAGATE)
    series.settle()
    series.controller.do(Action.ACCEPT)
    labels = series.controller.target_layer.data
    assert (labels[1] == 1).sum() == 7 * 81
    assert not labels[0].any()


def test_an_image_of_fewer_axes_than_the_viewer(make_bench) -> None:
    bench = make_bench(blobs()[4])
    bench.viewer.add_image(np.zeros((3, 40, 50), np.uint8), name="other")
    bench.controller.update_view()
    bench.click(12, 12)
    assert (bench.shown() > 0).sum() == 81


def test_scrolling_beyond_a_shorter_image_is_told(bench) -> None:
    bench.viewer.add_image(np.zeros((30, 40, 50), np.uint8), name="longer", scale=(2.0, 1.0, 1.0))
    bench.scroll(0, 25)
    assert bench.session.status.state is State.NO_PLANE
    assert "beyond the image" in bench.session.status.sentence


def test_layers_follow_when_the_image_is_moved_or_scaled(bench) -> None:
    bench.click(4, 12, 12)
    image = bench.controller.image
    image.scale = (5.0, 2.0, 2.0)
    image.translate = (1.0, 2.0, 3.0)
    for layer in (bench.points, bench.shapes):
        np.testing.assert_allclose(layer.scale, image.scale)
        np.testing.assert_allclose(layer.translate, image.translate)
    assert (bench.shown()[4] > 0).sum() == 81


def test_a_label_under_the_cursor_is_refined_under_its_id(bench) -> None:
    labels = np.zeros((9, 40, 50), np.uint8)
    labels[4, 10:13, 10:13] = 3
    layer = bench.viewer.add_labels(labels, name="mine", scale=(2.0, 1.0, 1.0))
    bench.controller.choose_target(layer)
    bench.viewer.cursor.position = (8.0, 11.0, 11.0)
    bench.controller.do(Action.PICK)
    bench.settle()
    assert bench.session.current.label == 3
    assert (bench.shown()[4] > 0).sum() == 81
    bench.controller.do(Action.ACCEPT)
    assert (layer.data == 3).sum() == 81


def test_the_selected_label_of_the_active_layer_is_taken_by_the_button(bench) -> None:
    labels = np.zeros((9, 40, 50), np.uint8)
    labels[4, 10:13, 10:13] = 3
    layer = bench.viewer.add_labels(labels, name="theirs", scale=(2.0, 1.0, 1.0))
    layer.selected_label = 3
    bench.viewer.layers.selection.active = layer
    bench.controller.start_picking()
    bench.settle()
    assert (bench.shown()[4] > 0).sum() == 81
    bench.controller.do(Action.ACCEPT)
    assert (bench.controller.target_layer.data == 1).sum() == 81
    assert (layer.data == 3).sum() == 9


def test_the_button_lets_the_next_click_pick_a_label(bench) -> None:
    labels = np.zeros((9, 40, 50), np.uint8)
    labels[4, 10:13, 10:13] = 3
    bench.viewer.add_labels(labels, name="theirs", scale=(2.0, 1.0, 1.0))
    bench.controller.tools.draw()
    bench.controller.start_picking()
    assert bench.controller.picking.active
    bench.click(4, 11, 11)
    assert not bench.controller.picking.active
    assert not len(bench.points.data)
    assert (bench.shown()[4] > 0).sum() == 81


def test_collision_choice_is_followed(bench) -> None:
    labels = np.zeros((9, 40, 50), np.uint8)
    labels[4, 12, 12] = 3
    layer = bench.viewer.add_labels(labels, scale=(2.0, 1.0, 1.0))
    bench.controller.choose_target(layer)
    bench.settle()
    bench.controller.collision = Collision.OVERWRITE
    bench.click(4, 14, 14)
    bench.controller.do(Action.ACCEPT)
    assert layer.data[4, 12, 12] == 4


def test_zarr_labels_are_written(bench) -> None:
    store = zarr.zeros((9, 40, 50), dtype=np.uint16, chunks=(1, 16, 16))
    layer = bench.viewer.add_labels(store, scale=(2.0, 1.0, 1.0))
    bench.controller.choose_target(layer)
    bench.settle()
    bench.click(4, 12, 12)
    bench.controller.do(Action.ACCEPT)
    assert (np.asarray(store[4]) == 1).sum() == 81
    bench.controller.do(Action.UNDO)
    assert not np.asarray(store[:]).any()


def test_dask_labels_are_refused_with_a_sentence(bench) -> None:
    layer = bench.viewer.add_labels(dask.array.zeros((9, 40, 50), dtype=np.uint16), scale=(2.0, 1.0, 1.0))
    bench.controller.choose_target(layer)
    assert "cannot be edited" in bench.told[-1]
    assert bench.session.labels.target is None


def test_labels_elsewhere_are_named(bench) -> None:
    layer = bench.viewer.add_labels(np.zeros((9, 40, 50), np.uint16), name="unscaled")
    bench.controller.choose_target(layer)
    assert "lies elsewhere" in bench.told[-1]
    assert bench.session.labels.target is not None


def test_only_labels_that_fit_may_be_chosen(bench) -> None:
    fits = bench.viewer.add_labels(np.zeros((9, 40, 50), np.uint16))
    bench.viewer.add_labels(np.zeros((3, 3), np.uint16))
    assert bench.controller.targets.fitting == [fits]


def test_painting_by_hand_moves_the_next_id_on(bench) -> None:
    bench.click(4, 12, 12)
    bench.controller.do(Action.ACCEPT)
    layer = bench.controller.target_layer
    layer.data_setitem((np.array([0]), np.array([0]), np.array([0])), 9)
    assert bench.session.current.label == 10


def test_removing_layers_in_mid_work_raises_nothing(bench) -> None:
    bench.click(4, 12, 12)
    bench.controller.do(Action.PROPAGATE)
    bench.viewer.layers.remove(bench.points)
    bench.settle()
    assert not bench.session.current.draft.prompts
    bench.controller.tools.draw()
    assert bench.points in bench.viewer.layers
    bench.click(4, 12, 12)
    bench.viewer.layers.remove(bench.preview)
    bench.click(4, 13, 13)
    bench.controller.do(Action.ACCEPT)
    target = bench.controller.target_layer
    bench.viewer.layers.remove(target)
    assert bench.session.labels.target is None
    bench.click(4, 28, 34)
    bench.viewer.layers.remove(bench.controller.image)
    bench.settle()
    assert bench.controller.image is None
    assert bench.session.status.state is State.NO_IMAGE
    assert len(bench.viewer.layers) == 0


def test_deleting_everything_at_once(bench) -> None:
    bench.click(4, 12, 12)
    bench.controller.do(Action.ACCEPT)
    bench.viewer.layers.clear()
    bench.settle()
    assert bench.session.status.state is State.NO_IMAGE


def test_the_first_image_that_is_added_is_chosen(make_bench, engine) -> None:
    bench = Bench(ViewerModel(), engine)
    bench.controller.images.choose_first()
    assert bench.session.status.state is State.NO_IMAGE
    layer = bench.viewer.add_image(blobs())
    bench.settle()
    assert bench.controller.image is layer
    assert bench.session.status.state is State.READY
    assert bench.session.close()


def test_other_pixels_in_the_image_layer_are_another_image(bench) -> None:
    bench.click(4, 12, 12)
    bench.controller.image.data = np.zeros((5, 30, 30), np.uint8)
    bench.settle()
    assert not bench.session.current.draft
    assert bench.session.image.source.shape == (5, 30, 30)


def test_replaced_labels_are_written_and_the_old_ones_cannot_be_undone(bench) -> None:
    bench.click(4, 12, 12)
    bench.controller.do(Action.ACCEPT)
    layer = bench.controller.target_layer
    layer.data = np.full((9, 40, 50), 5, np.uint16)
    bench.settle()
    assert bench.controller.target_layer is layer
    assert bench.session.current.label == 6
    bench.controller.do(Action.UNDO)
    assert (layer.data == 5).all()
    np.testing.assert_array_equal(bench.points.data, [[4, 12, 12]])


def test_switching_images_keeps_both_labels(bench) -> None:
    bench.click(4, 12, 12)
    bench.controller.do(Action.ACCEPT)
    first = bench.controller.target_layer
    other = bench.viewer.add_image(blobs()[4], name="flat")
    bench.controller.images.choose(other)
    bench.settle()
    assert bench.points.ndim == 2
    bench.click(12, 12)
    bench.controller.do(Action.ACCEPT)
    assert (first.data == 1).sum() == 81
    assert bench.controller.target_layer.data.shape == (40, 50)
    own = [layer for layer in bench.viewer.layers if layer.name.startswith("Segment:")]
    assert len(own) == 3


def test_closing_takes_the_plugins_own_layers_away(bench) -> None:
    bench.click(4, 12, 12)
    bench.controller.do(Action.ACCEPT)
    assert bench.controller.close(keep_layers=False)
    assert [layer.name for layer in bench.viewer.layers] == ["cells", "objects"]


def test_the_layers_contrast_limits_can_be_used(bench) -> None:
    bench.controller.images.use_layer_contrast(True)
    bench.settle()
    assert bench.session.image.contrast is not None
    bench.controller.images.use_layer_contrast(False)
    assert bench.session.image.contrast is None


def test_of_several_layers_that_come_together_the_visible_image_is_chosen(engine) -> None:
    waiting = []
    bench = Bench(ViewerModel(), engine, later=waiting.append)
    bench.viewer.add_image(blobs(), name="hidden", visible=False)
    shown = bench.viewer.add_image(blobs(), name="shown")
    bench.viewer.add_labels(np.zeros((9, 40, 50), np.uint8), visible=False)
    assert len(waiting) == 1
    waiting.pop()()
    assert bench.controller.image is shown
    bench.settle()
    assert bench.session.close()


def test_the_plugins_own_layers_stay_on_top_of_what_is_added(bench) -> None:
    own = list(bench.viewer.layers)[-3:]
    other = bench.viewer.add_image(blobs(), name="other")
    assert list(bench.viewer.layers)[-3:] == own
    assert bench.viewer.layers.selection.active is other
    assert bench.controller.image.name == "cells"


def test_an_accept_changes_the_table_of_clicks_once(bench) -> None:
    bench.click(4, 12, 12)
    bench.controller.do(Action.ACCEPT)
    bench.settle()
    bench.click(4, 28, 34)
    assert list(bench.points.features["object"]) == [2]
    changes: list[object] = []
    bench.points.events.features.connect(changes.append)
    bench.controller.do(Action.ACCEPT)
    assert len(changes) == 1
    assert len(bench.points.data) == 0
    assert list(bench.points.features) == ["polarity", "axes", "object"]
    bench.click(4, 12, 12)
    assert list(bench.points.features["object"]) == [3]
