"""A program in whose window layers are removed and others drawn, again and again; it is for a process of its own.

Arguments: what comes and goes ("image" chosen and let go, the "panel", the user's "layers" one by one or "all" at
once), how often, and a seed for the pauses. It ends without Qt's own end: what counts is that it comes so far.
"""

import os
import sys
from random import Random

import numpy as np
from napari import Viewer
from qtpy.QtTest import QTest

from napari_sam.plugin.segment_widget import SegmentWidget
from napari_sam.testing.fake_engine import FakeEngine, blobs
from napari_sam.testing.plugin_in_viewer import DockedPlugin


def add_layers(desk: DockedPlugin) -> list:
    """Three of the user's, with something in them."""
    return [
        desk.viewer.add_points([(4, 20, 20), (4, 40, 50)]),
        desk.viewer.add_shapes([[(4, 10, 10), (4, 10, 30), (4, 40, 30)]], shape_type="polygon"),
        desk.viewer.add_labels(np.ones(desk.image.data.shape, np.uint8)),
    ]


def come_and_go(desk: DockedPlugin, what: str, pause) -> None:
    if what == "image":
        desk.controller.images.choose(None)
        pause()
        desk.controller.images.choose(desk.image)
    elif what == "panel":
        desk.viewer.window.remove_dock_widget(desk.dock)
        pause()
        desk.widget = SegmentWidget(desk.viewer, engine=desk.engine)
        desk.controller = desk.widget.controller
        desk.dock = desk.viewer.window.add_dock_widget(desk.widget, name="Segment", area="right")
    else:
        layers = add_layers(desk)
        pause()
        if what == "all":
            with desk.viewer.layers.batched_update():
                for layer in layers:
                    desk.viewer.layers.remove(layer)
        else:
            for layer in layers:
                desk.viewer.layers.remove(layer)
    pause()


if __name__ == "__main__":
    what, times, random = sys.argv[1], int(sys.argv[2]), Random(int(sys.argv[3]))
    desk = DockedPlugin(Viewer(), FakeEngine(), blobs())
    for _ in range(times):
        come_and_go(desk, what, lambda: QTest.qWait(random.choice([0, 5, 30, 100])))
    os._exit(0)
