"""Labels of any Labels layer, whatever its shape and place, as prompts on a plane of the image."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from napari.layers import Image, Labels
from numpy.typing import NDArray

from napari_sam.labels.onto_plane import PlaneInLabels, all_masks_on_plane, label_mask_on_plane
from napari_sam.labels.to_mask import label_mask
from napari_sam.planes.mask import Mask
from napari_sam.planes.plane import Plane
from napari_sam.plugin.image_shape import image_shape
from napari_sam.plugin.world_map import WorldMap, world_map


def label_under(layers: Iterable[Labels], world: NDArray[np.float64]) -> tuple[Labels, int] | None:
    """The first of the layers that has a label at a world position, and the label."""
    for layer in layers:
        array = _array(layer)
        index = tuple(int(at) for at in np.floor(np.asarray(layer.world_to_data(world), float) + 0.5))
        if all(0 <= at < size for at, size in zip(index, array.shape, strict=True)):
            label = int(np.asarray(array[index]))
            if label:
                return layer, label
    return None


def mask_reader(
    layer: Labels, image: Image, plane: Plane, label: int, point: Sequence[float], *, own: bool
) -> Callable[[], Mask]:
    """What reads a label's pixels on a plane of the image; may be called on any thread.

    Parameters
    ----------
    layer
        Where the label is.
    image, plane
        The plane.
    label
        The label.
    point
        World coordinates of the viewer's sliders.
    own
        Whether the layer is the one that objects are written into, which is pixel by pixel wherever it lies.
    """
    array = _array(layer)
    if own:
        return lambda: label_mask(array, plane, label)
    place = _place(world_map(image, layer, point), plane, image_shape(image))
    return lambda: label_mask_on_plane(array, place, label)


def masks_reader(
    layer: Labels, image: Image, planes: Iterable[Plane], point: Sequence[float], *, own: bool
) -> Callable[[], Iterator[tuple[Plane, dict[int, Mask]]]]:
    """What reads every label on some planes of the image, plane by plane; see `mask_reader`.

    Of a layer that shows only its selected label, that one alone.
    """
    array, shape, to_labels = _array(layer), image_shape(image), world_map(image, layer, point)
    only = int(layer.selected_label) if layer.show_selected_label else None

    def read() -> Iterator[tuple[Plane, dict[int, Mask]]]:
        for plane in planes:
            place = PlaneInLabels.itself(plane, shape) if own else _place(to_labels, plane, shape)
            masks = all_masks_on_plane(array, place)
            yield plane, masks if only is None else {label: mask for label, mask in masks.items() if label == only}

    return read


def _array(layer: Labels) -> Any:
    return layer.data[0] if layer.multiscale else layer.data


def _place(to_labels: WorldMap, plane: Plane, shape: Sequence[int]) -> PlaneInLabels:
    return PlaneInLabels(to_labels.matrix[:, list(plane.axes)], to_labels(plane.to_data(0.0, 0.0)), plane.shape(shape))
