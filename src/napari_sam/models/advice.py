"""This machine's speed, and sentences that help to choose a model."""

import json
import platform
import time
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from napari_sam.models.cache import cache_folder
from napari_sam.models.registry import REGISTRY, ModelSpec

# The first product of ViT-B's MLP, for 512 tokens: it lasts milliseconds, and the best of three counts (chosen).
ROWS, FEATURES, WIDER = 512, 768, 3072
REPEATS = 3

# What encoding 1024 x 1024 pixels costs, as billions of operations in products of matrices that would take as long:
# measured on the CPU for nano, TinyViT and ViT-B; ViT-L and ViT-H from there by their number of operations.
ENCODING_COST = {"nano": 90, "vit_t": 160, "vit_b": 1400, "vit_l": 4000, "vit_h": 8000}


@dataclass(frozen=True)
class MachineSpeed:
    """Billions of operations a second in products of matrices.

    Parameters
    ----------
    device
        "cpu", "cuda" or "mps": what the choice "auto" takes here.
    float32
        In float32, in which published models encode.
    nano
        In the precision in which nano encodes here.
    """

    device: str
    float32: float
    nano: float

    def seconds_to_encode(self, spec: ModelSpec) -> float:
        """Estimate the seconds that a model takes to encode 1024 x 1024 pixels."""
        rate = self.nano if spec.architecture == "nano" else self.float32
        return ENCODING_COST[spec.architecture] / rate


def known_speed() -> MachineSpeed | None:
    """Return the speed measured earlier on this machine, with this version of torch; None if none was."""
    try:
        return MachineSpeed(**json.loads(_path().read_text()))
    except (OSError, ValueError, TypeError):
        return None


def measured_speed() -> MachineSpeed:
    """Return the speed measured earlier, or else measure it in about a tenth of a second; imports torch."""
    speed = known_speed()
    if speed is None:
        speed = _measured()
        try:
            _path().parent.mkdir(parents=True, exist_ok=True)
            _path().write_text(json.dumps(asdict(speed)))
        except OSError:
            # It can be measured again.
            pass
    return speed


def _path() -> Path:
    return cache_folder() / f"speed-{platform.node() or 'machine'}-torch-{version('torch')}.json"


def _measured() -> MachineSpeed:
    import torch

    from napari_sam.models.device import AUTO, choose_device, choose_precision

    device = choose_device("auto")

    def rate(dtype: torch.dtype) -> float:
        tokens, weight = (
            torch.ones(*shape, dtype=dtype, device=device) for shape in ((ROWS, FEATURES), (FEATURES, WIDER))
        )
        seconds = []
        for _ in range(REPEATS + 1):
            started = time.perf_counter()
            # Asking for a number waits for devices that compute on their own.
            (tokens @ weight)[0, 0].item()
            seconds.append(time.perf_counter() - started)
        return 2e-9 * ROWS * FEATURES * WIDER / min(seconds[1:])

    nano = choose_precision(AUTO, device, harmless=True)
    float32 = rate(torch.float32)
    return MachineSpeed(device.type, float32, float32 if nano == "float32" else rate(getattr(torch, nano)))


PATIENCE = 15.0
"""Seconds that a user may be asked to wait for a plane (chosen, not measured)."""

_KINDS = {
    "_lm": "cells and nuclei in light microscopy",
    "_em_organelles": "organelles in electron microscopy",
    "": "anything else",
}
_FINEST_FIRST = ("vit_l", "vit_b", "vit_t")


def how_long(seconds: float) -> str:
    """Put a duration in words: "0.2 s", "12 s" or "4 min"."""
    if seconds < 1:
        return f"{max(seconds, 0.1):.1f} s"
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def model_advice(spec: ModelSpec, speed: MachineSpeed | None) -> str:
    """Say what a model is for and how long it takes here.

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
    """Advise on the model to try first and those next: for each kind of images the finest that is quick enough here."""
    next_ones = []
    for suffix, kind in _KINDS.items():
        fitting = [name + suffix for name in _FINEST_FIRST]
        quick = [name for name in fitting if speed.seconds_to_encode(REGISTRY[name]) <= PATIENCE]
        next_ones.append(f"{(quick or fitting[-1:])[0]} for {kind}")
    return f"Begin with nano; if it does not find your objects, try {', '.join(next_ones[:-1])}, or {next_ones[-1]}."


_KNOWN = {spec.architecture for spec in REGISTRY.values()}
