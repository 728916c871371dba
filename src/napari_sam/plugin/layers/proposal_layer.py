"""Everything that is proposed on a plane or in a stack, shown as outlines and fills."""

import colorsys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
from napari.layers import Image, Labels, Layer
from napari.utils.colormaps import DirectLabelColormap
from numpy.typing import NDArray
from scipy import ndimage

from napari_sam.discover.proposals import Proposals
from napari_sam.discover.volume_proposals import VolumeProposals
from napari_sam.planes.geometry import Mask, Plane
from napari_sam.plugin.layers.placement import place, placement_of, translate_of_part
from napari_sam.plugin.layers.viewer_context import ViewerContext

PROPOSAL_NAME = "Segment: everything"
COLOURS = 11
NEIGHBOURS = 8
"""So many objects around have other colours than an object; fewer than there are colours."""
OUTLINES = COLOURS
"""Added to a colour's fill (1..COLOURS) for its outline."""
DROPPED = 2 * COLOURS + 1
"""Outline of what the user dropped; its fill follows."""
_FILL_OPACITY, _DROPPED_OPACITY = 0.35, 0.12


def _colours() -> DirectLabelColormap:
    colours: dict[int | None, Any] = {None: (0, 0, 0, 0), 0: (0, 0, 0, 0)}
    for at in range(COLOURS):
        # Neither dark nor pale: they are seen on black and on white.
        colour = colorsys.hls_to_rgb(at * 0.618 % 1, 0.58, 0.85)
        colours[at + 1] = (*colour, _FILL_OPACITY)
        colours[at + 1 + OUTLINES] = (*colour, 1.0)
    colours[DROPPED] = (0.65, 0.65, 0.65, 0.8)
    colours[DROPPED + 1] = (0.65, 0.65, 0.65, _DROPPED_OPACITY)
    return DirectLabelColormap(color_dict=colours)


class ProposalDrawing:
    """The drawing of what is proposed on a plane: one small array that holds all of its masks.

    Parameters
    ----------
    masks
        The masks, by number.
    colours
        For every number a colour, from 1 to COLOURS.

    Attributes
    ----------
    corner : (int, int)
        Where its first pixel lies on the plane.
    values : ndarray
        (rows, columns) uint8, a colour each.
    """

    def __init__(self, masks: Mapping[int, Mask], colours: NDArray[np.int_]) -> None:
        self._masks = masks
        self._colours = colours
        boxes = np.array([mask.box for mask in masks.values()]).reshape(-1, 4)
        boxes = boxes[(boxes[:, 2:] > boxes[:, :2]).all(axis=1)]
        low, high = (boxes[:, :2].min(0), boxes[:, 2:].max(0)) if len(boxes) else (np.zeros(2, int), np.ones(2, int))
        self.corner = int(low[0]), int(low[1])
        self.values = np.zeros(tuple(high - low), np.uint8)
        self._inner: dict[int, NDArray[np.bool_]] = {}

    def draw(self, kept: Sequence[int], dropped: Sequence[int]) -> None:
        """Draw some of them and nothing else; of two that overlap the first is on top, and what is kept is."""
        self.values[...] = 0
        for at in reversed(dropped):
            if at in self._masks:
                self._put(at, DROPPED, DROPPED + 1)
        for at in reversed(kept):
            if at in self._masks:
                colour = int(self._colours[at])
                self._put(at, colour + OUTLINES, colour)

    def _put(self, at: int, outline: int, fill: int) -> None:
        mask = self._masks[at]
        inner = self._inner.get(at)
        if inner is None:
            inner = self._inner[at] = ndimage.binary_erosion(mask.pixels)
        row, column = mask.box[0] - self.corner[0], mask.box[1] - self.corner[1]
        part = self.values[row : row + mask.pixels.shape[0], column : column + mask.pixels.shape[1]]
        part[mask.pixels] = outline
        part[inner] = fill


def _told_apart(middles: NDArray[np.float64], first: Sequence[int]) -> NDArray[np.int_]:
    """Choose a colour from 1 to COLOURS for each place, so that those that lie close to each other differ."""
    colours = np.zeros(len(middles), int)
    earlier: list[int] = []
    for at in dict.fromkeys([*first, *range(len(middles))]):
        away = ((middles[earlier] - middles[at]) ** 2).sum(axis=1)
        closest = np.argpartition(away, NEIGHBOURS)[:NEIGHBOURS] if len(away) > NEIGHBOURS else np.arange(len(away))
        taken = set(colours[np.array(earlier, int)[closest]].tolist())
        free = [colour for colour in range(1, COLOURS + 1) if colour not in taken]
        # In turn, so that all are used.
        colours[at] = free[len(earlier) % len(free)]
        earlier.append(at)
    return colours


def proposal_colours(proposals: Proposals | VolumeProposals, first: Sequence[int]) -> NDArray[np.int_]:
    """Choose a colour for each; those of `first` get theirs before the others."""
    each = proposals.proposals if isinstance(proposals, Proposals) else proposals.volumes
    return _told_apart(np.array([one.origin.point for one in each]).reshape(-1, 2), first)


