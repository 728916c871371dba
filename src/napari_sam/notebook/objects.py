"""Single objects in a notebook: segmented by prompts, carried through a stack, painted; and sessions replayed."""

from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_sam.errors import UserError
from napari_sam.labels.label_array import smallest_dtype
from napari_sam.labels.paint import Collision, paint
from napari_sam.notebook.stacks import as_source, plane_at
from napari_sam.planes.geometry import Mask, Plane
from napari_sam.planes.image_source import ImageSource
from napari_sam.prompts.prompt import Box, Point, Prompts, Scribble
from napari_sam.segment.segmenter import Frame, Segmenter
from napari_sam.session.compute.engine import NetworkEngine
from napari_sam.session.record.replay import replay
from napari_sam.session.record.session_file import read_session
from napari_sam.volume.carry import planes_to_reach
from napari_sam.volume.propagate import propagate_each
from napari_sam.volume.views import three_views

Position = tuple[float, float]


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
    return np.asarray(replay(content.annotation, content.image.recognise(as_source(image)), NetworkEngine()))
