"""Everything on several planes of an image, each by itself, as labels."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_sam.discover.everything import propose_everything
from napari_sam.discover.proposals import Proposals, Wanted
from napari_sam.errors import UserError
from napari_sam.models.model import Model
from napari_sam.planes.geometry import Plane
from napari_sam.segment.segmenter import Segmenter


@dataclass(frozen=True, eq=False)
class PlaneLabels:
    """The labels of one plane.

    Parameters
    ----------
    plane
        The plane.
    labels
        (rows, columns) int32: the objects from 1 on, the surest first.
    count
        How many objects there are.
    """

    plane: Plane
    labels: NDArray[np.int32]
    count: int


def check_sees_everything(model: Model) -> None:
    """Refuse a model that does not see where objects are.

    Raises
    ------
    UserError
        Then.
    """
    if not model.network.has_maps:
        raise UserError(
            f"The model '{model.name}' segments what it is shown, and cannot find objects by itself: choose nano."
        )


def label_planes(
    segmenter: Segmenter,
    planes: Iterable[Plane],
    wanted: Wanted,
    region: tuple[float, float, float, float] | None = None,
) -> Iterator[PlaneLabels]:
    """Find everything on some planes, each by itself.

    Parameters
    ----------
    segmenter
        The image and the model.
    planes
        The planes.
    wanted
        What is wanted of the proposals.
    region
        See `propose_everything`.

    Raises
    ------
    UserError
        If the model does not see where objects are.
    """
    check_sees_everything(segmenter.model)
    for plane in planes:
        for each in propose_everything(segmenter, plane, region=region):
            if isinstance(each, Proposals):
                chosen = each.chosen(wanted)
                yield PlaneLabels(plane, each.labels(chosen), len(chosen))
