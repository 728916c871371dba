"""Layers and arithmetic that several networks share.

`Gelu`, `linear_onto` and `plus` overwrite a tensor no one else needs, unless gradients are wanted: at the sizes of
images a fresh tensor costs about as much as the arithmetic that fills it, since the system has to find, clear and map
its pages.
"""

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval


class Gelu(nn.Module):
    """The exact Gaussian error linear unit; its input is the caller's to lose."""

    def forward(self, x: Tensor) -> Tensor:
        """Map (...) to the same shape."""
        if torch.is_grad_enabled():
            return F.gelu(x)
        activated: Tensor = torch.ops.aten.gelu_(x)
        return activated


def linear_onto(base: Tensor, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Add a linear map of `x` to `base`, which has as many numbers, is contiguous and is the caller's to lose."""
    if torch.is_grad_enabled() or base.dtype != x.dtype or torch.is_autocast_enabled(x.device.type):
        return base + F.linear(x, weight, bias).view(base.shape)
    rows = base.view(-1, len(weight)).addmm_(x.flatten(0, -2), weight.t())
    if bias is not None:
        rows.add_(bias)
    return base


def plus(fresh: Tensor, kept: Tensor) -> Tensor:
    """Return the sum, which has the shape of `fresh`; that is the caller's to lose."""
    if torch.is_grad_enabled() or fresh.dtype != kept.dtype:
        return fresh + kept
    return fresh.add_(kept)


class LayerNorm2d(nn.Module):
    """Layer normalisation over the channels at every pixel.

    Parameters
    ----------
    channels
        C.
    eps
        Added to the variance.
    """

    def __init__(self, channels: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (B, C, H, W) to the same shape, in channels-last memory."""
        channels_last = x.permute(0, 2, 3, 1)
        return F.layer_norm(channels_last, self.weight.shape, self.weight, self.bias, self.eps).permute(0, 3, 1, 2)


class Mlp(nn.Module):
    """Linear layers with ReLU in between.

    Parameters
    ----------
    widths
        Number of features at the input, after every hidden layer, and at the output.
    """

    def __init__(self, *widths: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(before, after) for before, after in pairwise(widths))

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., first width) to (..., last width)."""
        last = len(self.layers) - 1
        for i, layer in enumerate(self.layers):
            x = layer(x)
            if i < last:
                x = F.relu(x)
        return x


class MlpBlock(nn.Module):
    """The MLP of a transformer block: widen, activate, narrow.

    Parameters
    ----------
    dim
        Features of a token.
    hidden
        Features in between.
    activation
        ReLU in the two-way transformer, GELU in the image encoder.
    """

    def __init__(self, dim: int, hidden: int, activation: type[nn.Module]) -> None:
        super().__init__()
        self.lin1 = nn.Linear(dim, hidden)
        self.lin2 = nn.Linear(hidden, dim)
        self.act = activation()

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., dim) to the same shape."""
        narrowed: Tensor = self.lin2(self.act(self.lin1(x)))
        return narrowed


class ConvNorm(nn.Module):
    """A 3 x 3 convolution, batch normalisation and, if wanted, ReLU.

    Parameters
    ----------
    channels_in, channels_out
        Channels before and after.
    stride
        Of the convolution.
    relu
        Whether ReLU follows.
    """

    def __init__(self, channels_in: int, channels_out: int, stride: int = 1, relu: bool = True) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, kernel_size=3, stride=stride, padding=1, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(channels_out)
        self.relu = relu

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, channels_in, H, W) to (B, channels_out, H / stride, W / stride)."""
        x = self.norm(self.conv(x))
        return F.relu(x) if self.relu else x

    def fuse(self) -> None:
        """Fold the normalisation into the convolution; exact in evaluation mode, and then the only mode left."""
        if isinstance(self.norm, nn.BatchNorm2d):
            self.conv = fuse_conv_bn_eval(self.conv, self.norm)
            self.norm = nn.Identity()


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions around which the input is added back (He et al. 2016).

    Parameters
    ----------
    channels
        Channels before and after.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = ConvNorm(channels, channels)
        self.second = ConvNorm(channels, channels, relu=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, channels, H, W) to the same shape."""
        return F.relu(x + self.second(self.first(x)))


FEATURES_AT_ONCE = 2**20
"""Numbers that the widest layer makes of a band: a few megabytes.

Chosen, not compared. That TinyViT takes half the time (docs/benchmarks.md, "Speed") is owed to bands among others.
"""


def by_bands(layers: Callable[[Tensor], Tensor], images: Tensor, channels: int, stride: int = 1) -> Tensor:
    """Apply layers to images band by band of rows, so that what lies between them stays in the processor's cache.

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
