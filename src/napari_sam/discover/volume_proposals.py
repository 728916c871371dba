"""Proposed objects of a stack, each on its planes, and the choice of those that are wanted."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from napari_sam.discover.proposals import ProposalOrigin, Wanted
from napari_sam.planes.geometry import Mask, Plane
from napari_sam.volume.carry import PropagatedPlane


@dataclass(frozen=True, eq=False)
class VolumeProposal:
    """An object of a stack that is proposed.

    Parameters
    ----------
    planes
        What it has on each plane, by position along the axis, ascending; with the confidence of each.
    found
        On how many of them it was found; to the others it was carried.
    key, origin
        Position of the plane on which it was found most surely, and what it takes to get it again there.
    confidence
        0..1, how sure that it is an object.
    diameter
        Of the ball of its volume, in units (pixels of the finer axis of the planes); where objects move, of the disc of
        its largest area.
    """

    planes: dict[int, PropagatedPlane]
    found: int
    key: int
    origin: ProposalOrigin
    confidence: float
    diameter: float


@dataclass(frozen=True, eq=False)
class VolumeProposals:
    """All objects that are proposed in a stack.

    Parameters
    ----------
    plane, axis
        Any of the planes, and the axis that crosses them.
    shape
        Of the image.
    volumes
        The objects, the surest first; whatever their confidence.
    prompts
        How many places were asked for them on the planes.
    """

    plane: Plane
    axis: int
    shape: tuple[int, ...]
    volumes: Sequence[VolumeProposal]
    prompts: int = 0

    def __len__(self) -> int:
        return len(self.volumes)

    def chosen(self, wanted: Wanted) -> list[int]:
        """Choose the volumes that are sure enough and of the sizes that are wanted, the surest first.

        Parameters
        ----------
        wanted
            What is wanted; its overlap counted when the planes were linked.

        Returns
        -------
        list of int
            Places in `volumes`.
        """
        kept = (self.confidences >= wanted.confidence) & (self.diameters >= wanted.smallest)
        return [int(at) for at in np.flatnonzero(kept & (self.diameters <= wanted.largest))]

    def masks_on(self, plane: Plane) -> dict[int, Mask]:
        """Return what volumes have on a plane, by their places in `volumes`; nothing if it is none of their planes."""
        if plane.axes != self.plane.axes or plane.at(self.axis, 0) != self.plane.at(self.axis, 0):
            return {}
        there = ((at, each.planes.get(plane.index[self.axis])) for at, each in enumerate(self.volumes))
        return {at: each.mask for at, each in there if each is not None and each.mask is not None}

    def paint(self, labels: NDArray[np.integer], chosen: Sequence[int], ids: Sequence[int]) -> None:
        """Write some volumes into labels where these are 0.

        Parameters
        ----------
        labels
            Of the image's shape.
        chosen
            Places in `volumes`, the surest first: where two overlap, the surer one has the pixel.
        ids
            A label for each.
        """
        for at, label in zip(chosen, ids, strict=True):
            for position, reached in self.volumes[at].planes.items():
                plane = self.plane.at(self.axis, position).view_of(labels)
                assert reached.mask is not None
                own = plane[reached.mask.slices]
                own[reached.mask.pixels & (own == 0)] = label

    @cached_property
    def confidences(self) -> NDArray[np.float64]:
        """How sure each is."""
        return np.array([each.confidence for each in self.volumes])

    @cached_property
    def diameters(self) -> NDArray[np.float64]:
        """How large each is."""
        return np.array([each.diameter for each in self.volumes])
