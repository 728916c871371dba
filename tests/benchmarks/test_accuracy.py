import pytest

from benchmarks.accuracy import factor, hurt_by_corrections, published_measures


@pytest.mark.parametrize(("method", "expected"), [("sized", 1.0), ("sized*0.7", 0.7), ("sized*2", 2.0)])
def test_a_method_tells_its_share_of_the_median_size(method, expected):
    assert factor(method) == expected


def record(one: float, three: float, five: float, box: float, method: str = "auto") -> dict:
    return {"method": method, "1 click": one, "3 clicks": three, "5 clicks": five, "1 box": box}


def test_published_measures_count_every_miss_as_a_false_answer_and_a_missed_object():
    records = [record(0.9, 1, 1, 0.74), record(0.5, 1, 1, 0.76), record(0.4, 1, 1, 0.0), record(0.0, 1, 1, 1, "flood")]
    measures = published_measures(records, "auto")
    # Two of three reach .5, one reaches .75: p / (2 - p).
    assert measures["1 click"][0] == pytest.approx(2 / 4)
    assert measures["1 click"][1] == pytest.approx(1 / 5)
    # One reaches .50, all of .55 .. .90; at .50 there are two, at .95 none.
    assert measures["1 click"][2] == pytest.approx((2 / 4 + 8 * 1 / 5 + 0) / 10)
    assert measures["3 clicks"] == pytest.approx((1, 1, 1))


def test_an_object_is_hurt_where_more_clicks_leave_less_of_it():
    records = [record(0.8, 0.79, 0.7, 1), record(0.8, 0.7, 0.9, 1), record(0.8, 0.8, 0.8, 1), record(0.8, 0.9, 0.9, 1)]
    assert hurt_by_corrections(records, "auto") == {"1 to 3": 0.25, "3 to 5": 0.25}
