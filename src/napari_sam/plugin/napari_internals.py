"""The names of napari that the plugin uses though they are private, or were moved between versions.

napari promises the private ones to nobody, so all of them are here, and each may be missing: every function has a way
that does without, slower or by another road. The version in which each name was seen is in its test.
"""

import logging
import threading
import weakref
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

import numpy as np
from napari.layers import Labels, Layer, Points, Shapes
from qtpy.QtOpenGLWidgets import QOpenGLWidget
from qtpy.QtWidgets import QApplication, QWidget

_LOG = logging.getLogger(__name__)

_VERTEX_ATTRIBUTES = 16
"""How many there are at least in OpenGL 2, and the most that napari's shaders use."""

Wrapped = TypeVar("Wrapped")


def unwrapped(wrapped: Wrapped) -> Wrapped:
    """Return what a proxy stands for: a widget that napari made gets viewer and layers in one that warns of such names.

    Without `__wrapped__` it is taken for no proxy, and returned as it is.
    """
    inside: Wrapped = getattr(wrapped, "__wrapped__", wrapped)
    return inside


def upload_box(layer: Labels, box: Sequence[slice]) -> bool:
    """Send what changed inside a box to the graphics card, for the plane in view, as napari's own brush does.

    Nothing is sent, and nothing needs to be, where the plane in view does not meet the box.

    Parameters
    ----------
    layer
        A layer that shows one plane of its data as it is (no contour, one scale), whose `data` has changed already.
    box
        One slice with bounds per axis of the data.

    Returns
    -------
    bool
        False where this version of napari has no such way, or what is shown is no such plane: the layer has to be
        refreshed as a whole.
    """
    layer = unwrapped(layer)
    # All names together, so that nothing is half done where one is missing.
    try:
        shown, point = layer._slice, layer._get_pt_not_disp()
        to_texture, redraw_thumbnail = layer.colormap._data_to_texture, layer._update_thumbnail
        displayed = tuple(shown.slice_input.displayed)
        if shown.empty or len(displayed) != 2:
            return False
        index: list[Any] = list(box)
        for axis, at in point.items():
            if not box[axis].start <= at < box[axis].stop:
                return True
            index[axis] = int(at)
        values = np.asarray(layer.data[tuple(index)])
        if displayed[0] > displayed[1]:
            values = values.T
        part = tuple(box[axis] for axis in displayed)
        # Where the layer's data is an array in memory this is the same memory.
        shown.image.raw[part] = values
        texture = to_texture(values)
        shown.image.view[part] = texture
        layer.events.labels_update(data=texture, offset=[along.start for along in part])
        redraw_thumbnail()
    except (AttributeError, NotImplementedError):
        return False
    return True


def one_refresh(layer: Layer) -> AbstractContextManager[None]:
    """Leave drawing to what comes after the block, so that two changes of a layer are drawn once.

    Without `_block_refresh` each change is drawn.
    """
    block: AbstractContextManager[None] = getattr(unwrapped(layer), "_block_refresh", nullcontext)()
    return block


def forget_history(layer: Labels) -> None:
    """Empty the history that napari keeps of a Labels layer, as the session's journal is the one that counts.

    Without `_undo_history` and `_redo_history` nothing is emptied; the layer's `undo` and `redo` are the journal's
    anyway.
    """
    for name in ("_undo_history", "_redo_history"):
        history = getattr(unwrapped(layer), name, None)
        if history is not None:
            history.clear()


def is_drawing(layer: Points | Shapes) -> bool:
    """Tell whether a shape of a layer is being drawn corner by corner; without `_is_creating` none ever is."""
    return bool(getattr(unwrapped(layer), "_is_creating", False))


def finish_drawing(layer: Shapes) -> None:
    """Finish the shape that is being drawn, as a double click does; a shape of too few corners goes.

    Without `_is_creating` and `_finish_drawing` it is finished by choosing the tool to select, which keeps the corner
    that follows the pointer.
    """
    layer = unwrapped(layer)
    creating, finish = getattr(layer, "_is_creating", None), getattr(layer, "_finish_drawing", None)
    if creating is None or finish is None:
        layer.mode = "select"
    elif creating:
        finish()


