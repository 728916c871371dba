"""Prompts, planes and masks as JSON, and back.

A new kind of prompt is one more key: what wrote a file without it is read as having none. What does not fit raises
ValueError, TypeError, KeyError or IndexError: `MALFORMED` names them for those who read files.
"""

import base64
import binascii
import math
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from napari_sam.planes.geometry import Mask, Outline, Plane, Window
from napari_sam.prompts.prompt import Box, Point, Prompts, Scribble

MALFORMED = (ValueError, TypeError, KeyError, IndexError, OverflowError, binascii.Error, zlib.error)


def whole(value: Any) -> int:
    """Check that a value is an integer, and return it."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{value!r} is not a whole number")
    return value


def number(value: Any) -> float:
    """Check that a value is a finite number, and return it as a float."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r} is not a number")
    return float(value)


def text(value: Any) -> str:
    """Check that a value is a string, and return it."""
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a text")
    return value


def flag(value: Any) -> bool:
    """Check that a value is true or false, and return it."""
    if not isinstance(value, bool):
        raise ValueError(f"{value!r} is not true or false")
    return value


def items(value: Any, count: int | None = None) -> Sequence[Any]:
    """Check that a value is a list, of `count` items where that is given, and return it."""
    if not isinstance(value, list) or (count is not None and len(value) != count):
        raise ValueError(f"{value!r} is not a list of {count or 'any number of'} items")
    return value


def wholes(value: Any, count: int | None = None) -> tuple[int, ...]:
    """Check that a value is a list of integers, and return it as a tuple."""
    return tuple(whole(each) for each in items(value, count))


def numbers(value: Any, count: int | None = None) -> tuple[float, ...]:
    """Check that a value is a list of finite numbers, and return it as a tuple of floats."""
    return tuple(number(each) for each in items(value, count))


def deflated(data: bytes) -> str:
    """Write bytes as text: deflated (zlib), then base64."""
    return base64.b64encode(zlib.compress(data, 6)).decode("ascii")


def inflated(value: Any, size: int) -> bytes:
    """Read the `size` bytes that `deflated` was given; a text that holds more is refused before it fills the memory."""
    return inflate(base64.b64decode(text(value), validate=True), size)


def inflate(data: bytes, size: int) -> bytes:
    """Read exactly `size` bytes out of a zlib stream."""
    unpacker = zlib.decompressobj()
    found = unpacker.decompress(data, size + 1)
    if len(found) != size:
        raise ValueError(f"{len(found)} bytes were found where {size} should be")
    return found


# No image has so many rows: whatever claims to is damaged, and would ask for memory without end.
_LARGEST = 2**31


def mask_to_json(mask: Mask) -> dict[str, Any]:
    """Write the mask's box, its pixels as deflated bits, and whatever else is known of it."""
    content: dict[str, Any] = {
        "box": [int(side) for side in mask.box],
        "bits": deflated(np.packbits(mask.pixels).tobytes()),
    }
    if not math.isnan(mask.predicted_iou):
        content["predicted_iou"] = float(mask.predicted_iou)
    if mask.logits is not None and mask.window is not None:
        content["logits"] = {
            "shape": list(mask.logits.shape),
            "window": window_to_json(mask.window),
            "float32": deflated(np.ascontiguousarray(mask.logits, "<f4").tobytes()),
        }
    if mask.outline is not None:
        content["outline"] = {"kind": mask.outline.kind, "vertices": mask.outline.vertices.tolist()}
    return content


