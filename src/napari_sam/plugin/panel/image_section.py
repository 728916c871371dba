"""The section about what to work on: image, model (and its download), labels, object size, contrast."""

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

from napari.layers import Image, Labels
from psygnal import Signal
from qtpy.QtCore import Qt, QTimer
from qtpy.QtGui import QStandardItemModel
from qtpy.QtWidgets import QCheckBox, QFormLayout, QHBoxLayout, QLabel, QProgressBar, QSpinBox, QWidget

from napari_sam.errors import UserError
from napari_sam.models.advice import MachineSpeed, general_advice, known_speed, model_advice
from napari_sam.models.cache import is_downloaded
from napari_sam.models.download import fetch
from napari_sam.models.registry import REGISTRY
from napari_sam.models.remote.server_address import is_address
from napari_sam.nn.cancel import Cancelled, CancelToken
from napari_sam.plugin.controller import SegmentController
from napari_sam.plugin.panel.channel_row import ChannelRow
from napari_sam.plugin.panel.device_choice import DeviceChoice
from napari_sam.plugin.panel.section import Section
from napari_sam.plugin.panel.widgets import SPACING, PanelButton, RoomKeeper, button, choose, column_layout, combo, row
from napari_sam.plugin.preferences import LARGEST_OBJECT

# Chosen: a bar that moves ten times a second moves smoothly enough.
REFRESH_MS = 100


