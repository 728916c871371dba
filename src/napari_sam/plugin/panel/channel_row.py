"""The row that says which channels the model is shown, with a small picture of what it sees."""

from collections.abc import Callable
from functools import partial

import numpy as np
from napari.layers import Image
from numpy.typing import NDArray
from qtpy.QtCore import Qt
from qtpy.QtGui import QImage, QPixmap
from qtpy.QtWidgets import QHBoxLayout, QLabel, QMenu, QSizePolicy, QWidget

from napari_sam.nn.cancel import CancelToken
from napari_sam.planes.channels import MOST, colours_text
from napari_sam.planes.contrast import measure_contrast
from napari_sam.planes.read_window import network_picture
from napari_sam.plugin.controller import SegmentController
from napari_sam.plugin.panel.widgets import SPACING, breakable, button, column_layout
from napari_sam.session.compute.scheduler import Priority

SIDE = 72
"""Pixels of the picture (chosen: beside it a narrow panel has room for the names)."""


class ChannelRow(QWidget):
    """A menu of channels, of which one to three are shown to the model, and a picture of what it sees.

    It is there only while the chosen image has channels that are layers.

    Parameters
    ----------
    controller
        Where choices go.
    try_to
        Does what may refuse with a sentence for the user.

    Attributes
    ----------
    offered : list of Image
        The channels.
    """

    def __init__(self, controller: SegmentController, try_to: Callable[[Callable[[], object]], None]) -> None:
        super().__init__()
        self._controller = controller
        self._session = controller.session
        self._try_to = try_to
        self._pictured: object = None
        self.offered: list[Image] = []
        self.button = button("Choose…", "", "Choose which channels the model is shown, one to three; the order counts.")
        self.menu = QMenu(self)
        self.button.setMenu(self.menu)
        self.names = QLabel()
        self.names.setWordWrap(True)
        self.names.setTextFormat(Qt.TextFormat.PlainText)
        self.names.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.picture = QLabel()
        self.picture.setFixedSize(SIDE, SIDE)
        self.picture.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.picture.setToolTip("What the model is shown of this plane.")
        self.picture.setAccessibleName("Picture of what the model is shown")
        beside = QWidget()
        lines = column_layout(beside)
        lines.addWidget(self.button)
        lines.addWidget(self.names, 1)
        parts = QHBoxLayout(self)
        parts.setContentsMargins(0, 0, 0, 0)
        parts.setSpacing(SPACING)
        parts.addWidget(self.picture)
        parts.addWidget(beside, 1)

    @property
    def wanted(self) -> bool:
        """Tell whether there is anything to choose."""
        return len(self.offered) > 1

    def fill(self) -> None:
        """List the channels again, and which of them are shown."""
        self.offered = self._controller.images.channels
        shown = self._controller.images.shown
        self.menu.clear()
        for layer in self.offered:
            # Qt takes a single one for the mark of a key.
            action = self.menu.addAction(layer.name.replace("&", "&&"))
            if action is not None:
                action.setCheckable(True)
                action.setChecked(layer in shown)
                action.triggered.connect(partial(self._toggle, layer))
        self.names.setText(breakable(colours_text([layer.name for layer in shown])) if shown else "")
        self.show_picture()

    def show_picture(self) -> None:
        """Show what the model is shown of the plane in view, if that is another one now."""
        image, setup = self._session.image, self._session.model.setup
        source, plane = image.source, image.plane
        if not self.wanted or source is None or plane is None or setup is None:
            return
        contrast = setup.contrast
        pictured = (id(source), source.shown, plane, contrast)
        if pictured == self._pictured:
            return
        self._pictured = pictured

        def read(_: CancelToken) -> NDArray[np.uint8]:
            return network_picture(source, plane, contrast or measure_contrast(source, plane.axes), SIDE)

        self._session.scheduler.submit(
            "picture of channels",
            read,
            priority=Priority.SUPPOSED,
            on_result=self._show,
            on_error=lambda _: self.picture.clear(),
        )

    def _show(self, picture: NDArray[np.uint8]) -> None:
        pixels = np.ascontiguousarray(picture)
        height, width = pixels.shape[:2]
        drawn = QImage(pixels.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888)
        # A copy: the array does not live as long.
        self.picture.setPixmap(QPixmap.fromImage(drawn.copy()))

    def _toggle(self, layer: Image, _: bool = False) -> None:
        """Show the model one channel more or less; the last one stays."""
        shown = self._controller.images.shown
        chosen = [each for each in shown if each is not layer] if layer in shown else [*shown, layer]
        if len(chosen) > MOST:
            self._controller.told.emit(f"The model is shown {MOST} channels at most: take one away first.")
        elif chosen:
            self._try_to(partial(self._controller.images.choose_channels, chosen))
        self.fill()
