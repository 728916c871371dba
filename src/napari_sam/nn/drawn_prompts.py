"""Prompts drawn as maps."""

from typing import NamedTuple

import torch
from torch import Tensor

CHANNELS = 5
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
    """(N, h, w): at every cell the highest of the `chosen` (N, K) spots, given as factors (N, K, w) and (N, K, h)."""
    if _known_blank(chosen):
        return None
    return ((spots_y * chosen[..., None])[..., None] * spots_x[..., None, :]).amax(1)


def _soft_box(x: Tensor, y: Tensor, labels: Tensor) -> Tensor | None:
    """(N, h, w): the sigmoid of the distance, in cells, to the box's nearest side; 0 for prompts without a box."""
    first, second = labels == 2, labels == 3
    if _known_blank(first):
        return None
    inside = [torch.minimum((d * first[..., None]).sum(1), -(d * second[..., None]).sum(1)) for d in (x, y)]
    box = torch.minimum(inside[0][:, None, :], inside[1][:, :, None]).sigmoid()
    return box * first.any(1)[:, None, None]


def _known_blank(chosen: Tensor) -> bool:
    return chosen.device.type == "cpu" and not chosen.any()
