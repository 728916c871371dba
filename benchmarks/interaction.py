"""How the window feels: click to pixels, accept, the event loop's longest stall, memory; in a real viewer.

    xvfb-run -a -s "-screen 0 1600x1200x24 +extension GLX" \
        python -m benchmarks.interaction [GROUP ...] [--repeat 3] [--planes 40] [--side 2048] [--json FILE]

Groups: clicks, stalls, decoding, accept, memory. Mouse and keys are real events. Every stall is measured beside the
same gesture (or, where there is none, napari's own nearest one) in a window without the plugin, by turns; of several
repeats the best counts, since whatever else the machine does can only make it worse. The load average is noted.
"""

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import napari
import numpy as np
from qtpy.QtCore import QEventLoop, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from benchmarks.event_loop import DrawnWatch, Heartbeat, Stall, wait_until
from benchmarks.large_stack import large_stack
from napari_sam.plugin.napari_internals import camera_of
from napari_sam.plugin.segment_widget import SegmentWidget
from napari_sam.prompts.prompt import Point, Prompts
from napari_sam.session.compute.scheduler import Priority
from napari_sam.session.status import State
from napari_sam.testing.simulated_hand import SimulatedHand

Place = tuple[int, int, int]
HELD_MS = 80
"""How long a hand holds a button for a click, roughly."""
APPROACH_MS, REST_MS = 300, 100
"""How long a hand takes to a place, and how long it rests there before it clicks, roughly."""
GROUPS = ("clicks", "stalls", "decoding", "accept", "memory")


