import numpy as np
import pytest

from benchmarks.alike import scores
from benchmarks.two_kinds import SCENES, two_kinds


def test_scores_leave_the_example_out_of_what_is_found_and_what_is_there():
    truth = np.zeros((40, 60), int)
    truth[2:12, 2:12], truth[2:12, 20:30], truth[20:30, 2:12], truth[20:30, 20:30] = 1, 2, 3, 4
    ids = np.array([1, 2, 3])
    assert scores(np.where(truth == 4, 0, truth), truth, ids, 1) == (1, 1, 1)
    assert scores(np.where((truth == 2) | (truth == 3), truth, 0), truth, ids, 1) == (1, 1, 1)
    # The fourth is of another kind, and one is missing.
    f1, precision, recall = scores(np.where((truth == 2) | (truth == 4), truth, 0), truth, ids, 1)
    assert (f1, precision, recall) == (0.5, 0.5, 0.5)
    assert scores(np.zeros_like(truth), truth, ids, 1) == (0, 0, 0)


@pytest.mark.parametrize("scene", SCENES)
def test_a_plane_has_objects_of_both_kinds_and_is_the_same_again(scene):
    made, again = two_kinds(scene, 5), two_kinds(scene, 5)
    np.testing.assert_array_equal(made.image, again.image)
    assert made.labels.max() == len(made.kinds) - 1
    counts = np.bincount(made.kinds[1:])
    assert len(counts) == 2
    assert counts.min() >= 3
    assert not np.array_equal(made.image, two_kinds(scene, 6).image)
