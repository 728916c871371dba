"""What to work on: image, model, labels, object size, contrast."""

from collections.abc import Callable
from pathlib import Path

from napari.layers import Image, Labels
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QCheckBox, QFormLayout, QLabel, QSpinBox, QWidget

from napari_sam.models.advice import general_advice, model_advice
from napari_sam.models.machine_speed import MachineSpeed, known_speed
from napari_sam.models.registry import REGISTRY
from napari_sam.plugin.controller import SegmentController
from napari_sam.plugin.download_row import DownloadRow
from napari_sam.plugin.panel.parts import SPACING, choose, combo

NEW_LABELS = "New labels layer"


class Choices(QWidget):
    """A form of choices; what is chosen goes to the controller and its session.

    Parameters
    ----------
    controller
        Where choices go.
    post
        Has a function called on the main thread.
    """

    def __init__(self, controller: SegmentController, post: Callable[[Callable[[], None]], None]) -> None:
        super().__init__()
        self._controller = controller
        self._session = controller.session
        self._filling = False
        self.image, self.model, self.labels = combo(), combo(), combo()
        for name, spec in REGISTRY.items():
            self.model.addItem(name, name)
            self.model.setItemData(
                self.model.count() - 1,
                f"{spec.description}, for {spec.suits} ({spec.licence}, {spec.size_bytes / 1e6:.0f} MB)",
                Qt.ItemDataRole.ToolTipRole,
            )
        self.download = DownloadRow(post)
        self.advice = QLabel()
        self.advice.setWordWrap(True)
        self.advice.setStyleSheet("color: #8a8a8a")
        self.advice.setAlignment(Qt.AlignmentFlag.AlignTop)
        # Room for the longest, so that nothing below moves with the choice.
        self.advice.setMinimumHeight(3 * self.advice.fontMetrics().lineSpacing())
        self._speed: MachineSpeed | None = None
        self.object_size = QSpinBox()
        self.object_size.setRange(0, 100_000)
        self.object_size.setSingleStep(5)
        self.object_size.setSpecialValueText("auto")
        self.object_size.setSuffix(" px")
        self.object_size.setKeyboardTracking(False)
        self.object_size.setToolTip("Diameter of the objects in pixels; auto finds the scale by itself.")
        self.layer_contrast = QCheckBox("Use the layer's contrast limits")
        self.layer_contrast.setToolTip(
            "What the model sees is scaled by the image layer's contrast limits, instead of by limits measured once "
            "on the whole stack."
        )
        form = QFormLayout(self)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        form.setContentsMargins(0, 0, 0, 0)
        form.setSpacing(SPACING)
        form.addRow("Image", self.image)
        form.addRow("Model", self.model)
        form.addRow(self.advice)
        form.addRow("", self.download)
        form.addRow("Labels", self.labels)
        form.addRow("Object size", self.object_size)
        form.addRow("", self.layer_contrast)
        self.image.currentIndexChanged.connect(self._choose_image)
        self.model.currentIndexChanged.connect(self._choose_model)
        self.download.downloaded.connect(self._downloaded)
        self.labels.currentIndexChanged.connect(self._choose_labels)
        self.object_size.valueChanged.connect(self._choose_size)
        self.layer_contrast.toggled.connect(controller.images.use_layer_contrast)
        self._show_advice()

    def fill(self) -> None:
        """List the layers again; the chosen ones stay chosen."""
        controller = self._controller
        self._filling = True
        try:
            self.image.clear()
            self.image.addItem("Choose an image", None)
            for image in controller.images.layers:
                self.image.addItem(image.name, image)
            choose(self.image, controller.image)
            self.labels.clear()
            self.labels.addItem(NEW_LABELS, None)
            for labels in controller.targets.fitting:
                self.labels.addItem(labels.name, labels)
            choose(self.labels, controller.target_layer)
        finally:
            self._filling = False

    def show_model(self) -> None:
        """Show which model the session uses."""
        model = self._session.model
        # The first model that is loaded measures it, if it was not measured before.
        if self._speed is None and self._session.setup is not None:
            self._show_advice()
        if self.model.currentData() == model:
            return
        self._filling = True
        try:
            if self.model.findData(model) < 0:
                self.model.addItem(Path(model).name, model)
            self.model.setCurrentIndex(self.model.findData(model))
        finally:
            self._filling = False
        self._offer(model)

    def _choose_image(self, index: int) -> None:
        if not self._filling:
            image = self.image.itemData(index)
            self._controller.images.choose(image if isinstance(image, Image) else None)

    def _choose_model(self, index: int) -> None:
        if not self._filling:
            self._session.set_model(self.model.itemData(index))
            self._offer(self.model.itemData(index))

    def _offer(self, model: str) -> None:
        self.download.offer(model)
        self._show_advice()

    def _show_advice(self) -> None:
        """What the chosen model is for and how long it takes here; which one to choose, while the mouse rests."""
        self._speed = self._speed or known_speed()
        spec = REGISTRY.get(self._session.model)
        self.advice.setText("" if spec is None else model_advice(spec, self._speed))
        self.advice.setVisible(spec is not None)
        self.model.setToolTip("" if self._speed is None else general_advice(self._speed))

    def _downloaded(self, name: str) -> None:
        if name == self._session.model:
            self._session.open_again()

    def _choose_labels(self, index: int) -> None:
        if not self._filling:
            labels = self.labels.itemData(index)
            self._controller.choose_target(labels if isinstance(labels, Labels) else None)

    def _choose_size(self, diameter: int) -> None:
        self._session.set_object_size(float(diameter) if diameter else None)
