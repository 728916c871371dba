"""The plugin's Points and Shapes layers, read as prompts and written from them."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from napari.layers import Image, Points, Shapes
from numpy.typing import NDArray
from psygnal import Signal

from napari_sam.planes.plane import Plane
from napari_sam.plugin.placement import place, placement_of
from napari_sam.prompts.prompt import Box, Point, Prompts

POINTS_NAME = "Segment: clicks"
BOXES_NAME = "Segment: boxes"
POSITIVE, NEGATIVE = "positive", "negative"
COLOURS = {POSITIVE: "#21d04f", NEGATIVE: "#ff3b30"}
BOX_COLOUR = "#ffd60a"
_POINT_PIXELS, _LINE_PIXELS = 9, 2
_PAST = ("added", "changed", "removed")


class PromptLayers:
    """A Points layer of clicks and a Shapes layer of boxes on one image.

    Whatever adds, moves, recolours or deletes in them - the plugin's own gestures, napari's tools, other code -
    counts the same: `edited` is emitted, and `read` tells the prompts.

    Polarity and the displayed axes of a prompt are features (columns "polarity" and "axes"), colours follow.

    Parameters
    ----------
    image
        The image layer that the layers lie on.
    """

    edited = Signal()

    def __init__(self, image: Image) -> None:
        placement = placement_of(image)
        self.points = Points(
            ndim=image.ndim,
            name=POINTS_NAME,
            features=_table((), "polarity", "axes"),
            face_color="polarity",
            face_color_cycle=COLOURS,
            # Where no point is in view napari draws one of size 0, which any lower limit would make visible.
            canvas_size_limits=(0, 10_000),
            **placement,
        )
        # The border does not shrink with the point, and would cover most of it.
        self.points.current_border_width = 0
        self.boxes = Shapes(
            ndim=image.ndim,
            name=BOXES_NAME,
            features=_table((), "axes"),
            edge_color=BOX_COLOUR,
            face_color="transparent",
            **placement,
        )
        self._quiet = False
        self._pixel = 1.0
        self._axes = (image.ndim - 2, image.ndim - 1)
        self.set_defaults()
        for layer in (self.points, self.boxes):
            layer.events.data.connect(self._on_data)
            layer.events.features.connect(self._on_features)

    def follow_zoom(self, pixel: float) -> None:
        """Keep points and lines as large as ever on the screen, one pixel of which is `pixel` data pixels."""
        if pixel == self._pixel:
            return
        self._pixel = pixel
        with self.quiet():
            self.points.size = _POINT_PIXELS * pixel
            self.points.current_size = _POINT_PIXELS * pixel
            if len(self.boxes.data):
                self.boxes.edge_width = [_LINE_PIXELS * pixel] * len(self.boxes.data)
            self.boxes.current_edge_width = _LINE_PIXELS * pixel

    def place(self, image: Image) -> None:
        """Follow the image to another place in the world."""
        place(self.points, image)
        place(self.boxes, image)

    def set_defaults(self, *, positive: bool = True, axes: tuple[int, int] | None = None) -> None:
        """Say what the next prompts are like: their polarity, and the displayed (row, column) axes."""
        self._axes = axes or self._axes
        with self.quiet():
            shown = _axes_text(self._axes)
            self.points.feature_defaults = {"polarity": POSITIVE if positive else NEGATIVE, "axes": shown}
            self.boxes.feature_defaults = {"axes": shown}

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Change the layers without telling."""
        before, self._quiet = self._quiet, True
        try:
            yield
        finally:
            self._quiet = before

    def add_point(self, plane: Plane, point: Point) -> None:
        """Add a click, as if the user had."""
        self.set_defaults(positive=point.positive, axes=plane.axes)
        self.points.add(np.asarray(plane.to_data(point.row, point.column)))
        self.points.selected_data = set()

    def show_box(self, plane: Plane, box: Box) -> None:
        """Show a box in place of the plane's earlier ones, without telling."""
        others = [
            (corners, axes)
            for corners, axes in zip(self.boxes.data, self._axes_of(self.boxes), strict=True)
            if _plane_of(corners, axes) != plane
        ]
        self._write_boxes([*others, (_corners(plane, box), plane.axes)])

    def read(self) -> dict[Plane, Prompts]:
        """The points and boxes per plane; of several boxes on one plane the last counts."""
        points: dict[Plane, list[Point]] = {}
        polarities = _column(self.points, "polarity", POSITIVE)
        for position, axes, polarity in zip(
            np.asarray(self.points.data), self._axes_of(self.points), polarities, strict=True
        ):
            plane = _plane_of(position[None], axes)
            row, column = plane.from_data(position)
            points.setdefault(plane, []).append(Point(row, column, polarity != NEGATIVE))
        boxes: dict[Plane, Box] = {}
        for corners, axes in zip(self.boxes.data, self._axes_of(self.boxes), strict=True):
            if not np.isfinite(corners).all():
                continue
            plane = _plane_of(np.asarray(corners), axes)
            displayed = np.asarray(corners)[:, list(axes)]
            (row0, column0), (row1, column1) = displayed.min(axis=0), displayed.max(axis=0)
            boxes[plane] = Box(float(row0), float(column0), float(row1), float(column1))
        planes = list(dict.fromkeys([*points, *boxes]))
        return {plane: Prompts(tuple(points.get(plane, ())), boxes.get(plane)) for plane in planes}

    def write(self, prompts: Mapping[Plane, Prompts]) -> None:
        """Show these prompts and no others, without telling."""
        shown = self.read()
        if {plane: each.points for plane, each in prompts.items() if each.points} != {
            plane: each.points for plane, each in shown.items() if each.points
        }:
            self._write_points([(plane, point) for plane, each in prompts.items() for point in each.points])
        boxes = {plane: each.box for plane, each in prompts.items() if each.box is not None}
        if boxes != {plane: each.box for plane, each in shown.items() if each.box is not None}:
            self._write_boxes([(_corners(plane, box), plane.axes) for plane, box in boxes.items()])

    def empty(self, layer: Points | Shapes) -> None:
        """Take everything out of one of the two layers, without telling."""
        with self.quiet():
            layer.data = np.zeros((0, layer.ndim)) if layer is self.points else []
        self.set_defaults()

    def _write_points(self, clicks: Sequence[tuple[Plane, Point]]) -> None:
        with self.quiet():
            self.points.selected_data = set()
            self.points.data = np.asarray(
                [plane.to_data(point.row, point.column) for plane, point in clicks], float
            ).reshape(-1, self.points.ndim)
            self.points.features = _table(
                [(POSITIVE if point.positive else NEGATIVE, _axes_text(plane.axes)) for plane, point in clicks],
                "polarity",
                "axes",
            )
        # Emptied tables forget their defaults.
        self.set_defaults()

    def _write_boxes(self, boxes: list[tuple[NDArray[Any], tuple[int, int]]]) -> None:
        with self.quiet():
            self.boxes.selected_data = set()
            self.boxes.data = [corners for corners, _ in boxes]
            self.boxes.features = _table([(_axes_text(axes),) for _, axes in boxes], "axes")
            if boxes:
                self.boxes.edge_width = [_LINE_PIXELS * self._pixel] * len(boxes)
        # Emptied tables forget their defaults.
        self.set_defaults()

    def _axes_of(self, layer: Points | Shapes) -> list[tuple[int, int]]:
        return [self._axes_from(text) for text in _column(layer, "axes", _axes_text(self._axes))]

    def _axes_from(self, text: str) -> tuple[int, int]:
        try:
            row, column = (int(part) for part in text.split(","))
        except ValueError:
            return self._axes
        fits = row != column and min(row, column) >= 0 and max(row, column) < self.points.ndim
        return (row, column) if fits else self._axes

    def _on_data(self, event: Any) -> None:
        if not self._quiet and str(getattr(event, "action", "changed")) in _PAST:
            self.edited.emit()

    def _on_features(self, _: Any) -> None:
        if not self._quiet:
            self.edited.emit()


def _table(rows: Any, *columns: str) -> dict[str, NDArray[np.object_]]:
    values = np.asarray(list(rows), object).reshape(-1, len(columns))
    return {name: values[:, at] for at, name in enumerate(columns)}


def _column(layer: Points | Shapes, name: str, default: str) -> list[str]:
    """A feature of every point or shape; what the user left empty has the default."""
    features = layer.features
    if name not in features:
        return [default] * len(layer.data)
    values = [value if isinstance(value, str) else default for value in features[name]]
    # Between adding and its features, napari tells of rows that are not there yet.
    return (values + [default] * len(layer.data))[: len(layer.data)]


def _axes_text(axes: tuple[int, int]) -> str:
    return f"{axes[0]},{axes[1]}"


def _plane_of(positions: NDArray[Any], axes: tuple[int, int]) -> Plane:
    return Plane(axes, tuple(int(np.round(at)) for at in np.asarray(positions, float).mean(axis=0)))


def _corners(plane: Plane, box: Box) -> NDArray[np.float64]:
    return np.asarray(
        [
            plane.to_data(row, column)
            for row, column in (
                (box.row0, box.column0),
                (box.row0, box.column1),
                (box.row1, box.column1),
                (box.row1, box.column0),
            )
        ],
        float,
    )
