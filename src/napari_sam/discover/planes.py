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
    planes: Sequence[Plane],
    wanted: Wanted,
    region: Region | None = None,
    told: Callable[[float], object] | None = None,
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
    told
        Called with the share of the work that is done, 0..1.
    """
    for at, plane in enumerate(planes):
        proposing = propose_everything(segmenter, plane, region=region)
        yield _labelled(plane, proposing, wanted, _part(told, at, len(planes)))


def label_alike(
    segmenter: Segmenter,
    planes: Sequence[Plane],
    kind: ObjectKind,
    wanted: Wanted,
    known: Callable[[Plane], Sequence[Mask]],
    region: Region | None = None,
    told: Callable[[float], object] | None = None,
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
    told
        Called with the share of the work that is done, 0..1.
    """
    for at, plane in enumerate(planes):
        proposing = propose_alike(segmenter, plane, kind, known=known(plane), region=region)
        yield _labelled(plane, proposing, wanted, _part(told, at, len(planes)))


def _part(told: Callable[[float], object] | None, at: int, count: int) -> Callable[[float], None]:
    """Return what tells of one of several planes as the share that it is of all of them."""

    def tell(share: float) -> None:
        if told is not None:
            told((at + share) / count)

    return tell


def _labelled(
    plane: Plane,
    proposing: Iterable[tuple[int, int] | Proposals],
    wanted: Wanted,
    told: Callable[[float], None],
) -> PlaneLabels:
    for each in proposing:
        if isinstance(each, Proposals):
            chosen = each.chosen(wanted)
            told(1.0)
            return PlaneLabels(plane, each.labels(chosen), len(chosen))
        done, total = each
        told(done / max(total, 1))
    raise AssertionError("there are no proposals in the end")
