"""A viewer on two blobs, without a window and with one, and the session behind it with a fake engine."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from napari.components import ViewerModel
from qtpy.QtCore import QThread
from session_deeds import Z4

from napari_sam.session.status import State
from napari_sam.testing.fake_engine import FakeEngine, blobs
from napari_sam.testing.notification_guard import NotificationGuard
from napari_sam.testing.plugin_in_viewer import DockedPlugin, HeadlessPlugin


@pytest.fixture(autouse=True)
def notices() -> Iterator[NotificationGuard]:
    """Fails a test that makes napari warn or show an error, or a thread fail, unless it said so by `expect`."""
    with NotificationGuard() as notices:
        yield notices
    assert not notices.unexpected, "\n".join(map(str, notices.unexpected))


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def make_bench(engine) -> Iterator[Callable[..., HeadlessPlugin]]:
    benches = []

    def make(data: np.ndarray, **attributes) -> HeadlessPlugin:
        viewer = ViewerModel()
        viewer.add_image(data, name="cells", **attributes)
        bench = HeadlessPlugin(viewer, engine)
        benches.append(bench)
        bench.controller.images.choose_first()
        bench.settle()
        return bench

    yield make
    for bench in benches:
        assert bench.session.close()


@pytest.fixture
def bench(make_bench) -> HeadlessPlugin:
    bench = make_bench(blobs(), scale=(2.0, 1.0, 1.0))
    assert bench.session.status.state is State.READY
    return bench


@pytest.fixture
def make_desk(make_napari_viewer, engine) -> Iterator[Callable[..., DockedPlugin]]:
    desks = []

    def make(**attributes) -> DockedPlugin:
        viewer = make_napari_viewer(show=True)
        # napari's fixture prevents it; in a user's window it runs.
        QThread.start(viewer.window._qt_window.status_thread)
        desks.append(DockedPlugin(viewer, engine, blobs(), **attributes))
        return desks[-1]

    yield make
    for desk in desks:
        # napari's fixture fails where anything still refers to the viewer, and pytest keeps a test's arguments.
        vars(desk).clear()


@pytest.fixture
def desk(make_desk) -> DockedPlugin:
    desk = make_desk()
    desk.viewer.dims.set_current_step(0, 4)
    desk.hand.until(lambda: desk.session.image.plane == Z4)
    desk.ready()
    return desk