class Desk:
    """A real viewer on a stack, without the plugin until that is opened."""

    def __init__(self, stack: np.ndarray, zoom: float = 1.0, viewer: Any = None, count_queue: bool = True) -> None:
        self.viewer = napari.Viewer(show=True) if viewer is None else viewer
        self.viewer.window.resize(1400, 1050)
        self.image = self.viewer.add_image(stack, name="cells", contrast_limits=(0, 255))
        self.hand = SimulatedHand(self.viewer)
        self.heart = Heartbeat(count_queue=count_queue)
        self.widget: Any = None
        QTest.qWait(300)
        self.viewer.reset_view()
        camera_of(self.viewer).zoom = zoom
        self.show(stack.shape[0] // 2)
        QTest.qWait(200)

    @property
    def session(self) -> Any:
        return self.widget.session

    @property
    def controller(self) -> Any:
        return self.widget.controller

    @property
    def canvas(self) -> Any:
        return self.viewer.window._qt_viewer.canvas

    def show(self, plane: int) -> None:
        self.viewer.dims.set_current_step(0, plane)

    def open_plugin(self) -> None:
        self.widget = SegmentWidget(self.viewer)
        self.viewer.window.add_dock_widget(self.widget, name="Segment", area="right")
        QTest.qWait(300)

    def until_ready(self) -> None:
        QTest.qWait(100)
        wait_until(lambda: self.session.status.state is State.READY, 300)

    def wheel(self, notches: int, modifier: Any = Qt.KeyboardModifier.NoModifier) -> None:
        """Turn the wheel above the middle of the canvas; with Control napari goes through the planes."""
        self.hand.wheel(camera_of(self.viewer).center[-2:], notches, modifier)

    def stall(self, gesture: Callable[[], object]) -> Stall:
        with self.heart.watching():
            gesture()
        return self.heart.longest

    def close(self) -> None:
        self.viewer.close()
        QTest.qWait(50)


def places(planes: int, side: int, count: int) -> tuple[np.ndarray, list[Place]]:
    """A stack, and objects near the middle of its middle plane, the nearest first."""
    stack, middles = large_stack(planes, side)
    plane = planes // 2
    found = [
        (plane, row + down, column + right)
        for _, row, column in middles
        for down in range(-side, side, 256)
        for right in range(-side, side, 256)
        if 40 <= row + down < side - 40 and 40 <= column + right < side - 40
    ]
    found.sort(key=lambda at: (at[1] - side / 2) ** 2 + (at[2] - side / 2) ** 2)
    return stack, found[:count]


# Click to pixels


def measure_clicks(options: argparse.Namespace) -> dict[str, Any]:
    """Milliseconds from the event of the button to the frame that shows the mask.

    The button is pressed and released at once, as by a tap on a touch pad: where the pointer has just come to, as on a
    touch screen, or after it went there as a hand moves it. Or it is held as long as a hand holds it, and the time
    counts from its release.
    """
    stack, found = places(options.planes, options.side, 96)
    desk = Desk(stack)
    desk.open_plugin()
    desk.until_ready()
    # So that planes embedded ahead, which give way to a click but not at once, have no part in it.
    wait_until(lambda: desk.session.scheduler.wait_idle(0), 300)
    times: dict[str, list[float]] = {}
    unknown = len(found) // 2
    ways = {", tapped": (False, 0), ", tapped after hovering": (True, 0), ", held": (False, HELD_MS)}
    for at, place in enumerate(found):
        how, (hovering, held) = list(ways.items())[at % len(ways)]
        kind = "first click, size unknown" if at < unknown else "first click"
        times.setdefault(kind + how, []).append(click_to_pixels(desk, place, held, hovering))
        correction = (place[0], place[1] + 5, place[2] - 4)
        times.setdefault("corrective click" + how, []).append(click_to_pixels(desk, correction, held, hovering))
        desk.hand.key(Qt.Key.Key_Return if at == unknown - 1 else Qt.Key.Key_Delete)
        if desk.session.current.draft:
            desk.session.current.reject()
        desk.until_ready()
    desk.close()
    return {
        kind: {
            "clicks": len(values),
            "median_ms": statistics.median(values[1:]) * 1e3,
            "p95_ms": float(np.quantile(values[1:], 0.95)) * 1e3,
            "worst_ms": max(values) * 1e3,
        }
        for kind, values in sorted(times.items(), reverse=True)
    }


def click_to_pixels(desk: Desk, place: Place, held_ms: int = 0, hovering: bool = False) -> float:
    watch = DrawnWatch(desk.canvas, desk.controller.own.preview.layer)
    QTest.qWait(60)
    if hovering:
        desk.hand.approach((place[1] - 90, place[2] + 60), place[1:], APPROACH_MS, REST_MS)
    watch.start()
    if held_ms:
        desk.hand.hold(place[1:], held_ms)
    start = time.perf_counter()
    if held_ms:
        desk.hand.release(place[1:])
    else:
        desk.hand.click(place[1:])
    wait_until(lambda: watch.shown_at is not None)
    watch.close()
    QTest.qWait(20)
    return float(watch.shown_at or 0) - start


# Stalls


def measure_stalls(options: argparse.Namespace) -> dict[str, Any]:
    """The longest stall of each gesture without and with the plugin; the best of the repeats."""
    stack, found = places(options.planes, options.side, 4)
    without: dict[str, list[Stall]] = {}
    with_it: dict[str, list[Stall]] = {}
    for _ in range(options.repeat):
        desk = Desk(stack)
        for gesture, stall in plain_gestures(desk, found[0]).items():
            without.setdefault(gesture, []).append(stall)
        desk.close()
        desk = Desk(stack)
        desk.open_plugin()
        desk.until_ready()
        for gesture, stall in plugin_gestures(desk, found).items():
            with_it.setdefault(gesture, []).append(stall)
        desk.close()
    return {
        gesture: {
            "without_ms": (plain := min(each.seconds for each in without[gesture])) * 1e3,
            "with_ms": (ours := min(each.seconds for each in stalls)) * 1e3,
            "more_ms": (ours - plain) * 1e3,
            "of_it_computing_ms": min(stalls, key=lambda each: each.seconds).own * 1e3,
            "of_it_queued_ms": min(stalls, key=lambda each: each.seconds).queued * 1e3,
            "all_with_ms": [each.seconds * 1e3 for each in stalls],
        }
        for gesture, stalls in with_it.items()
    }


def scroll(desk: Desk) -> None:
    """Turn the wheel through ten planes, then rest a moment, as one who looks for something."""
    for _ in range(10):
        desk.wheel(-1, Qt.KeyboardModifier.ControlModifier)
        QTest.qWait(40)
    QTest.qWait(400)


def look_around(desk: Desk) -> None:
    """Zoom in and out again."""
    for step in (1, 1, 1, -1, -1, -1):
        desk.wheel(step)
        QTest.qWait(40)
    QTest.qWait(200)


def plain_gestures(desk: Desk, place: Place) -> dict[str, Stall]:
    stalls = {}
    middle = place[0]
    stalls["scroll"] = desk.stall(lambda: scroll(desk))
    stalls["zoom while embedding"] = desk.stall(lambda: look_around(desk))
    desk.show(middle)
    points = desk.viewer.add_points(ndim=3, size=10)
    points.mode = "add"
    QTest.qWait(200)

    def click() -> None:
        desk.hand.click(place[1:])
        QTest.qWait(200)

    stalls["click"] = desk.stall(click)
    points.visible = False
    QTest.qWait(200)

    def new_labels() -> None:
        # What napari's own button for new labels does, but at the least cost: memory that is not touched.
        desk.viewer.add_labels(np.zeros(desk.image.data.shape, np.uint16))
        QTest.qWait(200)

    stalls["first accept"] = desk.stall(new_labels)
    labels = desk.viewer.layers[-1]
    labels.mode, labels.brush_size = "paint", 40

    def brush() -> None:
        desk.hand.click(place[1:])
        QTest.qWait(200)

    stalls["accept"] = desk.stall(brush)

    def undo() -> None:
        labels.undo()
        QTest.qWait(200)

    stalls["undo"] = desk.stall(undo)
    stalls["propagate"] = desk.stall(lambda: QTest.qWait(1000))
    stalls["accept a volume"] = stalls["accept"]
    return stalls


def plugin_gestures(desk: Desk, found: list[Place]) -> dict[str, Stall]:
    stalls = {}
    session, key = desk.session, desk.hand.key

    def embedding(look: Callable[[Desk], None]) -> None:
        look(desk)
        wait_until(lambda: session.status.state is State.READY, 300)

    stalls["scroll"] = desk.stall(lambda: embedding(scroll))
    desk.show(1)
    wait_until(lambda: session.status.state is State.EMBEDDING)
    stalls["zoom while embedding"] = desk.stall(lambda: embedding(look_around))
    desk.show(found[0][0])
    desk.until_ready()

    def click(place: Place) -> None:
        before = session.current.draft.masks
        desk.hand.click(place[1:])
        wait_until(lambda: session.current.draft.masks != before and session.status.state is State.READY)
        QTest.qWait(100)

    def accept() -> None:
        key(Qt.Key.Key_Return)
        QTest.qWait(200)

    stalls["click"] = desk.stall(lambda: click(found[0]))
    stalls["first accept"] = desk.stall(accept)
    click(found[1])
    stalls["accept"] = desk.stall(accept)

    def undo() -> None:
        session.history.undo()
        QTest.qWait(200)

    stalls["undo"] = desk.stall(undo)
    session.history.redo()
    QTest.qWait(200)
    click(found[2])

    def propagate() -> None:
        key(Qt.Key.Key_G)
        QTest.qWait(50)
        wait_until(lambda: not session.volume.active, 300)

    stalls["propagate"] = desk.stall(propagate)
    stalls["accept a volume"] = desk.stall(accept)
    return stalls


# Decoding

DECODES = 30


def measure_decoding(options: argparse.Namespace) -> dict[str, Any]:
    """Milliseconds of one decode inline and through the scheduler, by turns, with the viewer open."""
    stack, found = places(min(options.planes, 8), min(options.side, 1024), DECODES)
    desk = Desk(stack)
    desk.open_plugin()
    desk.until_ready()
    inline, scheduled = decode_times(desk, found)
    desk.close()
    return {
        "inline": {"median_ms": statistics.median(inline) * 1e3, "best_ms": min(inline) * 1e3},
        "through the scheduler": {"median_ms": statistics.median(scheduled) * 1e3, "best_ms": min(scheduled) * 1e3},
        "ratio": {
            "median": statistics.median(scheduled) / statistics.median(inline),
            "best": min(scheduled) / min(inline),
        },
    }


def decode_times(desk: Desk, found: list[Place]) -> tuple[list[float], list[float]]:
    """Seconds of each decode, inline and through the scheduler; the plane in view must be embedded."""
    session = desk.session
    segmenter, plane, size = session._answering.opened.segmenter(), session.image.plane, 40.0
    session.scheduler.wait_idle(60)
    times: tuple[list[float], list[float]] = [], []
    for _, row, column in found:
        prompts = Prompts((Point(float(row), float(column)),))
        start = time.perf_counter()
        segmenter.segment(plane, prompts, object_size=size)
        times[0].append(time.perf_counter() - start)
        ended: list[float] = []
        start = time.perf_counter()
        session.scheduler.submit(
            "benchmark",
            partial(lambda prompts, token: segmenter.segment(plane, prompts, object_size=size, cancel=token), prompts),
            priority=Priority.CLICK,
            on_result=lambda _, ended=ended: ended.append(time.perf_counter()),
        )
        while not ended:
            QApplication.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents)
        times[1].append(ended[0] - start)
    return times


