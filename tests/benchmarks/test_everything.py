import numpy as np
import pytest

from benchmarks.everything import average_precision, shared
from napari_sam.planes.geometry import Mask


def square(row: int, column: int, side: int) -> Mask:
    return Mask((row, column, row + side, column + side), np.ones((side, side), bool))


def test_precision_counts_what_is_missed_and_what_is_too_much():
    labels = np.zeros((60, 60), int)
    labels[0:10, 0:10], labels[20:30, 20:30], labels[40:50, 40:50] = 1, 2, 3
    labels[55:57, 55:57] = 4  # too small to count
    found = [square(0, 0, 10), square(22, 20, 10), square(0, 40, 10)]
    assert average_precision(found, labels) == pytest.approx(2 / 4)
    assert average_precision([], labels) == 0
    assert average_precision([square(0, 0, 10), square(0, 0, 10)], labels) == pytest.approx(1 / 4)


def test_an_empty_plane_without_masks_is_right():
    assert average_precision([], np.zeros((20, 20), int)) == 1


def test_a_mask_inside_another_shares_all_of_itself():
    assert shared(square(0, 0, 20), square(5, 5, 5)) == pytest.approx(1)
    assert shared(square(0, 0, 5), square(10, 10, 5)) == 0
