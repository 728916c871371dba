"""The object being worked on, shown as outline and fill."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.layers import Image, Labels
from napari.utils.colormaps import DirectLabelColormap
from numpy.typing import NDArray
from scipy import ndimage

from napari_sam.planes.mask import Mask
from napari_sam.planes.plane import Plane
from napari_sam.plugin.placement import place, placement_of, translate_of_part

PREVIEW_NAME = "Segment: preview"
FILL, OUTLINE = 1, 2
KEY, PROPAGATED, DOUBTFUL = 0, 2, 4
"""Added to FILL and OUTLINE: drawn by the user's prompts, propagated, propagated but doubtful."""
_COLOURS = {KEY: (0.0, 0.9, 1.0), PROPAGATED: (1.0, 0.85, 0.1), DOUBTFUL: (1.0, 0.35, 0.1)}
_OPACITY = {FILL: 0.25, OUTLINE: 1.0}
MAX_VOXELS = 64 * 2**20
"""A preview of more voxels shows only the plane in view."""


@dataclass(frozen=True)
class Part:
    """A cropped array of the image's axes and where its first element lies in the image."""

    values: NDArray[np.uint8]
    corner: tuple[int, ...]


def compose(
    masks: Mapping[Plane, Mask], kinds: Mapping[Plane, int], shape: Sequence[int], view: Plane | None
) -> Part | None:
    """Draw masks into an array that is just large enough.

    Parameters
    ----------
    masks
        Masks of one object, per plane.
    kinds
        KEY, PROPAGATED or DOUBTFUL per plane.
    shape
        Of the image.
    view
        The plane in view: the only one drawn where all together would be larger than `MAX_VOXELS`.

    Returns
    -------
    Part or None
        None if there is nothing to draw.
    """
    boxes = {plane: _box(plane, mask, shape) for plane, mask in masks.items()}
    drawn = [plane for plane, box in boxes.items() if all(low < high for low, high in box)]
    if not drawn:
        return None
    low, high = _hull([boxes[plane] for plane in drawn])
    if np.prod(high - low, dtype=float) > MAX_VOXELS:
        drawn = [plane for plane in drawn if plane == view]
        if not drawn:
            return None
        low, high = _hull([boxes[plane] for plane in drawn])
    values = np.zeros(tuple(high - low), np.uint8)
    for plane in drawn:
        box, mask = boxes[plane], masks[plane]
        (row0, row1), (column0, column1) = box[plane.axes[0]], box[plane.axes[1]]
        pixels = mask.pixels[row0 - mask.box[0] : row1 - mask.box[0], column0 - mask.box[1] : column1 - mask.box[1]]
        inner = ndimage.binary_erosion(pixels)
        drawing = np.where(pixels, np.where(inner, FILL, OUTLINE) + kinds[plane], 0).astype(np.uint8)
        index: list[Any] = [slice(start - first, end - first) for (start, end), first in zip(box, low, strict=True)]
        for axis in range(plane.ndim):
            if axis not in plane.axes:
                index[axis] = plane.index[axis] - int(low[axis])
        if plane.axes[0] > plane.axes[1]:
            drawing = drawing.T
        part = values[tuple(index)]
        np.copyto(part, drawing, where=drawing > 0)
    return Part(values, tuple(int(at) for at in low))


class Preview:
    """A small Labels layer that lies where the object is.

    It holds only the object's box, so that it costs the same on an image of any size, and napari itself hides it on
    planes that it does not reach.

    Parameters
    ----------
    image
        The image layer that objects are drawn on.
    """

    def __init__(self, image: Image) -> None:
        colours: dict[int | None, Any] = {None: (0, 0, 0, 0), 0: (0, 0, 0, 0)}
        for kind, colour in _COLOURS.items():
            for part, opacity in _OPACITY.items():
                colours[kind + part] = (*colour, opacity)
        self._image = image
        self._corner = (0,) * image.ndim
        self.layer = Labels(
            np.zeros((1,) * image.ndim, np.uint8),
            name=PREVIEW_NAME,
            colormap=DirectLabelColormap(color_dict=colours),
            opacity=1.0,
            **placement_of(image),
        )
        self.layer.editable = False

    def place(self) -> None:
        """Follow the image to another place in the world."""
        place(self.layer, self._image)
        self.layer.translate = translate_of_part(self._image, self._corner)

    def show(
        self,
        masks: Mapping[Plane, Mask],
        propagated: Collection[Plane],
        doubtful: Collection[Plane],
        view: Plane | None,
    ) -> None:
        """Show these masks and nothing else."""
        kinds = {
            plane: DOUBTFUL if plane in doubtful else PROPAGATED if plane in propagated else KEY for plane in masks
        }
        image = self._image
        shape = image.level_shapes[0] if image.multiscale else image.data.shape
        part = compose(masks, kinds, tuple(shape[: image.ndim]), view)
        if part is None:
            if self.layer.data.any():
                self.layer.data = np.zeros((1,) * image.ndim, np.uint8)
            return
        self._corner = part.corner
        self.layer.translate = translate_of_part(image, part.corner)
        self.layer.data = part.values


def _box(plane: Plane, mask: Mask, shape: Sequence[int]) -> list[tuple[int, int]]:
    """The mask's box as (start, end) along every data axis, clipped to the image."""
    box = [(at, at + 1) for at in plane.index]
    for axis, start, end in ((plane.axes[0], mask.box[0], mask.box[2]), (plane.axes[1], mask.box[1], mask.box[3])):
        box[axis] = (max(start, 0), min(end, int(shape[axis])))
    return box


def _hull(boxes: Sequence[Sequence[tuple[int, int]]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    stacked = np.asarray(boxes)
    return stacked[:, :, 0].min(axis=0), stacked[:, :, 1].max(axis=0)