# Accept


def measure_accept(_: argparse.Namespace) -> dict[str, Any]:
    """Milliseconds that accepting keeps the main thread, and until it is drawn, on a large Labels layer."""
    stack, found = places(1, 4096, 12)
    desk = Desk(stack, zoom=0.5)
    labels = desk.viewer.add_labels(np.zeros(stack.shape, np.uint16), name="objects")
    desk.open_plugin()
    desk.controller.choose_target(labels)
    desk.until_ready()
    held, drawn = [], []
    for place in found:
        desk.hand.click(place[1:])
        wait_until(lambda: desk.session.current.draft.masks and desk.session.status.state is State.READY)
        QTest.qWait(150)
        watch = DrawnWatch(desk.canvas, labels)
        start = time.perf_counter()
        desk.hand.key(Qt.Key.Key_Return)
        held.append(time.perf_counter() - start)
        wait_until(lambda watch=watch: watch.shown_at is not None)
        drawn.append(float(watch.shown_at or 0) - start)
        watch.close()
    desk.close()
    return {
        name: {"median_ms": statistics.median(values) * 1e3, "worst_ms": max(values) * 1e3}
        for name, values in (("key to written", held), ("key to drawn", drawn))
    }


def measure_memory(_: argparse.Namespace) -> dict[str, Any]:
    """What many objects add to a session, embeddings aside; see `benchmarks.objects_memory`."""
    from benchmarks.objects_memory import many_objects

    return many_objects()


