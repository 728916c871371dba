"""The points and shapes of a napari layer, and what they say as prompts."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
from napari.layers import Points, Shapes
from numpy.typing import ArrayLike, NDArray
from skimage.draw import polygon2mask

from napari_sam.planes.geometry import Mask, Outline, Plane
from napari_sam.prompts.prompt import Box, Point, Prompts, Scribble

# Chosen: of a radius of 100 pixels the polygon then misses .05 pixels (radius * (1 - cos(pi / 96))).
ELLIPSE_VERTICES = 96

Vertices = NDArray[np.float64]
"""(n, 2) plane coordinates (row, column)."""


class Outlines:
    """A cache that turns outlines into masks; the same outline gives the same mask: a sign that nothing changed."""

    def __init__(self) -> None:
        self._masks: WeakValueDictionary[tuple[object, ...], Mask] = WeakValueDictionary()

    def mask(self, kind: str, vertices: Vertices, plane_shape: Sequence[int]) -> Mask | None:
        """Return the pixels whose centres an outline holds.

        Parameters
        ----------
        kind
            "ellipse", given by the four corners around it; anything else is a polygon.
        vertices
            (n, 2) plane coordinates.
        plane_shape
            (rows, columns) of the plane; what lies outside is dropped.

        Returns
        -------
        Mask or None
            None if it holds no pixel of the plane.
        """
        key = _key(kind, vertices)
        known = self._masks.get(key)
        if known is not None:
            return known
        border = _ellipse(vertices) if kind == "ellipse" else vertices
        low = np.maximum(np.floor(border.min(axis=0)).astype(int), 0)
        high = np.minimum(np.ceil(border.max(axis=0)).astype(int) + 1, plane_shape)
        if not np.isfinite(border).all() or (high <= low).any():
            return None
        inside = polygon2mask(tuple(high - low), border - low)  # type: ignore[no-untyped-call]
        mask = Mask.from_pixels(inside, (int(low[0]), int(low[1])))
        if not mask.area:
            return None
        mask = replace(mask, outline=Outline(kind, vertices.copy()))
        self._masks[key] = mask
        return mask

    def know(self, mask: Mask) -> None:
        """Remember a mask that was drawn earlier: its outline gives this one again."""
        if mask.outline is not None:
            self._masks[_key(mask.outline.kind, mask.outline.vertices)] = mask


def _key(kind: str, vertices: Vertices) -> tuple[object, ...]:
    return kind, vertices.tobytes()


def _ellipse(corners: Vertices) -> Vertices:
    """Return the border of the ellipse that four corners (a rectangle of any rotation) hold."""
    center = corners.mean(axis=0)
    along, across = (corners[1] - corners[0]) / 2, (corners[3] - corners[0]) / 2
    angle = np.linspace(0, 2 * np.pi, ELLIPSE_VERTICES, endpoint=False)[:, None]
    border: Vertices = center + np.cos(angle) * along + np.sin(angle) * across
    return border


POSITIVE, NEGATIVE = "positive", "negative"
STROKES = frozenset({"line", "path"})
"""Shapes that are scribbles; all others have an inside."""
# Of the longer extent of a side (at least a pixel). What is less askew than that is rounding.
_UPRIGHT = 1e-3

ToImage = Callable[[ArrayLike], NDArray[np.float64]]
Axes = tuple[int, int]


@dataclass(frozen=True)
class LayerPrompt:
    """One point or shape of a layer.

    Parameters
    ----------
    plane
        The plane it is on.
    prompt
        What it says there. A mask is that of an ellipse, a polygon or a turned rectangle.
    at
        Its position in the layer.
    object
        What the layer's feature "object" says; None where there is none.
    """

    plane: Plane
    prompt: Point | Box | Scribble | Mask
    at: int
    object: int | None = None


def read_points(layer: Points, to_image: ToImage, axes: Axes) -> list[LayerPrompt]:
    """Read the clicks that a Points layer shows.

    Parameters
    ----------
    layer
        Its feature "polarity" tells clicks that exclude, "axes" the displayed axes, "object" the object; all of them
        may be missing.
    to_image
        From its data coordinates to the image's.
    axes
        Displayed axes where the layer does not tell.
    """
    if not len(layer.data):
        return []
    positions = to_image(layer.data)
    polarities, objects = feature_column(layer, "polarity", POSITIVE), object_ids_of(layer)
    found = []
    for at, (position, shown) in enumerate(zip(positions, prompt_axes(layer, axes, positions.shape[1]), strict=True)):
        if not np.isfinite(position).all():
            continue
        plane = plane_of(position[None], shown)
        row, column_ = plane.from_data(position)
        found.append(LayerPrompt(plane, Point(row, column_, polarities[at] != NEGATIVE), at, objects[at]))
    return found


def read_shapes(
    layer: Shapes, to_image: ToImage, axes: Axes, outlines: Outlines, shape: Sequence[int]
) -> list[LayerPrompt]:
    """Read the boxes, outlines and scribbles that a Shapes layer shows, clipped to the image.

    Parameters
    ----------
    layer, to_image, axes
        As for `read_points`; polarity is that of scribbles.
    outlines
        Makes masks of outlines.
    shape
        The image's.
    """
    found = []
    polarities, objects = feature_column(layer, "polarity", POSITIVE), object_ids_of(layer)
    kinds = list(layer.shape_type)
    for at, (corners, shown) in enumerate(zip(layer.data, prompt_axes(layer, axes, len(shape)), strict=True)):
        vertices = to_image(corners)
        if not np.isfinite(vertices).all():
            continue
        plane = plane_of(vertices, shown)
        flat = vertices[:, list(shown)]
        limits = np.asarray(plane.shape(shape), float) - 0.5
        if (flat.max(axis=0) < -0.5).any() or (flat.min(axis=0) > limits).any():
            continue
        prompt: Box | Scribble | Mask | None
        if kinds[at] in STROKES:
            clipped = np.clip(flat, -0.5, limits)
            prompt = Scribble(tuple((float(row), float(col)) for row, col in clipped), polarities[at] != NEGATIVE)
        elif kinds[at] == "rectangle" and upright(flat):
            drawn = Box.within(*flat.min(axis=0).tolist(), *flat.max(axis=0).tolist())
            prompt = drawn.clipped(plane.shape(shape))
        else:
            prompt = outlines.mask(kinds[at], flat, plane.shape(shape))
        if prompt is not None:
            found.append(LayerPrompt(plane, prompt, at, objects[at]))
    return found


def gathered(found: Iterable[LayerPrompt]) -> dict[Plane, Prompts]:
    """Gather all of it as prompts for one object; of several boxes on a plane the last counts, and so of outlines."""
    planes: dict[Plane, Prompts] = {}
    for each in found:
        earlier = planes.get(each.plane, Prompts())
        planes[each.plane] = with_prompt(earlier, each.prompt)
    return planes


def with_prompt(prompts: Prompts, prompt: Point | Box | Scribble | Mask) -> Prompts:
    """Return these prompts and one more; a box or a mask replaces an earlier one."""
    match prompt:
        case Point():
            return Prompts((*prompts.points, prompt), prompts.box, prompts.mask, prompts.scribbles)
        case Box():
            return Prompts(prompts.points, prompt, prompts.mask, prompts.scribbles)
        case Scribble():
            return Prompts(prompts.points, prompts.box, prompts.mask, (*prompts.scribbles, prompt))
        case Mask():
            return Prompts(prompts.points, prompts.box, prompt, prompts.scribbles)


def plane_of(positions: NDArray[Any], axes: Axes) -> Plane:
    """Return the plane with these displayed axes that positions (n, ndim) are on, or nearest to."""
    return Plane(axes, tuple(int(np.round(at)) for at in np.asarray(positions, float).mean(axis=0)))


def upright(corners: NDArray[np.float64]) -> bool:
    """Tell whether the four corners (4, 2) of a rectangle lie along the axes."""
    sides = np.diff(np.vstack([corners, corners[:1]]), axis=0)
    return bool((np.abs(sides).min(axis=1) <= _UPRIGHT * np.maximum(np.abs(sides).max(axis=1), 1.0)).all())


def feature_column(layer: Points | Shapes, name: str, default: str) -> list[str]:
    """Return a feature of every point or shape as text; what is empty, or no text, has the default."""
    features = layer.features
    if name not in features:
        return [default] * len(layer.data)
    values = [value if isinstance(value, str) else default for value in features[name]]
    # Between adding and its features, napari tells of rows that are not there yet.
    return (values + [default] * len(layer.data))[: len(layer.data)]


def object_ids_of(layer: Points | Shapes) -> list[int | None]:
    """Return the feature "object" of every point or shape: a positive integer, or None."""
    features = layer.features
    count = len(layer.data)
    if "object" not in features:
        return [None] * count
    return ([_as_id(value) for value in features["object"]] + [None] * count)[:count]


def prompt_axes(layer: Points | Shapes, default: Axes, ndim: int) -> list[Axes]:
    """Return the displayed axes of every point or shape."""
    return [axes_from(text, default, ndim) for text in feature_column(layer, "axes", axes_text(default))]


def axes_text(axes: Axes) -> str:
    """Write displayed axes as the feature "axes" has them."""
    return f"{axes[0]},{axes[1]}"


def axes_from(text: str, default: Axes, ndim: int) -> Axes:
    """Read displayed axes from the feature's text."""
    try:
        row, column = (int(part) for part in text.split(","))
    except ValueError:
        return default
    fits = row != column and min(row, column) >= 0 and max(row, column) < ndim
    return (row, column) if fits else default


def _as_id(value: object) -> int | None:
    try:
        number = int(value)  # type: ignore[call-overload]
    except (TypeError, ValueError):
        return None
    return number if number > 0 else None
