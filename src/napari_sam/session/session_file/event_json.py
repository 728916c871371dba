"""What was done to labels as JSON, and back."""

import base64
from typing import Any

import numpy as np

from napari_sam.labels.collision import Collision
from napari_sam.prompts.json_form import plane_from_json, plane_to_json
from napari_sam.prompts.json_values import flag, items, text, whole, wholes
from napari_sam.session.annotation import Accepted, Deleted, Event, Painted, Relabelled, Renamed
from napari_sam.session.packed_labels import Bounds, PackedLabels
from napari_sam.session.session_file.object_json import object_from_json, object_to_json
from napari_sam.session.session_file.palette import Palette


def event_to_json(event: Event, palette: Palette) -> dict[str, Any]:
    """The event; "do" says what it is."""
    match event:
        case Accepted():
            return {
                "do": "accept",
                "object": object_to_json(event.record, palette),
                "collision": str(event.collision),
                "replaces": event.replaces,
                "left": [plane_to_json(plane) for plane in event.left],
                "within": None if event.within is None else _bounds_to_json(event.within),
            }
        case Painted():
            return {
                "do": "paint",
                "pixels": labels_to_json(event.after),
                "objects": [object_to_json(record, palette) for record in event.objects],
                "gone": list(event.gone),
            }
        case Deleted():
            return {"do": "delete", "label": event.label, "box": _bounds_to_json(event.bounds)}
        case Relabelled():
            return {
                "do": "relabel",
                "label": event.label,
                "new": event.new,
                "box": _bounds_to_json(event.bounds),
            }
        case Renamed():
            return {"do": "rename", "label": event.label, "name": event.name}


def event_from_json(content: Any, palette: Palette) -> Event:
    """The event; raises one of `MALFORMED` if it is none."""
    match content["do"]:
        case "accept":
            record = object_from_json(content["object"], palette)
            if record.label is None:
                raise ValueError("an accepted object has no id")
            left = tuple(plane_from_json(plane) for plane in items(content["left"]))
            within = None if content["within"] is None else _bounds_from_json(content["within"])
            return Accepted(record, Collision(content["collision"]), flag(content["replaces"]), left, within)
        case "paint":
            objects = tuple(object_from_json(each, palette) for each in items(content["objects"]))
            return Painted(labels_from_json(content["pixels"]), objects, wholes(content["gone"]))
        case "delete":
            return Deleted(whole(content["label"]), _bounds_from_json(content["box"]))
        case "relabel":
            return Relabelled(whole(content["label"]), whole(content["new"]), _bounds_from_json(content["box"]))
        case "rename":
            return Renamed(whole(content["label"]), text(content["name"]))
    raise ValueError(f"{content['do']!r} is nothing that is done to labels")


def labels_to_json(labels: PackedLabels) -> dict[str, Any]:
    """Box, type, and two deflated arrays."""
    return {
        "box": _bounds_to_json(labels.bounds),
        "dtype": np.dtype(labels.dtype).name,
        "count": labels.count,
        "where": base64.b64encode(labels.where).decode("ascii"),
        "labels": base64.b64encode(labels.values).decode("ascii"),
    }


def labels_from_json(content: Any) -> PackedLabels:
    """The labels; raises one of `MALFORMED` if they are none."""
    where, values = (base64.b64decode(text(content[key]), validate=True) for key in ("where", "labels"))
    dtype = np.dtype(text(content["dtype"])).newbyteorder("<")
    if dtype.kind not in "iu":
        raise ValueError(f"labels are no {dtype}")
    packed = PackedLabels(_bounds_from_json(content["box"]), dtype.str, whole(content["count"]), where, values)
    packed.check()
    return packed


def _bounds_to_json(bounds: Bounds) -> list[list[int]]:
    return [[int(start), int(stop)] for start, stop in bounds]


def _bounds_from_json(content: Any) -> Bounds:
    bounds = tuple((start, stop) for start, stop in (wholes(each, 2) for each in items(content)))
    if any(not 0 <= start <= stop for start, stop in bounds):
        raise ValueError("a box has its sides the wrong way round")
    return bounds
