"""The type of number in which images are encoded."""

from enum import StrEnum

import torch
from torch import nn

from napari_sam.errors import UserError
from napari_sam.models.device import fast_in_bfloat16


class Precision(StrEnum):
    """How exactly images are encoded; prompts are always decoded in float32.

    bfloat16 is faster where the processor has instructions for it, takes half the memory, and keeps two to three
    decimal digits.
    """

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"


AUTO = "auto"


def choose_precision(name: str, device: torch.device, harmless: bool) -> Precision:
    """The precision of a name.

    Parameters
    ----------
    name
        "float32", "bfloat16" or "auto".
    device
        Where images will be encoded.
    harmless
        Whether bfloat16 is known not to harm the masks of this model; "auto" never chooses it otherwise.

    Raises
    ------
    UserError
        If there is no such precision.
    """
    if name == AUTO:
        return Precision.BFLOAT16 if harmless and fast_in_bfloat16(device) else Precision.FLOAT32
    if name not in tuple(Precision):
        raise UserError(f"There is no precision {name}; choose {AUTO}, {' or '.join(Precision)}.")
    return Precision(name)


def set_precision(network: nn.Module, precision: Precision) -> None:
    """Convert a network's image encoder in place."""
    network.get_submodule("image_encoder").to(getattr(torch, precision.value))
