"""A guard that sees what goes wrong aloud: napari's notifications, and exceptions that nobody catches on any thread."""

import re
import sys
import threading
import traceback
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from napari.utils.notifications import Notification, NotificationSeverity, notification_manager


@dataclass(frozen=True)
class Incident:
    """Something that went wrong.

    Parameters
    ----------
    kind
        "warning", "error", "exception in a thread" or "exception ignored".
    text
        What it says.
    details
        Its traceback, if it has one.
    """

    kind: str
    text: str
    details: str = ""

    def __str__(self) -> str:
        return f"{self.kind}: {self.text}\n{self.details}".strip()


class NotificationGuard:
    """A guard that collects incidents while it is entered; what napari shows below a warning does not count."""

    def __init__(self) -> None:
        self.seen: list[Incident] = []
        self._expected: list[re.Pattern[str]] = []

    def expect(self, pattern: str) -> None:
        """Say that what matches a regular expression, or whose traceback does, is meant; before it happens or after."""
        self._expected.append(re.compile(pattern))

    @property
    def unexpected(self) -> list[Incident]:
        """Incidents that nobody said were meant."""
        return [
            each
            for each in self.seen
            if not any(pattern.search(each.text) or pattern.search(each.details) for pattern in self._expected)
        ]

    def __enter__(self) -> "NotificationGuard":
        self._before = threading.excepthook, sys.unraisablehook
        threading.excepthook, sys.unraisablehook = self._in_thread, self._ignored
        notification_manager.notification_ready.connect(self._notified)
        return self

    def __exit__(self, *_: object) -> None:
        notification_manager.notification_ready.disconnect(self._notified)
        threading.excepthook, sys.unraisablehook = self._before

    def _notified(self, notification: Notification) -> None:
        if NotificationSeverity(notification.severity) >= NotificationSeverity.WARNING:
            error = getattr(notification, "exception", None)
            details = "" if error is None else _trace(type(error), error, error.__traceback__)
            kind = "error" if error is not None else str(notification.severity)
            self.seen.append(Incident(kind, str(notification.message), details))

    def _in_thread(self, args: Any) -> None:
        if args.exc_type is not SystemExit:
            details = _trace(args.exc_type, args.exc_value, args.exc_traceback)
            self.seen.append(Incident("exception in a thread", f"{args.exc_type.__name__}: {args.exc_value}", details))
        self._before[0](args)

    def _ignored(self, args: Any) -> None:
        details = _trace(args.exc_type, args.exc_value, args.exc_traceback)
        self.seen.append(Incident("exception ignored", f"{args.exc_type.__name__}: {args.exc_value}", details))
        self._before[1](args)


def _trace(kind: type[BaseException], error: BaseException | None, where: TracebackType | None) -> str:
    return "".join(traceback.format_exception(kind, error, where))
