"""Arithmetic that overwrites a tensor no one else needs, unless gradients are wanted.

At the sizes of images a fresh tensor costs about as much as the arithmetic that fills it: the system has to find,
clear and map its pages.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Gelu(nn.Module):
    """The exact Gaussian error linear unit; its input is the caller's to lose."""

    def forward(self, x: Tensor) -> Tensor:
        """Map (...) to the same shape."""
        if torch.is_grad_enabled():
            return F.gelu(x)
        activated: Tensor = torch.ops.aten.gelu_(x)
        return activated


def linear_onto(base: Tensor, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """`base` plus a linear map of `x`, which has as many numbers; `base` is contiguous and the caller's to lose."""
    if torch.is_grad_enabled() or base.dtype != x.dtype or torch.is_autocast_enabled(x.device.type):
        return base + F.linear(x, weight, bias).view(base.shape)
    rows = base.view(-1, len(weight)).addmm_(x.flatten(0, -2), weight.t())
    if bias is not None:
        rows.add_(bias)
    return base


def plus(fresh: Tensor, kept: Tensor) -> Tensor:
    """The sum, which has the shape of `fresh`; that is the caller's to lose."""
    if torch.is_grad_enabled() or fresh.dtype != kept.dtype:
        return fresh + kept
    return fresh.add_(kept)
