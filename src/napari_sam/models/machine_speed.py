"""How fast this machine computes, roughly: measured once by a product of matrices, and remembered in a small file."""

import json
import platform
import time
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from napari_sam.models.cache import cache_folder
from napari_sam.models.registry import ModelSpec

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
        """About how long a model takes to encode 1024 x 1024 pixels."""
        rate = self.nano if spec.architecture == "nano" else self.float32
        return ENCODING_COST[spec.architecture] / rate


def known_speed() -> MachineSpeed | None:
    """What was measured earlier on this machine, with this version of torch; None if nothing was."""
    try:
        return MachineSpeed(**json.loads(_path().read_text()))
    except (OSError, ValueError, TypeError):
        return None


def measured_speed() -> MachineSpeed:
    """What was measured earlier or else is now, in about a tenth of a second; imports torch."""
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

    from napari_sam.models.device import choose_device
    from napari_sam.models.precision import AUTO, choose_precision

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
