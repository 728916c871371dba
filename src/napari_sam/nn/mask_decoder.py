"""Image embedding and prompts -> masks."""

import torch
from torch import Tensor, nn

from napari_sam.nn import cells, drawn_prompts
from napari_sam.nn.in_place import Gelu, plus
from napari_sam.nn.mlp import Mlp
from napari_sam.nn.network import MaskPrediction
from napari_sam.nn.placed_image import PlacedImage
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
            cells.Double(dim, dim // 4),
            nn.LayerNorm(dim // 4, eps=1e-6),
            Gelu(),
            cells.Double(dim // 4, dim // 8),
            Gelu(),
        )
        self.output_hypernetworks_mlps = nn.ModuleList(Mlp(dim, dim, dim, dim // 8) for _ in range(4))
        self.iou_prediction_head = Mlp(dim, dim, dim, 4)
        self.drawn_shortcut = cells.Pointwise(drawn_prompts.CHANNELS, dim // 8) if drawn else None

    def forward(
        self,
        image: PlacedImage,
        prompts: EmbeddedPrompts,
        high_res: tuple[Tensor, ...] = (),
        masks: slice = ALL_MASKS,
    ) -> MaskPrediction:
        """Decode N prompts.

        Parameters
        ----------
        image
            The image, the prompts' dense embedding added: one for each prompt, or one for all.
        prompts
            N embedded prompts, ordered by image if there are several images.
        high_res
            Nothing, or (B, dim / 4, 2 h, 2 w) and (B, dim / 8, 4 h, 4 w), added while upscaling.
        masks
            Which of the four masks: `SINGLE_MASK`, `CANDIDATES` or `ALL_MASKS`.
        """
        own = torch.cat([self.iou_token.weight, self.mask_tokens.weight])
        tokens = torch.cat([own.expand(len(prompts.tokens), -1, -1), prompts.tokens], dim=1)
        tokens, read = self.transformer(image, tokens)
        pixels = self._upscale(read, high_res, prompts.drawn)
        chosen = range(4)[masks]
        weights = torch.stack([self.output_hypernetworks_mlps[i](tokens[:, 1 + i]) for i in chosen], dim=1)
        logits = weights @ pixels.flatten(1, 3).transpose(1, 2)
        iou: Tensor = self.iou_prediction_head(tokens[:, 0])
        return MaskPrediction(cells.ungroup(logits, image.shape), iou[:, masks])

    def _upscale(self, image: Tensor, high_res: tuple[Tensor, ...], drawn: Tensor | None) -> Tensor:
        """(N, h * w, dim) -> (N, h * w, 4, 4, dim / 8), grouped by cell."""
        first, norm, activate, second, _ = self.output_upscaling
        pixels = first(image)
        if high_res:
            pixels = add_per_image(pixels, cells.group(high_res[0], 2))
        pixels = second(activate(norm(pixels)))
        if high_res:
            pixels = add_per_image(pixels, cells.group(high_res[1], 4))
        if self.drawn_shortcut is not None and drawn is not None:
            pixels = plus(pixels, self.drawn_shortcut(drawn))
        upscaled: Tensor = activate(pixels)
        return upscaled


def add_per_image(prompts: Tensor, images: Tensor) -> Tensor:
    """Add (B, ...) of images to (N, ...) of prompts that are ordered by image, without copying images.

    Prompts that share one row (N = 1) keep sharing it: the sum then has B rows.
    """
    if len(images) == 1 or len(images) == len(prompts) or len(prompts) == 1:
        return prompts + images
    return (prompts.view(len(images), -1, *prompts.shape[1:]) + images[:, None]).flatten(0, 1)
