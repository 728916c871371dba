"""The plugin in a viewer with an engine of the test's own: without a window, and docked in a shown one."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels, Points, Shapes
from numpy.typing import NDArray

from napari_sam.plugin.controller import SegmentController
from napari_sam.plugin.layers.plugin_layers import PluginLayers
from napari_sam.plugin.segment_widget import SegmentWidget
from napari_sam.session.session import Session
from napari_sam.session.status import State
from napari_sam.testing.fake_engine import FakeEngine
from napari_sam.testing.simulated_hand import LEFT, NONE, QTest, SimulatedHand

if TYPE_CHECKING:
    from napari.viewer import Viewer
    from qtpy.QtCore import Qt


class _OwnLayers:
    """The plugin's own layers, which it has while an image is chosen."""

    controller: SegmentController

    @property
    def _own(self) -> PluginLayers:
        own = self.controller.own
        assert own is not None, "no image is chosen"
        return own

    @property
    def points(self) -> Points:
        """The plugin's layer of clicks."""
        return self._own.prompts.points

    @property
    def shapes(self) -> Shapes:
        """The plugin's layer of boxes and scribbles."""
        return self._own.prompts.shapes

    @property
    def preview(self) -> Labels:
        """The plugin's layer that shows the object in work."""
        return self._own.preview.layer


class HeadlessPlugin(_OwnLayers):
    """A controller on a viewer model without a window; `settle` stands for the event loop.

    Parameters
    ----------
    viewer, engine
        The viewer, and what computes.
    how
        Given to `SegmentController`.

    Attributes
    ----------
    posted : list of callable
        Functions that wait for the event loop.
    told : list of str
        What the panel was told to show.
    """

    def __init__(self, viewer: ViewerModel, engine: FakeEngine, **how: Any) -> None:
        self.posted: list[Callable[[], None]] = []
        self.engine = engine
        self.viewer = viewer
        self.session = Session(self.posted.append, engine=engine)
        self.controller = SegmentController(viewer, self.session, **how)
        self.told: list[str] = []
        self.controller.told.connect(self.told.append)

    def settle(self) -> None:
        """Have everything computed and shown."""
        for _ in range(4):
            assert self.session.scheduler.wait_idle(5)
            while self.posted:
                self.posted.pop(0)()

    def scroll(self, axis: int, position: int) -> None:
        """Move a slider of the viewer."""
        self.viewer.dims.set_current_step(axis, position)
        self.controller.update_view()
        self.settle()

    def click(self, *data_position: float, positive: bool = True) -> None:
        """Click at a data position of the image, one number per axis."""
        self.controller.canvas.clicked(np.asarray(data_position, float), positive)
        self.settle()

    def shown(self) -> NDArray[np.uint8]:
        """Return the preview's pixels at the place of the image, full size, as napari places its layer."""
        image = self.controller.image
        assert image is not None
        shape = image.level_shapes[0] if image.multiscale else image.data.shape[: image.ndim]
        full = np.zeros(tuple(int(size) for size in shape), np.uint8)
        for index in np.argwhere(self.preview.data):
            at = np.asarray(image.world_to_data(self.preview.data_to_world(index)))
            np.testing.assert_allclose(at, np.round(at), atol=1e-6)
            full[tuple(np.round(at).astype(int))] = self.preview.data[tuple(index)]
        return full


class DockedPlugin(_OwnLayers):
    """A shown viewer with an image, the docked widget and a hand.

    Parameters
    ----------
    viewer
        The viewer, its window shown.
    engine
        What computes.
    data
        The image's pixels.
    attributes
        Given to `Viewer.add_image`.
    """

    def __init__(self, viewer: "Viewer", engine: FakeEngine, data: Any, **attributes: Any) -> None:
        self._open(viewer, engine, lambda: viewer.add_image(data, name="cells", **attributes))

    @classmethod
    def on(cls, viewer: "Viewer", engine: FakeEngine, open_image: Callable[[], Image]) -> Self:
        """Dock the widget beside the image layer that `open_image` adds to the viewer."""
        plugin = cls.__new__(cls)
        plugin._open(viewer, engine, open_image)
        return plugin

    def _open(self, viewer: "Viewer", engine: FakeEngine, open_image: Callable[[], Image]) -> None:
        self.viewer = viewer
        self.engine = engine
        viewer.window.resize(1300, 1000)
        self.image = open_image()
        self.widget = SegmentWidget(viewer, engine=engine)
        self.controller = self.widget.controller
        self.dock = viewer.window.add_dock_widget(self.widget, name="Segment", area="right")
        self.hand = SimulatedHand(viewer)
        # The dock finds its width once napari's style has reached it.
        QTest.qWait(250)
        viewer.reset_view()
        QTest.qWait(20)

    @property
    def session(self) -> Session:
        """The session behind the widget."""
        return self.widget.session

    @property
    def labels(self) -> Any:
        """The labels that objects are accepted into."""
        layer = self.controller.target_layer
        assert layer is not None, "no labels are chosen"
        return layer.data

    def ready(self) -> None:
        """Wait until nothing is computed."""
        self.hand.until(lambda: self.session.status.state is State.READY)

    def click(
        self, world: Sequence[float], button: "Qt.MouseButton" = LEFT, modifier: "Qt.KeyboardModifier" = NONE
    ) -> None:
        """Click at a world position (row, column) of the displayed plane, and wait for the answer."""
        asked = len(self.engine.segmented)
        self.hand.click(world, button, modifier)
        self.hand.until(lambda: len(self.engine.segmented) > asked)
        self.ready()

    def area(self) -> int:
        """Return the area of the object in work on the plane in view, in pixels."""
        plane = self.session.image.plane
        mask = None if plane is None else self.session.current.draft.masks.get(plane)
        return 0 if mask is None else mask.area
