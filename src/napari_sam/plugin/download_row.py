"""Offers to download the chosen model where it is not here yet."""

import threading
from collections.abc import Callable
from functools import partial

from psygnal import Signal
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QHBoxLayout, QProgressBar, QPushButton, QWidget

from napari_sam.errors import UserError
from napari_sam.models.cache import is_downloaded
from napari_sam.models.fetch import fetch
from napari_sam.models.registry import REGISTRY
from napari_sam.nn.cancel import Cancelled, CancelToken

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
    downloaded
        Emitted with the model's name.
    failed
        Emitted with a sentence.
    """

    downloaded = Signal(str)
    failed = Signal(str)

    def __init__(self, post: Callable[[Callable[[], None]], None], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._post = post
        self._name = ""
        self._token: CancelToken | None = None
        self._here = (0, 1)
        self.button = QPushButton()
        self.button.clicked.connect(self.start)
        self.bar = QProgressBar()
        self.bar.setRange(0, 1000)
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.setToolTip("Stop downloading; what came is kept, and the next download goes on from there.")
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
        wanted = spec is not None and not spec.bundled and not is_downloaded(spec)
        if spec is not None:
            self.button.setText(f"Download {name} ({spec.size_bytes / 1e6:,.0f} MB)")
            self.button.setToolTip(f"{spec.description}, for {spec.suits}. Licence: {spec.licence}. {spec.url}")
        self._show_running()
        self.setVisible(wanted)

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
        """On a thread of its own."""
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
