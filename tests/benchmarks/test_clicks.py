import numpy as np
import pytest

from benchmarks.classical import FloodFill, Watershed
from benchmarks.clicks import first_click, iou, next_click, true_box
from napari_sam.prompts.prompt import Box, Point


def square(row0: int, column0: int, row1: int, column1: int) -> np.ndarray:
    mask = np.zeros((60, 80), bool)
    mask[row0:row1, column0:column1] = True
    return mask


def test_the_first_click_is_deepest_inside():
    assert first_click(square(10, 20, 31, 41)) == Point(20, 30)


def test_the_next_click_is_in_the_largest_error():
    truth = square(10, 10, 41, 44)
    assert next_click(truth, square(10, 10, 41, 13)) == Point(25, 28)
    assert next_click(truth, square(10, 10, 41, 75)) == Point(25, 59, positive=False)
    assert next_click(truth, truth) is None


def test_the_border_of_the_image_is_a_border():
    assert first_click(square(0, 0, 21, 21)) == Point(10, 10)


def test_box_and_iou():
    assert true_box(square(10, 20, 31, 41)) == Box(10, 20, 30, 40)
    assert iou(square(0, 0, 10, 10), square(0, 5, 10, 15)) == pytest.approx(1 / 3)
    assert iou(square(0, 0, 0, 0), square(0, 0, 0, 0)) == 0


@pytest.mark.parametrize("method", [Watershed, FloodFill])
@pytest.mark.parametrize("box", [None, Box(14, 19, 46, 51)])
def test_classical_methods_find_a_bright_disc(method, box):
    rows, columns = np.ogrid[:60, :80]
    truth = np.hypot(rows - 30, columns - 35) < 15
    gray = np.where(truth, 0.9, 0.1).astype(np.float32)
    points = [] if box else [Point(30, 35)]
    assert iou(method(gray)(points, box), truth) > 0.85
