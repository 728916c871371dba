"""A program that accepts an object in a window, saves the labels, and ends; no event loop follows.

Arguments: the file to save to, and what becomes of the window: "closed" or "open".
"""

import sys
from pathlib import Path

from napari import Viewer
from session_deeds import Z4

from napari_sam.plugin.actions import Action
from napari_sam.prompts.prompt import Point
from napari_sam.testing.fake_engine import FakeEngine, blobs
from napari_sam.testing.plugin_in_viewer import DockedPlugin


def accept_one(desk: DockedPlugin) -> None:
    """An object that is in the labels, and in the log."""
    desk.viewer.dims.set_current_step(0, 4)
    desk.hand.until(lambda: desk.session.image.plane == Z4)
    desk.ready()
    desk.session.prompts.add_point(Z4, Point(12, 12))
    desk.ready()
    desk.widget.controller.do(Action.ACCEPT)
    assert desk.widget.autosave.wait_written()


def save(desk: DockedPlugin, path: str | Path) -> None:
    """All that was accepted."""
    desk.session.record.save(path)
    desk.hand.until(lambda: not desk.widget.autosave.unsaved)


if __name__ == "__main__":
    desk = DockedPlugin(Viewer(), FakeEngine(), blobs())
    accept_one(desk)
    save(desk, sys.argv[1])
    if sys.argv[2] == "closed":
        desk.viewer.close()
