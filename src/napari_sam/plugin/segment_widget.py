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
from qtpy.QtOpenGLWidgets import QOpenGLWidget
from qtpy.QtWidgets import QFileDialog, QLabel, QVBoxLayout, QWidget
from superqt import QCollapsible

from napari_sam.plugin.actions import Action
from napari_sam.plugin.canvas.canvas import PointerRest
from napari_sam.plugin.canvas.drawing_hold import DrawingHold, MainThread
from napari_sam.plugin.controller import SegmentController
from napari_sam.plugin.napari_internals import StatusReading, camera_of
from napari_sam.plugin.panel.choices import Choices
from napari_sam.plugin.panel.notice_rows import NoticeRows
from napari_sam.plugin.panel.object_rows import ObjectRows
from napari_sam.plugin.panel.object_table import ObjectTableWidget
from napari_sam.plugin.panel.prompt_rows import PromptRows
from napari_sam.plugin.panel.restore_row import RestoreRow
from napari_sam.plugin.panel.stack_rows import StackRows
from napari_sam.plugin.panel.status_line import StatusLine
from napari_sam.plugin.panel.widgets import ColumnScroll, button, column_layout, line, row
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
        engine = engine or NetworkEngine(preferred.device, preferred.embedding_megabytes * 2**20)
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
        self.choices = Choices(self.controller, self._main_thread.post)
        self.status = StatusLine()
        self.prompts = PromptRows(self.controller)
        self.object = ObjectRows(self.controller)
        self.stack = StackRows(self.controller)
        self.table = ObjectTableWidget(self.controller)
        self.buttons = {**self.prompts.buttons, **self.object.buttons, **self.stack.buttons}
        self.restore_row = RestoreRow(self.restoring)
        self.notices = NoticeRows(self.session.notices, self.controller.try_to, weak_callback(self._notices_shown))
        self.save_button = button(
            "Save labels…",
            "",
            "Write an OME-TIFF with the image's axes and scale, and beside it the session, to go on with or to replay.",
        )
        self.open_button = button("Open session…", "", "Go on with a saved session on the chosen image.")
        tip = "Show the last states that were saved, of this file and of others, and go back to one of them."
        self.versions_button = button("Earlier version…", "", tip)
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
        content = QWidget()
        rows = QVBoxLayout(content)
        rows.setContentsMargins(8, 6, 8, 8)
        rows.setSpacing(6)
        conflict = conflict_sentence()
        if conflict is not None:
            warning = QLabel(conflict)
            warning.setWordWrap(True)
            warning.setStyleSheet("color: #ff5a4f")
            rows.addWidget(warning)
        self.objects = QCollapsible("Accepted objects")
        self.objects.addWidget(self.table)
        for inside in (self.objects.layout(), self.objects.content().layout()):
            if inside is not None:
                inside.setContentsMargins(0, 0, 0, 0)
        self.objects.collapse(animate=False)
        files = QWidget()
        files_layout = column_layout(files)
        files_layout.addLayout(row(self.save_button, self.open_button))
        files_layout.addWidget(self.versions_button)
        rows.addWidget(self.notices)
        rows.addWidget(self.restore_row)
        groups = (self.choices, self.status, self.prompts, self.object, self.stack, self.objects, files)
        for group in groups:
            if group is not groups[0]:
                rows.addWidget(line())
            rows.addWidget(group)
        rows.addStretch(1)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(ColumnScroll(content))

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
        session.label_changed.connect(self.object.show_label)
        session.history_changed.connect(self._on_history)
        session.crashed.connect(_report_crash)
        controller.layers_changed.connect(self._fill_choices)
        controller.told.connect(self.status.tell)
        self.choices.download.failed.connect(self.status.tell)
        for action, each in self.buttons.items():
            each.clicked.connect(partial(self._pressed, action))
        self.prompts.draw.clicked.connect(self._focus_canvas)
        self.save_button.clicked.connect(lambda: self.ask_and_save())
        self.open_button.clicked.connect(lambda: self.ask_and_open())
        self.versions_button.clicked.connect(lambda: self.show_versions())
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
        # A mask that is behind is seen to be so where the eyes are.
        self.controller.tools.fade_preview(NoticeKind.ANSWER in {**passing, **self.notices.rows})

    def _pressed(self, action: Action, _: bool = False) -> None:
        if action is Action.PICK:
            self.controller.start_picking()
        else:
            self.controller.do(action)
        if action is Action.CURSOR:
            # The button may have changed where the cursor has not.
            self.buttons[action].setChecked(self.controller.cursor.active)

    # Showing

    def _fill_choices(self) -> None:
        self.choices.fill()
        self.prompts.source.fill()
        self.stack.fill()

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
        for rows in (self.prompts, self.object, self.stack):
            rows.show_status(status)
        self.save_button.setEnabled(self.session.labels.target is not None)
        self.choices.show_setup()
        self.status.show_setup(self.session.model.setup)

    # Saving and closing

    def ask_and_save(self) -> None:
        """Ask where to, and save the labels there."""
        ask_and_save(self, self.controller)

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
        self.autosave.close()
        self._main_thread.close()
        dims, camera = self.viewer.dims.events, camera_of(self.viewer).events
        for event in (dims.current_step, dims.order, dims.ndisplay):
            event.disconnect(self._on_slider)
        for event in (camera.center, camera.zoom):
            event.disconnect(self._on_camera)
        self.controller.close(keep_layers=window)


def _end(finalizer: "weakref.finalize[..., SegmentWidget]", *_: object) -> None:
    finalizer()


def _end_session(autosave: Autosave, session: Session) -> None:
    """End the log while the session can still tell what is in it, then the session; neither may know the widget."""
    try:
        autosave.close()
    finally:
        session.close()


def _report_crash(error: Exception) -> None:
    """Show something unexpected the way napari shows its own errors, with its traceback."""
    notification_manager.receive_error(type(error), error, error.__traceback__)
