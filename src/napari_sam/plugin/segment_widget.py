"""The dock widget *Segment*."""

import weakref
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from napari.layers import Image, Labels
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QEvent, QObject, Qt, QTimer
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QFormLayout,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QRadioButton,
    QScrollArea,
    QSizePolicy,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from napari_sam.labels.collision import Collision
from napari_sam.models.registry import REGISTRY
from napari_sam.plugin.actions import CONTROLS, Action
from napari_sam.plugin.closing import ClosingWatch
from napari_sam.plugin.conflict import conflict_sentence
from napari_sam.plugin.controller import SegmentController
from napari_sam.plugin.download_row import DownloadRow
from napari_sam.plugin.main_thread import MainThread
from napari_sam.plugin.status_line import StatusLine
from napari_sam.plugin.view import camera_of
from napari_sam.session.engine import Engine
from napari_sam.session.session import Session
from napari_sam.session.state import State, Status

if TYPE_CHECKING:
    import napari

SLIDER_DELAY_MS = 80
CAMERA_DELAY_MS = 250
PROGRESS_DELAY_MS = 150
HINT = "Left click adds, right click or Alt/Ctrl + click excludes, dragging draws a box; hold Space to pan."
NEW_LABELS = "New labels layer"


class SegmentWidget(QWidget):
    """Segment objects of an image layer by clicks and boxes, and carry them through the stack.

    Parameters
    ----------
    viewer
        The viewer.
    engine
        What computes; the project's models by default.
    """

    def __init__(self, viewer: "napari.viewer.Viewer", *, engine: Engine | None = None) -> None:
        super().__init__()
        self._main_thread = MainThread(self)
        self.session = Session(self._main_thread.post, engine=engine)
        self.controller = SegmentController(viewer, self.session, later=self._main_thread.post)
        self._viewer = viewer
        self._filling = False
        # Whatever happens to the window, the thread ends: when Qt deletes the widget, when Python does, at exit.
        self._end = weakref.finalize(self, self.session.close)
        self.destroyed.connect(partial(_end, self._end))
        self._watch = ClosingWatch(self, self._on_closed)
        self._build()
        self._shown_state: State | None = None
        self._slider_timer = self._timer(SLIDER_DELAY_MS, self.controller.update_view)
        self._camera_timer = self._timer(CAMERA_DELAY_MS, self.controller.update_view)
        self._progress_timer = self._timer(PROGRESS_DELAY_MS, lambda: self._show_status(self.session.status))
        self._connect()
        self.controller.choose_first_image()
        self._fill_choices()
        self._show_status(self.session.status)
        self._show_label()
        self._show_history()

    # Building

    def _build(self) -> None:
        self.image_choice, self.model_choice, self.labels_choice = _combo(), _combo(), _combo()
        for name, spec in REGISTRY.items():
            self.model_choice.addItem(name, name)
            self.model_choice.setItemData(
                self.model_choice.count() - 1,
                f"{spec.description}, for {spec.suits} ({spec.licence}, {spec.size_bytes / 1e6:.0f} MB)",
                Qt.ItemDataRole.ToolTipRole,
            )
        self.download = DownloadRow(self._main_thread.post)
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
        self.status = StatusLine()
        self.buttons = {
            action: _button(control.text, control.shown, control.tip) for action, control in CONTROLS.items()
        }
        self.buttons[Action.PICK].setCheckable(True)
        self.draw_button = _button("Click or box", "", "Make the clicks layer active, ready for clicks and boxes.")
        self.points_button = _button("Move clicks", "", "Select, move and delete clicks with napari's own tool.")
        self.boxes_button = _button("Move boxes", "", "Select, move and delete boxes with napari's own tool.")
        self.save_button = _button("Save labels…", "", "Write an OME-TIFF with the image's axes and scale.")
        self.keep = QRadioButton("keep others")
        self.keep.setToolTip("Pixels that belong to another object stay with it.")
        self.overwrite = QRadioButton("overwrite")
        self.overwrite.setToolTip("Pixels that belong to another object become this one's.")
        self.keep.setChecked(True)
        self.object_title = _title("Object")
        self.axis_choice = _combo()
        self.axis_label = QLabel("Along")

        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(8, 6, 8, 8)
        column.setSpacing(6)
        conflict = conflict_sentence()
        if conflict is not None:
            warning = QLabel(conflict)
            warning.setWordWrap(True)
            warning.setStyleSheet("color: #ff5a4f")
            column.addWidget(warning)
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        form.setContentsMargins(0, 0, 0, 0)
        form.setSpacing(4)
        form.addRow("Image", self.image_choice)
        form.addRow("Model", self.model_choice)
        form.addRow("", self.download)
        form.addRow("Labels", self.labels_choice)
        form.addRow("Object size", self.object_size)
        form.addRow("", self.layer_contrast)
        column.addLayout(form)
        column.addWidget(_line())
        column.addWidget(self.status)
        column.addWidget(_line())
        column.addWidget(_title("Prompts"))
        hint = QLabel(HINT)
        hint.setWordWrap(True)
        column.addWidget(hint)
        column.addLayout(_row(self.draw_button, self.points_button, self.boxes_button))
        column.addLayout(_row(self.buttons[Action.REMOVE_LAST], self.buttons[Action.CLEAR]))
        column.addLayout(_row(self.buttons[Action.PICK]))
        column.addWidget(_line())
        column.addWidget(self.object_title)
        grid = QGridLayout()
        grid.setSpacing(4)
        for at, action in enumerate((Action.ACCEPT, Action.REJECT, Action.NEXT, Action.HIDE, Action.UNDO, Action.REDO)):
            grid.addWidget(self.buttons[action], at // 2, at % 2)
        column.addLayout(grid)
        meets = QHBoxLayout()
        meets.setSpacing(6)
        meets.addWidget(QLabel("Meeting others:"))
        meets.addWidget(self.keep)
        meets.addWidget(self.overwrite)
        meets.addStretch(1)
        column.addLayout(meets)
        column.addWidget(_line())
        column.addWidget(_title("Stack"))
        along = QHBoxLayout()
        along.addWidget(self.axis_label)
        along.addWidget(self.axis_choice, 1)
        column.addLayout(along)
        column.addLayout(_row(self.buttons[Action.PROPAGATE], self.buttons[Action.CANCEL]))
        column.addWidget(_line())
        column.addLayout(_row(self.save_button))
        column.addStretch(1)

        scroll = _ColumnScroll()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(content)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(scroll)

    def _timer(self, delay: int, then: Callable[[], None]) -> QTimer:
        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.setInterval(delay)
        timer.timeout.connect(then)
        return timer

    def _connect(self) -> None:
        session, controller, viewer = self.session, self.controller, self._viewer
        session.status_changed.connect(self._on_status)
        session.label_changed.connect(self._show_label)
        session.history_changed.connect(self._show_history)
        session.crashed.connect(_report_crash)
        controller.layers_changed.connect(self._fill_choices)
        controller.told.connect(self.status.tell)
        controller.picking_changed.connect(self._show_picking)
        self.image_choice.currentIndexChanged.connect(self._choose_image)
        self.model_choice.currentIndexChanged.connect(self._choose_model)
        self.download.downloaded.connect(self._downloaded)
        self.download.failed.connect(self.status.tell)
        self.labels_choice.currentIndexChanged.connect(self._choose_labels)
        self.axis_choice.currentIndexChanged.connect(self._choose_axis)
        self.object_size.valueChanged.connect(self._choose_size)
        self.layer_contrast.toggled.connect(controller.use_layer_contrast)
        self.keep.toggled.connect(self._choose_collision)
        for action, button in self.buttons.items():
            button.clicked.connect(partial(self._pressed, action))
        self.draw_button.clicked.connect(lambda: controller.draw())
        self.points_button.clicked.connect(lambda: controller.edit_points())
        self.boxes_button.clicked.connect(lambda: controller.edit_boxes())
        self.save_button.clicked.connect(lambda: self.ask_and_save())
        for event in (viewer.dims.events.current_step, viewer.dims.events.order, viewer.dims.events.ndisplay):
            event.connect(self._on_slider)
        camera = camera_of(viewer).events
        for event in (camera.center, camera.zoom):
            event.connect(self._on_camera)

    def _pressed(self, action: Action, _: bool = False) -> None:
        if action is Action.PICK:
            self.controller.start_picking()
        else:
            self.controller.do(action)

    # Choices

    def _fill_choices(self) -> None:
        """List the layers again; the chosen ones stay chosen."""
        controller = self.controller
        self._filling = True
        try:
            self.image_choice.clear()
            self.image_choice.addItem("Choose an image", None)
            for image in controller.images:
                self.image_choice.addItem(image.name, image)
            _select(self.image_choice, controller.image)
            self.labels_choice.clear()
            self.labels_choice.addItem(NEW_LABELS, None)
            for labels in controller.labels:
                self.labels_choice.addItem(labels.name, labels)
            _select(self.labels_choice, controller.target_layer)
            self._fill_axes()
        finally:
            self._filling = False

    def _fill_axes(self) -> None:
        axes = self.controller.propagation_axes
        chosen = self.controller.propagation_axis
        self.axis_choice.clear()
        for axis, name in axes.items():
            self.axis_choice.addItem(name, axis)
        at = self.axis_choice.findData(chosen)
        self.axis_choice.setCurrentIndex(max(at, 0))
        for part in (self.axis_choice, self.axis_label):
            part.setVisible(len(axes) > 1)

    def _choose_image(self, index: int) -> None:
        if not self._filling:
            image = self.image_choice.itemData(index)
            self.controller.choose_image(image if isinstance(image, Image) else None)

    def _choose_model(self, index: int) -> None:
        if not self._filling:
            self.session.set_model(self.model_choice.itemData(index))
            self.download.offer(self.model_choice.itemData(index))

    def _downloaded(self, name: str) -> None:
        if name == self.session.model:
            self.session.open_again()

    def _choose_labels(self, index: int) -> None:
        if not self._filling:
            labels = self.labels_choice.itemData(index)
            self.controller.choose_target(labels if isinstance(labels, Labels) else None)

    def _choose_axis(self, index: int) -> None:
        if not self._filling:
            self.controller.propagation_axis = self.axis_choice.itemData(index)

    def _choose_size(self, diameter: int) -> None:
        self.session.set_object_size(float(diameter) if diameter else None)

    def _choose_collision(self, keep: bool) -> None:
        self.controller.collision = Collision.KEEP if keep else Collision.OVERWRITE

    # Showing

    def _on_status(self, status: Status) -> None:
        """Mere progress is shown a few times a second: each time costs a drawing of the window."""
        if status.state is not self._shown_state:
            self._show_status(status)
        elif not self._progress_timer.isActive():
            self._progress_timer.start()

    def _show_status(self, status: Status) -> None:
        self._progress_timer.stop()
        self._shown_state = status.state
        self.status.show_status(status)
        draft, session = self.session.draft, self.session
        has_masks = bool(draft.masks) or bool(draft.in_flight)
        in_view = status.state not in (State.NO_IMAGE, State.NO_PLANE)
        for action, possible in (
            (Action.ACCEPT, has_masks),
            (Action.REJECT, bool(draft) or session.propagating),
            (Action.REMOVE_LAST, bool(draft.order)),
            (Action.CLEAR, session.plane in draft.prompts),
            (Action.PROPAGATE, has_masks and in_view and not session.propagating and bool(self.axis_choice.count())),
            (Action.CANCEL, session.propagating),
            (Action.PICK, in_view),
            (Action.HIDE, session.source is not None),
            (Action.NEXT, session.source is not None),
        ):
            self.buttons[action].setEnabled(possible)
        self.save_button.setEnabled(session.target is not None)
        if self.model_choice.currentData() != session.model:
            self._show_model(session.model)

    def _show_model(self, model: str) -> None:
        self._filling = True
        try:
            if self.model_choice.findData(model) < 0:
                self.model_choice.addItem(Path(model).name, model)
            self.model_choice.setCurrentIndex(self.model_choice.findData(model))
        finally:
            self._filling = False
        self.download.offer(model)

    def _show_label(self) -> None:
        label = self.session.current_label
        if label is None:
            label = 1 if self.session.target is None else None
        refines = " (refines a label)" if self.session.draft.refines else ""
        self.object_title.setText("<b>Object</b>" if label is None else f"<b>Object {label}</b>{refines}")

    def _show_picking(self, picking: bool) -> None:
        self.buttons[Action.PICK].setChecked(picking)

    def _show_history(self) -> None:
        self.buttons[Action.UNDO].setEnabled(self.session.history.can_undo)
        self.buttons[Action.REDO].setEnabled(self.session.history.can_redo)

    # Saving and closing

    def ask_and_save(self) -> None:
        """Ask where to, and save the labels there."""
        target = self.session.target
        if target is None:
            self.status.tell("There are no labels to save yet: accept an object first.")
            return
        path, _ = QFileDialog.getSaveFileName(
            self, "Save labels", f"{target.name}.ome.tif", "OME-TIFF (*.ome.tif *.ome.tiff *.tif *.tiff)"
        )
        if path:
            if Path(path).suffix.lower() not in (".tif", ".tiff"):
                path += ".ome.tif"
            self.controller.try_to(partial(self.session.save, path))

    def _on_slider(self) -> None:
        if self.controller.propagation_axes.keys() != {
            self.axis_choice.itemData(at) for at in range(self.axis_choice.count())
        }:
            self._fill_choices()
        self._slider_timer.start()

    def _on_camera(self) -> None:
        self._camera_timer.start()

    def _on_closed(self, window: bool) -> None:
        for timer in (self._slider_timer, self._camera_timer, self._progress_timer):
            timer.stop()
        self.download.cancel()
        self._main_thread.close()
        dims, camera = self._viewer.dims.events, camera_of(self._viewer).events
        for event in (dims.current_step, dims.order, dims.ndisplay):
            event.disconnect(self._on_slider)
        for event in (camera.center, camera.zoom):
            event.disconnect(self._on_camera)
        self.controller.close(keep_layers=window)


def _end(finalizer: "weakref.finalize[..., SegmentWidget]", *_: object) -> None:
    finalizer()


def _report_crash(error: Exception) -> None:
    """Show something unexpected the way napari shows its own errors, with its traceback."""
    notification_manager.receive_error(type(error), error, error.__traceback__)


class _ColumnScroll(QScrollArea):
    """Scrolls up and down only: it is never narrower than what it holds."""

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Be as wide as the content, whose width is known only when napari's style has reached it."""
        if event is not None and event.type() in (QEvent.Type.LayoutRequest, QEvent.Type.Show):
            content, bar = self.widget(), self.verticalScrollBar()
            if content is not None and bar is not None:
                self.setMinimumWidth(content.minimumSizeHint().width() + bar.sizeHint().width())
        return super().eventFilter(watched, event)


def _combo() -> QComboBox:
    combo = QComboBox()
    combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    combo.setMinimumContentsLength(12)
    combo.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    return combo


def _button(text: str, key: str, tip: str) -> QPushButton:
    """A button that leaves the keyboard to the canvas."""
    button = QPushButton(f"{text}  [{key}]" if key else text)
    button.setToolTip(f"{tip} Key: {key}." if key else tip)
    button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    return button


def _title(text: str) -> QLabel:
    return QLabel(f"<b>{text}</b>")


def _line() -> QFrame:
    line = QFrame()
    line.setFrameShape(QFrame.Shape.HLine)
    line.setStyleSheet("color: #6a6a6a")
    return line


def _row(*parts: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    row.setSpacing(4)
    for part in parts:
        row.addWidget(part, 1)
    return row


def _select(combo: QComboBox, layer: object) -> None:
    for at in range(combo.count()):
        if combo.itemData(at) is layer:
            combo.setCurrentIndex(at)
            return
    combo.setCurrentIndex(0)
