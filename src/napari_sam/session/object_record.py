"""How an object came about: all that it takes to compute it again, without a window and without its masks."""

from dataclasses import dataclass
from typing import TypeAlias

from napari_sam.planes.mask import Mask
from napari_sam.planes.plane import Plane
from napari_sam.planes.window import Window
from napari_sam.prompts.prompt import Prompts
from napari_sam.segment.setup import Setup


@dataclass(frozen=True)
class SegmentStep:
    """The model was asked about one plane.

    Parameters
    ----------
    plane
        The plane.
    prompts
        What the user said there.
    object_size
        Diameter in plane pixels that was expected of the object; None where nothing was known.
    corrects
        Which earlier step (its position among the object's steps) gave the mask that was fed back: an answer on the
        same plane, or a propagation that reached it. None if nothing was fed back.
    with_logits
        Whether that mask was fed back as logits; else it was a dense prompt.
    chosen
        The candidate that the user chose; None for the model's own choice.
    setup
        What computed the answer.
    areas
        The areas of the plane that were encoded for it, in the order in which they were used: the same object on
        another area has slightly other logits.
    """

    plane: Plane
    prompts: Prompts
    object_size: float | None = None
    corrects: int | None = None
    with_logits: bool = False
    chosen: int | None = None
    setup: Setup | None = None
    areas: tuple[Window, ...] = ()


@dataclass(frozen=True)
class PropagateStep:
    """The object was carried along an axis.

    Parameters
    ----------
    plane
        Any of the planes.
    axis
        The axis.
    start, stop
        First and last position that it was to go to, inclusive; None for the image's ends.
    keys
        (position, step) of every key plane it started from: which step gave the mask there.
    reached
        How many planes were reached before it was stopped; None if it was not.
    setup, areas
        See `SegmentStep`.
    """

    plane: Plane
    axis: int
    start: int | None
    stop: int | None
    keys: tuple[tuple[int, int], ...]
    reached: int | None = None
    setup: Setup | None = None
    areas: tuple[Window, ...] = ()


Step: TypeAlias = SegmentStep | PropagateStep


@dataclass(frozen=True, eq=False)
class PlaneRecord:
    """An object on one plane. A plane that was prompted and had been reached by a propagation has two of them.

    Parameters
    ----------
    plane
        The plane.
    asked
        Which step has the prompts that the user gave there; None if a propagation reached it.
    shown
        Which step gave the candidates: `asked`, an earlier step where that has no answer, or the propagation. None
        where there is no answer at all.
    candidates
        What was found, without logits; empty where there is no answer.
    chosen
        Which candidate stands for the object.
    confidence
        Of the propagation; None where the plane was prompted.
    """

    plane: Plane
    asked: int | None
    shown: int | None
    candidates: tuple[Mask, ...] = ()
    chosen: int = 0
    confidence: float | None = None

    @property
    def mask(self) -> Mask | None:
        """The object's mask; None where there is no answer."""
        return self.candidates[self.chosen] if self.candidates else None


@dataclass(frozen=True, eq=False)
class ObjectRecord:
    """An object: how it was made and what came of it.

    Parameters
    ----------
    label
        Its id in the labels; None while it has none.
    name
        What the user calls it; empty for none.
    steps
        What it was made by; a step refers to earlier ones only.
    planes
        The planes that it has prompts or masks on.
    order
        (plane, "point", "scribble", "box" or "mask") of every prompt, in the order in which they were given.
    refines
        Whether the label had pixels before, which its masks replace.
    """

    label: int | None
    name: str
    steps: tuple[Step, ...]
    planes: tuple[PlaneRecord, ...]
    order: tuple[tuple[Plane, str], ...] = ()
    refines: bool = False
