"""The plugin's Points and Shapes layers, read as prompts and written from them."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
from napari.layers import Image, Points, Shapes
from psygnal import Signal

from napari_sam.planes.geometry import Plane
from napari_sam.plugin.layers.drawn_prompts import PromptPoints, PromptShape, PromptShapes, ShapeReuse, turn_polarity
from napari_sam.plugin.layers.layer_prompts import (
    NEGATIVE,
    POSITIVE,
    Axes,
    LayerPrompt,
    Outlines,
    ToImage,
    axes_text,
    gathered,
    read_points,
    read_shapes,
)
from napari_sam.plugin.layers.linked_layers import LayerWatch, Link, LinkedLayers
from napari_sam.plugin.layers.placement import image_shape, place
from napari_sam.prompts.prompt import Box, Point, Prompts, Scribble


class PromptLayers:
    """A Points layer of clicks and a Shapes layer of boxes, outlines and scribbles on one image.

    Whatever adds, moves, recolours, retypes, copies or deletes in them - the plugin's own gestures, napari's tools,
    other code - counts the same: `edited` is emitted, and `read` tells the prompts. Points and Shapes layers that the
    user made may be linked: they count too, until the session changes the prompts otherwise.

    Polarity, displayed axes and object of a prompt are features (columns "polarity", "axes" and "object"); colours
    follow the polarity.

    Signals
    -------
    edited()
        What they say may be different.
    unlinked(Layer)
        A layer that the user made does not count any more.

    Parameters
    ----------
    image
        The image layer that the layers lie on.
    """

    edited = Signal()
    unlinked = Signal(object)

    def __init__(self, image: Image) -> None:
        self._clicks = PromptPoints(image)
        self._drawn = PromptShapes(image)
        self._shape = image_shape(image)
        self._outlines = Outlines()
        self._redrawing = ShapeReuse(self._outlines)
        self._quiet = False
        self._pixel = 1.0
        self._axes: Axes = (image.ndim - 2, image.ndim - 1)
        self._object = 0
        self._links = LinkedLayers(self._on_edit)
        self.set_defaults()
        self._watches = [LayerWatch(layer, self._on_edit) for layer in (self.points, self.shapes)]

    @property
    def points(self) -> Points:
        """The layer of clicks."""
        return self._clicks.layer

    @property
    def shapes(self) -> Shapes:
        """The layer of boxes, outlines and scribbles."""
        return self._drawn.layer

    # What they are like

    def follow_zoom(self, pixel: float) -> None:
        """Keep points and lines as large as ever on the screen, one pixel of which is `pixel` data pixels."""
        if pixel == self._pixel:
            return
        self._pixel = pixel
        with self.quiet():
            self._clicks.follow_zoom(pixel)
            self._drawn.follow_zoom(pixel)

    def place(self, image: Image) -> None:
        """Follow the image to another place in the world."""
        place(self.points, image)
        place(self.shapes, image)

    def set_defaults(self, *, positive: bool = True, axes: Axes | None = None) -> None:
        """Say what the next prompts are like: their polarity, and the displayed (row, column) axes."""
        self._axes = axes or self._axes
        with self.quiet():
            polarity = POSITIVE if positive else NEGATIVE
            for layer, each in ((self.points, polarity), (self.shapes, POSITIVE)):
                wanted = {"polarity": each, "axes": axes_text(self._axes), "object": self._object}
                if {name: values.iloc[0] for name, values in layer.feature_defaults.items()} != wanted:
                    layer.feature_defaults = wanted

    def show_object(self, label: int | None) -> None:
        """Write the id of the object in work into the features; 0 while it is not known."""
        self._object = label or 0
        with self.quiet():
            for layer in (self.points, self.shapes):
                if len(layer.data) and any(value != self._object for value in layer.features["object"]):
                    layer.features = layer.features.assign(object=np.full(len(layer.data), self._object, object))
        self.set_defaults()

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Change the layers without telling."""
        before, self._quiet = self._quiet, True
        try:
            yield
        finally:
            self._quiet = before

    # From gestures

    def add_point(self, plane: Plane, point: Point) -> None:
        """Add a click, as if the user had."""
        self.set_defaults(positive=point.positive, axes=plane.axes)
        self.points.add(np.asarray(plane.to_data(point.row, point.column)))
        self.points.selected_data = set()

    def show_box(self, plane: Plane, box: Box) -> None:
        """Show a box in place of the plane's earlier ones, without telling."""
        others = [
            drawing
            for each, drawing in self._drawings()
            if not (each is not None and each.plane == plane and isinstance(each.prompt, Box))
        ]
        self._write_shapes([*others, PromptShape.of_box(plane, box)])

    def show_scribble(self, plane: Plane, scribble: Scribble, *, instead: bool) -> None:
        """Show one more scribble, or another one in place of the last shape, without telling."""
        drawings = [drawing for _, drawing in self._drawings()]
        self._write_shapes([*(drawings[:-1] if instead else drawings), PromptShape.of_scribble(plane, scribble)])

    def turn_polarity(self, layer: Points | Shapes | None) -> None:
        """Turn what is selected in a layer, or else the last click, from adding to excluding or back.

        Raises
        ------
        UserError
            If there is no click or scribble to turn.
        """
        if layer is None or not len(layer.data):
            turn_polarity(self.points, range(len(self.points.data))[-1:])
        else:
            turn_polarity(layer, layer.selected_data or range(len(layer.data))[-1:])

    # Layers that the user made

    def link(self, layer: Points | Shapes, to_image: ToImage, axes: Axes) -> None:
        """Let the points or shapes of another layer count too.

        Parameters
        ----------
        layer
            The layer.
        to_image
            From its data coordinates to the image's.
        axes
            Displayed axes of its prompts, where it does not tell them.
        """
        if self._links.add(Link(layer, to_image, axes)):
            self.edited.emit()

    @property
    def linked(self) -> list[Points | Shapes]:
        """The layers of the user's that count too."""
        return [link.layer for link in self._links]

    def unlink(self) -> None:
        """Leave the user's layers alone again; they keep what they hold."""
        for layer in self._links.clear():
            self.unlinked.emit(layer)

    # Prompts

    def found(self) -> list[LayerPrompt]:
        """Return every prompt that the plugin's own layers show, and the linked ones."""
        linked = [each for link in self._links for each in self.found_in(link.layer, link.to_image, link.axes)]
        return [*linked, *self.found_in(self.points), *self.found_in(self.shapes)]

    def found_in(
        self, layer: Points | Shapes, to_image: ToImage = np.asarray, axes: Axes | None = None
    ) -> list[LayerPrompt]:
        """Return every prompt that one layer shows."""
        if isinstance(layer, Points):
            return read_points(layer, to_image, axes or self._axes)
        return read_shapes(layer, to_image, axes or self._axes, self._outlines, self._shape)

    def read(self) -> dict[Plane, Prompts]:
        """Read the prompts per plane; of several boxes on one plane the last counts, and so of outlines."""
        return gathered(self.found())

    def write(self, prompts: Mapping[Plane, Prompts]) -> None:
        """Show these prompts and no others, without telling.

        Boxes and outlines that were drawn before the one that counts stay. Mask prompts that were not drawn are shown
        by no layer.
        """
        shown = self.read()
        if self._links:
            if {plane: self._drawn_part(each) for plane, each in prompts.items()} == shown:
                return
            self.unlink()
        if {plane: each.points for plane, each in prompts.items() if each.points} != {
            plane: each.points for plane, each in shown.items() if each.points
        }:
            self._write_points([(plane, point) for plane, each in prompts.items() for point in each.points])
        before = self._drawings()
        after = self._redrawing.wanted(before, prompts)
        if [drawing.key for _, drawing in before] != [drawing.key for drawing in after]:
            self._write_shapes(after)

    def empty(self, layer: Points | Shapes) -> None:
        """Take everything out of one of the two layers, without telling."""
        with self.quiet():
            layer.data = np.zeros((0, layer.ndim)) if layer is self.points else []
        self.set_defaults()

    def close(self) -> None:
        """Listen to the layers no more."""
        self.unlink()
        for watch in self._watches:
            watch.close()

    # Inside

    def _drawn_part(self, prompts: Prompts) -> Prompts:
        """Return the part of the prompts that a layer can show."""
        mask = None if prompts.mask is None or prompts.mask.outline is None else prompts.mask
        return Prompts(prompts.points, prompts.box, mask, prompts.scribbles)

    def _drawings(self) -> list[tuple[LayerPrompt | None, PromptShape]]:
        return self._drawn.drawings(self.found_in(self.shapes), self._axes)

    def _write_points(self, clicks: Sequence[tuple[Plane, Point]]) -> None:
        with self.quiet():
            self._clicks.write(clicks, self._object)
        # Emptied tables forget their defaults.
        self.set_defaults()

    def _write_shapes(self, drawings: Sequence[PromptShape]) -> None:
        with self.quiet():
            self._drawn.write(drawings, self._object)
        # Emptied tables forget their defaults.
        self.set_defaults()

    def _on_edit(self) -> None:
        if not self._quiet:
            with self.quiet():
                self._drawn.recolour()
            self.edited.emit()
