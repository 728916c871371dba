"""Two blobs, and a controller on a viewer model without a window."""

from collections.abc import Callable

import numpy as np
from fake_engine import FakeEngine
from napari.components import ViewerModel

from napari_sam.planes.geometry import Plane
from napari_sam.plugin.controller import SegmentController
from napari_sam.session.session import Session

Z4 = Plane((1, 2), (4, 0, 0))


def blobs() -> np.ndarray:
    """(9, 40, 50) uint8: object A around (12, 12) on planes 1-7, object B around (28, 34) on planes 3-5."""
    stack = np.zeros((9, 40, 50), np.uint8)
    stack[1:8, 8:17, 8:17] = 200
    stack[3:6, 24:33, 30:39] = 200
    return stack


class Bench:
    """A controller on a viewer model without a window; `settle` stands for the event loop."""

    def __init__(self, viewer: ViewerModel, engine: FakeEngine, **how) -> None:
        self.posted: list[Callable[[], None]] = []
        self.engine = engine
        self.viewer = viewer
        self.session = Session(self.posted.append, engine=engine)
        self.controller = SegmentController(viewer, self.session, **how)
        self.told: list[str] = []
        self.controller.told.connect(self.told.append)

    @property
    def points(self):
        return self.controller.own.prompts.points

    @property
    def shapes(self):
        return self.controller.own.prompts.shapes

    @property
    def preview(self):
        return self.controller.own.preview.layer

    def settle(self) -> None:
        for _ in range(4):
            assert self.session.scheduler.wait_idle(5)
            while self.posted:
                self.posted.pop(0)()

    def scroll(self, axis: int, position: int) -> None:
        self.viewer.dims.set_current_step(axis, position)
        self.controller.update_view()
        self.settle()

    def click(self, *data_position: float, positive: bool = True) -> None:
        self.controller.canvas.clicked(np.asarray(data_position, float), positive)
        self.settle()

    def shown(self) -> np.ndarray:
        """The preview's pixels at the place of the image, full size, as napari places its layer."""
        image = self.controller.image
        shape = image.level_shapes[0] if image.multiscale else image.data.shape[: image.ndim]
        full = np.zeros(tuple(int(size) for size in shape), np.uint8)
        for index in np.argwhere(self.preview.data):
            at = np.asarray(image.world_to_data(self.preview.data_to_world(index)))
            np.testing.assert_allclose(at, np.round(at), atol=1e-6)
            full[tuple(np.round(at).astype(int))] = self.preview.data[tuple(index)]
        return full
