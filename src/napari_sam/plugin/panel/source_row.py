"""Layers that the user made, as prompts."""

from qtpy.QtWidgets import QHBoxLayout, QWidget

from napari_sam.plugin.actions import Action
from napari_sam.plugin.controller import SegmentController
from napari_sam.plugin.panel.parts import SPACING, action_button, button, choose, column, combo, row

OWN = "Own clicks and shapes"


class SourceRow(QWidget):
    """Which layer the prompts are taken from, and what is made of them.

    Parameters
    ----------
    controller
        Whose prompts.
    """

    def __init__(self, controller: SegmentController) -> None:
        super().__init__()
        self._sources = controller.sources
        self._filling = self._in_view = False
        self.layer = combo()
        self.layer.setToolTip("Points, Shapes and Labels layers of yours, wherever they lie, can be prompts too.")
        self.use = button(
            "Use", "", "Take the layer's points and shapes, or its selected label, as prompts for this object."
        )
        self.each = {action: action_button(action) for action in (Action.EACH, Action.EACH_EVERYWHERE)}
        buttons = QHBoxLayout()
        buttons.setSpacing(SPACING)
        buttons.addWidget(self.layer, 1)
        buttons.addWidget(self.use)
        rows = column(self)
        rows.addLayout(buttons)
        rows.addLayout(row(*self.each.values()))
        self.layer.currentIndexChanged.connect(self._choose)
        self.use.clicked.connect(lambda: controller.use_source())
        self.fill()

    def fill(self) -> None:
        """List the layers again; the chosen one stays chosen."""
        self._filling = True
        try:
            self.layer.clear()
            self.layer.addItem(OWN, None)
            for layer in self._sources.layers:
                self.layer.addItem(layer.name, layer)
            choose(self.layer, self._sources.chosen)
        finally:
            self._filling = False
        self.show_in_view(self._in_view)

    def show_in_view(self, in_view: bool) -> None:
        """Say whether a plane is in view."""
        self._in_view = in_view
        self.use.setEnabled(in_view and self._sources.chosen is not None)
        for each in self.each.values():
            each.setEnabled(in_view)

    def _choose(self, index: int) -> None:
        if not self._filling:
            self._sources.chosen = self.layer.itemData(index)
            self.show_in_view(self._in_view)
