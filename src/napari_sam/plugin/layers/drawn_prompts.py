"""The plugin's Points and Shapes layers: how prompts are drawn there, and which drawings stay."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from napari.layers import Image, Points, Shapes
from napari.utils.colormaps.standardize_color import transform_color
from numpy.typing import NDArray

from napari_sam.errors import UserError
from napari_sam.planes.geometry import Outline, Plane
from napari_sam.plugin.layers.layer_prompts import (
    NEGATIVE,
    POSITIVE,
    STROKES,
    Axes,
    LayerPrompt,
    Outlines,
    axes_text,
    feature_column,
)
from napari_sam.plugin.layers.placement import placement_of
from napari_sam.plugin.napari_internals import forget_colours
from napari_sam.prompts.prompt import Box, Point, Prompts, Scribble

COLOURS = {POSITIVE: "#21d04f", NEGATIVE: "#ff3b30"}
REGION_COLOUR = "#ffd60a"
"""Of boxes and outlines."""


def features_of(prompts: Sequence[tuple[bool, Axes]], label: int) -> dict[str, NDArray[np.object_]]:
    """Return the table of features for prompts of one object.

    Parameters
    ----------
    prompts
        Whether each adds, and its displayed axes.
    label
        The object's id; 0 while it is not known.
    """
    rows = [(POSITIVE if positive else NEGATIVE, axes_text(axes), label) for positive, axes in prompts]
    values = np.asarray(rows, object).reshape(-1, 3)
    return {name: values[:, at] for at, name in enumerate(("polarity", "axes", "object"))}


def turn_polarity(layer: Points | Shapes, which: Iterable[int]) -> None:
    """Turn some prompts of a layer from adding to excluding or back.

    Raises
    ------
    UserError
        If none of them is a click or scribble.
    """
    at = [int(index) for index in which if isinstance(layer, Points) or layer.shape_type[index] in STROKES]
    if not at:
        raise UserError("There is no click or scribble to turn: select one; boxes and outlines always add.")
    polarities = feature_column(layer, "polarity", POSITIVE)
    for index in at:
        polarities[index] = POSITIVE if polarities[index] == NEGATIVE else NEGATIVE
    layer.features = layer.features.assign(polarity=np.asarray(polarities, object))


@dataclass(frozen=True, eq=False)
class PromptShape:
    """A shape that shows a prompt.

    Parameters
    ----------
    kind
        napari's name for it.
    vertices
        (n, ndim) data coordinates.
    axes
        Displayed axes of the plane that it is on.
    positive
        Whether it adds.
    """

    kind: str
    vertices: NDArray[np.float64]
    axes: Axes
    positive: bool = True

    @property
    def key(self) -> tuple[object, ...]:
        """The values that make the shape look as it does."""
        return self.kind, self.vertices.tobytes(), self.axes, self.positive

    @classmethod
    def of_box(cls, plane: Plane, box: Box) -> "PromptShape":
        """Return a rectangle around the box's pixels."""
        row0, column0, row1, column1 = box.borders
        corners = [(row0, column0), (row0, column1), (row1, column1), (row1, column0)]
        return cls("rectangle", _lifted(plane, np.asarray(corners)), plane.axes)

    @classmethod
    def of_scribble(cls, plane: Plane, scribble: Scribble) -> "PromptShape":
        """Return a path; napari's have two vertices at least."""
        vertices = [*scribble.vertices, *scribble.vertices][: max(len(scribble.vertices), 2)]
        return cls("path", _lifted(plane, np.asarray(vertices)), plane.axes, scribble.positive)

    @classmethod
    def of_outline(cls, plane: Plane, outline: Outline) -> "PromptShape":
        """Return the shape that the outline was drawn as."""
        return cls(outline.kind, _lifted(plane, outline.vertices), plane.axes)


