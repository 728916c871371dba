"""The object that the user is working on, before it is accepted."""

import math
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import count

from napari_sam.planes.mask import Mask
from napari_sam.planes.plane import Plane
from napari_sam.prompts.prompt import Prompts
from napari_sam.propagate.propagated_plane import PropagatedPlane
from napari_sam.segment.segmentation import Segmentation


class PromptKind(StrEnum):
    """The kinds of prompts, as *remove last* counts them."""

    POINT = "point"
    BOX = "box"
    MASK = "mask"
    SCRIBBLE = "scribble"


_serials = count()


@dataclass(eq=False)
class Draft:
    """An object that is not accepted yet: its prompts and masks on any number of planes.

    Parameters
    ----------
    label
        Its id in the labels, or None for the next free one (decided when it is accepted).
    refines
        Whether `label` already has pixels in the labels, which accepting replaces.
    prompts
        Prompts per plane; never empty ones.
    segmentations
        The newest answer per prompted plane.
    proposal
        Planes that propagation reached.
    order
        (plane, kind) of every prompt in the order they were given.
    in_flight
        Planes whose prompts are being decoded.
    image
        Serial number of the image it is drawn on.
    """

    label: int | None = None
    refines: bool = False
    prompts: dict[Plane, Prompts] = field(default_factory=dict)
    segmentations: dict[Plane, Segmentation] = field(default_factory=dict)
    proposal: dict[Plane, PropagatedPlane] = field(default_factory=dict)
    order: list[tuple[Plane, PromptKind]] = field(default_factory=list)
    in_flight: set[Plane] = field(default_factory=set)
    image: int = 0
    serial: int = field(default_factory=lambda: next(_serials))

    def __bool__(self) -> bool:
        return bool(self.prompts) or bool(self.proposal)

    @property
    def key_masks(self) -> dict[Plane, Mask]:
        """The chosen masks of the prompted planes; empty masks are left out."""
        return {plane: answer.mask for plane, answer in self.segmentations.items() if answer.mask.area}

    @property
    def masks(self) -> dict[Plane, Mask]:
        """The object's masks on all planes, key planes before propagated ones; empty masks are left out."""
        masks = {plane: reached.mask for plane, reached in self.proposal.items() if reached.mask is not None}
        for plane, answer in self.segmentations.items():
            masks[plane] = answer.mask
        return {plane: mask for plane, mask in masks.items() if mask.area}

    @property
    def diameter(self) -> float | None:
        """Diameter of the disc that is as large as the largest mask, in plane pixels; None without a mask."""
        area = max((mask.area for mask in self.masks.values()), default=0)
        return 2 * math.sqrt(area / math.pi) if area else None

    def copy_as(self, label: int) -> "Draft":
        """The same object, to be worked on again under `label`."""
        return Draft(
            label=label,
            refines=self.refines,
            prompts=dict(self.prompts),
            segmentations=dict(self.segmentations),
            proposal=dict(self.proposal),
            order=list(self.order),
            image=self.image,
        )

    def put(self, plane: Plane, prompts: Prompts) -> None:
        """Replace the prompts on one plane."""
        old = self.prompts.pop(plane, Prompts())
        if prompts:
            self.prompts[plane] = prompts
        for kind, before, after in (
            (PromptKind.POINT, len(old.points), len(prompts.points)),
            (PromptKind.SCRIBBLE, len(old.scribbles), len(prompts.scribbles)),
            (PromptKind.BOX, int(old.box is not None), int(prompts.box is not None)),
            (PromptKind.MASK, int(old.mask is not None), int(prompts.mask is not None)),
        ):
            self.order.extend([(plane, kind)] * max(after - before, 0))
            for _ in range(before - after):
                self._forget_last(plane, kind)
        if old.box is not None and prompts.box is not None and prompts.box != old.box:
            # A new box in the old one's place is the last prompt given.
            self._forget_last(plane, PromptKind.BOX)
            self.order.append((plane, PromptKind.BOX))

    def _forget_last(self, plane: Plane, kind: PromptKind) -> None:
        for at in range(len(self.order) - 1, -1, -1):
            if self.order[at] == (plane, kind):
                del self.order[at]
                return
