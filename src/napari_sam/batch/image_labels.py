"""One image of a batch -> its labels: by the functions that a notebook has, as the recipe says."""

import math
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_sam.batch.image_list import ListedImage
from napari_sam.batch.prompt_table import read_prompt_table
from napari_sam.batch.recipe import (
    AlikeStep,
    EditStep,
    EverythingStep,
    FindingPart,
    PromptsStep,
    Recipe,
    RefineStep,
    VolumesStep,
)
from napari_sam.discover.planes import PlaneLabels, label_planes, label_stack
from napari_sam.discover.proposals import Wanted
from napari_sam.errors import UserError, UserNotice
from napari_sam.labels.edited_arrays import fill_holes, grow_objects, keep_largest_part, smooth_objects
from napari_sam.labels.label_array import smallest_dtype
from napari_sam.labels.label_files import read_labels
from napari_sam.labels.label_masks import PlaneInLabels, all_masks_on_plane
from napari_sam.labels.paint import Collision, paint_all
from napari_sam.models.model import Model
from napari_sam.notebook.everything import as_region, find_alike, segment_everything, segment_volumes
from napari_sam.notebook.stacks import checked_axes
from napari_sam.planes.contrast import Contrast, measure_contrast
from napari_sam.planes.geometry import Mask, Plane
from napari_sam.planes.image_source import ImageSource
from napari_sam.planes.open_image import open_image
from napari_sam.planes.units import in_centimeters
from napari_sam.prompts.prompt import Prompts
from napari_sam.segment.segmenter import Segmenter
from napari_sam.volume.propagate import propagate_each
from napari_sam.volume.views import three_views

Told = Callable[[float], object]


def open_listed(path: Path, recipe: Recipe, series: str | None = None) -> ImageSource:
    """Open an image, or one series of a file, as the recipe says.

    Raises
    ------
    UserError
        If it cannot be read so.
    """
    reading: dict[str, Any] = recipe.images.reading(series)
    return open_image(path, **reading)


def open_segmenter(source: ImageSource, recipe: Recipe, model: Model) -> Segmenter:
    """Open an image for segmentation, with the contrast that the recipe says.

    Raises
    ------
    UserError
        If its limits are not as many as the image has channels.
    """
    if recipe.contrast is None:
        axes = recipe.find.plane_axes if isinstance(recipe.find, FindingPart) else (-2, -1)
        return Segmenter(model, source, measure_contrast(source, checked_axes(source, axes)))
    limits = recipe.contrast.limits
    if len(limits) not in (1, source.n_channels):
        raise UserError(f"contrast.limits has {len(limits)} pairs, but the image has {source.n_channels} channels.")
    return Segmenter(model, source, Contrast(limits * (source.n_channels if len(limits) == 1 else 1)))


def label_image(
    recipe: Recipe,
    base: Path,
    image: ListedImage,
    stack: Segmenter,
    told: Told | None = None,
    found: Iterable[PlaneLabels] | None = None,
) -> NDArray[Any]:
    """Do to an image what a recipe says, and return the labels.

    Parameters
    ----------
    recipe
        The recipe.
    base
        Folder that its names are relative to.
    image
        Which image this is.
    stack
        The image with the model.
    told
        Called with the share of the work that is done, 0..1, where that is known.
    found
        What `label_part` found on all planes, in their order, where others have looked for it; None to look here.

    Returns
    -------
    ndarray
        (axes...) of the image, unsigned.

    Raises
    ------
    UserError
        If the recipe does not fit the image, or a file that belongs to it cannot be used.
    """
    step, source = recipe.find, stack.source
    check_units(recipe, source)
    if isinstance(step, PromptsStep):
        labels = _prompted(step, image, stack)
    elif isinstance(step, RefineStep):
        labels = _refined(image, stack, told)
    else:
        labels = _found(step, base, recipe, stack, told) if found is None else _put_together(found, source)
        if step.border == "drop":
            labels = _off_border(labels, checked_axes(source, step.plane_axes))
    for edit in recipe.edit:
        labels = _edited(labels, edit, source, _spatial(edit, step, labels.ndim))
    if not labels.any():
        _warn("Nothing was found: the labels are empty.")
    return labels


def _warn(sentence: str) -> None:
    warnings.warn(sentence, UserNotice, stacklevel=2)


