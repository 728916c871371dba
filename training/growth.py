"""Start a network from released weights, also from those of a smaller one."""

from pathlib import Path

from safetensors.torch import load_file
from torch import nn

from napari_sam.nn.layers import ResidualBlock
from napari_sam.nn.mask_decoder import LocalMixing
from napari_sam.nn.nano import Nano


def load_released(network: Nano, file: Path) -> None:
    """Load a released file; blocks that the network has beyond those in the file are set to change nothing.

    Raises
    ------
    ValueError
        If anything else is missing or does not fit. Version 0 lacks the counters of batch normalisation.
    """
    state = {name: tensor.float() for name, tensor in load_file(file).items()}
    missing, unexpected = network.load_state_dict(state, strict=False)
    new = {
        name: block
        for name, block in network.named_modules()
        if isinstance(block, ResidualBlock | LocalMixing) and not any(key.startswith(f"{name}.") for key in state)
    }
    for block in new.values():
        # Local mixing is made so.
        if isinstance(block, ResidualBlock):
            assert isinstance(block.second.norm, nn.BatchNorm2d)
            nn.init.zeros_(block.second.norm.weight)
    absent = [
        name
        for name in missing
        if not name.endswith("num_batches_tracked") and not any(name.startswith(f"{block}.") for block in new)
    ]
    if absent or unexpected:
        raise ValueError(f"{file} does not fit: missing {absent}, unexpected {unexpected}.")
