"""An object's record as JSON, and back."""

from typing import Any

from napari_sam.prompts.json_form import plane_from_json, plane_to_json, prompts_from_json, prompts_to_json
from napari_sam.prompts.json_values import flag, items, number, text, whole, wholes
from napari_sam.prompts.mask_json import mask_from_json, mask_to_json
from napari_sam.session.object_record import ObjectRecord, PlaneRecord, PropagateStep, SegmentStep, Step
from napari_sam.session.session_file.palette import Palette, numbered


def object_to_json(record: ObjectRecord, palette: Palette) -> dict[str, Any]:
    """The record; setups and areas are numbers of the palette."""
    return {
        "label": record.label,
        "name": record.name,
        "refines": record.refines,
        "steps": [_step_to_json(step, palette) for step in record.steps],
        "planes": [_plane_to_json(each) for each in record.planes],
        "order": [[plane_to_json(plane), kind] for plane, kind in record.order],
    }


def object_from_json(content: Any, palette: Palette) -> ObjectRecord:
    """The record; raises one of `MALFORMED` if it is none."""
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
