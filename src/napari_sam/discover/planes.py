"""Everything, or all that is like examples, on several planes of an image, each by itself, as labels."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_sam.discover.alike import propose_alike
from napari_sam.discover.everything import propose_everything
from napari_sam.discover.kinds import ObjectKind
from napari_sam.discover.proposals import Proposals, Region, Wanted
from napari_sam.planes.geometry import Mask, Plane
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


def label_stack(found: Iterable[PlaneLabels], shape: tuple[int, ...]) -> tuple[NDArray[np.int32], int]:
    """Put the labels of planes into one array, with other ids on each plane.

    Parameters
    ----------
    found
        The labels of some planes.
    shape
        Of the image.

    Returns
    -------
    (ndarray, int)
        The labels, and how many objects there are: their ids go up to it.
    """
    labels, count = np.zeros(shape, np.int32), 0
    for each in found:
        each.plane.view_of(labels)[...] = np.where(each.labels, each.labels + count, 0)
        count += each.count
    return labels, count


def label_planes(
    segmenter: Segmenter,
    planes: Iterable[Plane],
    wanted: Wanted,
    region: Region | None = None,
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
    """
    for plane in planes:
        yield _labelled(plane, propose_everything(segmenter, plane, region=region), wanted)


def label_alike(
    segmenter: Segmenter,
    planes: Iterable[Plane],
    kind: ObjectKind,
    wanted: Wanted,
    known: Callable[[Plane], Sequence[Mask]],
    region: Region | None = None,
) -> Iterator[PlaneLabels]:
    """Find all that is like examples on some planes, each by itself.

    Parameters
    ----------
    segmenter
        The image and the model.
    planes
        The planes.
    kind
        From `describe_kind`.
    wanted
        What is wanted of the proposals.
    known
        Returns the objects that are on a plane already.
    region
        See `propose_everything`.
    """
    for plane in planes:
        yield _labelled(plane, propose_alike(segmenter, plane, kind, known=known(plane), region=region), wanted)


def _labelled(plane: Plane, proposing: Iterable[tuple[int, int] | Proposals], wanted: Wanted) -> PlaneLabels:
    *_, proposals = proposing
    assert isinstance(proposals, Proposals)
    chosen = proposals.chosen(wanted)
    return PlaneLabels(plane, proposals.labels(chosen), len(chosen))
