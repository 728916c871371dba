"""Segment cells with clicks in napari, and carry them through z-stacks.

What is in `__all__` is the public face: it changes only with a line in the changelog. Every other name may move. Names
are loaded when they are first used, so that importing the package takes no time and imports neither torch nor napari.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from napari_sam._version import __version__ as __version__

if TYPE_CHECKING:
    from napari_sam.batch.run_batch import run_batch
    from napari_sam.errors import UserError, UserNotice
    from napari_sam.export.export_labels import export_labels
    from napari_sam.export.measurements import measure_objects
    from napari_sam.export.save_labels import save_labels
    from napari_sam.labels.edited_arrays import (
        fill_holes,
        grow_objects,
        keep_largest_part,
        merge_objects,
        smooth_objects,
        split_object,
    )
    from napari_sam.labels.paint import Collision
    from napari_sam.models.load import load_model
    from napari_sam.notebook.everything import find_alike, segment_everything, segment_volumes
    from napari_sam.notebook.objects import (
        propagate_object,
        propagate_objects,
        replay_session,
        segment_object,
        to_labels,
    )
    from napari_sam.notebook.stacks import open_stack, plane_at
    from napari_sam.planes.geometry import Mask, Plane
    from napari_sam.planes.image_source import ImageSource
    from napari_sam.planes.open_image import open_image
    from napari_sam.prompts.prompt import Box, Point, Prompts, Scribble
    from napari_sam.segment.reference_frame import ReferencePredictor

__all__ = [
    "Box",
    "Collision",
    "ImageSource",
    "Mask",
    "Plane",
    "Point",
    "Prompts",
    "ReferencePredictor",
    "Scribble",
    "UserError",
    "UserNotice",
    "export_labels",
    "fill_holes",
    "find_alike",
    "grow_objects",
    "keep_largest_part",
    "load_model",
    "measure_objects",
    "merge_objects",
    "open_image",
    "open_stack",
    "plane_at",
    "propagate_object",
    "propagate_objects",
    "replay_session",
    "run_batch",
    "save_labels",
    "segment_everything",
    "segment_object",
    "segment_volumes",
    "smooth_objects",
    "split_object",
    "to_labels",
]

_MODULES = {
    "batch.run_batch": ("run_batch",),
    "errors": ("UserError", "UserNotice"),
    "export.export_labels": ("export_labels",),
    "export.measurements": ("measure_objects",),
    "export.save_labels": ("save_labels",),
    "labels.edited_arrays": (
        "fill_holes",
        "grow_objects",
        "keep_largest_part",
        "merge_objects",
        "smooth_objects",
        "split_object",
    ),
    "labels.paint": ("Collision",),
    "models.load": ("load_model",),
    "notebook.everything": ("find_alike", "segment_everything", "segment_volumes"),
    "notebook.objects": ("propagate_object", "propagate_objects", "replay_session", "segment_object", "to_labels"),
    "notebook.stacks": ("open_stack", "plane_at"),
    "planes.geometry": ("Mask", "Plane"),
    "planes.image_source": ("ImageSource",),
    "planes.open_image": ("open_image",),
    "prompts.prompt": ("Box", "Point", "Prompts", "Scribble"),
    "segment.reference_frame": ("ReferencePredictor",),
}


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used."""
    for module, names in _MODULES.items():
        if name in names:
            found = globals()[name] = getattr(import_module(f"{__name__}.{module}"), name)
            return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
