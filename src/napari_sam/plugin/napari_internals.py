"""The only places where the plugin touches napari's private names, each with what is done where they are missing."""

# --- The status bar -------------------------------------------------------------------------------------------------

import logging
import threading
import weakref
from collections.abc import Callable
from typing import Any

from napari.layers import Layer

_LOG = logging.getLogger(__name__)


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
