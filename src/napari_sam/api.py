"""The former place of what `napari_sam` itself offers now; it goes with version 0.3."""

import warnings
from typing import Any

import napari_sam

_MOVED = (
    "ReferencePredictor",
    "load_model",
    "open_image",
    "open_stack",
    "plane_at",
    "replay_session",
    "save_labels",
    "to_labels",
)
_NOW = {**{name: name for name in _MOVED}, "segment": "segment_object", "propagate": "propagate_object"}


def __getattr__(name: str) -> Any:
    """Find a former name, and say where it is now."""
    if name not in _NOW:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    now = _NOW[name]
    warnings.warn(f"napari_sam.api.{name} is napari_sam.{now} now.", DeprecationWarning, stacklevel=2)
    return getattr(napari_sam, now)