def forget_colours(layer: Shapes) -> None:
    """Forget the colours of shapes that are gone: napari keeps those of one that is given up while it is drawn.

    Without `_data_view`, or its arrays, they stay.
    """
    layer = unwrapped(layer)
    shapes = getattr(layer, "_data_view", None)
    for name in ("_edge_color", "_face_color"):
        colours = getattr(shapes, name, None)
        if colours is not None and len(colours) > len(layer.data):
            setattr(shapes, name, colours[: len(layer.data)])


def camera_of(viewer: Any) -> Any:
    """Return the viewer's camera, which is public but was moved by napari 0.9."""
    scene = getattr(viewer, "scene", None)
    return viewer.camera if scene is None else scene.camera


def docked_widgets(viewer: Any) -> list[QWidget]:
    """Return the widgets that are docked in a viewer's window, as a command looks for the panel; none without a window.

    `Window.dock_widgets` is public since napari 0.6.2; before there was `_dock_widgets`, of the docks around them.
    Without both every widget of the program's is looked through for those that lie inside a window of napari's: the
    caller tells them apart by their viewer.
    """
    window = getattr(unwrapped(viewer), "window", None)
    if window is None:
        return []
    docked = getattr(window, "dock_widgets", None)
    if docked is not None:
        return [docked[name] for name in docked]
    docks = getattr(window, "_dock_widgets", None)
    if docks is not None:
        return [dock.inner_widget() for dock in docks.values()]
    return list(QApplication.allWidgets())


def canvas_widget(viewer: Any) -> QWidget | None:
    """Return the widget that napari draws a viewer on, to send it mouse and key events.

    Without `_qt_viewer` it is the first widget that draws with OpenGL in a window that is shown; None if there is none.
    """
    canvas = _canvas(viewer)
    if canvas is not None:
        native: QWidget = canvas.native
        return native
    for window in QApplication.topLevelWidgets():
        found = window.findChild(QOpenGLWidget) if window.isVisible() else None
        if isinstance(found, QWidget):
            return found
    return None


def canvas_position(viewer: Any, row: float, column: float) -> tuple[float, float]:
    """Return where a world position (row, column) of the displayed plane lies on the canvas, as (x, y) in pixels.

    Without vispy's transforms it is computed from the camera, which is right in 2-D for a canvas without a grid.
    """
    canvas = _canvas(viewer)
    view = getattr(canvas, "view", None)
    if view is not None:
        x, y = (view.transform * view.scene.transform).map([column, row, 0, 1])[:2]
        return float(x), float(y)
    camera = camera_of(viewer)
    widget = canvas_widget(viewer)
    width, height = (0, 0) if widget is None else (widget.width(), widget.height())
    *_, middle_row, middle_column = camera.center
    return width / 2 + (column - middle_column) * camera.zoom, height / 2 + (row - middle_row) * camera.zoom


