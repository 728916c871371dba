"""Telling what a session is doing, and what went wrong."""

from collections.abc import Callable

from napari_sam.errors import UserError
from napari_sam.session.signals import SessionSignals
from napari_sam.session.state import State, Status


class Reporting:
    """Keeps the last error and the last note for the user, and emits the status when it is different.

    Parameters
    ----------
    signals
        Who is told.
    current
        What the session is doing now, given the error and the note.

    Attributes
    ----------
    error, note : str
        What is told of with the next report; either may be empty.
    status : Status
        What was reported last.
    """

    def __init__(self, signals: SessionSignals, current: Callable[[str, str], Status]) -> None:
        self._signals = signals
        self._current = current
        self.error = self.note = ""
        self.status = Status(State.NO_IMAGE)

    def clear(self) -> None:
        """Nothing to tell."""
        self.error = self.note = ""

    def report(self) -> None:
        """Tell what the session is doing, if that is different."""
        status = self._current(self.error, self.note)
        if status != self.status:
            self.status = status
            self._signals.status_changed.emit(status)

    def fail(self, error: Exception) -> None:
        """Tell of an error: a refusal as it is, anything else as a crash."""
        if isinstance(error, UserError):
            self.error = str(error)
            self.report()
            return
        self.error = f"An unexpected error stopped the computation ({type(error).__name__}: {error})."
        self.report()
        self._signals.crashed.emit(error)
