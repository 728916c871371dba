import numpy as np
import pytest

from benchmarks.accuracy import MSA_AT
from benchmarks.everything import precisions


def labels(*squares: tuple[int, int, int]) -> np.ndarray:
    """Squares (row, column, side), the first of which has label 1."""
    plane = np.zeros((60, 60), int)
    for label, (row, column, side) in enumerate(squares, 1):
        plane[row : row + side, column : column + side] = label
    return plane


def test_precision_counts_what_is_missed_and_what_is_too_much():
    # The last one is too small to count.
    truth = labels((0, 0, 10), (20, 20, 10), (40, 40, 10), (55, 55, 2))
    found = labels((0, 0, 10), (22, 20, 10), (0, 40, 10))
    by_iou = dict(zip(MSA_AT, precisions(found, truth), strict=True))
    assert by_iou[0.5] == pytest.approx(2 / 4)
    # Two thirds is the IoU of the square that lies two rows too low.
    assert [by_iou[at] for at in MSA_AT if at > 0.67] == pytest.approx([1 / 5] * 6)
    assert precisions(labels(), truth)[0] == 0


def test_the_order_and_the_numbers_of_labels_mean_nothing():
    truth = labels((0, 0, 10), (20, 20, 10))
    assert precisions(truth * 700, truth).min() == 1
    assert precisions(np.where(truth == 1, 5, truth), truth).min() == 1


def test_an_empty_plane_without_objects_is_right():
    assert precisions(labels(), labels()).min() == 1
    assert precisions(labels((0, 0, 10)), labels()).max() == 0
