"""Labels of any Labels layer as prompts: picking one to be refined."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from napari.layers import Image, Labels
from numpy.typing import NDArray

from napari_sam.errors import UserError
from napari_sam.labels.label_masks import PlaneInLabels, all_masks_on_plane, label_mask, label_mask_on_plane
from napari_sam.planes.geometry import Mask, Plane
from napari_sam.plugin.layers.placement import WorldMap, image_shape, world_map
from napari_sam.plugin.layers.target_layers import LayerTarget
from napari_sam.plugin.viewer_context import ViewerContext


def label_under(layers: Iterable[Labels], world: NDArray[np.float64]) -> tuple[Labels, int] | None:
    """Return the first of the layers that has a label at a world position, and the label."""
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
    """Return a function that reads a label's pixels on a plane of the image; it may be called on any thread.

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
    """Return a function that reads every label on some planes of the image, plane by plane; see `mask_reader`.

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


class LabelPicking:
    """The picking of a label, under the mouse, under the next click, or the selected one of a layer, as mask prompt.

    Parameters
    ----------
    context
        The viewer and the session.
    on_change
        Told `active` when it is different.

    Attributes
    ----------
    active : bool
        Whether the next click picks a label.
    """

    def __init__(self, context: ViewerContext, on_change: Callable[[bool], None]) -> None:
        self._context = context
        self._on_change = on_change
        self.active = False

    @property
    def layers(self) -> list[Labels]:
        """The Labels layers that labels may be picked from, the topmost first."""
        return [
            layer
            for layer in reversed(self._context.viewer.layers)
            if isinstance(layer, Labels) and not self._context.is_own(layer)
        ]

    def pick_at(self, world: NDArray[np.float64]) -> None:
        """Refine the label at a world position.

        Raises
        ------
        UserError
            If there is none, or no plane in view.
        """
        self._context.in_view()
        found = label_under([layer for layer in self.layers if layer.visible], world)
        if found is None:
            raise UserError("There is no label there: point at a label of a visible Labels layer.")
        self.refine(*found)

    def pick_under_cursor(self) -> None:
        """Refine the label under the mouse."""
        self.pick_at(np.asarray(self._context.viewer.cursor.position, float))

    def refine(self, layer: Labels, label: int) -> None:
        """Refine a label on the plane in view.

        Raises
        ------
        UserError
            If it is the background, or no plane is in view.
        """
        image, _, view = self._context.in_view()
        if not label:
            raise UserError("Label 0 is the background; pick a label to refine.")
        target = self._context.session.labels.target
        own = isinstance(target, LayerTarget) and target.layer is layer
        read = mask_reader(layer, image, view.plane, label, self._context.point, own=own)
        missing = f"Label {label} of '{layer.name}' has no pixels on this plane of '{image.name}'."
        self._context.session.prompts.refine_mask(view.plane, read, missing, label if own else None)

    def start(self) -> None:
        """Refine the active Labels layer's selected label; else let the next click pick one, or no longer.

        Raises
        ------
        UserError
            If there is no image, or no plane in view.
        """
        active = self._context.viewer.layers.selection.active
        if isinstance(active, Labels) and not self._context.is_own(active):
            self.refine(active, int(active.selected_label))
            return
        _, own, _ = self._context.in_view()
        self._set(not self.active)
        if self.active:
            own.draw()
            self._context.tell("Click the label to refine.")

    def stop(self) -> None:
        """Let clicks be clicks again."""
        self._set(False)

    def _set(self, active: bool) -> None:
        if active != self.active:
            self.active = active
            self._on_change(active)
