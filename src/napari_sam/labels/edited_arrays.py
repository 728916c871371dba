"""The edits of objects for scripts: each takes an array of labels and gives a new one."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_sam.errors import UserError
from napari_sam.labels.edits import PixelChange
from napari_sam.labels.label_array import as_ids, as_labels, check_fits, label_boxes, next_label
from napari_sam.labels.morphology import Reshaping, Treatment
from napari_sam.labels.object_edits import Space, all_spaces, known_parts, reshape_change, split_change
from napari_sam.labels.splitting import AsksOfAPlane
from napari_sam.planes.geometry import Plane
from napari_sam.prompts.prompt import Point


def _axes(ndim: int, spatial: int | None) -> tuple[int, ...]:
    count = min(ndim, 3) if spatial is None else spatial
    if count not in (2, 3) or count > ndim:
        raise UserError(f"spatial is 2 (plane by plane) or 3 (volumes), at most the {ndim} axes, but got {spatial}.")
    return tuple(range(ndim - count, ndim))


def check_spacing(scale: Sequence[float] | None, axes: Sequence[int], ndim: int) -> tuple[float, ...]:
    """Return the size of a pixel along some axes, 1 where it is not known.

    Raises
    ------
    UserError
        If the scale has another number of values, or one of them is no size.
    """
    if scale is None:
        return (1.0,) * len(axes)
    if len(scale) != ndim:
        raise UserError(f"The labels have {ndim} axes but the scale has {len(scale)} values.")
    sizes = tuple(abs(float(scale[axis])) for axis in axes)
    if not all(math.isfinite(size) and size > 0 for size in sizes):
        raise UserError(f"A pixel has a size above 0 along each axis, but the scale is {tuple(scale)}.")
    return sizes


def reshape_objects(
    labels: Any,
    reshaping: Reshaping,
    ids: int | Iterable[int] | None = None,
    *,
    scale: Sequence[float] | None = None,
    spatial: int | None = None,
) -> NDArray[Any]:
    """Treat some objects, or all, in each plane or volume of an array by itself.

    Parameters
    ----------
    labels
        (axes...) integers, 0 for background; it is left as it is.
    reshaping
        The treatment.
    ids
        Which objects; None for all.
    scale
        Size of a pixel along every axis, in the unit of distances; None for 1.
    spatial
        How many of the last axes are space: 3 for volumes, 2 for plane by plane. None for up to three. Along other
        axes (time, channels) nothing is mixed.

    Returns
    -------
    ndarray
        Of the same shape and type. An object that would be gone is as it was.

    Raises
    ------
    UserError
        If these are no labels, there is no such object, or the scale does not fit.
    """
    array = np.array(as_labels(labels))
    axes = _axes(array.ndim, spatial)
    spacing = check_spacing(scale, axes, array.ndim)
    chosen = _known(array, ids)
    changes: list[PixelChange] = []
    for space in all_spaces(array.shape, axes):
        boxes = label_boxes(array, space.whole(array.shape), chosen)
        rivals = np.array(list(boxes), np.int64) if reshaping.treatment is Treatment.GROW else None
        for label, box in boxes.items():
            change, _ = reshape_change(array, space, box, label, reshaping, spacing, rivals)
            changes += [] if change is None else [change]
    return _applied(array, changes)


def _known(array: NDArray[Any], ids: int | Iterable[int] | None) -> list[int] | None:
    """Return ids that a user gave, all of which are in the labels."""
    chosen = as_ids(ids)
    for label in chosen or ():
        if label <= 0 or not (array == label).any():
            raise UserError(f"There is no object {label} in the labels.")
    return chosen


def _applied(array: NDArray[Any], changes: Iterable[PixelChange]) -> NDArray[Any]:
    for change in changes:
        change.apply(array)
    return array


def merge_objects(labels: Any, ids: Iterable[int]) -> NDArray[Any]:
    """Make one object of several; it has the smallest of their ids.

    Parameters
    ----------
    labels
        (axes...) integers, 0 for background; it is left as it is.
    ids
        The objects, two at least.

    Returns
    -------
    ndarray
        Of the same shape and type.

    Raises
    ------
    UserError
        If these are no labels, there is no such object, or fewer than two.

    Examples
    --------
    >>> import numpy as np
    >>> import napari_sam
    >>> napari_sam.merge_objects(np.array([[7, 7, 0, 3, 3, 5]]), [7, 3])
    array([[3, 3, 0, 3, 3, 5]])
    """
    array = np.array(as_labels(labels))
    chosen = as_ids(ids) or []
    if len(set(chosen)) < 2:
        raise UserError("Give two objects at least to merge.")
    _known(array, chosen)
    array[np.isin(array, chosen)] = min(chosen)
    return array


def split_object(
    labels: Any,
    label: int,
    points: Sequence[Sequence[float]],
    *,
    scale: Sequence[float] | None = None,
    spatial: int | None = None,
    stack: AsksOfAPlane | None = None,
) -> NDArray[Any]:
    """Split an object into parts, one for each point in it; pixels beside it stay.

    Parameters
    ----------
    labels
        (axes...) integers, 0 for background; it is left as it is.
    label
        The object.
    points
        (n, axes) positions on the object, pixel centres on integers. The part of the first one keeps the id, the
        others get the next free ones.
    scale
        Size of a pixel along every axis; None for 1.
    spatial
        How many of the last axes are space; see `fill_holes`.
    stack
        What `open_stack` gave for the image: where several points lie on one plane of the last two axes, the model
        is asked for each part. Without, and where it finds none of them, the object is split by its shape: at the
        neck between two points, or halfway.

    Returns
    -------
    ndarray
        Of the same shape and type.

    Raises
    ------
    UserError
        If these are no labels, there is no such object, a point is not on it, or an id does not fit into the type.

    Examples
    --------
    >>> import numpy as np
    >>> import napari_sam
    >>> dumbbell = np.array([[1, 1, 1, 0, 1, 1, 1], [1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 1, 1, 1]])
    >>> napari_sam.split_object(dumbbell, 1, [(1, 1), (1, 5)])
    array([[1, 1, 1, 0, 2, 2, 2],
           [1, 1, 1, 1, 2, 2, 2],
           [1, 1, 1, 0, 2, 2, 2]])
    """
    array = np.array(as_labels(labels))
    axes = _axes(array.ndim, spatial)
    spacing = check_spacing(scale, axes, array.ndim)
    _known(array, label)
    clicks: dict[int, tuple[int, ...]] = {}
    asked: dict[int, tuple[Plane, Point]] = {}
    for part, point in enumerate(points, 1):
        if len(point) != array.ndim or not all(math.isfinite(at) for at in point):
            raise UserError(f"A point has one position for each of the {array.ndim} axes, but got {tuple(point)}.")
        pixel = tuple(round(at) for at in point)
        clicks[part] = pixel
        asked[part] = Plane((array.ndim - 2, array.ndim - 1), pixel), Point(float(point[-2]), float(point[-1]))
    space = Space(axes, clicks[1] if clicks else (0,) * array.ndim)
    box = label_boxes(array, space.whole(array.shape), [label]).get(label, space.whole(array.shape))
    # Refused before anything is asked.
    numbers = dict.fromkeys(clicks, label)
    split_change(array, space, box, label, clicks, numbers, spacing)
    known = None if stack is None else known_parts(stack, array, space, box, label, asked)
    free = next_label(array)
    numbers.update({part: free + part - 2 for part in clicks if part > 1})
    check_fits(max(numbers.values()), array.dtype)
    change = split_change(array, space, box, label, clicks, numbers, spacing, known)
    return _applied(array, [] if change is None else [change])


def fill_holes(labels: Any, ids: int | Iterable[int] | None = None, *, spatial: int | None = None) -> NDArray[Any]:
    """Fill the holes of objects: background that no way over pixel faces leads out of. Other labels in them stay.

    Parameters
    ----------
    labels
        (axes...) integers, 0 for background; it is left as it is.
    ids
        Which objects; None for all.
    spatial
        How many of the last axes are space: 3 for volumes, 2 for plane by plane. None for up to three. Along other
        axes (time, channels) nothing is mixed.

    Returns
    -------
    ndarray
        Of the same shape and type.

    Raises
    ------
    UserError
        If these are no labels, or there is no such object.

    Examples
    --------
    >>> import numpy as np
    >>> import napari_sam
    >>> ring = np.array([[4, 4, 4], [4, 0, 4], [4, 4, 4]])
    >>> napari_sam.fill_holes(ring)[1]
    array([4, 4, 4])
    """
    return reshape_objects(labels, Reshaping(Treatment.FILL_HOLES), ids, spatial=spatial)


def keep_largest_part(
    labels: Any, ids: int | Iterable[int] | None = None, *, spatial: int | None = None
) -> NDArray[Any]:
    """Keep the largest connected part of objects, and make the others background; of equal ones the first stays.

    Parameters
    ----------
    labels, ids, spatial
        See `fill_holes`. Pixels that touch by a corner hang together.

    Returns
    -------
    ndarray
        Of the same shape and type.

    Raises
    ------
    UserError
        If these are no labels, or there is no such object.

    Examples
    --------
    >>> import numpy as np
    >>> import napari_sam
    >>> napari_sam.keep_largest_part(np.array([[2, 0, 2, 2, 2, 0, 9]]))
    array([[0, 0, 2, 2, 2, 0, 9]])
    """
    return reshape_objects(labels, Reshaping(Treatment.KEEP_LARGEST), ids, spatial=spatial)


def smooth_objects(
    labels: Any,
    distance: float,
    ids: int | Iterable[int] | None = None,
    *,
    scale: Sequence[float] | None = None,
    spatial: int | None = None,
) -> NDArray[Any]:
    """Smooth the borders of objects: bumps and dents narrower than about a distance go, straight borders stay.

    The border with the background moves to where both are even when blurred by a Gaussian whose standard deviation is
    the distance (Merriman, Bence and Osher, 1994). Borders with other labels stay.

    Parameters
    ----------
    labels, ids, spatial
        See `fill_holes`.
    distance
        Above 0, in the unit of `scale`.
    scale
        Size of a pixel along every axis; None for 1.

    Returns
    -------
    ndarray
        Of the same shape and type. An object that would be gone is as it was.

    Raises
    ------
    UserError
        If these are no labels, there is no such object, or the distance or the scale makes no sense.

    Examples
    --------
    >>> import numpy as np
    >>> import napari_sam
    >>> labels = np.zeros((9, 12), np.uint8)
    >>> labels[5:, :] = 1
    >>> labels[4, 6] = 1  # a bump
    >>> smooth = napari_sam.smooth_objects(labels, 1.5)
    >>> bool(smooth[4].any()), bool(smooth[5].all())
    (False, True)
    """
    return reshape_objects(labels, Reshaping(Treatment.SMOOTH, distance), ids, scale=scale, spatial=spatial)


def grow_objects(
    labels: Any,
    distance: float,
    ids: int | Iterable[int] | None = None,
    *,
    scale: Sequence[float] | None = None,
    spatial: int | None = None,
) -> NDArray[Any]:
    """Grow objects by a distance over the background, or shrink them by a negative one.

    Distances are from pixel centre to pixel centre. Other labels keep their pixels; what several objects reach goes to
    the nearest. Objects do not shrink from the border of the array.

    Parameters
    ----------
    labels, ids, spatial
        See `fill_holes`.
    distance
        In the unit of `scale`; negative to shrink.
    scale
        Size of a pixel along every axis; None for 1.

    Returns
    -------
    ndarray
        Of the same shape and type. An object that would be gone is as it was.

    Raises
    ------
    UserError
        If these are no labels, there is no such object, or the distance or the scale makes no sense.

    Examples
    --------
    >>> import numpy as np
    >>> import napari_sam
    >>> labels = np.array([[0, 0, 1, 0, 0, 0, 2, 2, 2]])
    >>> napari_sam.grow_objects(labels, 1)
    array([[0, 1, 1, 1, 0, 2, 2, 2, 2]])
    >>> napari_sam.grow_objects(labels, -1, [2])
    array([[0, 0, 1, 0, 0, 0, 0, 2, 2]])
    """
    reshaping = Reshaping(Treatment.SHRINK if distance < 0 else Treatment.GROW, abs(distance))
    return reshape_objects(labels, reshaping, ids, scale=scale, spatial=spatial)
