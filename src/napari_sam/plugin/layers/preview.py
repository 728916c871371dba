"""The object being worked on, shown as outline and fill."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from napari.layers import Image, Labels
from napari.utils.colormaps import DirectLabelColormap
from numpy.typing import NDArray
from scipy import ndimage

from napari_sam.planes.geometry import Mask, Plane
from napari_sam.plugin.layers.placement import image_shape, place, placement_of, translate_of_part
from napari_sam.plugin.napari_internals import one_refresh

PREVIEW_NAME = "Segment: preview"
FILL, OUTLINE = 1, 2
KEY, PROPAGATED, DOUBTFUL = 0, 2, 4
"""Added to FILL and OUTLINE: drawn by the user's prompts, propagated, propagated but doubtful."""
_COLOURS = {KEY: (0.0, 0.9, 1.0), PROPAGATED: (1.0, 0.85, 0.1), DOUBTFUL: (1.0, 0.35, 0.1)}
_OPACITY = {FILL: 0.25, OUTLINE: 1.0}
MAX_VOXELS = 64 * 2**20
"""A preview of more voxels shows only the plane in view (chosen: 64 MB of bytes)."""
ROOM = 16
"""Pixels around an object that it may grow into before its preview is made anew (chosen, not measured)."""
GRAIN = 128
"""The sides of a preview of one plane are multiples of this, so that one array mostly serves object after object.

Chosen, not measured.
"""

Box = list[tuple[int, int]]


FADED = 0.4


class CroppedDrawing:
    """A cropped array of the image's axes that masks are drawn into, plane by plane.

    Parameters
    ----------
    corner
        Where its first element lies in the image.
    shape
        Its shape.
    """

    def __init__(self, corner: Sequence[int], shape: Sequence[int]) -> None:
        self.corner = tuple(int(at) for at in corner)
        self.values = np.zeros(tuple(int(size) for size in shape), np.uint8)
        self.drawn: dict[Plane, tuple[Mask, int]] = {}

    def move_to(self, corner: Sequence[int]) -> None:
        """Lie elsewhere, empty again."""
        self.corner = tuple(int(at) for at in corner)
        self.values[...] = 0
        self.drawn.clear()

    def holds(self, box: Box) -> bool:
        """Tell whether a box of the image lies inside."""
        return all(
            first <= low and high <= first + size
            for (low, high), first, size in zip(box, self.corner, self.values.shape, strict=True)
        )

    def draw(self, plane: Plane, mask: Mask, kind: int, box: Box) -> None:
        """Draw a mask as outline and fill, over what is there; `box` is its box, clipped to the image."""
        (row0, row1), (column0, column1) = box[plane.axes[0]], box[plane.axes[1]]
        pixels = mask.pixels[row0 - mask.box[0] : row1 - mask.box[0], column0 - mask.box[1] : column1 - mask.box[1]]
        inner = ndimage.binary_erosion(pixels)
        drawing = np.where(pixels, np.where(inner, FILL, OUTLINE) + kind, 0).astype(np.uint8)
        if plane.axes[0] > plane.axes[1]:
            drawing = drawing.T
        part = self._part(plane, box)
        np.copyto(part, drawing, where=drawing > 0)
        self.drawn[plane] = (mask, kind)

    def erase(self, plane: Plane, box: Box) -> None:
        """Take away what was drawn on a plane."""
        self._part(plane, box)[...] = 0
        del self.drawn[plane]

    def _part(self, plane: Plane, box: Box) -> NDArray[np.uint8]:
        index: list[Any] = []
        for axis, ((low, high), first) in enumerate(zip(box, self.corner, strict=True)):
            index.append(slice(low - first, high - first) if axis in plane.axes else low - first)
        part: NDArray[np.uint8] = self.values[tuple(index)]
        return part


