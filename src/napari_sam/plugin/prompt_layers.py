"""The plugin's Points and Shapes layers, read as prompts and written from them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.layers import Image, Points, Shapes
from napari.utils.colormaps.standardize_color import transform_color
from numpy.typing import NDArray
from psygnal import Signal

from napari_sam.errors import UserError
from napari_sam.planes.plane import Plane
from napari_sam.plugin.layer_prompts import (
    NEGATIVE,
    POSITIVE,
    STROKES,
    Axes,
    LayerPrompt,
    ToImage,
    axes_text,
    column,
    gathered,
    read_points,
    read_shapes,
)
from napari_sam.plugin.layer_watch import LayerWatch
from napari_sam.plugin.outlines import Outlines
from napari_sam.plugin.placement import place, placement_of
from napari_sam.prompts.prompt import Box, Point, Prompts, Scribble

POINTS_NAME = "Segment: clicks"
SHAPES_NAME = "Segment: shapes"
COLOURS = {POSITIVE: "#21d04f", NEGATIVE: "#ff3b30"}
REGION_COLOUR = "#ffd60a"
"""Of boxes and outlines."""
_POINT_PIXELS, _LINE_PIXELS = 9, 2
_REMEMBERED = 64


@dataclass(frozen=True, eq=False)
class _Drawing:
    """A shape to be put into the layer; `vertices` (n, ndim) are data coordinates."""

    kind: str
    vertices: NDArray[np.float64]
    axes: Axes
    positive: bool = True

    @property
    def key(self) -> tuple[object, ...]:
        return self.kind, self.vertices.tobytes(), self.axes, self.positive


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
        placement = placement_of(image)
        self.points = Points(
            ndim=image.ndim,
            name=POINTS_NAME,
            features=_table((), "polarity", "axes", "object"),
            face_color="polarity",
            face_color_cycle=COLOURS,
            # Where no point is in view napari draws one of size 0, which any lower limit would make visible.
            canvas_size_limits=(0, 10_000),
            **placement,
        )
        # The border does not shrink with the point, and would cover most of it.
        self.points.current_border_width = 0
        self.shapes = Shapes(
            ndim=image.ndim,
            name=SHAPES_NAME,
            features=_table((), "polarity", "axes", "object"),
            edge_color=REGION_COLOUR,
            face_color="transparent",
            **placement,
        )
        shape = image.level_shapes[0] if image.multiscale else image.data.shape
        self._shape = tuple(int(size) for size in shape[: image.ndim])
        self.outlines = Outlines()
        self._quiet = False
        self._pixel = 1.0
        self._axes: Axes = (image.ndim - 2, image.ndim - 1)
        self._object = 0
        self._links: list[tuple[LayerWatch, ToImage, Axes]] = []
        self._together: dict[tuple[Plane, object], list[_Drawing]] = {}
        self.set_defaults()
        self._watches = [LayerWatch(layer, self._on_edit) for layer in (self.points, self.shapes)]

    # What they are like

    def follow_zoom(self, pixel: float) -> None:
        """Keep points and lines as large as ever on the screen, one pixel of which is `pixel` data pixels."""
        if pixel == self._pixel:
            return
        self._pixel = pixel
        with self.quiet():
            self.points.size = _POINT_PIXELS * pixel
            self.points.current_size = _POINT_PIXELS * pixel
            if len(self.shapes.data):
                self.shapes.edge_width = [_LINE_PIXELS * pixel] * len(self.shapes.data)
            self.shapes.current_edge_width = _LINE_PIXELS * pixel

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
        self._write_shapes([*others, _rectangle(plane, box)])

    def show_scribble(self, plane: Plane, scribble: Scribble, *, instead: bool) -> None:
        """Show one more scribble, or another one in place of the last shape, without telling."""
        drawings = [drawing for _, drawing in self._drawings()]
        self._write_shapes([*(drawings[:-1] if instead else drawings), _stroke(plane, scribble)])

    def turn_polarity(self, layer: Points | Shapes | None) -> None:
        """Turn what is selected in a layer, or else the last click, from adding to excluding or back.

        Raises
        ------
        UserError
            If there is no click or scribble to turn.
        """
        at: set[int] = set()
        if layer is None or not layer.selected_data:
            layer = layer if layer is not None and len(layer.data) else self.points
            at = {len(layer.data) - 1} if len(layer.data) else set()
        else:
            at = {int(index) for index in layer.selected_data}
        if isinstance(layer, Shapes):
            at = {index for index in at if layer.shape_type[index] in STROKES}
        if not at:
            raise UserError("There is no click or scribble to turn: select one; boxes and outlines always add.")
        polarities = column(layer, "polarity", POSITIVE)
        for index in at:
            polarities[index] = POSITIVE if polarities[index] == NEGATIVE else NEGATIVE
        layer.features = layer.features.assign(polarity=np.asarray(polarities, object))

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
        if not any(watch.layer is layer for watch, _, _ in self._links):
            self._links.append((LayerWatch(layer, self._on_edit), to_image, axes))
            self.edited.emit()

    @property
    def linked(self) -> list[Points | Shapes]:
        """The layers of the user's that count too."""
        return [watch.layer for watch, _, _ in self._links]

    def unlink(self) -> None:
        """Leave the user's layers alone again; they keep what they hold."""
        links, self._links = self._links, []
        for watch, _, _ in links:
            watch.close()
            self.unlinked.emit(watch.layer)

    # Prompts

    def found(self) -> list[LayerPrompt]:
        """Every prompt that the plugin's own layers show, and the linked ones."""
        linked = [each for watch, to_image, axes in self._links for each in self.found_in(watch.layer, to_image, axes)]
        return [*linked, *self.found_in(self.points), *self.found_in(self.shapes)]

    def found_in(
        self, layer: Points | Shapes, to_image: ToImage = np.asarray, axes: Axes | None = None
    ) -> list[LayerPrompt]:
        """Every prompt that one layer shows."""
        if isinstance(layer, Points):
            return read_points(layer, to_image, axes or self._axes)
        return read_shapes(layer, to_image, axes or self._axes, self.outlines, self._shape)

    def read(self) -> dict[Plane, Prompts]:
        """The prompts per plane; of several boxes on one plane the last counts, and so of outlines."""
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
        after = self._wanted(before, prompts)
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
        """What of the prompts a layer can show."""
        mask = None if prompts.mask is None or prompts.mask.outline is None else prompts.mask
        return Prompts(prompts.points, prompts.box, mask, prompts.scribbles)

    def _drawings(self) -> list[tuple[LayerPrompt | None, _Drawing]]:
        """The shapes as they are, with what they say."""
        found = {each.at: each for each in self.found_in(self.shapes)}
        polarities = column(self.shapes, "polarity", POSITIVE)
        return [
            (
                found.get(at),
                _Drawing(
                    kind,
                    np.asarray(vertices, float),
                    found[at].plane.axes if at in found else self._axes,
                    polarities[at] != NEGATIVE,
                ),
            )
            for at, (kind, vertices) in enumerate(zip(self.shapes.shape_type, self.shapes.data, strict=True))
        ]

    def _wanted(
        self, before: Iterable[tuple[LayerPrompt | None, _Drawing]], prompts: Mapping[Plane, Prompts]
    ) -> list[_Drawing]:
        """The shapes for these prompts: those that are there as far as they fit, then the others."""
        known = [(shown, drawing) for shown, drawing in before if shown is not None]
        after = []
        kept: list[tuple[Plane, object]] = []
        for at, (shown, drawing) in enumerate(known):
            wanted = prompts.get(shown.plane, Prompts())
            alike = [
                (place, other.prompt)
                for place, (other, _) in enumerate(known)
                if other.plane == shown.plane and type(other.prompt) is type(shown.prompt)
            ]
            if isinstance(shown.prompt, Scribble):
                fits = tuple(prompt for _, prompt in alike) == wanted.scribbles
            else:
                counts = wanted.box if isinstance(shown.prompt, Box) else wanted.mask
                fits = counts in [prompt for place, prompt in alike if place >= at]
            if fits:
                after.append(drawing)
                kept.append((shown.plane, shown.prompt))
        self._remember(known)
        for plane, each in prompts.items():
            if each.box is not None and (plane, each.box) not in kept:
                after += self._together.get((plane, each.box)) or [_rectangle(plane, each.box)]
            outline = None if each.mask is None else each.mask.outline
            if each.mask is not None and outline is not None and (plane, each.mask) not in kept:
                self.outlines.know(each.mask)
                single = _Drawing(outline.kind, _lifted(plane, outline.vertices), plane.axes)
                after += self._together.get((plane, each.mask)) or [single]
            if each.scribbles and (plane, each.scribbles[0]) not in kept:
                after += [_stroke(plane, scribble) for scribble in each.scribbles]
        return after

    def _remember(self, known: Iterable[tuple[LayerPrompt, _Drawing]]) -> None:
        """Of several boxes or outlines on a plane only the last is a prompt; the others come back with it."""
        groups: dict[tuple[Plane, type], list[tuple[LayerPrompt, _Drawing]]] = {}
        for shown, drawing in known:
            if not isinstance(shown.prompt, Scribble):
                groups.setdefault((shown.plane, type(shown.prompt)), []).append((shown, drawing))
        for (plane, _), group in groups.items():
            if len(group) > 1:
                self._together[plane, group[-1][0].prompt] = [drawing for _, drawing in group]
        while len(self._together) > _REMEMBERED:
            del self._together[next(iter(self._together))]

    def _write_points(self, clicks: Sequence[tuple[Plane, Point]]) -> None:
        with self.quiet():
            self.points.selected_data = set()
            self.points.data = np.asarray(
                [plane.to_data(point.row, point.column) for plane, point in clicks], float
            ).reshape(-1, self.points.ndim)
            self.points.features = _table(
                [
                    (POSITIVE if point.positive else NEGATIVE, axes_text(plane.axes), self._object)
                    for plane, point in clicks
                ],
                "polarity",
                "axes",
                "object",
            )
        # Emptied tables forget their defaults.
        self.set_defaults()

    def _write_shapes(self, drawings: Sequence[_Drawing]) -> None:
        with self.quiet():
            self.shapes.selected_data = set()
            self.shapes.data = [(drawing.vertices, drawing.kind) for drawing in drawings]
            self.shapes.features = _table(
                [
                    (POSITIVE if drawing.positive else NEGATIVE, axes_text(drawing.axes), self._object)
                    for drawing in drawings
                ],
                "polarity",
                "axes",
                "object",
            )
            if drawings:
                self.shapes.edge_width = [_LINE_PIXELS * self._pixel] * len(drawings)
        self._recolour()
        # Emptied tables forget their defaults.
        self.set_defaults()

    def _recolour(self) -> None:
        """Give scribbles the colour of their polarity."""
        if not len(self.shapes.data):
            return
        polarities = column(self.shapes, "polarity", POSITIVE)
        colours = transform_color(
            [
                COLOURS.get(polarity, COLOURS[POSITIVE]) if kind in STROKES else REGION_COLOUR
                for kind, polarity in zip(self.shapes.shape_type, polarities, strict=True)
            ]
        )
        if not np.allclose(self.shapes.edge_color, colours):
            with self.quiet():
                self.shapes.edge_color = colours

    def _on_edit(self) -> None:
        if not self._quiet:
            self._recolour()
            self.edited.emit()


def _table(rows: Any, *columns: str) -> dict[str, NDArray[np.object_]]:
    values = np.asarray(list(rows), object).reshape(-1, len(columns))
    return {name: values[:, at] for at, name in enumerate(columns)}


def _rectangle(plane: Plane, box: Box) -> _Drawing:
    corners = [(box.row0, box.column0), (box.row0, box.column1), (box.row1, box.column1), (box.row1, box.column0)]
    return _Drawing("rectangle", _lifted(plane, np.asarray(corners)), plane.axes)


def _stroke(plane: Plane, scribble: Scribble) -> _Drawing:
    vertices = [*scribble.vertices, *scribble.vertices][: max(len(scribble.vertices), 2)]
    return _Drawing("path", _lifted(plane, np.asarray(vertices)), plane.axes, scribble.positive)


def _lifted(plane: Plane, vertices: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray([plane.to_data(row, column) for row, column in vertices], float)
