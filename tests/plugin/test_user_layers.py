"""Layers that the user made, of any scale and place, as prompts."""

import threading

import numpy as np
import pytest
from plugin_bench import Z4

from napari_sam.labels.paint import Collision
from napari_sam.plugin.actions import Action
from napari_sam.prompts.prompt import Box, Point

# The image of `bench` has the scale (2, 1, 1).
IN_NANOMETRES = {"scale": (2000.0, 1000.0, 1000.0), "translate": (0.0, 0.0, 0.0), "affine": np.diag([1e-3] * 3 + [1])}
HALF = {"scale": (2.0, 0.5, 0.5), "translate": (0.0, -3.0, 5.0)}


def use(bench, layer) -> None:
    bench.controller.sources.chosen = layer
    bench.controller.use_source()
    bench.settle()


def each(bench, layer=None, action=Action.EACH) -> None:
    bench.controller.sources.chosen = layer
    bench.controller.do(action)
    bench.settle()


def written(bench) -> np.ndarray:
    return bench.controller.target_layer.data


@pytest.mark.parametrize(
    ("place", "position"),
    [
        ({}, (8, 12, 12)),
        ({"scale": (2.0, 1.0, 1.0)}, (4, 12, 12)),
        (IN_NANOMETRES, (4, 12, 12)),
        (HALF, (4, 30, 14)),
        ({"rotate": 90.0, "ndim": 2}, None),
    ],
    ids=["unscaled", "the image's", "through an affine", "finer and shifted", "flat and turned"],
)
def test_points_of_a_layer_of_the_users_are_clicks_where_they_lie(bench, place, position) -> None:
    if position is None:
        layer = bench.viewer.add_points(np.zeros((1, 2)), rotate=90.0)
        layer.data = [layer.world_to_data((12, 12))]
    else:
        layer = bench.viewer.add_points([position], **place)
    use(bench, layer)
    (point,) = bench.session.prompts.on(Z4).points
    assert point.positive
    np.testing.assert_allclose((point.row, point.column), (12, 12), atol=1e-6)
    assert bench.session.current.draft.masks[Z4].area == 81


def test_they_are_followed_as_long_as_the_object_is_in_work(bench) -> None:
    layer = bench.viewer.add_points([(8, 12, 12)], features={"polarity": ["positive"]})
    use(bench, layer)
    layer.add((8, 28, 34))
    bench.settle()
    assert (bench.shown()[4] > 0).sum() == 162
    layer.features = {"polarity": ["positive", "negative"]}
    bench.settle()
    assert (bench.shown()[4] > 0).sum() == 81
    bench.click(4, 13, 13)
    assert len(bench.session.prompts.on(Z4).points) == 3
    bench.controller.do(Action.ACCEPT)
    assert len(layer.data) == 2
    layer.add((8, 12, 12))
    bench.settle()
    assert not bench.session.current.draft
    assert not len(bench.points.data)


def test_a_layer_in_use_may_be_moved_as_a_whole(bench) -> None:
    layer = bench.viewer.add_points([(8, 12, 12)])
    use(bench, layer)
    layer.translate = (0, 16, 22)
    bench.settle()
    assert bench.session.prompts.on(Z4).points == (Point(28, 34),)
    assert bench.session.current.draft.masks[Z4].box == (24, 30, 33, 39)


def test_taking_the_last_prompt_back_leaves_the_users_layer_alone(bench) -> None:
    layer = bench.viewer.add_points([(8, 12, 12), (8, 28, 34)])
    use(bench, layer)
    bench.controller.do(Action.REMOVE_LAST)
    bench.settle()
    assert len(layer.data) == 2
    np.testing.assert_allclose(bench.points.data, [[4, 12, 12]])
    assert bench.session.prompts.on(Z4).points == (Point(12, 12),)


def test_removing_a_layer_in_use_takes_its_prompts_away(bench) -> None:
    layer = bench.viewer.add_points([(8, 12, 12)])
    use(bench, layer)
    bench.viewer.layers.remove(layer)
    bench.settle()
    assert not bench.session.current.draft


