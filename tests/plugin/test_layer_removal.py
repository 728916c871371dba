"""Layers are removed, the plugin's and the user's, and others drawn; OpenGL deletes in the canvas's own context."""

import os
import subprocess
import sys

import layers_come_and_go
import pytest
from qtpy.QtGui import QOpenGLContext
from qtpy.QtTest import QTest

from napari_sam.plugin.napari_internals import canvas_widget

KINDS = ["image", "panel", "layers", "all"]


@pytest.fixture
def flushes(desk, monkeypatch) -> list[tuple[bool, list]]:
    """What is sent to OpenGL apart from drawing: whether in the context of the canvas, and the commands."""
    seen = []
    context = desk.viewer.window._qt_viewer.canvas._scene_canvas.context
    finish = context.finish

    def look() -> None:
        current = QOpenGLContext.currentContext()
        own = canvas_widget(desk.viewer).context()
        seen.append((current is not None and current == own, list(context.glir._shared._commands)))
        finish()

    monkeypatch.setattr(context, "finish", look)
    return seen


def no_arrays_read_what_is_deleted(commands: list) -> bool:
    names = [command[:2] if command[0] == "FUNC" else command[:1] for command in commands]
    disabled = names.index(("FUNC", "glDisableVertexAttribArray"))
    return ("DELETE",) not in names or disabled < names.index(("DELETE",))


@pytest.mark.parametrize("what", KINDS)
def test_what_is_removed_is_deleted_in_the_context_of_the_canvas(desk, flushes, what) -> None:
    QTest.qWait(100)
    layers_come_and_go.come_and_go(desk, what, lambda: QTest.qWait(50))
    assert flushes
    assert [own for own, _ in flushes] == [True] * len(flushes)
    assert all(no_arrays_read_what_is_deleted(commands) for _, commands in flushes)


def test_a_closed_panel_leaves_removal_to_napari(desk) -> None:
    guard = desk.widget._layer_removal
    desk.viewer.window.remove_dock_widget(desk.dock)
    desk.hand.until(lambda: not guard._emitters)


def test_a_program_whose_layers_come_and_go_goes_on(tmp_path) -> None:
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "NAPARI_CONFIG": str(tmp_path / "napari.yaml"),
    }
    command = [sys.executable, layers_come_and_go.__file__, "image", "3", "1"]
    subprocess.run(command, env=environment, check=True, timeout=120)
