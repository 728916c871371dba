"""What many objects cost in memory: a session with prompts, candidates, masks and undo, and an engine without weights.

The engine answers like the heaviest model: three candidates with logits of 256 x 256 on the clicked plane, logits on
every plane that is reached by propagation. Embeddings, the image and the labels themselves are not counted.
"""

import queue
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from napari_sam.planes.geometry import Mask, Plane, Window
from napari_sam.planes.image_source import ImageSource
from napari_sam.prompts.prompt import Point, Prompts
from napari_sam.segment.segmentation import Segmentation
from napari_sam.session.labels.target import ArrayTarget
from napari_sam.session.object.draft import Setup
from napari_sam.session.session import Session
from napari_sam.volume.carry import PropagatedPlane

LOGITS = 256
NOISE = np.random.default_rng(0).normal(size=(LOGITS, LOGITS)).astype(np.float32)
REACH = 5
"""Planes on each side of the clicked one that an object reaches."""


class DiscEngine:
    """Answers every click with a disc."""

    setup = Setup("discs")
    fell_back = waiting = ""
    device = "auto"

    def watch_waiting(self, _: Any) -> None:
        pass

    def open(self, *_: Any) -> "DiscEngine":
        return self

    def prepare(self, *_: Any) -> Iterator[tuple[int, int]]:
        yield 1, 1

    def room(self, *_: Any) -> int:
        return 0

    def segment(self, _: Plane, prompts: Prompts, **__: Any) -> Segmentation:
        point = prompts.points[0]
        masks = [disc(round(point.row), round(point.column), radius) for radius in (10, 14, 18)]
        return Segmentation(tuple(masks), 1)

    def propagate(
        self, _: "DiscEngine", __: Plane, key_masks: Mapping[int, Mask], ___: int, *, start: int, stop: int, **____: Any
    ) -> Iterator[PropagatedPlane]:
        (key, mask), *_ = key_masks.items()
        row, column = (mask.box[0] + mask.box[2]) // 2, (mask.box[1] + mask.box[3]) // 2
        for away in range(1, REACH + 1):
            for position in (key - away, key + away):
                if start <= position <= stop:
                    yield PropagatedPlane(position, disc(row, column, 14 - away), 0.9)


def disc(row: int, column: int, radius: int) -> Mask:
    y, x = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    logits = NOISE.copy()
    window = Window((row - LOGITS / 2, column - LOGITS / 2), (1.0, 1.0), (LOGITS, LOGITS))
    pixels = y * y + x * x <= radius * radius
    box = (row - radius, column - radius, row + radius + 1, column + radius + 1)
    return Mask(box, pixels, 0.9, logits, window)


def many_objects(objects: int = 500, planes: int = 100, side: int = 1024) -> dict[str, Any]:
    """Click, carry along and accept objects one after another.

    Returns
    -------
    dict[str, Any]
        Megabytes that the session holds afterwards, its greatest need on the way, and the same for an object.
    """
    posted: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
    session = Session(posted.put, engine=DiscEngine())

    def settle() -> None:
        for _ in range(4):
            session.scheduler.wait_idle(30)
            while not posted.empty():
                posted.get()()

    labels = np.zeros((planes, side, side), np.uint16)
    session.image.choose(ImageSource(np.zeros((planes, side, side), np.uint8)), axes=(1, 2))
    session.labels.choose(ArrayTarget(labels), next_label=1)
    settle()
    across = side // 40
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for at in range(objects):
        plane = Plane((1, 2), (REACH + at * 7 % (planes - 2 * REACH), 0, 0))
        session.image.set_view(plane)
        session.prompts.add_point(plane, Point(20.0 + 40 * (at // across % across), 20.0 + 40 * (at % across)))
        settle()
        session.volume.propagate()
        settle()
        session.current.accept()
        settle()
    held, peak = (each - before for each in tracemalloc.get_traced_memory())
    tracemalloc.stop()
    accepted = len(np.unique(labels)) - 1
    session.close()
    return {
        "objects": accepted,
        "held_mb": held / 2**20,
        "peak_mb": peak / 2**20,
        "per_object_kb": held / 2**10 / max(accepted, 1),
    }