def test_shapes_of_the_users_layer_in_other_units(bench) -> None:
    box = np.asarray([(4, 21, 27), (4, 21, 42), (4, 36, 42), (4, 36, 27)], float)
    layer = bench.viewer.add_shapes([box * (1, 2, 2)], scale=(2.0, 0.5, 0.5))
    use(bench, layer)
    assert bench.session.prompts.on(Z4).box == Box(21.5, 27.5, 35.5, 41.5)
    layer.shape_type = "ellipse"
    bench.settle()
    assert bench.session.prompts.on(Z4).box is None
    assert bench.session.current.draft.masks[Z4].area == 81


def test_keys_work_on_a_layer_in_use_and_are_given_back(bench) -> None:
    layer = bench.viewer.add_shapes(ndim=3)
    before = dict(layer.keymap)
    layer.add_rectangles(np.asarray([(8, 21, 27), (8, 21, 42), (8, 36, 42), (8, 36, 27)], float))
    use(bench, layer)
    assert len(layer.keymap) > len(before)
    layer.mode = "add_polygon"
    layer.mode = "select"
    bench.controller.do(Action.ACCEPT)
    assert dict(layer.keymap) == before
    layer.mode = "add_polygon"
    layer.mode = "select"
    assert dict(layer.keymap) == before


def test_an_empty_layer_is_told(bench) -> None:
    use(bench, bench.viewer.add_points(ndim=3))
    assert "holds no prompts" in bench.told[-1]
    use(bench, None)
    assert "count already" in bench.told[-1]


def test_each_box_drawn_becomes_an_object_and_one_undo_brings_them_all_back(bench) -> None:
    for row0, column0, row1, column1 in ((5.0, 5, 20, 20), (21, 27, 36, 42)):
        corners = [(4, row0, column0), (4, row0, column1), (4, row1, column1), (4, row1, column0)]
        bench.shapes.add_rectangles(np.asarray(corners, float))
        bench.settle()
    each(bench)
    assert [(written(bench) == label).sum() for label in (1, 2)] == [81, 81]
    assert not bench.session.current.draft
    assert not len(bench.shapes.data)
    bench.controller.do(Action.UNDO)
    assert not written(bench).any()
    assert len(bench.shapes.data) == 2
    bench.controller.do(Action.REDO)
    assert not len(bench.shapes.data)
    assert (written(bench) > 0).sum() == 162


def test_an_object_with_clicks_in_work_is_not_lost_to_a_batch(bench) -> None:
    bench.click(4, 12, 12)
    bench.shapes.add_rectangles(np.asarray([(4, 21, 27), (4, 21, 42), (4, 36, 42), (4, 36, 27)], float))
    each(bench)
    assert "accept or reject it first" in bench.told[-1]
    assert len(bench.session.prompts.on(Z4).points) == 1


def test_nothing_drawn_is_told(bench) -> None:
    each(bench)
    assert "draw boxes or outlines first" in bench.told[-1]
    assert bench.controller.target_layer is None


def test_each_point_of_a_layer_or_all_of_one_id(bench) -> None:
    layer = bench.viewer.add_points([(8, 12, 12), (8, 28, 34), (10, 12, 12)])
    each(bench, layer)
    assert bench.session.objects.labels == [1, 2]
    assert (written(bench)[4] > 0).sum() == 162
    assert not written(bench)[5].any()
    bench.controller.do(Action.UNDO)
    layer.features = {"object": [7, 7, 9], "polarity": ["positive", "negative", "positive"]}
    each(bench, layer)
    assert bench.session.objects.labels == [7]
    assert (written(bench)[4] == 7).sum() == 81


def labels_of(bench, array, **how):
    return bench.viewer.add_labels(array, name="theirs", **how)