MEASURES = {
    "clicks": measure_clicks,
    "stalls": measure_stalls,
    "decoding": measure_decoding,
    "accept": measure_accept,
    "memory": measure_memory,
}


def machine() -> dict[str, Any]:
    import torch

    return {
        "processors": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load": os.getloadavg(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "napari": napari.__version__,
    }


def table(results: dict[str, Any]) -> str:
    lines = []
    for group, rows in results.items():
        lines.append(f"\n{group}")
        for name, values in rows.items():
            shown = (
                "  ".join(f"{key} {value:.1f}" for key, value in values.items() if isinstance(value, int | float))
                if isinstance(values, dict)
                else f"{values:.1f}"
            )
            lines.append(f"  {name:28} {shown}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("groups", nargs="*", help=f"of {', '.join(GROUPS)}; all by default")
    parser.add_argument("--repeat", type=int, default=3, help="windows in which the stalls are measured")
    parser.add_argument("--planes", type=int, default=40)
    parser.add_argument("--side", type=int, default=2048)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    unknown = set(options.groups) - set(GROUPS)
    if unknown:
        parser.error(f"there is no group {', '.join(sorted(unknown))}")
    load = os.getloadavg()
    with TemporaryDirectory() as sessions:
        # Its windows close with work unsaved: not for whoever opens the next one to be offered.
        os.environ["NAPARI_SAM_SESSIONS"] = sessions
        results = {group: MEASURES[group](options) for group in options.groups or GROUPS}
    about = {**machine(), "load_at_start": load}
    print(table(results))
    print(f"\n{about}")
    if options.json:
        options.json.write_text(json.dumps({"machine": about, **results}, indent=2) + "\n")


if __name__ == "__main__":
    main()
