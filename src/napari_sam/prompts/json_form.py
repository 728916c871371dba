"""Prompts as JSON, and back.

A new kind of prompt is one more key: what wrote a file without it is read as having none.
"""

from typing import Any

from napari_sam.planes.plane import Plane
from napari_sam.prompts.json_values import flag, items, number, numbers, wholes
from napari_sam.prompts.mask_json import mask_from_json, mask_to_json
from napari_sam.prompts.prompt import Box, Point, Prompts, Scribble


def prompts_to_json(prompts: Prompts) -> dict[str, Any]:
    """The kinds of prompts that there are, by name.

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
    """The prompts; raises one of `MALFORMED` if they are none."""
    box, mask = content.get("box"), content.get("mask")
    return Prompts(
        tuple(_point(each) for each in items(content.get("points", []))),
        None if box is None else Box(*numbers(box, 4)),
        None if mask is None else mask_from_json(mask),
        tuple(_scribble(each) for each in items(content.get("scribbles", []))),
    )


def plane_to_json(plane: Plane) -> dict[str, Any]:
    """Its two axes, and its index along every axis (0 along its own)."""
    return {"axes": [int(axis) for axis in plane.axes], "index": [int(at) for at in plane.index]}


def plane_from_json(content: Any) -> Plane:
    """The plane; raises one of `MALFORMED` if it is none."""
    row, column = wholes(content["axes"], 2)
    return Plane((row, column), wholes(content["index"]))


def _point(content: Any) -> Point:
    row, column, positive = items(content, 3)
    return Point(number(row), number(column), flag(positive))


def _scribble(content: Any) -> Scribble:
    vertices = tuple((row, column) for row, column in (numbers(each, 2) for each in items(content["vertices"])))
    return Scribble(vertices, flag(content["positive"]))