def rough(shape=(9, 40, 50)) -> np.ndarray:
    labels = np.zeros(shape, np.uint16)
    labels[4, 9:13, 9:13], labels[4, 26:30, 31:36] = 5, 12
    return labels


@pytest.mark.parametrize(
    "make",
    [
        lambda bench: labels_of(bench, rough(), scale=(2.0, 1.0, 1.0)),
        lambda bench: labels_of(bench, rough()[4]),
        lambda bench: labels_of(bench, rough()[:, ::2, ::2], scale=(2.0, 2.0, 2.0)),
        lambda bench: labels_of(bench, rough()[:, 5:, 5:], scale=(2.0, 1.0, 1.0), translate=(0.0, 5.0, 5.0)),
        lambda bench: labels_of(bench, rough()[4:5, 5:35], scale=(2.0, 1.0, 1.0), translate=(8.0, 5.0, 0.0)),
        lambda bench: labels_of(bench, [rough()[4], rough()[4][::2, ::2]], multiscale=True),
    ],
    ids=["the image's", "one plane", "half the resolution", "a part", "a slab", "multiscale"],
)
def test_labels_of_any_shape_and_place_are_refined(bench, make) -> None:
    layer = make(bench)
    bench.viewer.cursor.position = (8.0, 11.0, 11.0)
    bench.controller.do(Action.PICK)
    bench.settle()
    mask = bench.session.prompts.on(Z4).mask
    assert abs(mask.area - 16) <= 9
    assert bench.session.current.draft.masks[Z4].area == 81
    bench.controller.do(Action.REJECT)
    each(bench, layer)
    assert bench.session.objects.labels == [5, 12]
    assert [(written(bench)[4] == label).sum() for label in (5, 12)] == [81, 81]
    assert bench.session.current.label == 13


def test_the_targets_own_labels_are_refined_in_place(bench) -> None:
    layer = labels_of(bench, rough(), scale=(2.0, 1.0, 1.0))
    before = layer.data.copy()
    bench.controller.choose_target(layer)
    bench.settle()
    each(bench, layer)
    assert [(layer.data[4] == label).sum() for label in (5, 12)] == [81, 81]
    bench.controller.do(Action.UNDO)
    np.testing.assert_array_equal(layer.data, before)


def test_of_a_layer_that_shows_one_label_only_that_one_is_refined(bench) -> None:
    layer = labels_of(bench, rough(), scale=(2.0, 1.0, 1.0))
    layer.selected_label = 12
    layer.show_selected_label = True
    each(bench, layer)
    assert bench.session.objects.labels == [12]


def test_a_plane_without_labels_is_told(bench) -> None:
    layer = labels_of(bench, rough(), scale=(2.0, 1.0, 1.0))
    bench.scroll(0, 6)
    each(bench, layer)
    assert "nothing to segment there" in bench.session.status.sentence


def test_using_a_labels_layer_refines_its_selected_label(bench) -> None:
    layer = labels_of(bench, rough(), scale=(2.0, 1.0, 1.0))
    layer.selected_label = 12
    use(bench, layer)
    assert bench.session.current.draft.masks[Z4].box == (24, 30, 33, 39)
    layer.selected_label = 77
    use(bench, layer)
    assert "Label 77 of 'theirs' has no pixels on this plane" in bench.session.status.sentence


def test_a_batch_asks_about_what_it_meets(bench) -> None:
    target = labels_of(bench, np.zeros((9, 40, 50), np.uint16), scale=(2.0, 1.0, 1.0))
    target.data[4, 8:10, 8:10] = 3
    bench.controller.choose_target(target)
    bench.settle()
    bench.controller.collision = Collision.ASK
    points = bench.viewer.add_points([(8, 12, 12), (8, 28, 34)])
    each(bench, points)
    assert bench.controller.asked.pixels == {3: 4}
    assert (target.data > 0).sum() == 4
    bench.controller.do(Action.REJECT)
    assert bench.controller.asked is None
    assert (target.data > 0).sum() == 4
    each(bench, points)
    bench.controller.do(Action.ACCEPT_OVERWRITING)
    bench.settle()
    assert (target.data > 0).sum() == 162