def mask_from_json(content: Any) -> Mask:
    """Read a mask; raise one of `MALFORMED` if it is none."""
    row0, column0, row1, column1 = wholes(content["box"], 4)
    rows, columns = row1 - row0, column1 - column0
    if rows < 0 or columns < 0 or max(map(abs, (row0, column0, row1, column1))) > _LARGEST:
        raise ValueError("a box has its sides the wrong way round")
    bits = inflated(content["bits"], -(-rows * columns // 8))
    pixels = np.unpackbits(np.frombuffer(bits, np.uint8), count=rows * columns).astype(bool).reshape(rows, columns)
    iou = content.get("predicted_iou")
    logits, window = None, None
    if content.get("logits") is not None:
        stored = content["logits"]
        height, width = wholes(stored["shape"], 2)
        window = window_from_json(stored["window"])
        data = inflated(stored["float32"], height * width * 4)
        logits = np.frombuffer(data, "<f4").astype(np.float32).reshape(height, width)
    outline = content.get("outline")
    return Mask(
        (row0, column0, row1, column1),
        pixels,
        float("nan") if iou is None else number(iou),
        logits,
        window,
        None if outline is None else _outline(outline),
    )


def window_to_json(window: Window) -> list[float]:
    """Write a window as six numbers: origin, step and shape, each along (row, column)."""
    return [*map(float, window.origin), *map(float, window.step), *map(int, window.shape)]


def window_from_json(content: Any) -> Window:
    """Read a window; raise one of `MALFORMED` if it is none."""
    row, column, step_row, step_column, *_ = numbers(content, 6)
    rows, columns = (whole(side) for side in items(content)[4:])
    if min(step_row, step_column) <= 0 or min(rows, columns) < 1:
        raise ValueError("a window has no pixels")
    return Window((row, column), (step_row, step_column), (rows, columns))


def _outline(content: Any) -> Outline:
    vertices = [numbers(vertex, 2) for vertex in items(content["vertices"])]
    return Outline(text(content["kind"]), np.array(vertices, np.float64).reshape(-1, 2))


def prompts_to_json(prompts: Prompts) -> dict[str, Any]:
    """Write prompts by the names of their kinds, those kinds that there are.

    Parameters
    ----------
    prompts
        All prompts for one object on one plane.

    Returns
    -------
    dict
        "points": a list of [row, column, positive]; "scribbles": a list of {"vertices": [[row, column], ...],
        "positive": ...}; "box": [row0, column0, row1, column1], corners included; "mask": see `mask_to_json`. Plane
        coordinates.
    """
    content: dict[str, Any] = {}
    if prompts.points:
        content["points"] = [[float(each.row), float(each.column), bool(each.positive)] for each in prompts.points]
    if prompts.scribbles:
        content["scribbles"] = [
            {"vertices": [[float(row), float(column)] for row, column in each.vertices], "positive": each.positive}
            for each in prompts.scribbles
        ]
    if prompts.box is not None:
        box = prompts.box
        content["box"] = [float(side) for side in (box.row0, box.column0, box.row1, box.column1)]
    if prompts.mask is not None:
        content["mask"] = mask_to_json(prompts.mask)
    return content


def prompts_from_json(content: Any) -> Prompts:
    """Read prompts; raise one of `MALFORMED` if they are none."""
    box, mask = content.get("box"), content.get("mask")
    return Prompts(
        tuple(_point(each) for each in items(content.get("points", []))),
        None if box is None else Box(*numbers(box, 4)),
        None if mask is None else mask_from_json(mask),
        tuple(_scribble(each) for each in items(content.get("scribbles", []))),
    )


def plane_to_json(plane: Plane) -> dict[str, Any]:
    """Write a plane as its two axes, and its index along every axis (0 along its own)."""
    return {"axes": [int(axis) for axis in plane.axes], "index": [int(at) for at in plane.index]}


def plane_from_json(content: Any) -> Plane:
    """Read a plane; raise one of `MALFORMED` if it is none."""
    row, column = wholes(content["axes"], 2)
    return Plane((row, column), wholes(content["index"]))


def _point(content: Any) -> Point:
    row, column, positive = items(content, 3)
    return Point(number(row), number(column), flag(positive))


def _scribble(content: Any) -> Scribble:
    vertices = tuple((row, column) for row, column in (numbers(each, 2) for each in items(content["vertices"])))
    return Scribble(vertices, flag(content["positive"]))
