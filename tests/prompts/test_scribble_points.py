import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_sam.planes.geometry import Window
from napari_sam.prompts.encoding import MOST_POINTS, encode_prompts, scribble_points
from napari_sam.prompts.prompt import Point, Prompts, Scribble

WINDOW = Window((0.0, 0.0), (1.0, 1.0), (256, 256))
positions = st.tuples(st.floats(-200, 400), st.floats(-200, 400))


def test_a_straight_stroke_becomes_evenly_spaced_points_with_its_ends():
    points = scribble_points(Scribble(((10, 20), (10, 52))), WINDOW)
    np.testing.assert_allclose(points, [[10, 20], [10, 36], [10, 52]])


def test_a_stroke_is_followed_around_its_corners():
    points = scribble_points(Scribble(((0, 0), (0, 20), (20, 20))), WINDOW)
    np.testing.assert_allclose(points, [[0, 0], [0, 20], [20, 20]], atol=1e-9)


def test_a_finer_window_sees_more_points():
    stroke = Scribble(((10, 20), (10, 52)))
    finer = Window((0.0, 0.0), (0.5, 0.5), (256, 256))
    assert len(scribble_points(stroke, finer)) == 5


def test_a_short_stroke_is_its_ends_and_its_middle():
    points = scribble_points(Scribble(((10, 20), (10, 24))), WINDOW)
    np.testing.assert_allclose(points, [[10, 20], [10, 22], [10, 24]])


def test_a_dot_is_one_point():
    np.testing.assert_array_equal(scribble_points(Scribble(((3, 4), (3, 4))), WINDOW), [[3, 4]])
    np.testing.assert_array_equal(scribble_points(Scribble(((3, 4),)), WINDOW), [[3, 4]])


def test_a_stroke_without_a_vertex_is_refused():
    with pytest.raises(ValueError, match="vertex"):
        Scribble(())


@given(st.lists(positions, min_size=1, max_size=6), st.sampled_from([0.25, 1.0, 4.0]))
def test_points_are_few_lie_on_the_stroke_and_hold_its_ends(vertices, step):
    window = Window((0.0, 0.0), (step, step), (256, 256))
    points = scribble_points(Scribble(tuple(vertices)), window)
    assert 1 <= len(points) <= MOST_POINTS
    np.testing.assert_allclose(points[0], vertices[0], atol=1e-6)
    if len(points) > 1:
        np.testing.assert_allclose(points[-1], vertices[-1], atol=1e-6)
    starts, ends = np.asarray(vertices, float)[:-1], np.asarray(vertices, float)[1:]
    for point in points if len(starts) else ():
        along = ends - starts
        length = np.maximum((along**2).sum(axis=1), 1e-12)
        share = np.clip(((point - starts) * along).sum(axis=1) / length, 0, 1)
        assert np.linalg.norm(starts + share[:, None] * along - point, axis=1).min() < 1e-3


def test_a_scribble_is_encoded_as_points_of_its_sign_after_the_clicks():
    prompts = Prompts((Point(5, 6),), scribbles=(Scribble(((10, 20), (10, 52)), positive=False),))
    encoded = encode_prompts(prompts, WINDOW, 2)
    np.testing.assert_array_equal(encoded.labels, [[1, 0, 0, 0]])
    np.testing.assert_allclose(encoded.points[0, 1:], [[20, 10], [36, 10], [52, 10]])
