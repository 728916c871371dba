"""Convolutions with batch normalisation."""

from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval


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
