"""Sentences that help to choose a model, by the kind of images and by this machine's speed."""

from napari_sam.models.machine_speed import MachineSpeed
from napari_sam.models.registry import REGISTRY, ModelSpec

PATIENCE = 15.0
"""Seconds that a user may be asked to wait for a plane."""

_KINDS = {
    "_lm": "cells and nuclei in light microscopy",
    "_em_organelles": "organelles in electron microscopy",
    "": "anything else",
}
_FINEST_FIRST = ("vit_l", "vit_b", "vit_t")


def how_long(seconds: float) -> str:
    """A duration in words: "0.2 s", "12 s" or "4 min"."""
    if seconds < 1:
        return f"{max(seconds, 0.1):.1f} s"
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def model_advice(spec: ModelSpec, speed: MachineSpeed | None) -> str:
    """What a model is for and how long it takes here.

    Parameters
    ----------
    spec
        The model.
    speed
        Of this machine; None where it is not known yet.
    """
    suits = f"For {spec.suits}." if spec.suits else f"{spec.description}."
    if speed is None or spec.architecture not in _KNOWN:
        return suits
    return f"{suits} About {how_long(speed.seconds_to_encode(spec))} a plane of 1024 x 1024 here."


def general_advice(speed: MachineSpeed) -> str:
    """Which model to try first, and which ones next: the finest for each kind of images that is quick enough here."""
    next_ones = []
    for suffix, kind in _KINDS.items():
        fitting = [name + suffix for name in _FINEST_FIRST]
        quick = [name for name in fitting if speed.seconds_to_encode(REGISTRY[name]) <= PATIENCE]
        next_ones.append(f"{(quick or fitting[-1:])[0]} for {kind}")
    return f"Begin with nano; if it does not find your objects, try {', '.join(next_ones[:-1])}, or {next_ones[-1]}."


_KNOWN = {spec.architecture for spec in REGISTRY.values()}
