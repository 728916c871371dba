"""What happens where a new mask meets another object's pixels."""

from enum import StrEnum


class Collision(StrEnum):
    """The user's choice for pixels that belong to another label."""

    KEEP = "keep"
    """They stay the other object's."""
    OVERWRITE = "overwrite"
    """They become the new object's."""