def _found(
    step: EverythingStep | VolumesStep | AlikeStep, base: Path, recipe: Recipe, stack: Segmenter, told: Told | None
) -> NDArray[Any]:
    pixel = _pixel_of_plane(stack.source, checked_axes(stack.source, step.plane_axes), step.unit)
    common: dict[str, Any] = {
        "smallest": step.smallest / pixel,
        "largest": math.inf if step.largest is None else step.largest / pixel,
        "overlap": step.overlap,
        "region": step.region,
        "axes": step.plane_axes,
        "told": told,
    }
    if isinstance(step, VolumesStep):
        movement = None if step.movement is None else step.movement / pixel
        return segment_volumes(
            stack,
            axis=step.axis,
            start=step.start,
            stop=step.stop,
            confidence=step.confidence,
            movement=movement,
            **common,
        )
    if isinstance(step, EverythingStep):
        return segment_everything(stack, planes=step.planes, confidence=step.confidence, **common)
    examples_on = open_listed(base / step.image, recipe)
    examples = read_labels(base / step.labels, examples_on)
    found = find_alike(
        stack, examples, step.ids, labelled=examples_on, planes=step.planes, likeness=step.likeness, **common
    )
    # Ids that go on from those of the examples mean nothing in another image.
    before = int(examples.max(initial=0))
    from_one = np.where(found, found.astype(np.int64) - before, 0)
    return from_one.astype(smallest_dtype(int(from_one.max(initial=0))))


def all_planes(recipe: Recipe, source: ImageSource) -> list[Plane]:
    """Return all planes of an image, in order, if a recipe has each looked at alone; none if it does not.

    Raises
    ------
    UserError
        If the image has no such axes.
    """
    step = recipe.find
    if not isinstance(step, EverythingStep) or step.planes is not None:
        return []
    shown = checked_axes(source, step.plane_axes)
    others = (1 if axis in shown else size for axis, size in enumerate(source.shape))
    return [Plane(shown, index) for index in np.ndindex(*others)]


def label_part(recipe: Recipe, stack: Segmenter, planes: Sequence[Plane]) -> list[PlaneLabels]:
    """Find everything on some of `all_planes`; `label_image` puts all parts together.

    Raises
    ------
    UserError
        If the recipe does not fit the image.
    """
    step = recipe.find
    assert isinstance(step, EverythingStep)
    pixel = _pixel_of_plane(stack.source, checked_axes(stack.source, step.plane_axes), step.unit)
    wanted = Wanted(
        step.confidence,
        step.smallest / pixel,
        math.inf if step.largest is None else step.largest / pixel,
        step.overlap,
    )
    return list(label_planes(stack, planes, wanted, as_region(step.region)))


def _put_together(found: Iterable[PlaneLabels], source: ImageSource) -> NDArray[Any]:
    labels, count = label_stack(found, source.shape)
    return labels.astype(smallest_dtype(count))


def _prompted(step: PromptsStep, image: ListedImage, stack: Segmenter) -> NDArray[Any]:
    assert image.prompts is not None
    source = stack.source
    asked = read_prompt_table(image.prompts, source)
    axis = source.ndim - 3 if step.axis is None else step.axis % source.ndim
    carry = step.carry and source.ndim > 2
    base = _one_line(asked, axis) if carry else None
    on_planes: dict[Plane, list[tuple[int, Mask]]] = {}
    for label, said in sorted(asked.items()):
        for plane, prompts in said.items():
            mask = stack.segment(plane, prompts, object_size=step.object_size).mask
            if mask.area:
                on_planes.setdefault(plane, []).append((label, mask))
    keys: dict[int, dict[int, Mask]] = {}
    for plane, masks in on_planes.items():
        for label, mask in masks:
            keys.setdefault(label, {})[plane.index[axis]] = mask
    missed = asked.keys() - keys.keys()
    if base is None:
        labels = _painted(on_planes, source.shape, max(asked))
    else:
        labels = _painted(_carried(step, stack, base, axis, keys), source.shape, max(asked))
    for label in sorted(missed):
        _warn(f"Nothing was found at the points of object {label}.")
    return labels


def _carried(
    step: PromptsStep, stack: Segmenter, base: Plane, axis: int, keys: Mapping[int, Mapping[int, Mask]]
) -> dict[Plane, list[tuple[int, Mask]]]:
    """Carry objects from their key masks, by position along an axis, through the stack that a plane is of."""
    volumes = {label: dict(masks) for label, masks in keys.items()}
    views = three_views(stack.source, stack.model.name, axis) if step.three_views is None else step.three_views
    if keys:
        for label, each in propagate_each(stack, base, keys, axis, start=step.start, stop=step.stop, views=views):
            volumes[label].pop(each.index, None)
            if each.mask is not None:
                volumes[label][each.index] = each.mask
    on_planes: dict[Plane, list[tuple[int, Mask]]] = {}
    for label, volume in volumes.items():
        for at, mask in volume.items():
            on_planes.setdefault(base.at(axis, at), []).append((label, mask))
    return on_planes


