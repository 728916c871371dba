"""All objects in a notebook: of planes, of stacks, and those that are like some examples; without a prompt."""

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import product
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_sam.discover.alike import describe_kind
from napari_sam.discover.planes import label_alike, label_planes, label_stack
from napari_sam.discover.proposals import CONFIDENCE, LIKENESS, OVERLAP, Region, Wanted
from napari_sam.discover.volumes import label_volumes
from napari_sam.errors import UserError, check_share
from napari_sam.labels.label_array import as_ids, as_labels, smallest_dtype
from napari_sam.labels.label_masks import PlaneInLabels, all_masks_on_plane, largest_masks
from napari_sam.models.model import Model
from napari_sam.notebook.stacks import checked_axes, open_stack, plane_at
from napari_sam.planes.geometry import Mask, Plane
from napari_sam.planes.image_source import ImageSource
from napari_sam.segment.segmenter import Segmenter


def segment_everything(
    image: str | PathLike[str] | ImageSource | Segmenter | Any,
    *,
    model: str | Path | Model = "nano",
    planes: int | Plane | Iterable[int | Plane] | None = None,
    confidence: float = CONFIDENCE,
    smallest: float = 0.0,
    largest: float = math.inf,
    overlap: float = OVERLAP,
    region: Sequence[float] | None = None,
    axes: tuple[int, int] = (-2, -1),
    told: Callable[[float], object] | None = None,
) -> NDArray[Any]:
    """Segment everything that the model sees by itself, on each plane alone, without a prompt.

    Objects are not linked from plane to plane: on each plane they have ids of their own. See `segment_volumes`.

    Parameters
    ----------
    image
        An image as `open_stack` takes it, or what it returns (with its model, then).
    model
        As of `open_stack`. Nano sees where objects are; published models are asked on a grid, which takes long.
    planes
        Which planes, see `plane_at`; None for all.
    confidence
        How sure the model has to be of an object, 0..1.
    smallest, largest
        Bounds of the diameter of the disc that is as large as an object, in pixels (of the finer axis).
    overlap
        Share of the smaller of two objects that they may have in common, 0..1; what they share goes to the surer one.
    region
        (row0, column0, row1, column1): only objects whose middle lies inside. None for whole planes.
    axes
        (row axis, column axis) of the planes; negative numbers count from the last axis.
    told
        Called with the share of the work that is done, 0..1.

    Returns
    -------
    ndarray
        Labels, of the image's shape, on each plane the surest first.

    Raises
    ------
    UserError
        If the image cannot be read, a plane does not exist, or a number is out of its range.

    Examples
    --------
    >>> import napari_sam
    >>> from napari_sam.sample import StackRecipe, generate_stack
    >>> sample = generate_stack(StackRecipe(shape=(8, 80, 80)), seed=2)
    >>> labels = napari_sam.segment_everything(sample.nuclei, planes=[4, 5])
    >>> labels.shape, [bool(plane.any()) for plane in labels[3:7]]
    ((8, 80, 80), [False, True, True, False])
    >>> known = sample.nucleus_labels[4] == 16
    >>> found = labels[4] == labels[4, 35, 24]
    >>> print(f"IoU {(found & known).sum() / (found | known).sum():.1f}")
    IoU 0.9
    """
    _check_wanted(confidence, smallest, largest, overlap)
    stack = image if isinstance(image, Segmenter) else open_stack(image, model=model, axes=axes)
    chosen, within = _looked_at(stack, planes, region, axes)
    wanted = Wanted(confidence, smallest, largest, overlap)
    found = label_planes(stack, chosen, wanted, within, told)
    labels, count = label_stack(found, stack.source.shape)
    return labels.astype(smallest_dtype(count))


