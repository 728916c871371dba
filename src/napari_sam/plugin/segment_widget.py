"""The dock widget *Segment*."""

import time
import weakref
from collections.abc import Callable
from functools import partial
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING

from napari.utils.notifications import notification_manager
from qtpy.QtCore import QEvent, QObject, QTimer
from qtpy.QtGui import QResizeEvent
from qtpy.QtOpenGLWidgets import QOpenGLWidget
from qtpy.QtWidgets import QFileDialog, QLabel, QWidget

from napari_sam.plugin.actions import Action
from napari_sam.plugin.canvas.canvas import PointerRest
from napari_sam.plugin.canvas.drawing_hold import DrawingHold, MainThread
from napari_sam.plugin.controller import SegmentController
from napari_sam.plugin.export_dialog import ask_and_export
from napari_sam.plugin.folder_dialog import show_folder_dialog
from napari_sam.plugin.layers.opened_layers import open_in_viewer
from napari_sam.plugin.napari_internals import LayerRemoval, StatusReading, camera_of
from napari_sam.plugin.panel.device_choice import OtherMachine
from napari_sam.plugin.panel.everything_section import EverythingSection
from napari_sam.plugin.panel.image_section import ImageSection
from napari_sam.plugin.panel.measurements_table import MeasurementsTable
from napari_sam.plugin.panel.next_step import Step, next_step, situation_of
from napari_sam.plugin.panel.notice_rows import NoticeRows, PanelFoot
from napari_sam.plugin.panel.object_section import ObjectSection
from napari_sam.plugin.panel.object_table import ObjectTableWidget
from napari_sam.plugin.panel.prominence import Prominence
from napari_sam.plugin.panel.prompt_section import PromptSection
from napari_sam.plugin.panel.restore_row import RestoreRow
from napari_sam.plugin.panel.save_section import SaveSection
from napari_sam.plugin.panel.section import Section
from napari_sam.plugin.panel.stack_section import StackSection
from napari_sam.plugin.panel.status_line import StatusLine
from napari_sam.plugin.panel.tab_order import set_tab_order
from napari_sam.plugin.panel.widgets import PANEL_STYLE, ColumnScroll, WheelGuard, column_layout
from napari_sam.plugin.preferences import preferences
from napari_sam.plugin.save_dialog import ask_and_save
from napari_sam.plugin.session_restorer import SessionRestorer
from napari_sam.plugin.version_dialog import VersionDialog
from napari_sam.session.compute.engine import Engine, NetworkEngine
from napari_sam.session.compute.scheduler import weak_callback
from napari_sam.session.notices import NoticeKind
from napari_sam.session.record.autosave import Autosave
from napari_sam.session.record.log_folder import sessions_folder
from napari_sam.session.record.session_file import SUFFIX
from napari_sam.session.record.versions import Version
from napari_sam.session.session import Session
from napari_sam.session.status import State, Status

if TYPE_CHECKING:
    import napari