class ProposalLayer:
    """The layer of what is proposed, in the viewer while anything is; it shows only where that is in view.

    Of a stack it holds the plane in view, or the one that was seen last.

    Parameters
    ----------
    context
        The viewer and the session.
    unnoticed
        Lets the layer come and go without being taken for the user's.

    Attributes
    ----------
    layer : Labels or None
        The layer.
    plane : Plane or None
        What it shows; None without a layer.
    """

    def __init__(self, context: ViewerContext, unnoticed: Callable[[], AbstractContextManager[None]]) -> None:
        self._context = context
        self._unnoticed = unnoticed
        self._image: Image | None = None
        self._proposals: Proposals | VolumeProposals | None = None
        self._colours = np.zeros(0, int)
        self.plane: Plane | None = None
        self._drawing: ProposalDrawing | None = None
        self.layer: Labels | None = None
        context.session.proposals_changed.connect(self.show)

    def close(self, *, window: bool) -> None:
        """Show nothing any more; `window` if the whole window closes."""
        self._context.session.proposals_changed.disconnect(self.show)
        if not window:
            self._remove()

    @property
    def visible(self) -> bool:
        """Whether what is proposed is seen: its plane is in view, and the layer is not hidden."""
        view = self._context.resolve()
        return (
            self.layer is not None
            and bool(self.layer.visible)
            and not isinstance(view, str)
            and view.plane == self.plane
        )

    def under(self, position: NDArray[np.float64]) -> int | None:
        """Find the proposal at a position in the image, if it is seen there."""
        if self.plane is None or not self.visible:
            return None
        return self._context.session.everything.at(*self.plane.from_data(tuple(position)), self.plane)

    def removed(self, layer: Layer) -> None:
        """Discard the proposal if its layer left the viewer."""
        if layer is self.layer:
            self._forget()
            self._context.session.everything.discard()

    def raise_to_top(self) -> None:
        """Bring the layer right below the preview, above all of the user's."""
        layers, own = self._context.viewer.layers, self._context.own
        if self.layer is not None and own is not None and own.preview.layer in layers:
            layers.move(layers.index(self.layer), layers.index(own.preview.layer))

    def toggle(self) -> None:
        """Hide it, or show it again."""
        if self.layer is not None:
            self.layer.visible = not self.layer.visible

    def show(self) -> None:
        """Show what is proposed now."""
        everything, image = self._context.session.everything, self._context.image
        proposals, plane = everything.proposals, self._seen()
        if proposals is None or plane is None or image is None:
            self._remove()
            return
        if proposals is not self._proposals:
            self._remove()
            self._proposals, self._colours = proposals, proposal_colours(proposals, everything.selected)
        anew = self._drawing is None or plane != self.plane
        if anew:
            self.plane, self._drawing = plane, ProposalDrawing(everything.masks_on(plane), self._colours)
        assert self._drawing is not None
        chosen = everything.chosen
        kept = set(chosen)
        self._drawing.draw(chosen, [at for at in everything.selected if at not in kept])
        if self.layer is None:
            self._insert(image, plane, self._drawing)
        elif anew:
            self.layer.data = self._on_axes(image, plane, self._drawing)
            self._follow_image()
        else:
            self.layer.refresh(extent=False)

    def follow_view(self) -> None:
        """Show another plane of what is proposed in a stack, if that is in view now."""
        if self.plane is not None and self._seen() != self.plane:
            self.show()

    def _seen(self) -> Plane | None:
        """Return the plane to show: the one in view if anything is proposed there, else the one before."""
        everything, view = self._context.session.everything, self._context.resolve()
        if not isinstance(view, str) and everything.covers(view.plane):
            return view.plane
        return everything.plane if self.plane is None or not everything.covers(self.plane) else self.plane

    def _on_axes(self, image: Image, plane: Plane, drawing: ProposalDrawing) -> NDArray[np.uint8]:
        """Return the drawing with all axes of the image."""
        values = drawing.values if plane.axes[0] < plane.axes[1] else drawing.values.T
        return values[tuple(slice(None) if axis in plane.axes else np.newaxis for axis in range(image.ndim))]

    def _insert(self, image: Image, plane: Plane, drawing: ProposalDrawing) -> None:
        self.layer = layer = Labels(
            self._on_axes(image, plane, drawing),
            name=PROPOSAL_NAME,
            colormap=_colours(),
            opacity=1.0,
            **placement_of(image),
        )
        layer.editable = False
        self._image = image
        self._follow_image()
        for event in self._moves(image):
            event.connect(self._follow_image)
        layers, own = self._context.viewer.layers, self._context.own
        active = layers.selection.active
        self._context.extra.append(layer)
        with self._unnoticed():
            at = layers.index(own.preview.layer) if own is not None and own.preview.layer in layers else len(layers)
            layers.insert(at, layer)
            # At once: no key may reach the new layer that is meant for the one that was active.
            layers.selection.active = active

    def _follow_image(self) -> None:
        """Lie where the image lies, wherever that is now."""
        plane, image, layer, drawing = self.plane, self._image, self.layer, self._drawing
        if plane is None or image is None or layer is None or drawing is None:
            return
        place(layer, image)
        corner = [round(at) for at in plane.to_data(*drawing.corner)]
        layer.translate = translate_of_part(image, corner)

    def _remove(self) -> None:
        layer = self.layer
        if layer is None:
            return
        # First, or it would be taken for one that the user removed.
        self._forget()
        layers = self._context.viewer.layers
        if layer in layers:
            with self._unnoticed():
                active = layers.selection.active
                layers.remove(layer)
                layers.selection.active = active if active in layers else None

    def _forget(self) -> None:
        """Let go of the layer."""
        if self.layer is not None:
            self._context.extra.remove(self.layer)
        if self._image is not None:
            for event in self._moves(self._image):
                event.disconnect(self._follow_image)
        self.layer = self._image = self._proposals = self.plane = self._drawing = None

    def _moves(self, image: Image) -> tuple[Any, ...]:
        events = image.events
        return events.scale, events.translate, events.rotate, events.shear, events.affine
