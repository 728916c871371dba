"""Cancelling a computation from another thread."""

import threading


class Cancelled(Exception):
    """The computation was cancelled; its partial results are to be dropped."""


class CancelToken:
    """A flag that one thread sets and a computation in another checks at safe points."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        """Ask the computation to stop at its next check."""
        self._event.set()

    @property
    def cancelled(self) -> bool:
        """Tell whether `cancel` has been called."""
        return self._event.is_set()

    def check(self) -> None:
        """Stop here if cancelled.

        Raises
        ------
        Cancelled
            If `cancel` has been called.
        """
        if self._event.is_set():
            raise Cancelled
