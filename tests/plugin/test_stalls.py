"""The promise that the window never freezes, on a large stack with the bundled model, beside a window without us."""

from collections.abc import Callable

import pytest
from qtpy.QtTest import QTest

from benchmarks.interaction import Desk, decode_times, places, plain_gestures, plugin_gestures

PROMISED_S = 0.05
PROMISED_RATIO = 1.2
TRIES = 5


def settled(desk: Desk) -> None:
    """Close a window for good: nothing may refer to it afterwards."""
    desk.heart.stop()
    vars(desk).clear()
    QTest.qWait(20)


@pytest.fixture
def make_desk(make_napari_viewer) -> Callable[..., Desk]:
    def make(stack, **how) -> Desk:
        return Desk(stack, viewer=make_napari_viewer(show=True), count_queue=False, **how)

    return make


def test_no_gesture_stalls_the_window_much_longer_than_without_the_plugin(make_desk) -> None:
    stack, found = places(40, 2048, 4)
    plain: dict[str, float] = {}
    ours: dict[str, float] = {}
    # Whatever else the machine does can only make it worse: the best of several tries counts, of each, and time in
    # which other work had the processors does not (the benchmark counts it).
    for _ in range(TRIES):
        desk = make_desk(stack)
        for gesture, stall in plain_gestures(desk, found[0]).items():
            plain[gesture] = min(plain.get(gesture, 1e9), stall.held)
        settled(desk)
        desk = make_desk(stack)
        desk.open_plugin()
        desk.until_ready()
        for gesture, stall in plugin_gestures(desk, found).items():
            ours[gesture] = min(ours.get(gesture, 1e9), stall.held)
        settled(desk)
        if all(ours[gesture] - plain[gesture] <= PROMISED_S for gesture in ours):
            break
    more = {gesture: round(1000 * (ours[gesture] - plain[gesture])) for gesture in ours}
    assert {gesture: ms for gesture, ms in more.items() if ms > 1000 * PROMISED_S} == {}


def test_decoding_through_the_scheduler_costs_hardly_more_than_inline(make_desk) -> None:
    stack, found = places(8, 512, 15)
    desk = make_desk(stack)
    desk.open_plugin()
    desk.until_ready()
    ratios = []
    for _ in range(TRIES):
        inline, scheduled = decode_times(desk, found)
        ratios.append(min(scheduled) / min(inline))
        if ratios[-1] <= PROMISED_RATIO:
            break
    settled(desk)
    assert min(ratios) <= PROMISED_RATIO
