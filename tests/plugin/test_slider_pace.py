"""Which steps of a slider are taken for the last."""

import pytest

from napari_sam.plugin.segment_widget import LONGEST_STEP_MS, SHORTEST_MS, SliderPace


@pytest.mark.parametrize("interval", [10, 40, 100, 200, 290])
def test_while_a_slider_goes_on_no_step_is_the_last(interval) -> None:
    pace = SliderPace()
    waits = [pace.step(at * interval / 1000) for at in range(10)]
    assert waits[0] == SHORTEST_MS
    assert all(wait > interval for wait in waits[1:])


def test_single_steps_are_taken_soon() -> None:
    pace = SliderPace()
    assert [pace.step(at * (LONGEST_STEP_MS + 1) / 1000) for at in range(3)] == [SHORTEST_MS] * 3