def _lifted(plane: Plane, vertices: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray([plane.to_data(row, column) for row, column in vertices], float)


# Chosen: more undos of drawing than anyone does in one go.
_REMEMBERED = 64


class ShapeReuse:
    """A store that keeps the shapes that fit, and remembers those that go, should the same prompts come back.

    Of several boxes or outlines on a plane only the last is a prompt: the others stay, go and come back with it.

    Parameters
    ----------
    outlines
        Who makes masks of outlines.
    """

    def __init__(self, outlines: Outlines) -> None:
        self._outlines = outlines
        self._together: dict[tuple[Plane, object], list[PromptShape]] = {}

    def wanted(
        self, before: Iterable[tuple[LayerPrompt | None, PromptShape]], prompts: Mapping[Plane, Prompts]
    ) -> list[PromptShape]:
        """Return the shapes for these prompts: those that are there as far as they fit, then the others.

        Parameters
        ----------
        before
            The shapes that are there, and what each says.
        prompts
            By plane.
        """
        known = [(shown, drawing) for shown, drawing in before if shown is not None]
        after = []
        kept: list[tuple[Plane, object]] = []
        for at, (shown, drawing) in enumerate(known):
            if _fits(known, at, prompts.get(shown.plane, Prompts())):
                after.append(drawing)
                kept.append((shown.plane, shown.prompt))
        self._remember(known)
        for plane, each in prompts.items():
            if each.box is not None and (plane, each.box) not in kept:
                after += self._together.get((plane, each.box)) or [PromptShape.of_box(plane, each.box)]
            outline = None if each.mask is None else each.mask.outline
            if each.mask is not None and outline is not None and (plane, each.mask) not in kept:
                self._outlines.know(each.mask)
                after += self._together.get((plane, each.mask)) or [PromptShape.of_outline(plane, outline)]
            if each.scribbles and (plane, each.scribbles[0]) not in kept:
                after += [PromptShape.of_scribble(plane, scribble) for scribble in each.scribbles]
        return after

    def _remember(self, known: Iterable[tuple[LayerPrompt, PromptShape]]) -> None:
        groups: dict[tuple[Plane, type], list[tuple[LayerPrompt, PromptShape]]] = {}
        for shown, drawing in known:
            if not isinstance(shown.prompt, Scribble):
                groups.setdefault((shown.plane, type(shown.prompt)), []).append((shown, drawing))
        for (plane, _), group in groups.items():
            if len(group) > 1:
                self._together[plane, group[-1][0].prompt] = [drawing for _, drawing in group]
        while len(self._together) > _REMEMBERED:
            del self._together[next(iter(self._together))]


def _fits(known: list[tuple[LayerPrompt, PromptShape]], at: int, wanted: Prompts) -> bool:
    """Tell whether a shape may stay when these are the prompts on its plane."""
    shown = known[at][0]
    alike = [
        (place, other.prompt)
        for place, (other, _) in enumerate(known)
        if other.plane == shown.plane and type(other.prompt) is type(shown.prompt)
    ]
    if isinstance(shown.prompt, Scribble):
        return tuple(prompt for _, prompt in alike) == wanted.scribbles
    counts = wanted.box if isinstance(shown.prompt, Box) else wanted.mask
    return counts in [prompt for place, prompt in alike if place >= at]


POINTS_NAME = "Segment: clicks"
_POINT_PIXELS = 9


class PromptPoints:
    """The Points layer, and how it looks.

    Parameters
    ----------
    image
        The image layer that it lies on.

    Attributes
    ----------
    layer : Points
        The layer.
    """

    def __init__(self, image: Image) -> None:
        self.layer = Points(
            ndim=image.ndim,
            name=POINTS_NAME,
            features=features_of((), 0),
            face_color="polarity",
            face_color_cycle=COLOURS,
            # Where no point is in view napari draws one of size 0, which any lower limit would make visible.
            canvas_size_limits=(0, 10_000),
            **placement_of(image),
        )
        # The border does not shrink with the point, and would cover most of it.
        self.layer.current_border_width = 0

    def follow_zoom(self, pixel: float) -> None:
        """Keep points as large as ever on the screen, one pixel of which is `pixel` data pixels."""
        self.layer.size = _POINT_PIXELS * pixel
        self.layer.current_size = _POINT_PIXELS * pixel

    def write(self, clicks: Sequence[tuple[Plane, Point]], label: int) -> None:
        """Show these clicks, of one object, and no others."""
        self.layer.selected_data = set()
        self.layer.data = np.asarray(
            [plane.to_data(point.row, point.column) for plane, point in clicks], float
        ).reshape(-1, self.layer.ndim)
        if clicks:
            # An empty table has its columns still, and each change of it takes napari some milliseconds.
            self.layer.features = features_of([(point.positive, plane.axes) for plane, point in clicks], label)


SHAPES_NAME = "Segment: shapes"
_LINE_PIXELS = 2


class PromptShapes:
    """The Shapes layer, and how it looks.

    Parameters
    ----------
    image
        The image layer that it lies on.

    Attributes
    ----------
    layer : Shapes
        The layer.
    """

    def __init__(self, image: Image) -> None:
        self.layer = Shapes(
            ndim=image.ndim,
            name=SHAPES_NAME,
            features=features_of((), 0),
            edge_color=REGION_COLOUR,
            face_color="transparent",
            **placement_of(image),
        )
        self._pixel = 1.0

    def follow_zoom(self, pixel: float) -> None:
        """Keep lines as wide as ever on the screen, one pixel of which is `pixel` data pixels."""
        self._pixel = pixel
        if len(self.layer.data):
            self.layer.edge_width = [_LINE_PIXELS * pixel] * len(self.layer.data)
        self.layer.current_edge_width = _LINE_PIXELS * pixel

    def drawings(self, found: Sequence[LayerPrompt], axes: Axes) -> list[tuple[LayerPrompt | None, PromptShape]]:
        """Return the shapes as they are, with what each says.

        Parameters
        ----------
        found
            What they say.
        axes
            Displayed axes of those that say nothing.
        """
        said = {each.at: each for each in found}
        polarities = feature_column(self.layer, "polarity", POSITIVE)
        drawings: list[tuple[LayerPrompt | None, PromptShape]] = []
        for at, (kind, vertices) in enumerate(zip(self.layer.shape_type, self.layer.data, strict=True)):
            on = said[at].plane.axes if at in said else axes
            drawings.append(
                (said.get(at), PromptShape(kind, np.asarray(vertices, float), on, polarities[at] != NEGATIVE))
            )
        return drawings

    def write(self, drawings: Sequence[PromptShape], label: int) -> None:
        """Show these shapes, of one object, and no others."""
        self.layer.selected_data = set()
        self.layer.data = [(drawing.vertices, drawing.kind) for drawing in drawings]
        self.layer.features = features_of([(drawing.positive, drawing.axes) for drawing in drawings], label)
        if drawings:
            self.layer.edge_width = [_LINE_PIXELS * self._pixel] * len(drawings)
        self.recolour()

    def recolour(self) -> None:
        """Give scribbles the colour of their polarity."""
        forget_colours(self.layer)
        if not len(self.layer.data):
            return
        polarities = feature_column(self.layer, "polarity", POSITIVE)
        colours = transform_color(
            [
                COLOURS.get(polarity, COLOURS[POSITIVE]) if kind in STROKES else REGION_COLOUR
                for kind, polarity in zip(self.layer.shape_type, polarities, strict=True)
            ]
        )
        if not np.allclose(self.layer.edge_color, colours):
            self.layer.edge_color = colours
