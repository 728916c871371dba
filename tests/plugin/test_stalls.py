"""The promise that the window never freezes, on a large stack with the bundled model, beside a window without us."""

import statistics
from collections.abc import Callable

import pytest
from qtpy.QtTest import QTest

from benchmarks.interaction import Desk, decode_times, places, plain_gestures, plugin_gestures

pytestmark = pytest.mark.alone

PROMISED_S = 0.05
PROMISED_BESIDE = {
    "scroll": 0.041,
    "zoom while embedding": 0.042,
    "click": 0.070,
    "first accept": 0.126,
    "accept": 0.074,
    "undo": 0.035,
}
"""Seconds that napari alone took for each gesture on the machine the promise is for (docs/benchmarks.md)."""
PROMISED_RATIO = 1.2
STALL_TRIES = 12
DECODE_TRIES = 5


def settled(desk: Desk) -> None:
    """Close a window for good: nothing may refer to it afterwards."""
    desk.heart.stop()
    vars(desk).clear()
    QTest.qWait(20)


def promised(plain: dict[str, float]) -> float:
    """How much longer a stall may be here: on a machine on which napari alone is slower, our part is as well."""
    slowness = statistics.median(plain[gesture] / seconds for gesture, seconds in PROMISED_BESIDE.items())
    return PROMISED_S * max(1.0, slowness)


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
    # which other work had the processors does not (the benchmark counts it). A second try is always made: napari alone
    # takes twice as long for what is done for the first time, which would excuse ours. Five tries have once not
    # been enough, for a reason not known; what always takes ours too long fails all of them.
    for attempt in range(STALL_TRIES):
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
        allowed = promised(plain)
        too_long = {gesture: more for gesture in ours if (more := ours[gesture] - plain[gesture]) > allowed}
        if attempt and not too_long:
            break
    assert too_long == {}, f"{allowed} seconds more were allowed; without the plugin {plain}, with it {ours}"


def test_decoding_through_the_scheduler_costs_hardly_more_than_inline(make_desk) -> None:
    stack, found = places(8, 512, 15)
    desk = make_desk(stack)
    desk.open_plugin()
    desk.until_ready()
    ratios = []
    for _ in range(DECODE_TRIES):
        inline, scheduled = decode_times(desk, found)
        ratios.append(min(scheduled) / min(inline))
        if ratios[-1] <= PROMISED_RATIO:
            break
    settled(desk)
    assert min(ratios) <= PROMISED_RATIO
