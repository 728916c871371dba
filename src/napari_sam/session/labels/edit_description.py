"""The description of an edit of accepted objects: what was asked for, as it is recorded."""

from dataclasses import dataclass
from enum import StrEnum

from napari_sam.planes.geometry import Plane


class EditKind(StrEnum):
    """The kind of an edit of accepted objects."""

    MERGE = "merge"
    SPLIT = "split"
    FILL_HOLES = "fill holes"
    KEEP_LARGEST = "keep largest part"
    SMOOTH = "smooth"
    GROW = "grow"
    SHRINK = "shrink"


@dataclass(frozen=True)
class EditDescription:
    """What was done to which objects.

    Parameters
    ----------
    kind
        What was done.
    labels
        Ids of the objects: merged ones ascending (all became the first), of a split one the ids of its parts in the
        order of the clicks. Empty where it was done to all.
    plane
        The only plane that it was done on; None for planes and volumes as a whole.
    distance, unit
        How far, where that is to be told, and in which unit.
    clicks
        (plane, row, column) of those that an object was split by.
    """

    kind: EditKind
    labels: tuple[int, ...] = ()
    plane: Plane | None = None
    distance: float = 0.0
    unit: str = ""
    clicks: tuple[tuple[Plane, float, float], ...] = ()
