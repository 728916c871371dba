"""The status of a session: what it is doing, in one word and one sentence, and how it tells."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from psygnal import Signal

from napari_sam.errors import UserError


class State(StrEnum):
    """The state of a session: what it is doing."""

    NO_IMAGE = "no image"
    NO_PLANE = "no plane"
    WAITING = "waiting"
    EMBEDDING = "embedding"
    READY = "ready"
    SEGMENTING = "segmenting"
    PROPAGATING = "propagating"
    FINDING = "finding"
    EDITING = "editing"
    SAVING = "saving"
    MEASURING = "measuring"
    ERROR = "error"


@dataclass(frozen=True)
class Status:
    """A state and what to tell the user about it.

    Parameters
    ----------
    state
        The state.
    sentence
        One sentence for the user; may be empty.
    done, total
        Progress in steps; `total` 0 means that the length is not known.
    """

    state: State
    sentence: str = ""
    done: int = 0
    total: int = 0

    @property
    def working(self) -> bool:
        """True if something is being computed."""
        return self.state in {
            State.WAITING,
            State.EMBEDDING,
            State.SEGMENTING,
            State.PROPAGATING,
            State.FINDING,
            State.EDITING,
            State.SAVING,
            State.MEASURING,
        }


class SessionSignals:
    """The signals of a `Session`, emitted on the main thread.

    Signals
    -------
    status_changed(Status)
        What the session is doing.
    prompts_changed()
        The session changed the prompts itself (removed, cleared, finished or brought back an object).
    masks_changed()
        The masks of the object being worked on are different.
    labels_changed(Target, tuple[slice, ...])
        The labels changed inside a box.
    writing()
        Labels are about to change by themselves: strokes that are being drawn are to be told of first.
    objects_changed()
        The table of objects is different.
    history_changed()
        What can be undone or redone is different.
    saved(Target, tuple[Done, ...])
        Labels are in a file, as they were when just that had been done to them.
    label_changed()
        `current_label` is different.
    collided(Collides)
        A batch is done and meets pixels of other labels: `Session.batch.write` says what becomes of it.
    proposals_changed()
        What is proposed of everything on a plane is different, or what is chosen of it.
    crashed(Exception)
        A computation raised something unexpected.
    """

    status_changed = Signal(Status)
    prompts_changed = Signal()
    masks_changed = Signal()
    labels_changed = Signal(object, tuple)
    writing = Signal()
    objects_changed = Signal()
    history_changed = Signal()
    saved = Signal(object, tuple)
    label_changed = Signal()
    collided = Signal(object)
    proposals_changed = Signal()
    crashed = Signal(Exception)


class StatusReporter:
    """The keeper of the last error and the last note for the user, which emits the status when it is different.

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
        """Clear the error and the note: there is nothing to tell."""
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
