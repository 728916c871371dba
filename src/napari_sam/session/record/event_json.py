"""The events of labels as JSON, and back; what many steps share is listed once."""

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np

from napari_sam.labels.paint import Collision
from napari_sam.planes.contrast import Contrast
from napari_sam.planes.geometry import Window
from napari_sam.prompts.json_form import (
    flag,
    items,
    mask_from_json,
    mask_to_json,
    number,
    numbers,
    plane_from_json,
    plane_to_json,
    prompts_from_json,
    prompts_to_json,
    text,
    whole,
    wholes,
    window_from_json,
    window_to_json,
)
from napari_sam.segment.segmentation import Setup
from napari_sam.session.labels.packed_labels import Bounds, PackedLabels
from napari_sam.session.record.annotation import Accepted, Deleted, Event, Painted, Relabelled, Renamed
from napari_sam.session.record.object_record import ObjectRecord, PlaneRecord, PropagateStep, SegmentStep, Step


class Palette:
    """The setups and areas by number.

    Parameters
    ----------
    setups, areas
        The ones that there are already.

    Attributes
    ----------
    setups, areas : list
        In the order of their numbers.
    """

    def __init__(self, setups: Sequence[Setup] = (), areas: Sequence[Window] = ()) -> None:
        self.setups = list(setups)
        self.areas = list(areas)
        self._setup_numbers = {setup: at for at, setup in enumerate(self.setups)}
        self._area_numbers = {area: at for at, area in enumerate(self.areas)}

    def setup(self, setup: Setup) -> int:
        """Return the number of a setup, which is a new one if need be."""
        if setup not in self._setup_numbers:
            self._setup_numbers[setup] = len(self.setups)
            self.setups.append(setup)
        return self._setup_numbers[setup]

    def area(self, area: Window) -> int:
        """Return the number of an area, which is a new one if need be."""
        if area not in self._area_numbers:
            self._area_numbers[area] = len(self.areas)
            self.areas.append(area)
        return self._area_numbers[area]

    def to_json(self) -> dict[str, Any]:
        """Turn both lists into JSON."""
        return {
            "setups": [_setup_to_json(setup) for setup in self.setups],
            "areas": [window_to_json(area) for area in self.areas],
        }

    @classmethod
    def from_json(cls, content: Any) -> "Palette":
        """Read both lists; raises one of `MALFORMED` if they are none."""
        setups = [_setup_from_json(each) for each in items(content["setups"])]
        return cls(setups, [window_from_json(each) for each in items(content["areas"])])


def _setup_to_json(setup: Setup) -> dict[str, Any]:
    contrast = setup.contrast
    return {
        "model": setup.model,
        "digest": setup.digest,
        "precision": setup.precision,
        "device": setup.device,
        "contrast": None if contrast is None else [list(map(float, limits)) for limits in contrast.limits],
        "nonfinite": contrast is not None and contrast.has_nonfinite,
        "channels": None if setup.channels is None else [int(channel) for channel in setup.channels],
    }


def _setup_from_json(content: Any) -> Setup:
    contrast, channels = content["contrast"], content["channels"]
    limits = None
    if contrast is not None:
        pairs = [numbers(each, 2) for each in items(contrast)]
        limits = Contrast(tuple((low, high) for low, high in pairs), flag(content["nonfinite"]))
    return Setup(
        text(content["model"]),
        text(content["digest"]),
        text(content["precision"]),
        text(content["device"]),
        limits,
        None if channels is None else wholes(channels),
    )


def numbered(values: Sequence[Any], number: Any) -> Any:
    """Return the value of a number; raises `IndexError` if there is none."""
    at = whole(number)
    if not 0 <= at < len(values):
        raise IndexError(f"there is no number {at}")
    return values[at]


def object_to_json(record: ObjectRecord, palette: Palette) -> dict[str, Any]:
    """Turn the record into JSON; setups and areas are numbers of the palette."""
    return {
        "label": record.label,
        "name": record.name,
        "refines": record.refines,
        "steps": [_step_to_json(step, palette) for step in record.steps],
        "planes": [_plane_to_json(each) for each in record.planes],
        "order": [[plane_to_json(plane), kind] for plane, kind in record.order],
    }


