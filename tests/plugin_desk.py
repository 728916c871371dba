"""The widget in a shown window, with a hand."""

import numpy as np
from fake_engine import FakeEngine
from plugin_hand import LEFT, NONE, Hand
from qtpy.QtTest import QTest

from napari_sam.plugin.segment_widget import SegmentWidget
from napari_sam.session.status import State


class Desk:
    """A shown viewer with the docked widget and a hand."""

    def __init__(self, viewer, engine: FakeEngine, data: np.ndarray, **attributes) -> None:
        self._open(viewer, engine, lambda: viewer.add_image(data, name="cells", **attributes))

    @classmethod
    def on(cls, viewer, engine: FakeEngine, open_image) -> "Desk":
        """Make a desk on the image layer that `open_image` adds to the viewer."""
        desk = cls.__new__(cls)
        desk._open(viewer, engine, open_image)
        return desk

    def _open(self, viewer, engine: FakeEngine, open_image) -> None:
        self.viewer = viewer
        self.engine = engine
        viewer.window.resize(1300, 1000)
        self.image = open_image()
        self.widget = SegmentWidget(viewer, engine=engine)
        self.dock = viewer.window.add_dock_widget(self.widget, name="Segment", area="right")
        self.hand = Hand(viewer)
        # The dock finds its width once napari's style has reached it.
        QTest.qWait(250)
        viewer.reset_view()
        QTest.qWait(20)

    @property
    def session(self):
        return self.widget.session

    @property
    def points(self):
        return self.widget.controller.own.prompts.points

    @property
    def shapes(self):
        return self.widget.controller.own.prompts.shapes

    @property
    def preview(self):
        return self.widget.controller.own.preview.layer

    @property
    def labels(self):
        return self.widget.controller.target_layer.data

    def ready(self) -> None:
        self.hand.until(lambda: self.session.status.state is State.READY)

    def click(self, world, button=LEFT, modifier=NONE) -> None:
        asked = len(self.engine.segmented)
        self.hand.click(world, button, modifier)
        self.hand.until(lambda: len(self.engine.segmented) > asked)
        self.ready()

    def area(self) -> int:
        mask = self.session.current.draft.masks.get(self.session.image.plane)
        return 0 if mask is None else mask.area
