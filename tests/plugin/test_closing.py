"""A window that is closed ends its session, whether or not an event loop goes on after it."""

import gc
import os
import subprocess
import sys
import threading
import weakref

import closed_window
import pytest
from qtpy.QtTest import QTest

from napari_sam.session.record.log_folder import sessions_folder
from napari_sam.session.record.recovery import recover, unfinished_sessions
from napari_sam.session.record.versions import versions_folder


@pytest.mark.parametrize("saved", [True, False], ids=["saved", "not saved"])
def test_a_window_that_is_gone_ends_its_log_without_an_event_loop(make_desk, saved, tmp_path) -> None:
    desk = make_desk()
    closed_window.accept_one(desk)
    if saved:
        closed_window.save(desk, tmp_path / "made.tif")
    labels = desk.labels.copy()
    desk.viewer.close()
    # What was to be done after the present event is not done any more.
    vars(desk).clear()
    del desk
    gc.collect()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("napari-sam-")]
    left = unfinished_sessions(sessions_folder())
    if saved:
        assert left == []
        assert [each for each in sessions_folder().iterdir() if each != versions_folder()] == []
    else:
        (restored,) = recover(left[0].path).targets
        assert (restored.labels == labels).all()


@pytest.mark.parametrize("whole", [True, False], ids=["window", "panel"])
def test_nothing_of_what_was_closed_is_left(make_desk, whole) -> None:
    desk = make_desk()
    closed_window.accept_one(desk)
    widget, controller = desk.widget, desk.widget.controller
    own = [*controller.own, controller.target_layer] if whole else list(controller.own)
    gone = {
        "widget": widget,
        "controller": controller,
        "canvas": controller.canvas,
        "session": desk.session,
        "journal": desk.session.history.journal,
        "scheduler": desk.session.scheduler,
        "autosave": widget.autosave,
        **{f"layer {layer.name}": layer for layer in own},
        **({"viewer": desk.viewer, "image": desk.image} if whole else {}),
    }
    gone = {name: weakref.ref(each) for name, each in gone.items()}
    if whole:
        desk.viewer.close()
    else:
        desk.viewer.window.remove_dock_widget(desk.dock)
    del widget, controller, own
    vars(desk).clear()
    # Deferred deletions take a turn of the event loop or two.
    for _ in range(20):
        QTest.qWait(50)
        gc.collect()
        left = [name for name, each in gone.items() if each() is not None]
        if not left:
            break
    assert left == []


@pytest.mark.parametrize("window", ["closed", "open"])
def test_a_program_that_ends_leaves_no_log_of_what_was_saved(window, tmp_path) -> None:
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "NAPARI_CONFIG": str(tmp_path / "napari.yaml"),
    }
    command = [sys.executable, closed_window.__file__, str(tmp_path / "made.tif"), window]
    subprocess.run(command, env=environment, check=True, timeout=120)
    assert (tmp_path / "made.tif").exists()
    assert [each for each in sessions_folder().iterdir() if each != versions_folder()] == []
