import pytest

from benchmarks.accuracy import factor


@pytest.mark.parametrize(("method", "expected"), [("sized", 1.0), ("sized*0.7", 0.7), ("sized*2", 2.0)])
def test_a_method_tells_its_share_of_the_median_size(method, expected):
    assert factor(method) == expected
