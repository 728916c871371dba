"""What happens where a new mask meets another object's pixels."""

from collections.abc import Mapping
from enum import StrEnum

from napari_sam.errors import UserError

NAMED = 3
"""So many of the labels that an object meets are named in a sentence."""


class Collision(StrEnum):
    """The user's choice for pixels that belong to another label."""

    KEEP = "keep"
    """They stay the other object's."""
    OVERWRITE = "overwrite"
    """They become the new object's."""
    ASK = "ask"
    """Nothing is written; `Collides` says what would be met."""


class Collides(UserError):
    """A new mask meets pixels of other labels, and the user wants to be asked.

    Parameters
    ----------
    pixels
        By label, how many of its pixels are met.
    """

    def __init__(self, pixels: Mapping[int, int]) -> None:
        self.pixels = dict(pixels)
        super().__init__(f"The object meets {describe(self.pixels)}: keep them, or overwrite them.")


def describe(pixels: Mapping[int, int]) -> str:
    """How many pixels of which labels, the most first: "34 pixels of label 5 and 3 of label 7"."""
    ordered = sorted(pixels.items(), key=lambda each: -each[1])
    parts = [
        f"{count} {'of' if at else 'pixel of' if count == 1 else 'pixels of'} label {label}"
        for at, (label, count) in enumerate(ordered[:NAMED])
    ]
    rest = ordered[NAMED:]
    if rest:
        parts.append(f"{sum(count for _, count in rest)} of {len(rest)} more")
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
