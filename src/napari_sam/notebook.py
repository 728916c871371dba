"""The few functions that a notebook needs; `napari_sam` itself offers them by name.

>>> import napari_sam
>>> stack = napari_sam.open_stack("embryo.tif")  # a path, an array, or an ImageSource
>>> nucleus = napari_sam.segment_object(stack, plane=20, points=[(64, 71)])
>>> volume = napari_sam.propagate_object(stack, {20: nucleus}, axis=0)
>>> labels = napari_sam.to_labels(stack, volume)
>>> everything = napari_sam.segment_everything(stack, planes=20)
>>> others = napari_sam.find_alike(stack, labels, planes=20)
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_sam.discover.alike import describe_kind
from napari_sam.discover.planes import label_alike, label_planes, label_stack
from napari_sam.discover.proposals import CONFIDENCE, LIKENESS, OVERLAP, Region, Wanted
from napari_sam.errors import UserError, check_share
from napari_sam.labels.label_array import smallest_dtype
from napari_sam.labels.label_masks import PlaneInLabels, all_masks_on_plane, largest_masks
from napari_sam.labels.paint import Collision, paint
from napari_sam.models.load import load_model
from napari_sam.models.model import Model
from napari_sam.planes.contrast import measure_contrast
from napari_sam.planes.geometry import Mask, Plane
from napari_sam.planes.image_source import ImageSource
from napari_sam.planes.open_image import open_image
from napari_sam.prompts.prompt import Box, Point, Prompts, Scribble
from napari_sam.segment.segmenter import Frame, Segmenter
from napari_sam.session.compute.engine import NetworkEngine
from napari_sam.session.record.replay import replay
from napari_sam.session.record.session_file import read_session
from napari_sam.volume.carry import planes_to_reach
from napari_sam.volume.propagate import propagate_each
from napari_sam.volume.views import three_views

Position = tuple[float, float]


def open_stack(
    image: str | PathLike[str] | ImageSource | Any,
    *,
    model: str | Path | Model = "nano",
    device: str = "auto",
    precision: str = "auto",
    axes: tuple[int, int] = (-2, -1),
) -> Segmenter:
    """Open an image, of any number of axes, for segmentation.

    Parameters
    ----------
    image
        A path, an `ImageSource`, or an array (grayscale, any number of axes; wrap others in an `ImageSource`).
    model
        A model's name, the path of a checkpoint, or a loaded model.
    device
        "auto", "cpu", "cuda" or "mps".
    precision
        "auto", "float32" or "bfloat16"; see `load_model`.
    axes
        (row axis, column axis) of the planes that contrast is measured on.

    Returns
    -------
    Segmenter

    Raises
    ------
    UserError
        If the image or the model cannot be read.

    Examples
    --------
    >>> import napari_sam
    >>> from napari_sam.sample import StackRecipe, generate_stack
    >>> sample = generate_stack(StackRecipe(shape=(8, 80, 80)), seed=2)
    >>> stack = napari_sam.open_stack(sample.nuclei)
    >>> stack.model.name, stack.source.shape
    ('nano', (8, 80, 80))
    """
    source = _source(image)
    loaded = model if isinstance(model, Model) else load_model(model, device, precision)
    return Segmenter(loaded, source, measure_contrast(source, _displayed(source, axes)))


def plane_at(stack: Segmenter, plane: int | Plane | None = None, axes: tuple[int, int] = (-2, -1)) -> Plane:
    """Return the plane of an image that an index names.

    Parameters
    ----------
    stack
        The image.
    plane
        A `Plane`; or the index along the one axis of a 3-D image that is not displayed; or None for a 2-D image.
    axes
        (row axis, column axis); negative numbers count from the last axis.

    Raises
    ------
    UserError
        If the plane does not exist or more than an integer is needed to name it.

    Examples
    --------
    >>> import numpy as np
    >>> import napari_sam
    >>> stack = napari_sam.open_stack(np.zeros((8, 80, 80), np.uint8))
    >>> napari_sam.plane_at(stack, 4)
    Plane(axes=(1, 2), index=(4, 0, 0))
    >>> napari_sam.plane_at(stack, 8)
    Traceback (most recent call last):
    napari_sam.errors.UserError: Plane 8 does not exist: axis 0 has the planes 0 to 7.
    """
    shape = stack.source.shape
    if isinstance(plane, Plane):
        found = plane
    else:
        displayed = _displayed(stack.source, axes)
        others = [axis for axis in range(len(shape)) if axis not in displayed]
        if plane is None and others:
            raise UserError(f"This image has {len(shape)} axes: say which plane you mean.")
        if plane is not None and len(others) != 1:
            raise UserError(f"A plane number needs an image of three axes, and this one has {len(shape)}.")
        index = [0] * len(shape)
        for axis in others:
            index[axis] = int(plane or 0)
        found = Plane(displayed, tuple(index))
    if found.ndim != len(shape):
        raise UserError(f"This plane is of an image of {found.ndim} axes, and the image has {len(shape)}.")
    for axis, at in enumerate(found.index):
        if not 0 <= at < shape[axis]:
            raise UserError(f"Plane {at} does not exist: axis {axis} has the planes 0 to {shape[axis] - 1}.")
    return found


def segment_object(
    stack: Segmenter,
    *,
    plane: int | Plane | None = None,
    points: Iterable[Position] = (),
    negative: Iterable[Position] = (),
    box: Sequence[float] | None = None,
    mask: Mask | NDArray[np.bool_] | None = None,
    scribbles: Iterable[Sequence[Position]] = (),
    previous: Mask | None = None,
    object_size: float | None = None,
    frame: Frame = "window",
) -> Mask:
    """Segment one object on one plane.

    Parameters
    ----------
    stack
        The image, from `open_stack`.
    plane
        Which plane; see `plane_at`.
    points, negative
        (row, column) positions on the object, and beside it; pixel centres on integers.
    box
        (row0, column0, row1, column1): the first and the last pixel that it holds; pixel centres on integers.
    mask
        A rough mask to refine: a `Mask`, or a (rows, columns) bool array of the plane.
    scribbles
        Strokes on the object, each a sequence of (row, column) vertices.
    previous
        A former result that the points correct.
    object_size
        Rough diameter of the object in pixels; None for auto.
    frame
        "reference" shows the plane to a published model exactly as its publishers' predictor does; see
        `Segmenter.segment`.

    Returns
    -------
    Mask
        Empty if nothing was found.

    Raises
    ------
    UserError
        Without a prompt, or with one outside the image.

    Examples
    --------
    >>> import napari_sam
    >>> from napari_sam.sample import StackRecipe, generate_stack
    >>> sample = generate_stack(StackRecipe(shape=(8, 80, 80)), seed=2)
    >>> stack = napari_sam.open_stack(sample.nuclei)
    >>> nucleus = napari_sam.segment_object(stack, plane=4, points=[(35, 24)])
    >>> known = sample.nucleus_labels[4] == 16
    >>> found = nucleus.painted(known.shape)
    >>> print(f"IoU {(found & known).sum() / (found | known).sum():.2f}")
    IoU 0.92

    A box tells more than a click:

    >>> boxed = napari_sam.segment_object(stack, plane=4, box=(18, 13, 49, 38)).painted(known.shape)
    >>> print(f"IoU {(boxed & known).sum() / (boxed | known).sum():.2f}")
    IoU 0.94
    """
    if mask is not None and not isinstance(mask, Mask):
        mask = Mask.from_pixels(np.asarray(mask, bool))
    prompts = Prompts(
        (*(Point(*at, positive=True) for at in points), *(Point(*at, positive=False) for at in negative)),
        None if box is None else Box(*box),
        mask,
        tuple(Scribble(tuple((float(row), float(column)) for row, column in stroke)) for stroke in scribbles),
    )
    found = stack.segment(plane_at(stack, plane), prompts, object_size=object_size, previous=previous, frame=frame)
    return found.mask


def propagate_object(
    stack: Segmenter,
    key_masks: Mapping[int, Mask | NDArray[np.bool_]],
    *,
    axis: int = 0,
    axes: tuple[int, int] = (-2, -1),
    start: int | None = None,
    stop: int | None = None,
    views: bool | None = None,
) -> dict[int, Mask]:
    """Carry an object through a stack, from the planes on which it was segmented.

    Parameters
    ----------
    stack
        The image, of three axes.
    key_masks
        Masks by position along `axis`: each a `Mask`, or a (rows, columns) bool array of the plane.
    axis
        The axis to go along.
    axes
        (row axis, column axis) of the masks.
    start, stop
        First and last position, both inclusive; None for the ends of the image.
    views
        Whether three views of the object vote on each voxel (see `propagate`); None where that makes sense: not over
        time, nor where it would take a model too long.

    Returns
    -------
    dict
        Masks by position, key planes included, in ascending order.

    Raises
    ------
    UserError
        Without a mask, with one of another shape than the plane's, or with an axis or planes that do not exist.

    Examples
    --------
    >>> import napari_sam
    >>> from napari_sam.sample import StackRecipe, generate_stack
    >>> sample = generate_stack(StackRecipe(shape=(8, 80, 80)), seed=2)
    >>> stack = napari_sam.open_stack(sample.nuclei)
    >>> nucleus = napari_sam.segment_object(stack, plane=4, box=(18, 13, 49, 38))
    >>> volume = napari_sam.propagate_object(stack, {4: nucleus}, start=3, stop=6)
    >>> list(volume)
    [3, 4, 5, 6]
    >>> known = sample.nucleus_labels[3:7] == 16
    >>> found = napari_sam.to_labels(stack, volume)[3:7] == 1
    >>> print(f"3-D IoU {(found & known).sum() / (found | known).sum():.1f}")
    3-D IoU 0.9
    """
    if not key_masks:
        raise UserError("There is nothing to propagate: segment the object on one plane first.")
    found = propagate_objects(stack, {1: key_masks}, axis=axis, axes=axes, start=start, stop=stop, views=views)
    return found[1]


def propagate_objects(
    stack: Segmenter,
    key_masks: Mapping[int, Mapping[int, Mask | NDArray[np.bool_]]],
    *,
    axis: int = 0,
    axes: tuple[int, int] = (-2, -1),
    start: int | None = None,
    stop: int | None = None,
    views: bool | None = None,
) -> dict[int, dict[int, Mask]]:
    """Carry several objects through a stack at once; they compete for pixels.

    Parameters
    ----------
    stack, axis, axes, start, stop, views
        As of `propagate_object`.
    key_masks
        For each object, by its id, masks by position along `axis`, as of `propagate_object`.

    Returns
    -------
    dict
        For each object its masks by position, key planes included, in ascending order.

    Raises
    ------
    UserError
        Without a mask, or with an axis or planes that do not exist.

    Examples
    --------
    >>> import napari_sam
    >>> from napari_sam.sample import StackRecipe, generate_stack
    >>> sample = generate_stack(StackRecipe(shape=(8, 80, 80)), seed=2)
    >>> stack = napari_sam.open_stack(sample.nuclei)
    >>> clicks = {1: (36, 23), 2: (67, 54)}
    >>> nuclei = {id: {4: napari_sam.segment_object(stack, plane=4, points=[at])} for id, at in clicks.items()}
    >>> volumes = napari_sam.propagate_objects(stack, nuclei, start=3, stop=5)
    >>> {id: list(volume) for id, volume in volumes.items()}
    {1: [3, 4, 5], 2: [3, 4, 5]}
    """
    first = next((position for masks in key_masks.values() for position in masks), None)
    if first is None:
        raise UserError("There is nothing to propagate: segment an object on one plane first.")
    planes_to_reach(stack.source.shape, plane_at(stack, first, axes), axis, start, stop)
    seen = three_views(stack.source, stack.model.name, axis) if views is None else views
    shape = plane_at(stack, first, axes).shape(stack.source.shape)
    known = {name: {at: _mask(mask, shape) for at, mask in masks.items()} for name, masks in key_masks.items()}
    volumes = {name: dict(masks) for name, masks in known.items()}
    found = propagate_each(stack, plane_at(stack, first, axes), known, axis, start=start, stop=stop, views=seen)
    for name, reached in found:
        volumes[name].pop(reached.index, None)
        if reached.mask is not None:
            volumes[name][reached.index] = reached.mask
    return {name: dict(sorted(volume.items())) for name, volume in volumes.items()}


def _mask(mask: Mask | NDArray[np.bool_], shape: tuple[int, int]) -> Mask:
    """Return the mask that a user gave of a plane of (rows, columns), as such or as an array."""
    if isinstance(mask, Mask):
        return mask
    pixels = np.asarray(mask, bool)
    if pixels.shape != shape:
        raise UserError(f"A mask has the shape {pixels.shape}, but the planes of this stack have {shape}.")
    return Mask.from_pixels(pixels)


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
) -> NDArray[Any]:
    """Segment everything that the model sees by itself, on each plane alone, without a prompt.

    Objects are not linked from plane to plane: on each plane they have ids of their own.

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
    found = label_planes(stack, chosen, wanted, within)
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
) -> NDArray[Any]:
    """Segment all objects that are like some that are labelled, on each plane alone.

    Each example is looked at on the plane on which it is largest. What is labelled in the image already is not found
    again.

    Parameters
    ----------
    image, model, planes, smallest, largest, overlap, region, axes
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
    if labels.shape != examples_on.source.shape:
        raise UserError(
            f"The labels have the shape {labels.shape}, but the image that they are of {examples_on.source.shape}."
        )
    wanted_ids = (
        None if ids is None else {int(ids)} if isinstance(ids, int | np.integer) else {int(each) for each in ids}
    )
    examples = largest_masks(labels, _displayed(examples_on.source, axes), wanted_ids)
    missing = sorted((wanted_ids or set()) - set(examples))
    if missing:
        raise UserError(f"There is no object {missing[0]} in the labels.")
    chosen, within = _looked_at(stack, planes, region, axes)
    kind = describe_kind(examples_on, list(examples.values()))

    def known(plane: Plane) -> list[Mask]:
        if labelled is not None:
            return []
        return list(all_masks_on_plane(labels, PlaneInLabels.itself(plane, labels.shape)).values())

    wanted = Wanted(smallest=smallest, largest=largest, overlap=overlap, likeness=likeness)
    found, count = label_stack(label_alike(stack, chosen, kind, wanted, known, within), stack.source.shape)
    before = int(labels.max())
    return np.where(found, found.astype(np.int64) + before, 0).astype(smallest_dtype(count + before))


def _looked_at(
    stack: Segmenter,
    planes: int | Plane | Iterable[int | Plane] | None,
    region: Sequence[float] | None,
    axes: tuple[int, int],
) -> tuple[list[Plane], Region | None]:
    """Return the planes that are to be looked at, and the part of them."""
    if planes is None:
        shown = _displayed(stack.source, axes)
        others = [range(1) if axis in shown else range(size) for axis, size in enumerate(stack.source.shape)]
        chosen = [Plane(shown, index) for index in product(*others)]
    elif isinstance(planes, int | np.integer | Plane):
        chosen = [plane_at(stack, planes, axes)]
    else:
        chosen = [plane_at(stack, plane, axes) for plane in planes]
    within = None
    if region is not None:
        corners = np.asarray(region, float)
        if corners.shape != (4,) or np.isnan(corners).any():
            raise UserError(f"A region is four numbers (row0, column0, row1, column1), but got {region}.")
        (row0, column0), (row1, column1) = (
            map(float, along(corners.reshape(2, 2), axis=0)) for along in (np.min, np.max)
        )
        within = row0, column0, row1, column1
    # One that is named twice is looked at once.
    return list(dict.fromkeys(chosen)), within


def _check_wanted(confidence: float, smallest: float, largest: float, overlap: float) -> None:
    check_share("confidence", confidence)
    check_share("overlap", overlap)
    if not 0 <= smallest <= largest:
        raise UserError(f"Diameters go from smallest to largest, both from 0 on, but got {smallest:g} and {largest:g}.")


def to_labels(
    stack: Segmenter,
    volume: Mapping[int | None, Mask] | Mapping[int, Mask],
    *,
    label: int = 1,
    axes: tuple[int, int] = (-2, -1),
    labels: NDArray[Any] | None = None,
    collision: Collision = Collision.KEEP,
) -> NDArray[Any]:
    """Paint an object into a label array.

    Parameters
    ----------
    stack
        The image.
    volume
        Masks by position, as from `propagate_object`; ``{None: mask}`` for a 2-D image.
    label
        The object's id.
    axes
        (row axis, column axis) of the masks.
    labels
        The array to paint into, of the image's shape; None makes a new one.
    collision
        What happens to pixels of another label.

    Returns
    -------
    ndarray
        `labels`, painted.

    Raises
    ------
    UserError
        If the id does not fit the array's dtype.

    Examples
    --------
    >>> import napari_sam
    >>> from napari_sam.sample import StackRecipe, generate_stack
    >>> sample = generate_stack(StackRecipe(shape=(8, 80, 80)), seed=2)
    >>> stack = napari_sam.open_stack(sample.nuclei)
    >>> nucleus = napari_sam.segment_object(stack, plane=4, box=(18, 13, 49, 38))
    >>> labels = napari_sam.to_labels(stack, {4: nucleus}, label=7)
    >>> labels.shape, labels.dtype.name, int(labels[4, 35, 24])
    ((8, 80, 80), 'uint8', 7)
    """
    if labels is None:
        labels = np.zeros(stack.source.shape, smallest_dtype(label))
    painted = [(plane_at(stack, at, axes), mask) for at, mask in volume.items()]
    paint(labels, painted, label, collision).apply(labels)
    return labels


def replay_session(session: str | PathLike[str], image: str | PathLike[str] | ImageSource | Any) -> NDArray[Any]:
    """Return the labels of a saved session, computed again.

    Parameters
    ----------
    session
        Path of the session file.
    image
        The image that it was made on: a path, an `ImageSource`, or an array.

    Returns
    -------
    ndarray
        The labels, of the image's shape.

    Raises
    ------
    UserError
        If the session cannot be read, this is another image, or the model is missing or another one.

    Examples
    --------
    Do something, as the plugin would (see `Session`), and save it:

    >>> import queue
    >>> import numpy as np
    >>> import napari_sam
    >>> from napari_sam.sample import StackRecipe, generate_stack
    >>> from napari_sam.session.labels.target import ArrayTarget
    >>> from napari_sam.session.session import Session
    >>> image = generate_stack(StackRecipe(shape=(8, 80, 80)), seed=2).nuclei
    >>> labels = np.zeros(image.shape, np.uint16)
    >>> posted = queue.SimpleQueue()
    >>> session = Session(posted.put)
    >>> session.image.choose(napari_sam.ImageSource(image), axes=(1, 2))
    >>> session.labels.choose(ArrayTarget(labels), next_label=1)
    >>> session.prompts.add_box(napari_sam.Plane((1, 2), (4, 0, 0)), napari_sam.Box(18, 13, 49, 38))
    >>> patch = session.current.accept()
    >>> while session.scheduler.wait_idle(60) and not posted.empty():
    ...     posted.get()()
    >>> session.record.save("labels.tif")
    >>> while session.scheduler.wait_idle(60) and not posted.empty():
    ...     posted.get()()
    >>> session.close()
    True

    Beside the labels lies what they were made by; the same comes out again:

    >>> again = napari_sam.replay_session("labels.session.json", image)
    >>> bool(labels.any()), np.array_equal(again, labels)
    (True, True)
    """
    content = read_session(session)
    return np.asarray(replay(content.annotation, content.image.recognise(_source(image)), NetworkEngine()))


def _source(image: str | PathLike[str] | ImageSource | Any) -> ImageSource:
    if isinstance(image, ImageSource):
        return image
    return open_image(Path(image)) if isinstance(image, str | PathLike) else ImageSource(image)


def _displayed(source: ImageSource, axes: tuple[int, int]) -> tuple[int, int]:
    ndim = len(source.shape)
    for axis in axes:
        if not -ndim <= axis < ndim:
            raise UserError(f"Axis {axis} does not exist: this image has {ndim} axes.")
    return axes[0] % ndim, axes[1] % ndim