class StatusReading:
    """A guard that lets napari's status thread read no layer of the plugin's, and fail silently at others.

    Where the pointer moves, a thread of napari's reads the active layer for the status bar while the main thread may be
    changing it: what it reads may not fit together (it shows an error), and what it computes from that stays in the
    layer (a Shapes layer keeps the boxes of its shapes; any prompt layer keeps what is under the pointer). The plugin
    changes its layers all the time, and they are small: they are read on the main thread, as napari did until 0.5. What
    fails in the thread, for any layer, is done again there.

    Where napari has no such thread nothing is done.

    Parameters
    ----------
    viewer
        The viewer, with its window.
    is_own
        Tells whether a layer is the plugin's; a bound method, held weakly.
    post_to_main
        Has a function called soon on the main thread.
    """

    def __init__(
        self, viewer: Any, is_own: Callable[[Layer], bool], post_to_main: Callable[[Callable[[], None]], None]
    ) -> None:
        viewer = unwrapped(viewer)
        self._viewer = weakref.ref(viewer)
        self._is_own = weakref.WeakMethod(is_own)
        self._post = post_to_main
        self._asked = False
        self._thread: Any = None
        window = getattr(getattr(viewer, "window", None), "_qt_window", None)
        thread: Any = getattr(window, "status_thread", None)
        names = ("calculate_status", "status_and_tooltip_changed")
        if all(hasattr(thread, name) for name in names) and hasattr(viewer, "_calc_status_from_cursor"):
            self._thread = thread
            thread.calculate_status = self._calculate

    def close(self) -> None:
        """Leave the thread to napari."""
        thread, self._thread = self._thread, None
        if thread is not None and vars(thread).get("calculate_status") == self._calculate:
            del thread.calculate_status

    def _calculate(self) -> None:
        """Do what the thread does for each movement of the pointer."""
        viewer, thread = self._viewer(), self._thread
        if viewer is None or thread is None:
            return
        try:
            if self._reads_own(viewer):
                self._ask_main_thread()
                return
            status = viewer._calc_status_from_cursor()
        except Exception:
            _LOG.debug("a layer changed while its status was read", exc_info=True)
            self._ask_main_thread()
            return
        thread.status_and_tooltip_changed.emit(status)

    def _reads_own(self, viewer: Any) -> bool:
        is_own = self._is_own()
        if is_own is None:
            return False
        grid = getattr(getattr(viewer, "canvas", viewer), "grid", None)
        return any(is_own(each) for each in (viewer.layers if grid and grid.enabled else viewer.layers.selection))

    def _ask_main_thread(self) -> None:
        # Movements that the main thread has no time for are taken together.
        if not self._asked:
            self._asked = True
            self._post(self._on_main_thread)

    def _on_main_thread(self) -> None:
        assert threading.current_thread() is threading.main_thread()
        self._asked = False
        viewer = self._viewer()
        if viewer is None or self._thread is None:
            return
        try:
            viewer.update_status_from_cursor()
        except Exception:
            # A line that tells what is under the pointer is not worth a word about why it cannot.
            _LOG.debug("the status bar cannot be told", exc_info=True)


class LayerRemoval:
    """A guard that has what OpenGL keeps of a removed layer deleted in the context in which the layer was drawn.

    As soon as a layer is removed, napari 0.9 has its buffers and programs deleted in whichever context is current: most
    often that of Qt, which put the window together last, or that of another viewer. With Mesa the process ends when the
    canvas is drawn next. And vispy leaves the arrays of what it drew enabled, though in that context they point to
    nothing once their buffers are deleted (https://github.com/vispy/vispy/issues/1611); it enables what it needs for
    each drawing.

    Where nothing is drawn with vispy nothing is done.

    Parameters
    ----------
    viewer
        The viewer, with its window.
    """

    def __init__(self, viewer: Any) -> None:
        viewer = unwrapped(viewer)
        self._viewer = weakref.ref(viewer)
        events = viewer.layers.events
        # napari's own callbacks come first: so before it removes. In a batch it deletes at the end, whatever was done.
        names = ("removing", "begin_batch")
        self._emitters = [getattr(events, name) for name in names if hasattr(events, name)]
        for emitter in self._emitters:
            emitter.connect(self._prepare)

    def close(self) -> None:
        """Leave it to napari."""
        for emitter in self._emitters:
            emitter.disconnect(self._prepare)
        self._emitters = []

    def _prepare(self) -> None:
        canvas = getattr(_canvas(self._viewer()), "_scene_canvas", None)
        if canvas is None:
            return
        try:
            canvas.set_current()
            # Queued, as what napari will have deleted is: before that.
            for number in range(_VERTEX_ATTRIBUTES):
                canvas.context.glir.command("FUNC", "glDisableVertexAttribArray", number)
        except (AttributeError, RuntimeError):
            # Another napari draws in another way, or Qt has deleted the canvas and nothing is drawn on it any more.
            _LOG.debug("the canvas is not prepared for a layer that goes", exc_info=True)


def _canvas(viewer: Any) -> Any:
    """Return napari's canvas of a viewer; None where it cannot be found."""
    window = getattr(unwrapped(viewer), "window", None)
    return getattr(getattr(window, "_qt_viewer", None), "canvas", None)
