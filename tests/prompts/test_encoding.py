import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_sam.planes.geometry import Mask, Window
from napari_sam.prompts.encoding import CERTAIN, encode_prompts, inner_point, mask_box, mask_logits
from napari_sam.prompts.prompt import Box, Point, Prompts

WINDOW = Window((10.0, 20.0), (2.0, 0.5), (32, 32))


def disc(shape=(40, 40), center=(20, 20), radius=8) -> Mask:
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    return Mask.from_pixels((rows - center[0]) ** 2 + (columns - center[1]) ** 2 <= radius**2)


def test_rows_and_columns_become_x_and_y_of_the_window():
    encoded = encode_prompts(Prompts((Point(14, 21), Point(10, 20, positive=False))), WINDOW, 2)
    np.testing.assert_array_equal(encoded.points, [[[2, 2], [0, 0]]])
    np.testing.assert_array_equal(encoded.labels, [[1, 0]])
    assert encoded.mask is None


@given(st.floats(-500, 500), st.floats(-500, 500))
def test_encoded_points_go_back_to_where_they_came_from(row, column):
    encoded = encode_prompts(Prompts((Point(row, column),)), WINDOW, 2)
    np.testing.assert_allclose(WINDOW.to_plane(encoded.points[0, 0, ::-1]), (row, column), atol=1e-3)


def test_a_box_is_two_corners_after_the_points():
    encoded = encode_prompts(Prompts((Point(12, 20),), Box(10, 20, 30, 25)), WINDOW, 2)
    np.testing.assert_array_equal(encoded.labels, [[1, 2, 3]])
    # Half a window pixel inside the plane pixels' outer borders: columns 19.5 and 25.5, rows 9.5 and 30.5.
    np.testing.assert_array_equal(encoded.points[0, 1:], [[-0.5, 0.25], [10.5, 9.75]])


def corners(prompts: Prompts, window: Window) -> np.ndarray:
    """(2, 2) corners of the encoded box, (row, column)."""
    encoded = encode_prompts(prompts, window, 2)
    np.testing.assert_array_equal(encoded.labels[0, -2:], [2, 3])
    return encoded.points[0, -2:, ::-1].astype(float)


def pairs(low: float, high: float) -> st.SearchStrategy[tuple[float, float]]:
    return st.tuples(st.floats(low, high), st.floats(low, high))


@given(pairs(-50, 50), pairs(0.1, 8), pairs(0, 100), pairs(0, 40))
def test_the_window_pixels_of_a_box_reach_to_its_borders(origin, step, first, size):
    window = Window(origin, step, (64, 64))
    box = Box(*first, first[0] + size[0], first[1] + size[1])
    low, high = corners(Prompts(box=box), window)
    borders = np.reshape(box.borders, (2, 2))
    reached = window.to_plane([low - 0.5, high + 0.5])
    wide = np.diff(borders, axis=0)[0] >= step
    np.testing.assert_allclose(reached[:, wide], borders[:, wide], atol=1e-4)
    # A box that is narrower than a window pixel is in its middle.
    np.testing.assert_allclose(reached.mean(axis=0), borders.mean(axis=0), atol=1e-4)
    np.testing.assert_allclose(low[~wide], high[~wide], atol=1e-3)


@given(
    st.tuples(st.integers(1, 7), st.integers(1, 7)),
    st.sets(st.tuples(st.integers(0, 11), st.integers(0, 9)), min_size=1),
)
def test_a_magnified_object_s_box_is_its_first_and_last_window_pixel(zoom, places):
    pixels = np.zeros((12, 10), bool)
    pixels[tuple(np.transpose(list(places)))] = True
    mask = Mask.from_pixels(pixels)
    step = (1 / zoom[0], 1 / zoom[1])
    window = Window((step[0] / 2 - 0.5, step[1] / 2 - 0.5), step, (12 * zoom[0], 10 * zoom[1]))
    shown = np.argwhere(np.kron(pixels, np.ones(zoom, bool)))
    expected = [shown.min(axis=0), shown.max(axis=0)]
    np.testing.assert_allclose(corners(Prompts(box=mask_box(mask)), window), expected, atol=1e-4)
    # A mask prompt goes along with the same box.
    np.testing.assert_allclose(corners(Prompts(mask=mask), window), expected, atol=1e-4)


def test_a_mask_prompt_goes_with_its_box_and_an_inner_point():
    mask = disc()
    encoded = encode_prompts(Prompts(mask=mask), Window((0, 0), (1, 1), (64, 64)), 2)
    np.testing.assert_array_equal(encoded.labels, [[1, 2, 3]])
    np.testing.assert_array_equal(encoded.points[0], [[20, 20], [12, 12], [28, 28]])
    assert encoded.mask is not None
    assert encoded.mask.shape == (1, 1, 32, 32)


def test_a_corrected_mask_prompt_is_not_held_to_its_box():
    prompts = Prompts((Point(35, 35, positive=False),), mask=disc())
    encoded = encode_prompts(prompts, Window((0, 0), (1, 1), (64, 64)), 2)
    np.testing.assert_array_equal(encoded.labels, [[0, 1]])


def test_the_inner_point_and_the_box_of_a_mask():
    assert inner_point(disc()) == Point(20, 20)
    assert mask_box(disc()) == Box(12, 12, 28, 28)


def test_logits_stay_as_they_are_on_their_own_window():
    grid = Window((0.5, 0.5), (2.0, 2.0), (16, 16))
    logits = np.random.default_rng(0).normal(size=(16, 16)).astype(np.float32)
    np.testing.assert_array_equal(
        mask_logits(Mask((0, 0, 1, 1), np.ones((1, 1), bool), 0.5, logits, grid), grid), logits
    )


def test_logits_move_with_their_window():
    logits = np.arange(256, dtype=np.float32).reshape(16, 16) / 32
    mask = Mask((0, 0, 1, 1), np.ones((1, 1), bool), 0.5, logits, Window((0.5, 0.5), (2.0, 2.0), (16, 16)))
    moved = mask_logits(mask, Window((4.5, 2.5), (2.0, 2.0), (16, 16)))
    np.testing.assert_allclose(moved[:14, :15], logits[2:, 1:], atol=1e-6)
    assert (moved[14:] == np.float32(-CERTAIN)).all()


@pytest.mark.parametrize("step", [0.5, 1.0, 2.0, 4.0])
def test_a_binary_mask_keeps_its_area_on_any_grid(step):
    mask = disc((200, 200), (100, 90), 40)
    size = int(200 / step)
    logits = mask_logits(mask, Window(((step - 1) / 2, (step - 1) / 2), (step, step), (size, size)))
    assert (logits > 0).sum() * step**2 == pytest.approx(mask.area, rel=0.04)
    assert logits.max() == pytest.approx(CERTAIN, abs=1e-4)
    assert logits.min() == pytest.approx(-CERTAIN, abs=1e-4)
    coverage = (logits / CERTAIN + 1) / 2
    middle = (np.indices(coverage.shape) * coverage).sum(axis=(1, 2)) / coverage.sum() * step + (step - 1) / 2
    np.testing.assert_allclose(middle, (100, 90), atol=step / 20)
