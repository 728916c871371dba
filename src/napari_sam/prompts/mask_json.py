"""A mask as JSON, and back."""

import math
from typing import Any

import numpy as np

from napari_sam.planes.mask import Mask, Outline
from napari_sam.planes.window import Window
from napari_sam.prompts.json_values import deflated, inflated, items, number, numbers, text, whole, wholes

_LARGEST = 2**31


def mask_to_json(mask: Mask) -> dict[str, Any]:
    """The mask's box, its pixels as deflated bits, and whatever else is known of it."""
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
    """The mask; raises one of `MALFORMED` if it is none."""
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
    """Six numbers: origin, step and shape, each along (row, column)."""
    return [*map(float, window.origin), *map(float, window.step), *map(int, window.shape)]


def window_from_json(content: Any) -> Window:
    """The window; raises one of `MALFORMED` if it is none."""
    row, column, step_row, step_column, *_ = numbers(content, 6)
    rows, columns = (whole(side) for side in items(content)[4:])
    if min(step_row, step_column) <= 0 or min(rows, columns) < 1:
        raise ValueError("a window has no pixels")
    return Window((row, column), (step_row, step_column), (rows, columns))


def _outline(content: Any) -> Outline:
    vertices = [numbers(vertex, 2) for vertex in items(content["vertices"])]
    return Outline(text(content["kind"]), np.array(vertices, np.float64).reshape(-1, 2))