def _one_line(asked: Mapping[int, Mapping[Plane, Prompts]], axis: int) -> Plane:
    planes = {plane.at(axis, 0) for said in asked.values() for plane in said}
    if len(planes) > 1:
        raise UserError(f"The points must lie on planes that differ along axis {axis} only, to be carried along it.")
    return planes.pop()


def _refined(image: ListedImage, stack: Segmenter, told: Told | None) -> NDArray[Any]:
    assert image.labels is not None
    source = stack.source
    labels = read_labels(image.labels, source)
    planes = [
        Plane((source.ndim - 2, source.ndim - 1), (*(int(at) for at in index), 0, 0))
        for index in np.ndindex(source.shape[:-2])
    ]
    on_planes: dict[Plane, list[tuple[int, Mask]]] = {}
    for done, plane in enumerate(planes):
        rough = all_masks_on_plane(labels, PlaneInLabels.itself(plane, labels.shape))
        for label, mask in rough.items():
            better = stack.segment(plane, Prompts(mask=mask)).mask
            # What the model does not see at all stays as it was.
            on_planes.setdefault(plane, []).append((label, better if better.area else mask))
        if told is not None:
            told((done + 1) / len(planes))
    return _painted(on_planes, source.shape, int(labels.max(initial=0)))


def _painted(
    on_planes: Mapping[Plane, Sequence[tuple[int, Mask]]], shape: tuple[int, ...], largest: int
) -> NDArray[Any]:
    """Paint objects by their ids; where two meet, the smaller id has the pixels."""
    labels = np.zeros(shape, smallest_dtype(largest))
    for plane, masks in on_planes.items():
        paint_all(labels, plane, list(masks), Collision.KEEP).apply(labels)
    return labels


def _off_border(labels: NDArray[Any], axes: tuple[int, int]) -> NDArray[Any]:
    """Drop objects that touch an edge of their plane; ids stay."""
    edges = [labels.take(at, axis) for axis in axes for at in (0, -1)]
    touching = np.unique(np.concatenate([edge.reshape(-1) for edge in edges]))
    return np.where(np.isin(labels, touching), labels.dtype.type(0), labels)


def _edited(labels: NDArray[Any], edit: EditStep, source: ImageSource, spatial: int) -> NDArray[Any]:
    if edit.distance is None:
        return (fill_holes if edit.do == "fill_holes" else keep_largest_part)(labels, spatial=spatial)
    scale = None
    if edit.unit != "pixel":
        axes = range(source.ndim - spatial, source.ndim)
        per_axis = _pixel_sizes(source, axes, edit.unit)
        scale = (1.0,) * (source.ndim - spatial) + per_axis
    if edit.do == "smooth":
        return smooth_objects(labels, edit.distance, scale=scale, spatial=spatial)
    return grow_objects(labels, edit.distance if edit.do == "grow" else -edit.distance, scale=scale, spatial=spatial)


def _spatial(edit: EditStep, step: object, ndim: int) -> int:
    """Return how many of the last axes are space: planes where objects were found on each alone."""
    if edit.spatial is not None:
        return min(edit.spatial, ndim)
    return 2 if isinstance(step, EverythingStep | AlikeStep) else min(ndim, 3)


def check_units(recipe: Recipe, source: ImageSource) -> None:
    """Check that an image has a pixel size, where the recipe counts in a unit of length.

    Raises
    ------
    UserError
        If it does not tell it.
    """
    step = recipe.find
    for unit in [each.unit for each in recipe.edit] + ([step.unit] if isinstance(step, FindingPart) else []):
        if unit != "pixel":
            _pixel_sizes(source, (source.ndim - 2, source.ndim - 1), unit)


def _pixel_of_plane(source: ImageSource, axes: tuple[int, int], unit: str) -> float:
    """Return the size of a pixel along the finer axis of a plane, in a unit."""
    return 1.0 if unit == "pixel" else min(_pixel_sizes(source, axes, unit))


def _pixel_sizes(source: ImageSource, axes: Sequence[int], unit: str) -> tuple[float, ...]:
    """Return the size of a pixel along some axes, in a unit of length.

    Raises
    ------
    UserError
        If the image does not tell it.
    """
    wanted = in_centimeters(unit)
    if source.scale is None or source.units is None or wanted is None:
        raise UserError(f"The recipe counts in {unit}, but the image does not say how large its pixels are.")
    sizes = []
    for axis in axes:
        known, size = in_centimeters(source.units[axis]), abs(source.scale[axis])
        if known is None or not 0 < size < math.inf:
            raise UserError(f"The recipe counts in {unit}, but the image does not say how large its pixels are.")
        sizes.append(size * known / wanted)
    return tuple(sizes)