class ClosingWatch(QObject):
    """A watch that calls back once when a widget's dock is closed, or the window that it is docked in.

    Hiding it behind another tab, floating the dock, or a close that the user called off count for nothing.

    Parameters
    ----------
    widget
        The widget.
    on_closed
        Called with True when the whole window closes, with False when only the widget's dock does.
    """

    def __init__(self, widget: QWidget, on_closed: Callable[[bool], None]) -> None:
        super().__init__(widget)
        self._widget = widget
        self._on_closed = on_closed
        self._window: QWidget | None = None
        self._docked = False
        self._over = False
        widget.installEventFilter(self)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Look at what happens to the widget and its window; nothing is held back."""
        if event is None or self._over:
            return False
        kind = event.type()
        if watched is self._widget and kind in (QEvent.Type.ParentChange, QEvent.Type.Show):
            if self._widget.parentWidget() is not None:
                self._docked = True
                self._watch(_outermost(self._widget))
            elif self._docked and kind == QEvent.Type.ParentChange:
                self._closed(False)
        elif watched is self._window and kind == QEvent.Type.Close:
            # Whether the close was called off shows only after the event.
            QTimer.singleShot(0, self._after_close)
        return False

    def _watch(self, window: QWidget) -> None:
        if window is not self._window and window is not self._widget:
            if self._window is not None:
                self._window.removeEventFilter(self)
            self._window = window
            window.installEventFilter(self)

    def _after_close(self) -> None:
        try:
            closed = self._window is not None and not self._window.isVisible()
        except RuntimeError:
            closed = True
        if closed:
            self._closed(True)

    def _closed(self, window: bool) -> None:
        if not self._over:
            self._over = True
            self._on_closed(window)


def _outermost(widget: QWidget) -> QWidget:
    parent = widget.parentWidget()
    while parent is not None:
        widget, parent = parent, parent.parentWidget()
    return widget


OTHER = "napari-sam"


def conflict_sentence() -> str | None:
    """Return one sentence if the other plugin is installed beside this one, else None."""
    try:
        distribution(OTHER)
    except PackageNotFoundError:
        return None
    return (
        f"The plugin '{OTHER}' is installed too and overwrites files of this one (both are imported as napari_sam): "
        f"run 'pip uninstall {OTHER}', then reinstall 'napari-sam-stacks'."
    )


# Milliseconds, chosen, not measured: no longer than it takes to look at a plane.
SHORTEST_MS = 80
LONGEST_STEP_MS = 300
"""Steps that follow each other more slowly than this are looked at one by one."""


class SliderPace:
    """A pace that tells, after each step of a slider, how long to wait for the next one before taking it for the last.

    Planes that are only flown over, by the wheel or while napari plays an axis, are not worth embedding.
    """

    def __init__(self) -> None:
        self._last: float | None = None

    def step(self, now: float) -> int:
        """Note that the slider moved.

        Parameters
        ----------
        now
            Time in seconds, from any start.

        Returns
        -------
        int
            Milliseconds to wait.
        """
        since = float("inf") if self._last is None else 1000 * (now - self._last)
        self._last = now
        return SHORTEST_MS if since > LONGEST_STEP_MS else max(SHORTEST_MS, round(1.5 * since))


# Chosen, not measured: a pan has come to rest then, and work that is shorter shows no progress.
CAMERA_DELAY_MS = 250
PROGRESS_DELAY_MS = 150


class SegmentWidget(QWidget):
    """A widget to segment objects of an image layer by clicks and boxes, and carry them through the stack.

    Parameters
    ----------
    viewer
        The viewer.
    engine
        What computes; the project's models by default, as the user prefers.
    """

    def __init__(self, viewer: "napari.viewer.Viewer", *, engine: Engine | None = None) -> None:
        super().__init__()
        self._main_thread = MainThread(self)
        preferred = preferences()
        other = OtherMachine.remembered()
        engine = engine or NetworkEngine(
            other.address if other.chosen else preferred.device,
            preferred.embedding_megabytes * 2**20,
            other.token if other.chosen else None,
        )
        self.session = Session(self._main_thread.post, engine=engine, model=preferred.model)
        self.session.model.set_object_size(preferred.object_size or None)
        self._hold = DrawingHold(self, self.session.scheduler, self._main_thread)
        self._rest = PointerRest(self)
        self.controller = SegmentController(
            viewer,
            self.session,
            later=self._main_thread.post,
            soon=self._hold.start,
            after_drawing=self._main_thread.post_after_drawing,
            rest=self._rest,
        )
        self.controller.collision = preferred.collision
        self._layer_removal = LayerRemoval(viewer)
        self._status_reading = StatusReading(viewer, self.controller.is_own, self._main_thread.post)
        logs = sessions_folder()
        self.autosave = Autosave(
            self.session,
            logs,
            self._main_thread.post,
            # A notice says it, for as long as it is so.
            lambda _: None,
            enabled=preferred.autosave,
        )
        self.autosave.ask_folder = weak_callback(self.ask_log_folder)
        self.restoring = SessionRestorer(self.controller, self.autosave, logs)
        self.versions = self.session.record.versions = preferred.versions
        self.viewer = viewer
        # Whatever happens to the window, threads and log end: when Qt deletes the widget, when Python does, at exit.
        # Closing the window is not enough: what the watch does comes after it, where an event loop follows.
        self._end = weakref.finalize(self, _end_session, self.autosave, self.session)
        self.destroyed.connect(partial(_end, self._end))
        self._watch = ClosingWatch(self, self._on_closed)
        self.status = StatusLine()
        self.choices = ImageSection(self.controller, self._main_thread.post)
        self.prompts = PromptSection(self.controller)
        self.everything = EverythingSection(self.controller)
        self.object = ObjectSection(self.controller)
        self.stack = StackSection(self.controller)
        self.table = ObjectTableWidget(self.controller)
        self.objects = Section("objects", "Objects", opened=False)
        self.objects.add_row(self.table)
        self.save = SaveSection(self.session)
        self.sections: tuple[Section, ...] = (
            self.choices,
            self.prompts,
            self.everything,
            self.object,
            self.stack,
            self.objects,
            self.save,
        )
        self.buttons = {
            **self.prompts.buttons,
            **self.everything.buttons,
            **self.object.buttons,
            **self.stack.buttons,
            **self.table.edits.buttons,
        }
        self.save_button, self.open_button = self.save.save_button, self.save.open_button
        self.versions_button = self.save.versions_button
        self.measurements: MeasurementsTable | None = None
        self.restore_row = RestoreRow(self.restoring)
        self.notices = NoticeRows(self.session.notices, self.controller.try_to, weak_callback(self._notices_shown))
        self._foot = PanelFoot(self.restore_row, self.notices)
        self._prominence = Prominence(
            {
                Step.OPEN_IMAGE: self.choices.open_button,
                Step.CHOOSE_IMAGE: self.choices.image,
                Step.DOWNLOAD_MODEL: self.choices.download.button,
                Step.CHOOSE_MODEL: self.choices.model,
                Step.PROMPT: self.prompts.draw,
                Step.PROPAGATE: self.buttons[Action.PROPAGATE],
                Step.ACCEPT: self.buttons[Action.ACCEPT],
                Step.ACCEPT_FOUND: self.buttons[Action.ACCEPT_FOUND],
                Step.ANSWER: self.object.collision.keep,
                Step.SAVE: self.save_button,
            },
            self.sections,
        )
        self._arrange()
        self._shown_state: State | None = None
        self._slider_timer = self._timer(SHORTEST_MS, self.controller.update_view)
        self._pace = SliderPace()
        self._camera_timer = self._timer(CAMERA_DELAY_MS, self.controller.update_view)
        self._progress_timer = self._timer(PROGRESS_DELAY_MS, lambda: self._show_status(self.session.status))
        self._connect()
        self.controller.images.choose_first()
        self._fill_choices()
        self._show_status(self.session.status)
        self.object.show_label()
        self.object.show_history()
        self.restoring.look()
        # Keys work at once, without a click on the canvas.
        self._timer(0, self._focus_canvas).start()

    def _arrange(self) -> None:
        """Put what is always in view on top, the sections below it, and what comes and goes at the foot."""
        self.setStyleSheet(PANEL_STYLE)
        head, content = QWidget(), QWidget()
        top, rows = column_layout(head), column_layout(content)
        top.setContentsMargins(5, 6, 3, 2)
        rows.setContentsMargins(2, 0, 2, 6)
        conflict = conflict_sentence()
        if conflict is not None:
            warning = QLabel(conflict)
            warning.setWordWrap(True)
            warning.setStyleSheet("color: #ff5a4f")
            top.addWidget(warning)
        top.addWidget(self.status)
        for section in self.sections:
            rows.addWidget(section)
        rows.addStretch(1)
        outer = column_layout(self)
        outer.setSpacing(0)
        outer.addWidget(head)
        self.column = ColumnScroll(content)
        outer.addWidget(self.column, 1)
        outer.addWidget(self._foot)
        self._foot.fit()
        self._guard = WheelGuard(self)
        set_tab_order(self)

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802
        """Leave the sections their part of the height."""
        super().resizeEvent(event)
        self._foot.fit()

    def _focus_canvas(self) -> None:
        window = self.window()
        canvas = None if window is None else window.findChild(QOpenGLWidget)
        if canvas is not None:
            canvas.setFocus()

    def _timer(self, delay: int, then: Callable[[], None]) -> QTimer:
        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.setInterval(delay)
        timer.timeout.connect(then)
        return timer

    def _connect(self) -> None:
        session, controller, viewer = self.session, self.controller, self.viewer
        session.status_changed.connect(self._on_status)
        session.masks_changed.connect(self.object.candidates.show_candidates)
        session.masks_changed.connect(self.stack.show_planes)
        session.label_changed.connect(self.object.show_label)
        session.proposals_changed.connect(self._on_proposals)
        session.history_changed.connect(self._on_history)
        session.crashed.connect(_report_crash)
        controller.layers_changed.connect(self._fill_choices)
        controller.told.connect(self.status.tell)
        self.choices.download.failed.connect(self.status.tell)
        # Buttons deep inside would keep the widget alive, and with it the log's threads.
        pressed = weak_callback(self._pressed)
        for action, each in self.buttons.items():
            each.clicked.connect(partial(pressed, action))
        self.choices.open_button.clicked.connect(lambda: self.ask_and_open_image())
        controller.object_shown.connect(self.table.select)
        self.table.counted.connect(self._show_count)
        self.restoring.offered.connect(self._fit_foot)
        controller.asked_changed.connect(self._show_next_step)
        controller.tools.tool_changed.connect(self.prompts.tools.show_tool)
        for tool in self.prompts.tools.buttons.values():
            tool.clicked.connect(self._focus_canvas)
        self.save_button.clicked.connect(lambda: self.ask_and_save())
        self.open_button.clicked.connect(lambda: self.ask_and_open())
        self.versions_button.clicked.connect(lambda: self.show_versions())
        self.everything.folder_button.clicked.connect(lambda: self.do_to_folder())
        self.save.export_button.clicked.connect(lambda: self.ask_and_export())
        self.save.measure_button.clicked.connect(lambda: self.measure())
        for each, deed in (
            (self.restore_row.restore, self.restoring.restore),
            (self.restore_row.discard, self.restoring.discard),
            (self.restore_row.later, self.restoring.later),
        ):
            each.clicked.connect(partial(self._restore, deed))
        for event in (viewer.dims.events.current_step, viewer.dims.events.order, viewer.dims.events.ndisplay):
            event.connect(self._on_slider)
        camera = camera_of(viewer).events
        for event in (camera.center, camera.zoom):
            event.connect(self._on_camera)

    def _notices_shown(self) -> None:
        passing = self.notices.passing
        self.status.show_passing(" ".join(notice.sentence for notice in passing.values()))
        self._fit_foot()
        # A mask that is behind is seen to be so where the eyes are.
        self.controller.tools.fade_preview(NoticeKind.ANSWER in {**passing, **self.notices.rows})

    def _fit_foot(self) -> None:
        """Show what came to the foot of the panel, also to the Tab key."""
        self._foot.fit()
        set_tab_order(self)

    def _pressed(self, action: Action, _: bool = False) -> None:
        if action is Action.PICK:
            self.controller.start_picking()
        else:
            self.controller.do(action)
        # The button may have changed where what it shows has not.
        if action is Action.CURSOR:
            self.buttons[action].setChecked(self.controller.cursor.active)
        elif action is Action.SPLIT:
            self.buttons[action].setChecked(self.controller.splitting.active)
            self._focus_canvas()

    # Showing

    def _fill_choices(self) -> None:
        self.choices.fill()
        self.prompts.source.fill()
        self.stack.fill()
        self.everything.fill()
        self.table.edits.show_status(self.session.status)
        self.save.show_status()
        self._show_next_step()

    def _on_proposals(self) -> None:
        """Show what is proposed, and that other things can be done now."""
        self.everything.fill()
        self.everything.show_status(self.session.status)
        self._show_next_step()

    def _on_history(self) -> None:
        """Show that something was done, so other things can be done now."""
        self.object.show_history()
        self._show_status(self.session.status)

    def _on_status(self, status: Status) -> None:
        """Show mere progress only a few times a second: each time costs a drawing of the window."""
        if status.state is not self._shown_state or not status.working:
            self._show_status(status)
        elif not self._progress_timer.isActive():
            self._progress_timer.start()

    def _show_status(self, status: Status) -> None:
        self._progress_timer.stop()
        self._shown_state = status.state
        self.status.show_status(status)
        for rows in (self.prompts, self.everything, self.object, self.stack, self.table.edits):
            rows.show_status(status)
        self.save.show_status()
        self.choices.show_setup()
        self.status.show_setup(self.session.model.setup, self.session.model.device)
        self._show_next_step()

    def _show_next_step(self) -> None:
        self._prominence.show(
            next_step(
                situation_of(self.controller, downloadable=self.choices.download.wanted, unsaved=self.save.unsaved)
            )
        )

    def _show_count(self, count: int) -> None:
        self.objects.set_title(f"Objects ({count})" if count else "Objects")

    # Opening, saving and closing

    def ask_and_open_image(self) -> None:
        """Ask which image to open, and have napari open it; the first image is chosen by itself."""
        paths, _ = QFileDialog.getOpenFileNames(self, "Open image")
        if paths:
            self.controller.told.emit("")
            self.controller.try_to(partial(_open_images, self.viewer, paths))

    def ask_and_save(self) -> None:
        """Ask where to, and save the labels there."""
        ask_and_save(self, self.controller)

    def ask_and_export(self) -> None:
        """Ask in which format and where to, and export the labels there."""
        ask_and_export(self, self.controller)

    def measure(self) -> None:
        """Measure the objects, in a dock of their own."""
        if self.session.labels.target is None:
            self.controller.told.emit("There are no labels to measure yet: accept an object first.")
            return
        if self.measurements is None or self.measurements.parentWidget() is None:
            self._close_measurements()
            self.measurements = MeasurementsTable(self.controller)
            self.viewer.window.add_dock_widget(self.measurements, name="Measurements", area="bottom")
        self.measurements.measure()

    def _close_measurements(self, *, window: bool = False) -> None:
        table, self.measurements = self.measurements, None
        if table is None:
            return
        table.close_table()
        if table.parentWidget() is not None and not window:
            self.viewer.window.remove_dock_widget(table)

    def ask_and_open(self) -> None:
        """Ask which saved session to go on with, and open it."""
        path, _ = QFileDialog.getOpenFileName(self, "Open session", "", f"Sessions (*{SUFFIX})")
        if path:
            self.status.tell("")
            self.controller.try_to(partial(self.restoring.open, path))

    def show_versions(self) -> None:
        """Show what was saved before, and go back to what is chosen there."""
        self.status.tell("")
        found = self.versions.all()
        if not found:
            self.status.tell("Nothing was saved yet that could be gone back to.")
            return

        def restore(version: Version) -> None:
            self.controller.try_to(partial(self.restoring.open_version, version))

        target = self.session.labels.target
        path = None if target is None else self.session.files.path_of(target)
        VersionDialog(self, found, path, restore).open()

    def do_to_folder(self) -> None:
        """Show what was found last as a recipe, and do it to a folder of images."""
        self.status.tell("")
        show_folder_dialog(self, self.controller)

    def restore_session(self) -> None:
        """Bring the latest session back that did not end as it should."""
        self._restore(self.restoring.restore_latest)

    def _restore(self, deed: Callable[[], None], _: bool = False) -> None:
        self.status.tell("")
        self.controller.try_to(deed)

    def ask_log_folder(self) -> None:
        """Ask where the log of this session is to be written from now on."""
        folder = QFileDialog.getExistingDirectory(self, "Folder for the log of this session")
        if folder:
            self.autosave.move_to(Path(folder))

    def _on_slider(self) -> None:
        self.stack.fill()
        self._slider_timer.start(self._pace.step(time.monotonic()))

    def _on_camera(self) -> None:
        self._camera_timer.start()

    def _on_closed(self, window: bool) -> None:
        for timer in (self._slider_timer, self._camera_timer, self._progress_timer):
            timer.stop()
        self._status_reading.close()
        self.notices.close_rows()
        self._hold.end()
        self._rest.over()
        self.choices.download.cancel()
        self.table.close_table()
        self._close_measurements(window=window)
        self.autosave.close()
        self._main_thread.close()
        dims, camera = self.viewer.dims.events, camera_of(self.viewer).events
        for event in (dims.current_step, dims.order, dims.ndisplay):
            event.disconnect(self._on_slider)
        for event in (camera.center, camera.zoom):
            event.disconnect(self._on_camera)
        self.controller.close(keep_layers=window)
        # Not before: that may have removed the plugin's own.
        self._layer_removal.close()


def _end(finalizer: "weakref.finalize[..., SegmentWidget]", *_: object) -> None:
    finalizer()


def _end_session(autosave: Autosave, session: Session) -> None:
    """End the log while the session can still tell what is in it, then the session; neither may know the widget."""
    try:
        autosave.close()
    finally:
        session.close()


def _open_images(viewer: "napari.viewer.Viewer", paths: list[str]) -> None:
    for path in paths:
        open_in_viewer(viewer, path)


def _report_crash(error: Exception) -> None:
    """Show something unexpected the way napari shows its own errors, with its traceback."""
    notification_manager.receive_error(type(error), error, error.__traceback__)
