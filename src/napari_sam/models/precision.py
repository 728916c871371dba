"""The type of number in which images are encoded."""

from enum import StrEnum

import torch
from torch import nn

from napari_sam.errors import UserError


class Precision(StrEnum):
    """How exactly images are encoded; prompts are always decoded in float32.

    bfloat16 is faster where the processor has instructions for it, takes half the memory, and keeps two to three
    decimal digits.
    """

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"


def set_precision(network: nn.Module, precision: str) -> Precision:
    """Convert a network's image encoder in place.

    Raises
    ------
    UserError
        If there is no such precision.
    """
    if precision not in tuple(Precision):
        raise UserError(f"There is no precision {precision}; choose {' or '.join(Precision)}.")
    chosen = Precision(precision)
    network.get_submodule("image_encoder").to(getattr(torch, chosen.value))
    return chosen
