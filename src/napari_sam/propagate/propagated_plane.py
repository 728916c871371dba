"""What propagation says of one plane."""

from dataclasses import dataclass
from enum import StrEnum

from napari_sam.planes.mask import Mask
from napari_sam.planes.window import Window


class Stop(StrEnum):
    """Why propagation went no further."""

    NONE = ""
    EMPTY = "the object was not found any more"
    DOUBTFUL = "the object no longer stands out"
    JUMP = "the area changed suddenly"


@dataclass(frozen=True)
class PropagatedPlane:
    """An object on one plane.

    Parameters
    ----------
    index
        Position along the axis.
    mask
        The mask, or None where propagation stopped before this plane.
    confidence
        0..1, how sure: the trust in the mask (`Evidence.trust`) times the root of its IoU with its neighbour.
    stopped
        Why it went no further; `Stop.NONE` while it goes on.
    areas
        The areas that were encoded since the plane that was reached before this one, in the order in which they were
        used.
    """

    index: int
    mask: Mask | None
    confidence: float
    stopped: Stop = Stop.NONE
    areas: tuple[Window, ...] = ()
