"""What the session last told the user."""

from dataclasses import dataclass


@dataclass
class Sentences:
    """An error and a note; either may be empty."""

    error: str = ""
    note: str = ""

    def clear(self) -> None:
        """Nothing to tell."""
        self.error = self.note = ""
