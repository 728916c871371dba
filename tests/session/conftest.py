"""A session on a stack of two blobs, with a fake engine and a main thread that tests pump."""

from collections.abc import Iterator

import numpy as np
import pytest

from napari_sam.errors import UserError
from napari_sam.planes.geometry import Plane
from napari_sam.planes.image_source import ImageSource
from napari_sam.session.labels.target import ArrayTarget
from napari_sam.session.record.autosave import Autosave
from napari_sam.session.session import Session
from napari_sam.testing.event_loop import ManualEventLoop
from napari_sam.testing.fake_engine import FakeEngine, blobs


@pytest.fixture
def main() -> ManualEventLoop:
    return ManualEventLoop()


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
