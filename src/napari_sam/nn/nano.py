"""Nano: SAM's prompt encoder and mask decoder at small width on a light convolutional encoder."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_sam.nn import cells
from napari_sam.nn.cancel import CancelToken
from napari_sam.nn.layers import ConvNorm, ResidualBlock
from napari_sam.nn.mask_decoder import ALL_MASKS, CANDIDATES, SINGLE_MASK, MaskDecoder, add_per_image
from napari_sam.nn.network import ImageFeatures, MaskPrediction, PlacedImage
from napari_sam.nn.prompt_encoder import PromptEncoder


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


POWER = 4
"""Of the predicted IoUs, by which candidates are weighted: one that claims half as much counts a sixteenth.

Powers from 2 to 12 are within .002 of each other for one click (training/LOG.md, "Candidates blended").
"""
LEAST = 0.01
"""A predicted IoU below this counts as this: nothing keeps it above 0."""


def blended(logits: Tensor, iou: Tensor) -> Tensor:
    """Average the logits of candidates, each weighted by how good it claims to be.

    Where candidates differ by chance, their mean is nearer to the truth than any one of them that could be picked;
    where one is clearly better, it is nearly that one.

    Parameters
    ----------
    logits
        (N, M, h, w).
    iou
        (N, M) predicted IoUs.

    Returns
    -------
    (N, h, w), of the logits' type.
    """
    # Shares of the best, so that a factor common to all predicted IoUs changes nothing.
    claims = iou.float().clamp(min=LEAST)
    weights = (claims / claims.amax(1, keepdim=True)) ** POWER
    weights = (weights / weights.sum(1, keepdim=True)).to(logits.dtype)
    # Not a matrix product: autocast would round the logits.
    return (weights[..., None, None] * logits).sum(1)


def with_best_blended(candidates: MaskPrediction) -> MaskPrediction:
    """Replace the candidate with the highest predicted IoU by all of them blended."""
    logits, iou = candidates
    best = torch.arange(iou.shape[1], device=iou.device) == iou.argmax(1, keepdim=True)
    return MaskPrediction(torch.where(best[..., None, None], blended(logits, iou)[:, None], logits), iou)


# Twice the window, see `Nano`; and 8 pixels a cell. The weights were trained with both; no others are in the log of it.
FRAME = 512
STRIDE = 8


@dataclass(frozen=True)
class NanoConfig:
    """The sizes of a nano network; the defaults are those of the bundled model.

    Blocks and mixing are of version 5, which was better than version 4 for clicks and boxes; what each size is worth
    was not tried (training/LOG.md, "Version 5").

    Parameters
    ----------
    widths, blocks
        Channels and residual blocks of the encoder's five stages.
    dim
        Channels of the embedding and features of a token.
    map_channels
        Hidden channels of the auxiliary maps.
    mask_channels
        Channels of the two hidden layers between drawn prompts and their embedding.
    depth, heads, mlp_dim
        Of the two-way transformer.
    mixing
        Hidden channels of the decoder's local mixing; 0 for none.
    """

    widths: tuple[int, ...] = (24, 48, 96, 160, 224)
    blocks: tuple[int, ...] = (1, 2, 4, 6, 3)
    dim: int = 128
    map_channels: int = 48
    mask_channels: tuple[int, int] = (16, 48)
    depth: int = 2
    heads: int = 4
    mlp_dim: int = 512
    mixing: int = 48


class Nano(nn.Module):
    """A small promptable network with auxiliary maps; a `PromptableNetwork`.

    It differs from the published SAM in six ways: prompts are also drawn into the dense prompt, neighbouring cells
    read each other before and after the transformer, high-resolution features are added while upscaling, the encoder
    is convolutional, positions are measured in a frame twice as wide as the window, in which training moves the
    window about so that position carries no meaning of its own, and of three candidates the most convincing one is
    replaced by all three blended.

    Parameters
    ----------
    config
        Sizes.

    Attributes
    ----------
    blends : bool
        Whether the most convincing of three candidates is replaced; the decoder's own three are given if False.
    """

    window = 256
    stride = STRIDE
    mask_stride = STRIDE // 4
    fully_convolutional = True
    encode_multiple = 32

    def __init__(self, config: NanoConfig | None = None) -> None:
        super().__init__()
        self.blends = True
        self.config = config = config or NanoConfig()
        self.image_encoder = NanoEncoder(config.widths, config.blocks, config.dim, config.map_channels)
        self.prompt_encoder = PromptEncoder(config.dim, FRAME, STRIDE, config.mask_channels, drawn=True)
        self.mask_decoder = MaskDecoder(
            config.dim, config.depth, config.heads, config.mlp_dim, drawn=True, mixing=config.mixing
        )

    def fuse(self) -> None:
        """Fold batch normalisation into the convolutions: faster, for evaluation only, under other state-dict keys."""
        for module in self.image_encoder.modules():
            if isinstance(module, ConvNorm):
                module.fuse()

    def encode(self, images: Tensor, cancel: CancelToken | None = None) -> ImageFeatures:
        """Encode images; see `PromptableNetwork.encode`. Sides are any multiples of 32."""
        features = self.encode_logits(images, cancel)
        return features if features.maps is None else features._replace(maps=features.maps.sigmoid())

    def encode_logits(self, images: Tensor, cancel: CancelToken | None = None) -> ImageFeatures:
        """Encode images as `encode` does, but leave the auxiliary maps as logits, as their losses want them."""
        dtype = self.image_encoder.dtype
        features: ImageFeatures = self.image_encoder((images - 0.5).clamp(-1, 1).to(dtype), cancel)
        return features if dtype == images.dtype else features.to(images.dtype)

    def decode(
        self, features: ImageFeatures, points: Tensor, labels: Tensor, mask: Tensor | None, multimask: bool
    ) -> MaskPrediction:
        """Decode N prompts on one window; see `PromptableNetwork.decode`. The window lies mid-frame."""
        masks = CANDIDATES if multimask else SINGLE_MASK
        return self._decode(features.embedding, features.high_res, points, labels, mask, None, masks)

    def decode_each(
        self,
        features: list[ImageFeatures],
        points: Tensor,
        labels: Tensor,
        mask: Tensor | None,
        multimask: bool,
    ) -> MaskPrediction:
        """Decode N prompts, each on a window of its own; see `PromptableNetwork.decode_each`."""
        embedding = torch.cat([window.embedding for window in features])
        # Large maps are joined where they are grouped, which copies them anyway.
        high_res = tuple(zip(*(window.high_res for window in features), strict=True))
        masks = CANDIDATES if multimask else SINGLE_MASK
        return self._decode(embedding, high_res, points, labels, mask, None, masks)

    def decode_all(
        self,
        features: ImageFeatures,
        points: Tensor,
        labels: Tensor,
        mask: Tensor | None = None,
        offset: Tensor | None = None,
    ) -> MaskPrediction:
        """Decode N prompts over a batch of B windows into all four masks, as training needs them.

        Parameters
        ----------
        features
            Features of B windows. Prompts are ordered by window, N / B for each.
        points, labels, mask
            As in `decode`.
        offset
            (N, B or 1, 2), where the windows' upper left corners lie in the frame, as (x, y) in pixels, 0..256;
            mid-frame if None.

        Returns
        -------
        (N, 4, h, w) logits and (N, 4) IoUs: first the single mask, then the three candidates, none of them blended.
        """
        return self._decode(features.embedding, features.high_res, points, labels, mask, offset, ALL_MASKS)

    def _decode(
        self,
        embedding: Tensor,
        high_res: tuple[cells.Maps, ...],
        points: Tensor,
        labels: Tensor,
        mask: Tensor | None,
        offset: Tensor | None,
        masks: slice,
    ) -> MaskPrediction:
        h, w = embedding.shape[-2:]
        if offset is None:
            offset = points.new_tensor([[(FRAME - STRIDE * w) / 2, (FRAME - STRIDE * h) / 2]])
        per_prompt = offset
        if len(offset) not in (1, len(points)):
            per_prompt = offset.repeat_interleave(len(points) // len(offset), dim=0)
        prompts = self.prompt_encoder(points, labels, mask, (h, w), per_prompt)
        image = add_per_image(prompts.dense, cells.group(embedding, 1))
        positions = self.prompt_encoder.image_positions((h, w), offset).to(image.dtype)
        if len(positions) not in (1, len(image)):
            positions = positions.repeat_interleave(len(image) // len(positions), dim=0)
        placed = PlacedImage.of(image, positions, (h, w))
        prediction: MaskPrediction = self.mask_decoder(placed, prompts, high_res, masks)
        return with_best_blended(prediction) if self.blends and masks == CANDIDATES else prediction
