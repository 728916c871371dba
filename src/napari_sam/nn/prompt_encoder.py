"""Prompts -> tokens and a dense embedding."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from napari_sam.nn import cells, drawn_prompts
from napari_sam.nn.fourier_positions import FourierPositions
from napari_sam.nn.in_place import Gelu

NEGATIVE, POSITIVE, PADDING = 0, 1, -1
BOX_START, BOX_END = 2, 3


class EmbeddedPrompts(NamedTuple):
    """What the prompt encoder returns for N prompts.

    Attributes
    ----------
    tokens
        (N, K, C), one per point or box corner.
    dense
        (N or 1, h * w, C), to be added to the image embedding; a batch of 1 is shared by all prompts.
    drawn
        (N, h * w, 4, 4, C) prompts drawn at the masks' resolution, grouped by cell; None for networks that draw none.
    channels
        Which channels of `drawn_prompts` these are.
    """

    tokens: Tensor
    dense: Tensor
    drawn: Tensor | None
    channels: tuple[int, ...] = ()


class PromptEncoder(nn.Module):
    """SAM's prompt encoder.

    Parameters
    ----------
    dim
        Features of a token and of the image embedding.
    frame
        Side in pixels of the square that positions are measured in.
    stride
        Pixels per cell of the image embedding; masks have a quarter of it.
    mask_channels
        Channels of the two hidden layers between a mask and its dense embedding.
    drawn
        Whether points and boxes are also drawn into the dense prompt. Then the dense embedding always comes from the
        drawing; without it, prompts that have no mask share one learned embedding.
    """

    def __init__(self, dim: int, frame: int, stride: int, mask_channels: tuple[int, int], drawn: bool = False) -> None:
        super().__init__()
        self.frame = frame
        self.stride = stride
        self.drawn = drawn
        self.pe_layer = FourierPositions(dim // 2)
        self.point_embeddings = nn.ModuleList(nn.Embedding(1, dim) for _ in range(4))
        self.not_a_point_embed = nn.Embedding(1, dim)
        first, second = mask_channels
        self.mask_downscaling = nn.Sequential(
            cells.Halve(drawn_prompts.CHANNELS if drawn else 1, first),
            nn.LayerNorm(first, eps=1e-6),
            Gelu(),
            cells.Halve(first, second),
            nn.LayerNorm(second, eps=1e-6),
            Gelu(),
            cells.Pointwise(second, dim),
        )
        if not drawn:
            self.no_mask_embed = nn.Embedding(1, dim)

    def forward(
        self, points: Tensor, labels: Tensor, mask: Tensor | None, shape: tuple[int, int], offset: Tensor
    ) -> EmbeddedPrompts:
        """Encode N prompts.

        Parameters
        ----------
        points
            (N, K, 2) as (x, y) in window pixels, pixel centres on integers.
        labels
            (N, K): 1 positive, 0 negative, 2 and 3 box corners, -1 padding.
        mask
            (N, 1, 4 h, 4 w) logits, or None.
        shape
            (h, w) of the image embedding.
        offset
            (N or 1, 2), where the window's upper left corner lies in the frame, as (x, y) in pixels.
        """
        h, w = shape
        tokens = self._embed_points(points, labels, offset)
        if self.drawn:
            maps, channels = drawn_prompts.draw_prompts(points, labels, mask, (4 * h, 4 * w), self.stride // 4)
            drawn = cells.group(maps, 4)
            first, *others = self.mask_downscaling
            dense = first(drawn, channels)
            for layer in others:
                dense = layer(dense)
            return EmbeddedPrompts(tokens, dense, drawn, channels)
        if mask is None:
            return EmbeddedPrompts(tokens, self.no_mask_embed.weight.expand(1, h * w, -1), None)
        return EmbeddedPrompts(tokens, self.mask_downscaling(cells.group(mask, 4)), None)

    def image_positions(self, shape: tuple[int, int], offset: Tensor) -> Tensor:
        """Positions of the image embedding's cells.

        Parameters
        ----------
        shape
            (h, w) of the image embedding.
        offset
            (B, 2), where the window's upper left corner lies in the frame, as (x, y) in pixels.

        Returns
        -------
        (B, h * w, dim).
        """
        cell = offset.new_full((2,), self.stride / self.frame)
        return self.pe_layer.grid(shape, cell, offset / self.frame)

    def _embed_points(self, points: Tensor, labels: Tensor, offset: Tensor) -> Tensor:
        positions = self.pe_layer((points + 0.5 + offset[:, None]) / self.frame)
        kinds = torch.cat([embedding.get_parameter("weight") for embedding in self.point_embeddings])
        placed = positions + kinds[labels.clamp(min=0)]
        return torch.where((labels == PADDING)[..., None], self.not_a_point_embed.weight, placed)
