"""Layers applied to an image band by band of rows, so that what lies between them stays in the processor's cache."""

from collections.abc import Callable

import torch
from torch import Tensor

FEATURES_AT_ONCE = 2**20
"""Numbers that the widest layer makes of a band: a few megabytes."""


def by_bands(layers: Callable[[Tensor], Tensor], images: Tensor, channels: int, stride: int = 1) -> Tensor:
    """Apply layers to images.

    Exact: neighbouring bands overlap by what the layers need to see of each other, and the rest of the overlap is
    dropped. With gradients, and elsewhere than on the CPU, everything is computed at once.

    Parameters
    ----------
    layers
        Among them one 3 x 3 convolution of that stride, or two of stride 2 each where `stride` is 4, padded with zeros.
    images
        (B, C, H, W).
    channels
        Of the widest layer.
    stride
        1, 2 or 4.

    Returns
    -------
    (B, C', H / stride, W / stride).
    """
    batch, _, height, width = images.shape
    rows = max(1, FEATURES_AT_ONCE // (batch * channels * width) // stride)
    wanted = -(-height // stride)
    if torch.is_grad_enabled() or images.device.type != "cpu" or rows >= wanted:
        return layers(images)
    bands = []
    for top in range(0, wanted, rows):
        bottom = min(top + rows, wanted)
        above = max(0, top - 1)
        band = layers(images[:, :, stride * above : stride * (bottom + 1)])
        bands.append(band[:, :, top - above : bottom - above])
    return torch.cat(bands, dim=2)