def find_alike(
    image: str | PathLike[str] | ImageSource | Segmenter | Any,
    labels: NDArray[Any],
    ids: int | Iterable[int] | None = None,
    *,
    labelled: str | PathLike[str] | ImageSource | Any | None = None,
    model: str | Path | Model = "nano",
    planes: int | Plane | Iterable[int | Plane] | None = None,
    likeness: float = LIKENESS,
    smallest: float = 0.0,
    largest: float = math.inf,
    overlap: float = OVERLAP,
    region: Sequence[float] | None = None,
    axes: tuple[int, int] = (-2, -1),
    told: Callable[[float], object] | None = None,
) -> NDArray[Any]:
    """Segment all objects that are like some that are labelled, on each plane alone.

    Each example is looked at on the plane on which it is largest. What is labelled in the image already is not found
    again.

    Parameters
    ----------
    image, model, planes, smallest, largest, overlap, region, axes, told
        As of `segment_everything`.
    labels
        Labels that hold the examples.
    ids
        Which of them are examples; None for all.
    labelled
        The image that the labels are of, where it is another one; None for `image`.
    likeness
        How likely an object has to be one like the examples, 0..1.

    Returns
    -------
    ndarray
        Labels of what was found, of the image's shape, on each plane the likeliest first. Ids go on from the largest
        one in `labels`.

    Raises
    ------
    UserError
        If an image cannot be read, the labels do not fit it, an example has no pixel, a plane does not exist, or a
        number is out of its range.

    Examples
    --------
    >>> import napari_sam
    >>> from napari_sam.sample import StackRecipe, generate_stack
    >>> sample = generate_stack(StackRecipe(shape=(8, 120, 120)), seed=2)
    >>> stack = napari_sam.open_stack(sample.nuclei)
    >>> nucleus = napari_sam.segment_object(stack, plane=4, points=[(35, 24)])
    >>> labels = napari_sam.to_labels(stack, {4: nucleus})
    >>> found = napari_sam.find_alike(stack, labels, 1, planes=4)
    >>> found.shape, bool(found[4].any()), bool(found[4][labels[4] == 1].any())
    ((8, 120, 120), True, False)
    """
    check_share("likeness", likeness)
    _check_wanted(CONFIDENCE, smallest, largest, overlap)
    stack = image if isinstance(image, Segmenter) else open_stack(image, model=model, axes=axes)
    examples_on = stack if labelled is None else open_stack(labelled, model=stack.model, axes=axes)
    labels = as_labels(labels)
    if tuple(labels.shape) != examples_on.source.shape:
        raise UserError(
            f"The labels have the shape {tuple(labels.shape)}, but the image that they are of "
            f"{examples_on.source.shape}."
        )
    chosen_ids = as_ids(ids)
    examples = largest_masks(
        labels, checked_axes(examples_on.source, axes), None if chosen_ids is None else set(chosen_ids)
    )
    missing = sorted(set(chosen_ids or ()) - set(examples))
    if missing:
        raise UserError(f"There is no object {missing[0]} in the labels.")
    chosen, within = _looked_at(stack, planes, region, axes)
    kind = describe_kind(examples_on, list(examples.values()))

    def known(plane: Plane) -> list[Mask]:
        if labelled is not None:
            return []
        return list(all_masks_on_plane(labels, PlaneInLabels.itself(plane, labels.shape)).values())

    wanted = Wanted(smallest=smallest, largest=largest, overlap=overlap, likeness=likeness)
    found, count = label_stack(label_alike(stack, chosen, kind, wanted, known, within, told), stack.source.shape)
    before = int(labels.max())
    dtype = smallest_dtype(count + before)
    return np.where(found, found.astype(dtype) + dtype.type(before), dtype.type(0))


def _looked_at(
    stack: Segmenter,
    planes: int | Plane | Iterable[int | Plane] | None,
    region: Sequence[float] | None,
    axes: tuple[int, int],
) -> tuple[list[Plane], Region | None]:
    """Return the planes that are to be looked at, and the part of them."""
    if planes is None:
        shown = checked_axes(stack.source, axes)
        others = [range(1) if axis in shown else range(size) for axis, size in enumerate(stack.source.shape)]
        chosen = [Plane(shown, index) for index in product(*others)]
    elif isinstance(planes, int | np.integer | Plane):
        chosen = [plane_at(stack, planes, axes)]
    else:
        chosen = [plane_at(stack, plane, axes) for plane in planes]
    # One that is named twice is looked at once.
    return list(dict.fromkeys(chosen)), as_region(region)