def test_sources_are_the_users_layers_only(bench) -> None:
    points, labels = bench.viewer.add_points(ndim=3), labels_of(bench, rough())
    assert bench.controller.sources.layers == [labels, points]
    bench.controller.sources.chosen = points
    bench.viewer.layers.remove(points)
    assert bench.controller.sources.chosen is None


def test_each_point_on_all_planes(bench) -> None:
    # World coordinates along z are twice the positions; what lies outside the stack is on no plane of it.
    layer = bench.viewer.add_points([(6, 12, 12), (8, 28, 34), (10, 12, 12), (40, 12, 12)])
    each(bench, layer, Action.EACH_EVERYWHERE)
    assert [[(written(bench)[z] == label).sum() for z in (3, 4, 5)] for label in (1, 2, 3)] == [
        [81, 0, 0],
        [0, 81, 0],
        [0, 0, 81],
    ]
    bench.controller.do(Action.UNDO)
    assert not written(bench).any()
    layer.features = {"object": [7, 8, 7, 7]}
    each(bench, layer, Action.EACH_EVERYWHERE)
    assert bench.session.objects.labels == [7, 8]
    assert [(written(bench)[z] == 7).sum() for z in (3, 4, 5)] == [81, 0, 81]
    assert bench.session.objects.row(7).n_planes == 2


def test_each_own_box_on_all_planes_that_lie_like_the_one_in_view(bench) -> None:
    corners = np.asarray([(0, 5, 5), (0, 5, 20), (0, 20, 20), (0, 20, 5)], float)
    bench.shapes.add_rectangles([corners + np.asarray((z, 0, 0)) for z in (3, 5)])
    assert len(bench.session.current.draft.prompts) == 2
    each(bench, action=Action.EACH_EVERYWHERE)
    assert [(written(bench)[z] == label).sum() for z, label in ((3, 1), (5, 2))] == [81, 81]
    assert not bench.session.current.draft
    assert not len(bench.shapes.data)
    bench.controller.do(Action.UNDO)
    assert not written(bench).any()
    assert len(bench.shapes.data) == 2


@pytest.mark.parametrize("own", [True, False])
def test_labels_are_refined_on_all_planes(bench, own) -> None:
    array = rough()
    array[5] = array[4]
    array[3, 9:13, 9:13] = 5
    layer = labels_of(bench, array, scale=(2.0, 1.0, 1.0))
    if own:
        bench.controller.choose_target(layer)
        bench.settle()
    each(bench, layer, Action.EACH_EVERYWHERE)
    assert [[(written(bench)[z] == label).sum() for z in (3, 4, 5)] for label in (5, 12)] == [[81, 81, 81], [0, 81, 81]]
    assert [bench.session.objects.row(label).n_planes for label in (5, 12)] == [3, 2]


def test_labels_of_one_plane_are_on_no_other(bench) -> None:
    each(bench, labels_of(bench, rough()[4]), Action.EACH_EVERYWHERE)
    assert bench.session.objects.labels == [5, 12]
    assert sorted(set(np.nonzero(written(bench))[0].tolist())) == [4]


def test_making_objects_on_all_planes_is_stopped_by_the_key_that_stops_propagating(bench, engine) -> None:
    gate = engine.gate = threading.Event()
    bench.controller.sources.chosen = bench.viewer.add_points([(6, 12, 12), (8, 28, 34), (10, 12, 12)])
    bench.controller.do(Action.EACH_EVERYWHERE)
    bench.controller.do(Action.CANCEL)
    gate.set()
    bench.settle()
    assert "nothing was written" in bench.session.status.sentence
    assert not written(bench).any()


def test_nothing_on_any_plane_is_told(bench) -> None:
    each(bench, action=Action.EACH_EVERYWHERE)
    assert "on any plane" in bench.told[-1]
