"""Image embedding and prompts -> masks."""

import torch
from torch import Tensor, nn

from napari_sam.nn import drawn_prompts
from napari_sam.nn.layer_norm import LayerNorm2d
from napari_sam.nn.mlp import Mlp
from napari_sam.nn.network import MaskPrediction
from napari_sam.nn.prompt_encoder import EmbeddedPrompts
from napari_sam.nn.two_way_transformer import TwoWayTransformer

ALL_MASKS = slice(None)
SINGLE_MASK = slice(0, 1)
CANDIDATES = slice(1, None)


class MaskDecoder(nn.Module):
    """SAM's mask decoder: one mask for clear prompts, three candidates for ambiguous ones, an IoU for each.

    Parameters
    ----------
    dim
        Features of a token and of the image embedding.
    depth, heads, mlp_dim
        Of the two-way transformer.
    drawn
        Whether drawn prompts are added in the last upscaling step.
    """

    def __init__(self, dim: int, depth: int, heads: int, mlp_dim: int, drawn: bool = False) -> None:
        super().__init__()
        self.transformer = TwoWayTransformer(depth, dim, heads, mlp_dim)
        self.iou_token = nn.Embedding(1, dim)
        self.mask_tokens = nn.Embedding(4, dim)
        self.output_upscaling = nn.Sequential(
            nn.ConvTranspose2d(dim, dim // 4, kernel_size=2, stride=2),
            LayerNorm2d(dim // 4),
            nn.GELU(),
            nn.ConvTranspose2d(dim // 4, dim // 8, kernel_size=2, stride=2),
            nn.GELU(),
        )
        self.output_hypernetworks_mlps = nn.ModuleList(Mlp(dim, dim, dim, dim // 8) for _ in range(4))
        self.iou_prediction_head = Mlp(dim, dim, dim, 4)
        self.drawn_shortcut = nn.Conv2d(drawn_prompts.CHANNELS, dim // 8, kernel_size=1) if drawn else None

    def forward(
        self,
        embedding: Tensor,
        positions: Tensor,
        prompts: EmbeddedPrompts,
        high_res: tuple[Tensor, ...] = (),
        masks: slice = ALL_MASKS,
    ) -> MaskPrediction:
        """Decode N prompts.

        Parameters
        ----------
        embedding
            (B, dim, h, w); prompts are ordered by image, N / B for each.
        positions
            (B or 1, dim, h, w) positions of the embedding's cells.
        prompts
            N embedded prompts.
        high_res
            Nothing, or (B, dim / 4, 2 h, 2 w) and (B, dim / 8, 4 h, 4 w), added while upscaling.
        masks
            Which of the four masks: `SINGLE_MASK`, `CANDIDATES` or `ALL_MASKS`.
        """
        own = torch.cat([self.iou_token.weight, self.mask_tokens.weight])
        tokens = torch.cat([own.expand(len(prompts.tokens), -1, -1), prompts.tokens], dim=1)
        image = add_per_image(prompts.dense, embedding)
        if len(positions) not in (1, len(image)):
            positions = positions.repeat_interleave(len(image) // len(positions), dim=0)
        tokens, image = self.transformer(image, positions, tokens)
        upscaled = self._upscale(image, high_res, prompts.drawn)
        chosen = range(4)[masks]
        weights = torch.stack([self.output_hypernetworks_mlps[i](tokens[:, 1 + i]) for i in chosen], dim=1)
        h, w = upscaled.shape[-2:]
        iou: Tensor = self.iou_prediction_head(tokens[:, 0])
        return MaskPrediction((weights @ upscaled.flatten(2)).view(-1, len(chosen), h, w), iou[:, masks])

    def _upscale(self, image: Tensor, high_res: tuple[Tensor, ...], drawn: Tensor | None) -> Tensor:
        """(N, dim, h, w) -> (N, dim / 8, 4 h, 4 w)."""
        double, norm, activate, quadruple, activate_last = self.output_upscaling
        image = double(image)
        if high_res:
            image = add_per_image(image, high_res[0])
        image = quadruple(activate(norm(image)))
        if high_res:
            image = add_per_image(image, high_res[1])
        if self.drawn_shortcut is not None:
            image = image + self.drawn_shortcut(drawn)
        upscaled: Tensor = activate_last(image)
        return upscaled


def add_per_image(prompts: Tensor, images: Tensor) -> Tensor:
    """Add (B, C, h, w) of images to (N, C, h, w) of prompts that are ordered by image, without copying images.

    Prompts that share one row (N = 1) keep sharing it: the sum then has B rows.
    """
    if len(images) == 1 or len(images) == len(prompts) or len(prompts) == 1:
        return prompts + images
    return (prompts.view(len(images), -1, *prompts.shape[1:]) + images[:, None]).flatten(0, 1)
