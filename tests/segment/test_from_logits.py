import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_sam.planes.geometry import Window
from napari_sam.segment.decoding import mask_from_logits

NOWHERE = np.zeros((0, 2))


def disc_logits(grid: Window, center: tuple[float, float], radius: float) -> np.ndarray:
    rows = np.arange(grid.shape[0]) * grid.step[0] + grid.origin[0]
    columns = np.arange(grid.shape[1]) * grid.step[1] + grid.origin[1]
    distance = np.hypot(rows[:, None] - center[0], columns - center[1])
    return (radius - distance).astype(np.float32)


@settings(deadline=None)
@given(
    st.sampled_from([0.5, 1.0, 2.0, 3.0]),
    st.floats(60, 140),
    st.floats(60, 140),
    st.floats(8, 30),
)
def test_a_disc_comes_back_where_it_is(step, row, column, radius):
    grid = Window((0.0, 0.0), (step, step), (int(200 / step), int(200 / step)))
    mask = mask_from_logits(disc_logits(grid, (row, column), radius), grid, (200, 200), 0.7, NOWHERE)
    rows, columns = np.ogrid[:200, :200]
    truth = np.hypot(rows - row, columns - column) < radius
    painted = mask.painted((200, 200))
    border = np.abs(np.hypot(rows - row, columns - column) - radius)
    assert (border[painted != truth] < 0.2 * step**2 / radius + 0.15 * step + 0.05).all()
    assert mask.predicted_iou == 0.7


def test_a_mask_is_clipped_to_the_plane():
    grid = Window((-32.0, -32.0), (1.0, 1.0), (64, 64))
    mask = mask_from_logits(disc_logits(grid, (0, 0), 10), grid, (8, 100), 0.7, NOWHERE)
    assert mask.box == (0, 0, 8, 10)


def test_nothing_positive_is_an_empty_mask_with_its_logits():
    grid = Window((0.0, 0.0), (1.0, 1.0), (16, 16))
    mask = mask_from_logits(np.full((16, 16), -3, np.float32), grid, (16, 16), 0.1, NOWHERE)
    assert mask.area == 0
    assert mask.window == grid


@pytest.mark.parametrize(
    ("anchors", "kept"),
    [
        ([(20, 20)], [(20, 20)]),
        ([(20, 50)], [(20, 50)]),
        ([(20, 20), (20, 50)], [(20, 20), (20, 50)]),
        ([], [(20, 50)]),
        ([(40, 5)], [(20, 50)]),
    ],
)
def test_pieces_with_a_click_stay_and_else_the_largest(anchors, kept):
    grid = Window((0.0, 0.0), (1.0, 1.0), (64, 64))
    logits = np.maximum(disc_logits(grid, (20, 20), 6), disc_logits(grid, (20, 50), 9))
    painted = mask_from_logits(logits, grid, (64, 64), 0.7, np.reshape(np.array(anchors, float), (-1, 2))).painted(
        (64, 64)
    )
    assert [place for place in [(20, 20), (20, 50)] if painted[place]] == kept
