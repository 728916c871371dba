"""Prompts -> tokens, a dense embedding, and maps on which they are drawn."""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from napari_sam.nn import cells
from napari_sam.nn.layers import Gelu


class FourierPositions(nn.Module):
    """Sines and cosines of random projections of (x, y) (Tancik et al. 2020, as SAM uses them).

    Parameters
    ----------
    features
        Number of frequencies; a position has twice as many features.
    """

    positional_encoding_gaussian_matrix: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        self.register_buffer("positional_encoding_gaussian_matrix", torch.randn(2, features))

    def forward(self, positions: Tensor) -> Tensor:
        """Encode positions.

        Parameters
        ----------
        positions
            (..., 2) as (x, y), 0..1 over the frame.

        Returns
        -------
        (..., 2 * features).
        """
        matrix = self.positional_encoding_gaussian_matrix
        x, y = (2 * positions.to(matrix.dtype) - 1).unbind(-1)
        # Written out rather than as a matrix product: autocast would round positions to bfloat16.
        angle = 2 * math.pi * (x[..., None] * matrix[0] + y[..., None] * matrix[1])
        return torch.cat([angle.sin(), angle.cos()], dim=-1)

    def grid(self, shape: tuple[int, int], cell: Tensor, offset: Tensor) -> Tensor:
        """Encode the centres of a grid's cells.

        Parameters
        ----------
        shape
            (h, w) cells.
        cell
            (2,) size of a cell as (x, y), in units of the frame.
        offset
            (B, 2) position of the grid's upper left corner as (x, y), in units of the frame.

        Returns
        -------
        (B, h * w, 2 * features), row by row.
        """
        h, w = shape
        centres = [torch.arange(n, dtype=cell.dtype, device=cell.device) + 0.5 for n in (w, h)]
        xy = torch.stack(torch.meshgrid(*centres, indexing="xy"), dim=-1) * cell
        encoded: Tensor = self(xy + offset[:, None, None])
        return encoded.flatten(1, 2)


DRAWN_CHANNELS = 5
# In cells. What the weights were trained with; no others are in the log of the training.
SPOT_SIGMA = 2.5


class DrawnPrompts(NamedTuple):
    """Maps of N prompts.

    Attributes
    ----------
    maps
        (N, C, h, w), 0..1.
    channels
        Which C of these they are: Gaussian spots (sigma 2.5 cells) at positive points, the same at negative points, a
        soft box, the mask's probability, and one everywhere if there is a mask. Those left out are blank; on the CPU
        every blank one is left out, elsewhere finding out would mean to wait for the device.
    """

    maps: Tensor
    channels: tuple[int, ...]


def draw_prompts(
    points: Tensor, labels: Tensor, mask: Tensor | None, shape: tuple[int, int], stride: int
) -> DrawnPrompts:
    """Draw N prompts on a grid.

    Parameters
    ----------
    points
        (N, K, 2) as (x, y) in window pixels, pixel centres on integers.
    labels
        (N, K): 1 positive, 0 negative, 2 and 3 box corners, -1 padding.
    mask
        (N, 1, h, w) logits, or None.
    shape
        (h, w) of the grid.
    stride
        Window pixels per cell of the grid.
    """
    h, w = shape
    cells = (points + 0.5) / stride - 0.5
    x = torch.arange(w, dtype=points.dtype, device=points.device) - cells[..., :1]
    y = torch.arange(h, dtype=points.dtype, device=points.device) - cells[..., 1:]
    spots_x, spots_y = (torch.exp(-(d**2) / (2 * SPOT_SIGMA**2)) for d in (x, y))
    drawn = {
        0: _highest(spots_x, spots_y, labels == 1),
        1: _highest(spots_x, spots_y, labels == 0),
        2: _soft_box(x, y, labels),
        3: None if mask is None else mask[:, 0].sigmoid(),
        4: None if mask is None else torch.ones_like(mask[:, 0]),
    }
    seen = {channel: map_ for channel, map_ in drawn.items() if map_ is not None}
    if not seen:
        seen = {0: points.new_zeros(len(points), h, w)}
    return DrawnPrompts(torch.stack(list(seen.values()), dim=1), tuple(seen))


def _highest(spots_x: Tensor, spots_y: Tensor, chosen: Tensor) -> Tensor | None:
    """Find at every cell (N, h, w) the highest of the `chosen` (N, K) spots, as factors (N, K, w) and (N, K, h)."""
    if _known_blank(chosen):
        return None
    return ((spots_y * chosen[..., None])[..., None] * spots_x[..., None, :]).amax(1)


def _soft_box(x: Tensor, y: Tensor, labels: Tensor) -> Tensor | None:
    """Return (N, h, w), the sigmoid of the distance in cells to the box's nearest side; 0 for prompts without a box."""
    first, second = labels == 2, labels == 3
    if _known_blank(first):
        return None
    inside = [torch.minimum((d * first[..., None]).sum(1), -(d * second[..., None]).sum(1)) for d in (x, y)]
    box = torch.minimum(inside[0][:, None, :], inside[1][:, :, None]).sigmoid()
    return box * first.any(1)[:, None, None]


def _known_blank(chosen: Tensor) -> bool:
    return chosen.device.type == "cpu" and not chosen.any()


NEGATIVE, POSITIVE, PADDING = 0, 1, -1
BOX_START, BOX_END = 2, 3


class EmbeddedPrompts(NamedTuple):
    """The embeddings that the prompt encoder returns for N prompts.

    Attributes
    ----------
    tokens
        (N, K, C), one per point or box corner.
    dense
        (N or 1, h * w, C), to be added to the image embedding; a batch of 1 is shared by all prompts.
    drawn
        (N, h * w, 4, 4, C) prompts drawn at the masks' resolution, grouped by cell; None for networks that draw none.
    channels
        Which channels of `draw_prompts` these are.
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
            cells.Halve(DRAWN_CHANNELS if drawn else 1, first),
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
            maps, channels = draw_prompts(points, labels, mask, (4 * h, 4 * w), self.stride // 4)
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
        """Return the positions of the image embedding's cells.

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
