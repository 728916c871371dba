"""Pixels grouped by the cell of the image embedding in which they lie.

In this order a convolution of 2 x 2 pixels with stride 2, and a transposed one, is a plain matrix product, and nothing
needs to be rearranged between the layers. Where a cell has 4 x 4 pixels they are ordered as 2 x 2 quarters of 2 x 2.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def group(maps: Tensor, side: int) -> Tensor:
    """Group pixels by cell.

    Parameters
    ----------
    maps
        (B, C, side * h, side * w).
    side
        Pixels along the side of a cell: 1, 2 or 4.

    Returns
    -------
    (B, h * w, C), (B, h * w, 4, C) or (B, h * w, 4, 4, C).
    """
    batch, channels, height, width = maps.shape
    if channels == 1 and side == 4:
        by_cell = maps.reshape(batch, height // 4, 2, 2, width // 4, 2, 2).permute(0, 1, 4, 2, 5, 3, 6)
        return by_cell.reshape(batch, -1, 4, 4, 1)
    pixels = maps.permute(0, 2, 3, 1).flatten(1, 2).contiguous()
    if side > 1:
        by_cell, by_row = _orders((height // side, width // side), side, maps.device)
        pixels = _reordered(pixels, by_cell, by_row)
    within = (4,) if side == 2 else (4, 4) if side == 4 else ()
    return pixels.view(batch, -1, *within, channels)


def ungroup(pixels: Tensor, shape: tuple[int, int]) -> Tensor:
    """Lay pixels that are grouped by cell out as maps.

    Parameters
    ----------
    pixels
        (B, C, h * w * 16), 4 x 4 pixels for every cell.
    shape
        (h, w).

    Returns
    -------
    (B, C, 4 h, 4 w).
    """
    h, w = shape
    by_row = pixels.reshape(-1, h, w, 2, 2, 2, 2).permute(0, 1, 3, 5, 2, 4, 6)
    return by_row.reshape(*pixels.shape[:2], 4 * h, 4 * w)


def _orders(shape: tuple[int, int], side: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """For (h, w) cells: where each pixel in the order of cells lies row by row, and the inverse."""
    h, w = shape
    count = torch.arange(h * w * side**2, device=device)
    if side == 2:
        return count.view(h, 2, w, 2).transpose(1, 2).flatten(), count.view(h, w, 2, 2).transpose(1, 2).flatten()
    by_cell = count.view(h, 2, 2, w, 2, 2).permute(0, 3, 1, 4, 2, 5)
    by_row = count.view(h, w, 2, 2, 2, 2).permute(0, 2, 4, 1, 3, 5)
    return by_cell.flatten(), by_row.flatten()


class _Reorder(torch.autograd.Function):
    """Pick slices in another order. The gradient of a plain `index_select` sums, slice by slice, and is far slower."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, order: Tensor, inverse: Tensor) -> Tensor:
        ctx.save_for_backward(inverse)
        return x.index_select(1, order)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (inverse,) = ctx.saved_tensors
        return gradients[0].index_select(1, inverse), None, None


def _reordered(x: Tensor, order: Tensor, inverse: Tensor) -> Tensor:
    # Copying pixels of several channels by an index is several times faster than copying a permuted view, whose runs
    # are two pixels long. With one channel it is the other way round.
    reordered: Tensor = _Reorder.apply(x, order, inverse)  # type: ignore[no-untyped-call]
    return reordered


class Halve(nn.Conv2d):
    """A convolution of 2 x 2 pixels with stride 2, on grouped pixels.

    Parameters
    ----------
    channels_in, channels_out
        Channels before and after.
    """

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__(channels_in, channels_out, kernel_size=2, stride=2)

    def forward(self, pixels: Tensor) -> Tensor:
        """Map (..., 4, channels_in) to (..., channels_out)."""
        return F.linear(pixels.flatten(-2), self.weight.permute(0, 2, 3, 1).flatten(1), self.bias)


class Pointwise(nn.Conv2d):
    """A 1 x 1 convolution, on grouped pixels.

    Parameters
    ----------
    channels_in, channels_out
        Channels before and after.
    """

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__(channels_in, channels_out, kernel_size=1)

    def forward(self, pixels: Tensor) -> Tensor:
        """Map (..., channels_in) to (..., channels_out)."""
        return F.linear(pixels, self.weight.flatten(1), self.bias)


class Double(nn.ConvTranspose2d):
    """A transposed convolution of 2 x 2 pixels with stride 2, on grouped pixels.

    Parameters
    ----------
    channels_in, channels_out
        Channels before and after.
    """

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__(channels_in, channels_out, kernel_size=2, stride=2)

    def forward(self, pixels: Tensor, _output_size: list[int] | None = None) -> Tensor:
        """Map (..., channels_in) to (..., 4, channels_out)."""
        weight = self.weight.permute(2, 3, 1, 0).flatten(0, 2)
        bias = None if self.bias is None else self.bias.repeat(4)
        return F.linear(pixels, weight, bias).view(*pixels.shape[:-1], 4, self.out_channels)
