"""A session on a stack of two blobs, with a fake engine and a main thread that tests pump."""

import queue
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from fake_engine import FakeEngine

from napari_sam.errors import UserError
from napari_sam.planes.geometry import Plane
from napari_sam.planes.image_source import ImageSource
from napari_sam.session.labels.target import ArrayTarget
from napari_sam.session.record.autosave import Autosave
from napari_sam.session.session import Session


class MainThread:
    """What tests stand on in place of Qt's event loop."""

    def __init__(self) -> None:
        self.posted: queue.Queue = queue.Queue()

    def post(self, run: Callable[[], None]) -> None:
        self.posted.put(run)

    def pump(self) -> None:
        while not self.posted.empty():
            self.posted.get()()

    def run_until(self, condition: Callable[[], bool], seconds: float = 5.0) -> None:
        until = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < until, "it did not happen in time"
            try:
                self.posted.get(timeout=0.01)()
            except queue.Empty:
                continue

    def settle(self, session: Session) -> None:
        """Until nothing is computed or on its way."""
        for _ in range(4):
            assert session.scheduler.wait_idle(5)
            self.pump()


@pytest.fixture
def main() -> MainThread:
    return MainThread()


def blobs() -> np.ndarray:
    """(9, 40, 50) uint8: object A around (12, 12) on planes 1-7, object B around (28, 34) on planes 3-5."""
    stack = np.zeros((9, 40, 50), np.uint8)
    stack[1:8, 8:17, 8:17] = 200
    stack[3:6, 24:33, 30:39] = 200
    return stack


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def image() -> ImageSource:
    return ImageSource(blobs(), scale=(2.0, 1.0, 1.0), axis_labels=("z", "y", "x"), units=("um", "um", "um"))


@pytest.fixture
def session(main, engine, image) -> Iterator[Session]:
    session = Session(main.post, engine=engine)
    session.image.choose(image, axes=(1, 2))
    session.image.set_view(Plane((1, 2), (4, 0, 0)), (20.0, 25.0))
    main.settle(session)
    yield session
    assert session.close()


@pytest.fixture
def errors() -> list[UserError]:
    return []


@pytest.fixture
def autosave(session, main, tmp_path, errors) -> Iterator[Autosave]:
    autosave = Autosave(session, tmp_path / "sessions", main.post, errors.append)
    yield autosave
    autosave.close()


@pytest.fixture
def target(session) -> ArrayTarget:
    target = ArrayTarget(np.zeros((9, 40, 50), np.uint16))
    session.labels.choose(target, next_label=1)
    return target
