"""The notices of a session: marks of what is not as it should be, each there as long as it is true."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from psygnal import Signal


class NoticeKind(StrEnum):
    """The kind of thing that a notice is about; of each kind there is one at most. The gravest come first."""

    AUTOSAVE = "autosave"
    FILE = "file"
    IMAGE = "image"
    LABELS = "labels"
    LOCKED = "locked"
    ANSWER = "answer"
    MACHINE = "machine"
    DEVICE = "device"
    AXES = "axes"


@dataclass(frozen=True)
class Remedy:
    """A button beside a notice.

    Parameters
    ----------
    text
        Its text.
    tip
        What it does, in one sentence.
    do
        Does it; may raise `UserError`.
    """

    text: str
    tip: str
    do: Callable[[], object] = field(compare=False)


@dataclass(frozen=True)
class Notice:
    """One thing to know as long as it is true.

    Parameters
    ----------
    sentence
        What is so, why, and what to do.
    remedies
        What can be done about it.
    grave
        True if work may be lost; False for what is merely good to know.
    patience
        Seconds that it has to be true before it is worth a place on the screen; more than 0 for what passes by itself.
    """

    sentence: str
    remedies: tuple[Remedy, ...] = ()
    grave: bool = True
    patience: float = 0.0


class Notices:
    """The notices that are true now; used on the main thread only.

    Signals
    -------
    changed()
        There are others.
    """

    changed = Signal()

    def __init__(self) -> None:
        self._shown: dict[NoticeKind, Notice] = {}

    def __iter__(self) -> Iterator[tuple[NoticeKind, Notice]]:
        return iter([(kind, self._shown[kind]) for kind in NoticeKind if kind in self._shown])

    def __getitem__(self, kind: NoticeKind) -> Notice | None:
        return self._shown.get(kind)

    def show(self, kind: NoticeKind, notice: Notice | None) -> None:
        """Have a notice of this kind shown from now on, in place of the former one; None for none."""
        if notice == self._shown.get(kind):
            return
        if notice is None:
            del self._shown[kind]
        else:
            self._shown[kind] = notice
        self.changed.emit()
