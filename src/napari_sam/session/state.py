"""What a session is doing, in one word and one sentence."""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """What a session is doing."""

    NO_IMAGE = "no image"
    NO_PLANE = "no plane"
    WAITING = "waiting"
    EMBEDDING = "embedding"
    READY = "ready"
    SEGMENTING = "segmenting"
    PROPAGATING = "propagating"
    SAVING = "saving"
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
        """Whether something is being computed."""
        return self.state in {
            State.WAITING,
            State.EMBEDDING,
            State.SEGMENTING,
            State.PROPAGATING,
            State.SAVING,
        }