def segment_volumes(
    image: str | PathLike[str] | ImageSource | Segmenter | Any,
    *,
    model: str | Path | Model = "nano",
    axis: int = 0,
    start: int | None = None,
    stop: int | None = None,
    confidence: float = CONFIDENCE,
    smallest: float = 0.0,
    largest: float = math.inf,
    overlap: float = OVERLAP,
    region: Sequence[float] | None = None,
    movement: float | None = None,
    axes: tuple[int, int] = (-2, -1),
    told: Callable[[float], object] | None = None,
) -> NDArray[Any]:
    """Segment everything that the model sees by itself in a stack, linked from plane to plane, without a prompt.

    Parameters
    ----------
    image, model, overlap, region, axes, told
        As of `segment_everything`.
    axis
        The axis to go along; negative numbers count from the last axis. Of an image of more axes every stack along it
        is segmented by itself.
    start, stop
        First and last position along it, both inclusive; None for the ends of the image.
    confidence
        How sure the model has to be of an object, 0..1. Of what it sees on one plane only it is less sure: that takes
        some .87 on this plane to be .4.
    smallest, largest
        Bounds of the diameter of the ball that is as large as an object, in pixels (of the finer axis of the planes;
        the image's scale counts). Where objects move, of the disc that is as large as its largest plane.
    movement
        How far an object moves at most from one position to the next, in pixels, where the axis is time: an object may
        be one then though it does not overlap itself. None for a stack. With too small a bound objects fall apart into
        planes, of which the model is not sure.

    Returns
    -------
    ndarray
        Labels, of the image's shape, in every stack the surest first.

    Raises
    ------
    UserError
        If the image cannot be read, an axis or a plane does not exist, or a number is out of its range.

    Examples
    --------
    >>> import napari_sam
    >>> from napari_sam.sample import StackRecipe, generate_stack
    >>> sample = generate_stack(StackRecipe(shape=(8, 80, 80)), seed=2)
    >>> labels = napari_sam.segment_volumes(sample.nuclei)
    >>> known = sample.nucleus_labels == 16
    >>> found = labels == labels[4, 35, 24]
    >>> print(f"3-D IoU {(found & known).sum() / (found | known).sum():.1f}")
    3-D IoU 0.7
    """
    _check_wanted(confidence, smallest, largest, overlap)
    stack = image if isinstance(image, Segmenter) else open_stack(image, model=model, axes=axes)
    shown = checked_axes(stack.source, axes)
    if stack.source.ndim < 3:
        raise UserError("This image has a single plane: there is no stack to look in.")
    for name, number in (("axis", axis), ("start", start), ("stop", stop)):
        if number is not None and not isinstance(number, int | np.integer):
            raise UserError(f"{name} is a whole number, but got {number!r}.")
    axis = axis % stack.source.ndim if -stack.source.ndim <= axis < 0 else axis
    single = {axis, *shown}
    others = [range(1) if each in single else range(size) for each, size in enumerate(stack.source.shape)]
    labels, count = label_volumes(
        stack,
        [Plane(shown, index) for index in product(*others)],
        axis,
        Wanted(confidence, smallest, largest, overlap),
        start=start,
        stop=stop,
        region=as_region(region),
        movement=movement,
        told=told,
    )
    return labels.astype(smallest_dtype(count))


def as_region(corners: Sequence[float] | None) -> Region | None:
    """Return the region between two corners, in whichever order they are given; None without any.

    Raises
    ------
    UserError
        If these are not four numbers.
    """
    if corners is None:
        return None
    places = np.asarray(corners, float)
    if places.shape != (4,) or np.isnan(places).any():
        raise UserError(f"A region is four numbers (row0, column0, row1, column1), but got {corners}.")
    (row0, column0), (row1, column1) = (map(float, along(places.reshape(2, 2), axis=0)) for along in (np.min, np.max))
    return row0, column0, row1, column1


def _check_wanted(confidence: float, smallest: float, largest: float, overlap: float) -> None:
    check_share("confidence", confidence)
    check_share("overlap", overlap)
    if not 0 <= smallest <= largest:
        raise UserError(f"Diameters go from smallest to largest, both from 0 on, but got {smallest:g} and {largest:g}.")
