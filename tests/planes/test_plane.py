import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_sam.planes.geometry import Plane


@given(
    st.permutations(range(4)), st.lists(st.integers(0, 9), min_size=4, max_size=4), st.floats(-9, 9), st.floats(-9, 9)
)
def test_data_coordinates_there_and_back(order, index, row, column):
    plane = Plane((order[0], order[1]), tuple(index))
    coordinates = plane.to_data(row, column)
    assert plane.from_data(coordinates) == (row, column)
    assert [coordinates[axis] for axis in order[2:]] == [index[axis] for axis in order[2:]]


def test_equal_planes_are_equal():
    assert Plane((1, 2), (3, 7, 8)) == Plane((1, 2), (3, 0, 0))
    assert Plane((1, 2), (3, 0, 0)).at(0, 5) == Plane((1, 2), (5, 0, 0))
    assert Plane((2, 0), (0, 4, 0)).shape((5, 6, 7)) == (7, 5)


def test_planes_that_cannot_be():
    for axes in [(1, 1), (0, 3), (-1, 0)]:
        with pytest.raises(ValueError, match="do not name two of 3 axes"):
            Plane(axes, (0, 0, 0))
    with pytest.raises(ValueError, match="axis 1 is displayed"):
        Plane((1, 2), (0, 0, 0)).at(1, 3)
