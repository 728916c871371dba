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


def plus(fresh: Tensor, kept: Tensor) -> Tensor:
    """The sum; `fresh`, whose shape it has, is the caller's to lose."""
    if torch.is_grad_enabled() or fresh.dtype != kept.dtype:
        return fresh + kept
    return fresh.add_(kept)
