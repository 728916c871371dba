"""Nano: SAM's prompt encoder and mask decoder at small width on a light convolutional encoder."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from napari_sam.nn import cells
from napari_sam.nn.blend import with_best_blended
from napari_sam.nn.cancel import CancelToken
from napari_sam.nn.conv_norm import ConvNorm
from napari_sam.nn.mask_decoder import ALL_MASKS, CANDIDATES, SINGLE_MASK, MaskDecoder, add_per_image
from napari_sam.nn.nano_encoder import NanoEncoder
from napari_sam.nn.network import ImageFeatures, MaskPrediction
from napari_sam.nn.placed_image import PlacedImage
from napari_sam.nn.prompt_encoder import PromptEncoder

FRAME = 512
STRIDE = 8


@dataclass(frozen=True)
class NanoConfig:
    """The sizes of a nano network; the defaults are those of the bundled model.

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
        self, features: list[ImageFeatures], points: Tensor, labels: Tensor, multimask: bool
    ) -> MaskPrediction:
        """Decode N prompts, each on a window of its own; see `PromptableNetwork.decode_each`."""
        embedding = torch.cat([window.embedding for window in features])
        # Large maps are joined where they are grouped, which copies them anyway.
        high_res = tuple(zip(*(window.high_res for window in features), strict=True))
        masks = CANDIDATES if multimask else SINGLE_MASK
        return self._decode(embedding, high_res, points, labels, None, None, masks)

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
