"""A program that accepts an object in a window, saves the labels, and ends; no event loop follows.

Arguments: the file to save to, and what becomes of the window: "closed" or "open".
"""

import sys
from pathlib import Path

from fake_engine import FakeEngine
from napari import Viewer
from plugin_bench import Z4, blobs
from plugin_desk import Desk

from napari_sam.plugin.actions import Action
from napari_sam.prompts.prompt import Point


def accept_one(desk: Desk) -> None:
    """An object that is in the labels, and in the log."""
    desk.viewer.dims.set_current_step(0, 4)
    desk.hand.until(lambda: desk.session.image.plane == Z4)
    desk.ready()
    desk.session.prompts.add_point(Z4, Point(12, 12))
    desk.ready()
    desk.widget.controller.do(Action.ACCEPT)
    assert desk.widget.autosave.wait_written()


def save(desk: Desk, path: str | Path) -> None:
    """All that was accepted."""
    desk.session.record.save(path)
    desk.hand.until(lambda: not desk.widget.autosave.unsaved)


if __name__ == "__main__":
    desk = Desk(Viewer(), FakeEngine(), blobs())
    accept_one(desk)
    save(desk, sys.argv[1])
    if sys.argv[2] == "closed":
        desk.viewer.close()