def object_from_json(content: Any, palette: Palette) -> ObjectRecord:
    """Read the record; raises one of `MALFORMED` if it is none."""
    label = content["label"]
    steps: list[Step] = []
    for each in items(content["steps"]):
        steps.append(_step_from_json(each, palette, steps))
    return ObjectRecord(
        None if label is None else _label(label),
        text(content["name"]),
        tuple(steps),
        tuple(_plane_from_json(each, steps) for each in items(content["planes"])),
        tuple((plane_from_json(plane), text(kind)) for plane, kind in items(content["order"])),
        flag(content["refines"]),
    )


def _label(value: Any) -> int:
    if whole(value) < 1:
        raise ValueError(f"{value} is no id")
    return whole(value)


def _step_to_json(step: Step, palette: Palette) -> dict[str, Any]:
    common: dict[str, Any] = {
        "plane": plane_to_json(step.plane),
        "setup": None if step.setup is None else palette.setup(step.setup),
        "areas": [palette.area(area) for area in step.areas],
    }
    if isinstance(step, SegmentStep):
        return {
            "do": "segment",
            **common,
            "prompts": prompts_to_json(step.prompts),
            "object_size": None if step.object_size is None else float(step.object_size),
            "corrects": step.corrects,
            "with_logits": step.with_logits,
            "chosen": None if step.chosen is None else int(step.chosen),
        }
    return {
        "do": "propagate",
        **common,
        "axis": step.axis,
        "start": step.start,
        "stop": step.stop,
        "keys": [list(key) for key in step.keys],
        "reached": step.reached,
    }


def _step_from_json(content: Any, palette: Palette, earlier: list[Step]) -> Step:
    plane = plane_from_json(content["plane"])
    setup = None if content["setup"] is None else numbered(palette.setups, content["setup"])
    areas = tuple(numbered(palette.areas, at) for at in items(content["areas"]))
    if content["do"] == "segment":
        size, corrects, chosen = content["object_size"], content["corrects"], content["chosen"]
        if corrects is not None:
            numbered(earlier, corrects)
        return SegmentStep(
            plane,
            prompts_from_json(content["prompts"]),
            None if size is None else number(size),
            corrects,
            flag(content["with_logits"]),
            None if chosen is None else whole(chosen),
            setup,
            areas,
        )
    if content["do"] != "propagate":
        raise ValueError(f"{content['do']!r} is no kind of step")
    axis = whole(content["axis"])
    if not 0 <= axis < plane.ndim or axis in plane.axes:
        raise ValueError(f"axis {axis} cannot be gone along")
    keys = tuple((position, step) for position, step in (wholes(key, 2) for key in items(content["keys"])))
    for _, step in keys:
        numbered(earlier, step)
    start, stop, reached = (None if content[key] is None else whole(content[key]) for key in _RANGE)
    return PropagateStep(plane, axis, start, stop, keys, reached, setup, areas)


_RANGE = ("start", "stop", "reached")


def _plane_to_json(record: PlaneRecord) -> dict[str, Any]:
    return {
        "plane": plane_to_json(record.plane),
        "asked": record.asked,
        "shown": record.shown,
        "candidates": [mask_to_json(mask) for mask in record.candidates],
        "chosen": int(record.chosen),
        "confidence": None if record.confidence is None else float(record.confidence),
    }


def _plane_from_json(content: Any, steps: list[Step]) -> PlaneRecord:
    asked, shown, confidence = content["asked"], content["shown"], content["confidence"]
    for at in (asked, shown):
        if at is not None:
            numbered(steps, at)
    if asked is not None and not isinstance(steps[asked], SegmentStep):
        raise ValueError("a propagation has no prompts")
    candidates = tuple(mask_from_json(each) for each in items(content["candidates"]))
    chosen = whole(content["chosen"])
    if candidates:
        numbered(candidates, chosen)
    return PlaneRecord(
        plane_from_json(content["plane"]),
        asked,
        shown,
        candidates,
        chosen,
        None if confidence is None else number(confidence),
    )


def event_to_json(event: Event, palette: Palette) -> dict[str, Any]:
    """Turn the event into JSON; "do" says what it is."""
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
    """Read the event; raises one of `MALFORMED` if it is none."""
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
    """Turn the labels into JSON: box, type, and two deflated arrays."""
    return {
        "box": _bounds_to_json(labels.bounds),
        "dtype": np.dtype(labels.dtype).name,
        "count": labels.count,
        "where": base64.b64encode(labels.where).decode("ascii"),
        "labels": base64.b64encode(labels.values).decode("ascii"),
    }


def labels_from_json(content: Any) -> PackedLabels:
    """Read the labels; raises one of `MALFORMED` if they are none."""
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
