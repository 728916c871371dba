"""Where a mask came from: all that it takes to compute it again, and what that takes in turn."""

from dataclasses import dataclass, field
from itertools import count
from typing import TypeAlias

from napari_sam.planes.plane import Plane
from napari_sam.planes.window import Window
from napari_sam.prompts.prompt import Prompts
from napari_sam.segment.setup import Setup

_serials = count()


def next_serial() -> int:
    """A number that no other question, or propagation, has."""
    return next(_serials)


@dataclass(eq=False)
class Asked:
    """What the model was asked about one plane.

    Parameters
    ----------
    plane, prompts
        Where, and what the user said.
    object_size
        How large the object was thought to be: diameter in plane pixels; None where nothing was known.
    fed
        Where the mask came from that was fed back to the model; None for none.
    fed_logits
        Whether it was fed back as logits; else it was a dense prompt.
    setup, areas
        What answered; known when the answer is there. See `SegmentStep`.
    """

    plane: Plane
    prompts: Prompts
    object_size: float | None = None
    fed: "Origin | None" = None
    fed_logits: bool = False
    setup: Setup | None = None
    areas: tuple[Window, ...] = ()
    serial: int = field(default_factory=next_serial)


@dataclass(frozen=True)
class Shown:
    """One of the candidates that came of a question; None for the one that the model chose."""

    asked: Asked
    chosen: int | None = None


@dataclass(eq=False)
class Carried:
    """A propagation.

    Parameters
    ----------
    plane
        Any of the planes along which it went.
    axis, first, last
        The axis, and the first and last position along it, inclusive.
    keys
        Where the masks of the key planes came from, by position.
    reached
        How many planes it reached so far.
    complete
        Whether it went as far as it could.
    setup, areas
        What computed it so far. See `PropagateStep`.
    """

    plane: Plane
    axis: int
    first: int
    last: int
    keys: dict[int, Shown]
    reached: int = 0
    complete: bool = False
    setup: Setup | None = None
    areas: tuple[Window, ...] = ()
    serial: int = field(default_factory=next_serial)


Origin: TypeAlias = Shown | Carried
