"""Noticing where the pointer rests."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject, QTimer

REST_MS = 60
"""A pointer that has been so long in about one place rests there: less than a hand takes before it clicks."""

STILL_PIXELS = 3
"""Screen pixels within which a pointer is in about one place."""


class PointerRest(QObject):
    """Has something done once the pointer rests.

    Parameters
    ----------
    parent
        Whose object it is.
    milliseconds
        How long the pointer is to stay.
    """

    def __init__(self, parent: QObject, milliseconds: int = REST_MS) -> None:
        super().__init__(parent)
        self._since: NDArray[np.float64] = np.zeros(2)
        self._then: Callable[[], None] | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(milliseconds)
        self._timer.timeout.connect(self._rests)

    def moved(self, pixel: NDArray[np.float64], then: Callable[[], None]) -> None:
        """The pointer is at a pixel of the canvas; `then` is called if it stays, or as good as stays."""
        self._then = then
        if not self._timer.isActive() or float(np.abs(pixel - self._since).max()) > STILL_PIXELS:
            self._since = pixel
            self._timer.start()

    def over(self) -> None:
        """A button was pressed, or the pointer is gone: nothing is called any more."""
        self._timer.stop()
        self._then = None

    def _rests(self) -> None:
        then, self._then = self._then, None
        if then is not None:
            then()