class Preview:
    """A small Labels layer that lies where the object is.

    It holds only the object's box, with some room to grow, so that it costs the same on an image of any size, and
    napari itself hides it on planes that it does not reach. Only planes that changed are drawn again, and the view is
    refreshed only if it shows one of them.

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
        self._shape = image_shape(image)
        self._canvas = CroppedDrawing((0,) * image.ndim, (1,) * image.ndim)
        self.layer = Labels(
            self._canvas.values,
            name=PREVIEW_NAME,
            colormap=DirectLabelColormap(color_dict=colours),
            opacity=1.0,
            **placement_of(image),
        )
        self.layer.editable = False
        # The opacity before it was faded.
        self._clear: float | None = None

    def fade(self, faded: bool) -> None:
        """Draw the layer faintly, or with the opacity that it had before."""
        if faded and self._clear is None:
            self._clear = float(self.layer.opacity)
            self.layer.opacity = FADED * self._clear
        elif not faded and self._clear is not None:
            self.layer.opacity, self._clear = self._clear, None

    def place(self) -> None:
        """Follow the image to another place in the world."""
        place(self.layer, self._image)
        self.layer.translate = translate_of_part(self._image, self._canvas.corner)

    def show(
        self,
        masks: Mapping[Plane, Mask],
        propagated: Collection[Plane],
        doubtful: Collection[Plane],
        view: Plane | None,
    ) -> None:
        """Show these masks and nothing else.

        Parameters
        ----------
        masks
            Masks of one object, per plane.
        propagated, doubtful
            Planes that were propagated, and those among them that are doubtful.
        view
            The plane in view: the only one drawn where all together would take more than `MAX_VOXELS`.
        """
        boxes = {plane: _box(plane, mask, self._shape) for plane, mask in masks.items()}
        wanted = {
            plane: (masks[plane], DOUBTFUL if plane in doubtful else PROPAGATED if plane in propagated else KEY)
            for plane, box in boxes.items()
            if all(low < high for low, high in box)
        }
        if wanted and _voxels(_hull([boxes[plane] for plane in wanted])) > MAX_VOXELS:
            wanted = {plane: each for plane, each in wanted.items() if plane == view}
        canvas, moved = self._canvas, False
        changed = {plane for plane in {*wanted, *canvas.drawn} if wanted.get(plane) != canvas.drawn.get(plane)}
        if not changed:
            return
        if not wanted:
            # An empty preview stays where it is: the next object may have the same size.
            canvas.values[...] = 0
            canvas.drawn.clear()
            self.layer.refresh(extent=False)
            return
        crossing = len({plane.axes for plane in (*wanted, *canvas.drawn)}) > 1
        if crossing or not all(canvas.holds(boxes[plane]) for plane in wanted):
            # Planes that cross each other share pixels: what one erases would be missing from the other.
            self._start_anew([boxes[plane] for plane in wanted])
            changed, moved = set(wanted), True
        for plane in changed & self._canvas.drawn.keys():
            self._canvas.erase(plane, _box(plane, self._canvas.drawn[plane][0], self._shape))
        for plane in changed & wanted.keys():
            self._canvas.draw(plane, *wanted[plane], boxes[plane])
        if moved:
            self._move_layer(anew=self._canvas is not canvas)
        elif view is None or view in changed or any(plane.axes != view.axes for plane in changed):
            self.layer.refresh(extent=False)

    def _start_anew(self, boxes: Sequence[Box]) -> None:
        """Make a canvas that holds `boxes`, with room for the mask to grow and for the propagation to go on."""
        tight = _hull(boxes) if boxes else [(0, 1)] * len(self._shape)
        flat = sum(high - low > 1 for low, high in tight) <= 2
        roomy = [
            (low, high) if high - low == 1 else _with_room(low, high, size, GRAIN if flat else 1)
            for (low, high), size in zip(tight, self._shape, strict=True)
        ]
        hull = roomy if _voxels(roomy) <= MAX_VOXELS else tight
        corner, shape = tuple(low for low, _ in hull), tuple(high - low for low, high in hull)
        if shape == self._canvas.values.shape:
            # Another array in the layer would cost much more: napari builds its shaders anew for it.
            self._canvas.move_to(corner)
        else:
            self._canvas = CroppedDrawing(corner, shape)

    def _move_layer(self, *, anew: bool) -> None:
        """Put the layer where the canvas lies; `anew` if the canvas has another array."""
        translate = translate_of_part(self._image, self._canvas.corner)
        if not anew:
            if np.array_equal(self.layer.translate, translate):
                self.layer.refresh(extent=False)
            else:
                self.layer.translate = translate
            return
        with one_refresh(self.layer):
            self.layer.translate = translate
        self.layer.data = self._canvas.values


def _with_room(low: int, high: int, size: int, grain: int) -> tuple[int, int]:
    """Widen a span of an axis of `size` pixels, for room to grow; the new span's length is a multiple of `grain`."""
    length = min(-(-(high - low + 2 * ROOM) // grain) * grain, size)
    start = min(max((low + high - length) // 2, 0), size - length)
    return start, start + length


def _voxels(box: Box) -> float:
    return float(np.prod([high - low for low, high in box], dtype=float))


def _box(plane: Plane, mask: Mask, shape: Sequence[int]) -> Box:
    """Return the mask's box as (start, end) along every data axis, clipped to the image."""
    box = [(at, at + 1) for at in plane.index]
    for axis, start, end in ((plane.axes[0], mask.box[0], mask.box[2]), (plane.axes[1], mask.box[1], mask.box[3])):
        box[axis] = (max(start, 0), min(end, int(shape[axis])))
    return box


def _hull(boxes: Sequence[Box]) -> Box:
    return [(min(low for low, _ in along), max(high for _, high in along)) for along in zip(*boxes, strict=True)]
