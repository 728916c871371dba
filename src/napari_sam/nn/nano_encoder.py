"""The light convolutional image encoder of nano."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_sam.nn.cancel import CancelToken
from napari_sam.nn.conv_norm import ConvNorm, ResidualBlock
from napari_sam.nn.network import ImageFeatures


class AuxiliaryHead(nn.Module):
    """Three maps at stride 4: foreground, centre proximity, normalised boundary distance.

    Parameters
    ----------
    dim
        Channels of the pyramid (stride 8).
    stage_channels
        Channels of the encoder's stage at stride 4.
    hidden
        Channels in between.
    """

    def __init__(self, dim: int, stage_channels: int, hidden: int) -> None:
        super().__init__()
        self.from_pyramid = nn.Conv2d(dim, hidden, kernel_size=1)
        self.from_stage = nn.Conv2d(stage_channels, hidden, kernel_size=1)
        self.mix = ConvNorm(hidden, hidden)
        self.out = nn.Conv2d(hidden, 3, kernel_size=1)

    def forward(self, pyramid: Tensor, stage: Tensor) -> Tensor:
        """Predict logits (B, 3, H / 4, W / 4) from (B, dim, H / 8, W / 8) and (B, stage_channels, H / 4, W / 4)."""
        doubled = F.interpolate(self.from_pyramid(pyramid), size=stage.shape[-2:], mode="bilinear", align_corners=False)
        logits: Tensor = self.out(self.mix(F.relu(doubled + self.from_stage(stage))))
        return logits


class NanoEncoder(nn.Module):
    """A residual network with a feature pyramid (He et al. 2016; Lin et al. 2017).

    Five stages halve the resolution each; the pyramid leads from stride 32 back to stride 8, where the embedding is.

    Parameters
    ----------
    widths
        Channels of the five stages.
    blocks
        Residual blocks of the five stages.
    dim
        Channels of the pyramid and the embedding; the high-resolution features have a quarter and an eighth.
    map_channels
        Hidden channels of the auxiliary head.
    """

    def __init__(self, widths: tuple[int, ...], blocks: tuple[int, ...], dim: int, map_channels: int) -> None:
        super().__init__()
        inputs = (3, *widths[:-1])
        self.stages = nn.ModuleList(
            nn.Sequential(ConvNorm(before, width, stride=2), *(ResidualBlock(width) for _ in range(count)))
            for before, width, count in zip(inputs, widths, blocks, strict=True)
        )
        self.lateral = nn.ModuleList(nn.Conv2d(width, dim, kernel_size=1) for width in widths[2:])
        self.pyramid = nn.ModuleList(ConvNorm(dim, dim) for _ in widths[2:])
        self.embedding = nn.Conv2d(dim, dim, kernel_size=1)
        self.high_res = nn.ModuleList(
            [nn.Conv2d(widths[1], dim // 4, kernel_size=1), nn.Conv2d(widths[0], dim // 8, kernel_size=1)]
        )
        self.maps = AuxiliaryHead(dim, widths[1], map_channels)

    @property
    def dtype(self) -> torch.dtype:
        """The type in which images are encoded."""
        return self.embedding.weight.dtype

    def forward(self, images: Tensor, cancel: CancelToken | None = None) -> ImageFeatures:
        """Encode images.

        Parameters
        ----------
        images
            (B, 3, H, W), -1..1, contrast limits at -0.5 and 0.5; sides are multiples of 32.
        cancel
            Checked between stages.

        Returns
        -------
        Features whose `maps` are logits.
        """
        stages: list[Tensor] = []
        x = images.contiguous(memory_format=torch.channels_last)
        for stage in self.stages:
            x = stage(x)
            stages.append(x)
            if cancel is not None:
                cancel.check()
        pyramid: Tensor | None = None
        for level in reversed(range(len(self.lateral))):
            lateral = self.lateral[level](stages[2 + level])
            if pyramid is not None:
                lateral = lateral + F.interpolate(pyramid, size=lateral.shape[-2:], mode="nearest")
            pyramid = self.pyramid[level](lateral)
        return ImageFeatures(
            self.embedding(pyramid),
            (self.high_res[0](stages[1]), self.high_res[1](stages[0])),
            self.maps(pyramid, stages[1]),
        )