class DownloadRow(QWidget):
    """A button that becomes a progress bar with a way to cancel; hidden while there is nothing to download.

    Parameters
    ----------
    post
        Has a function called on the main thread.
    parent
        The widget around it.

    Attributes
    ----------
    wanted : bool
        Whether the model that is offered is not here.

    Signals
    -------
    downloaded(str)
        The model of this name is here.
    failed(str)
        It could not be downloaded; a sentence.
    """

    downloaded = Signal(str)
    failed = Signal(str)

    def __init__(self, post: Callable[[Callable[[], None]], None], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._post = post
        self._name = ""
        self._token: CancelToken | None = None
        self._here = (0, 1)
        self.wanted = False
        self.button = PanelButton()
        self.button.clicked.connect(self.start)
        self.bar = QProgressBar()
        self.bar.setRange(0, 1000)
        self.cancel_button = button(
            "Cancel", "", "Stop downloading; what came is kept, and the next download goes on from there."
        )
        self.cancel_button.clicked.connect(self.cancel)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        for part in (self.button, self.bar, self.cancel_button):
            row.addWidget(part)
        self._timer = QTimer(self)
        self._timer.setInterval(REFRESH_MS)
        self._timer.timeout.connect(self._show_progress)
        self.offer("")

    def offer(self, name: str) -> None:
        """Offer a model, if it can be downloaded and is not here; the download of another one ends."""
        if name != self._name:
            self.cancel()
        self._name = name
        spec = REGISTRY.get(name)
        self.wanted = spec is not None and not spec.bundled and not is_downloaded(spec)
        if spec is not None:
            self.button.setText(f"Download {name} ({spec.size_bytes / 1e6:,.0f} MB)")
            self.button.setToolTip(f"{spec.description}, for {spec.suits}. Licence: {spec.licence}. {spec.url}")
        self._show_running()
        self.setVisible(self.wanted)

    def start(self) -> None:
        """Download what is offered."""
        if self._token is None:
            self._token = CancelToken()
            self._here = (0, 1)
            threading.Thread(
                target=self._fetch, args=(self._name, self._token), name="napari-sam download", daemon=True
            ).start()
            self._timer.start()
            self._show_running()

    def cancel(self) -> None:
        """Stop downloading; a server that keeps silent is waited for in the background."""
        if self._token is not None:
            self._token.cancel()
            self._end()

    def _fetch(self, name: str, token: CancelToken) -> None:
        """Fetch a model, on a thread of its own."""
        try:
            fetch(name, progress=self._progress, cancel=token)
        except Cancelled:
            return
        except UserError as error:
            self._post(partial(self._ended, name, token, str(error)))
        else:
            self._post(partial(self._ended, name, token, None))

    def _progress(self, done: int, total: int) -> None:
        self._here = (done, total)

    def _ended(self, name: str, token: CancelToken, problem: str | None) -> None:
        # One that was cancelled has been forgotten.
        if token is self._token:
            self._end()
            self.offer(name)
            if problem is None:
                self.downloaded.emit(name)
            else:
                self.failed.emit(problem)

    def _end(self) -> None:
        self._token = None
        self._timer.stop()
        self._show_running()

    def _show_running(self) -> None:
        running = self._token is not None
        self.button.setVisible(not running)
        self.bar.setVisible(running)
        self.cancel_button.setVisible(running)
        self._show_progress()

    def _show_progress(self) -> None:
        done, total = self._here
        self.bar.setValue(1000 * done // max(1, total))
        self.bar.setFormat(f"{done / 1e6:,.0f} of {total / 1e6:,.0f} MB")


_ADVICE_LINES = 3
"""What the longest advice takes in a narrow dock."""
NO_IMAGE = "Choose one"
NEW_LABELS = "New labels layer"


class ImageSection(Section):
    """The section of choices; what is chosen goes to the controller and its session.

    Parameters
    ----------
    controller
        Where choices go.
    post
        Has a function called on the main thread.
    """

    def __init__(self, controller: SegmentController, post: Callable[[Callable[[], None]], None]) -> None:
        super().__init__("image and model", "Image and model")
        self._controller = controller
        self._session = controller.session
        self._filling = False
        self.image, self.model, self.labels = combo(), combo(), combo()
        self.open_button = button("Open…", "", "Open an image; napari's File menu has more ways, and samples.")
        for name, spec in REGISTRY.items():
            self.model.addItem(name, name)
            self.model.setItemData(
                self.model.count() - 1,
                f"{spec.description}, for {spec.suits} ({spec.licence}, {spec.size_bytes / 1e6:.0f} MB)",
                Qt.ItemDataRole.ToolTipRole,
            )
        self.device = DeviceChoice(lambda: self._session.model.device, self._compute_on)
        self.download = DownloadRow(post)
        self.advice = QLabel()
        self.advice.setWordWrap(True)
        self.advice.setStyleSheet("color: #8a8a8a")
        self.advice.setAlignment(Qt.AlignmentFlag.AlignTop)
        # Room for the longest, so that nothing below moves with the choice.
        about = QWidget()
        about_rows = column_layout(about)
        about_rows.addWidget(self.advice)
        about_rows.addWidget(self.download)
        about_rows.addStretch(1)
        self._about = about
        self._keeper = RoomKeeper(self.advice, _ADVICE_LINES, self._keep_about)
        self._speed: MachineSpeed | None = None
        self.object_size = QSpinBox()
        self.object_size.setRange(0, LARGEST_OBJECT)
        self.object_size.setSingleStep(5)
        self.object_size.setSpecialValueText("auto")
        self.object_size.setSuffix(" px")
        self.object_size.setKeyboardTracking(False)
        self.object_size.setToolTip("Diameter of the objects in pixels; auto finds the scale by itself.")
        self.object_size.setValue(round(self._session.model.object_size or 0))
        self.layer_contrast = QCheckBox("Use the layer's contrast limits")
        self.layer_contrast.setToolTip(
            "What the model sees is scaled by the image layer's contrast limits, instead of by limits measured once "
            "on the whole stack."
        )
        self.channels = ChannelRow(controller, controller.try_to)
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        form.setContentsMargins(0, 0, 0, 0)
        form.setSpacing(SPACING)
        image = row(self.image, self.open_button)
        image.setStretch(1, 0)
        form.addRow("Image", image)
        form.addRow("Channels", self.channels)
        # A narrow panel has no room for one more row.
        model = row(self.model, self.device.box)
        model.setStretch(0, 2)
        form.addRow("Model", model)
        form.addRow(about)
        form.addRow("Labels", self.labels)
        form.addRow("Object size", self.object_size)
        form.addRow(self.layer_contrast)
        self._channels_label = form.labelForField(self.channels)
        for choice, name in (
            (self.image, "Image"),
            (self.channels.button, "Channels"),
            (self.model, "Model"),
            (self.labels, "Labels"),
            (self.object_size, "Object size"),
        ):
            choice.setAccessibleName(name)
        self.add_row(form)
        self.image.currentIndexChanged.connect(self._choose_image)
        self.model.currentIndexChanged.connect(self._choose_model)
        self.download.downloaded.connect(self._downloaded)
        self.labels.currentIndexChanged.connect(self._choose_labels)
        self.object_size.valueChanged.connect(self._choose_size)
        self.layer_contrast.toggled.connect(controller.images.use_layer_contrast)
        self._show_advice()

    def _keep_about(self, height: int) -> None:
        self._advice_height = height
        self._keep_download()

    def _keep_download(self) -> None:
        """Keep room for a download, if the model may need one, so that nothing below moves when that ends."""
        spec = REGISTRY.get(self._session.model.name)
        download = 0 if spec is None or spec.bundled else SPACING + self.download.sizeHint().height()
        self._about.setMinimumHeight(self._advice_height + download)

    def fill(self) -> None:
        """List the layers again; the chosen ones stay chosen."""
        controller = self._controller
        self._filling = True
        try:
            self.image.clear()
            self.image.addItem(NO_IMAGE, None)
            for image in controller.images.layers:
                self.image.addItem(image.name, image)
            choose(self.image, controller.image)
            self.labels.clear()
            self.labels.addItem(NEW_LABELS, None)
            for labels, obstacle in controller.targets.offered.items():
                self.labels.addItem(labels.name, labels)
                self._explain_last(obstacle, controller.targets.hint(labels))
            choose(self.labels, controller.target_layer)
        finally:
            self._filling = False
        self.channels.fill()
        for part in (self.channels, self._channels_label):
            if part is not None:
                part.setVisible(self.channels.wanted)

    def _explain_last(self, obstacle: str, hint: str) -> None:
        """Have the last labels of the list, which cannot be chosen if there is an obstacle, say why or what of them."""
        at, items = self.labels.count() - 1, self.labels.model()
        self.labels.setItemData(at, obstacle or hint, Qt.ItemDataRole.ToolTipRole)
        item = items.item(at) if isinstance(items, QStandardItemModel) else None
        if item is not None:
            item.setEnabled(not obstacle)

    def show_setup(self) -> None:
        """Show which model and object size the session uses, as they may come from a session that is restored."""
        self._filling = True
        self.object_size.setValue(round(self._session.model.object_size or 0))
        self._filling = False
        self.channels.show_picture()
        self.device.show()
        model = self._session.model.name
        # The first model that is loaded measures it, if it was not measured before.
        if self._speed is None and self._session.model.setup is not None:
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
            self._session.model.choose(self.model.itemData(index))
            self._offer(self.model.itemData(index))

    def _compute_on(self, device: str, token: str | None) -> None:
        self._session.model.compute_on(device, token)
        self._offer(self._session.model.name)

    def _offer(self, model: str) -> None:
        # Another machine has its own models.
        self.download.offer("" if is_address(self._session.model.device) else model)
        self._show_advice()

    def _show_advice(self) -> None:
        """Show what the chosen model is for and how long it takes here; while the mouse rests, which one to choose."""
        self._speed = self._speed or known_speed()
        spec = REGISTRY.get(self._session.model.name)
        here = None if is_address(self._session.model.device) else self._speed
        self.advice.setText("" if spec is None else model_advice(spec, here))
        self._keep_download()
        self.model.setToolTip("" if self._speed is None else general_advice(self._speed))

    def _downloaded(self, name: str) -> None:
        if name == self._session.model.name:
            self._session.model.open()

    def _choose_labels(self, index: int) -> None:
        if not self._filling:
            labels = self.labels.itemData(index)
            self._controller.choose_target(labels if isinstance(labels, Labels) else None)

    def _choose_size(self, diameter: int) -> None:
        if not self._filling:
            self._session.model.set_object_size(float(diameter) if diameter else None)
