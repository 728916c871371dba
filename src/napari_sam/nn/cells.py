"""Pixels grouped by the cell of the image embedding in which they lie.

In this order a convolution of 2 x 2 pixels with stride 2, and a transposed one, is a plain matrix product, and nothing
needs to be rearranged between the layers. Where a cell has 4 x 4 pixels they are ordered as 2 x 2 quarters of 2 x 2.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_sam.nn.layers import linear_onto

Maps = Tensor | tuple[Tensor, ...]
"""(B, C, H, W), or B times (1, C, H, W)."""


def group(maps: Maps, side: int) -> Tensor:
    """Group pixels by cell.

    Parameters
    ----------
    maps
        (B, C, side * h, side * w), or B times (1, C, side * h, side * w).
    side
        Pixels along the side of a cell: 1, 2 or 4.

    Returns
    -------
    (B, h * w, C), (B, h * w, 4, C) or (B, h * w, 4, 4, C); if `side` is more than 1, in memory of its own.
    """
    if side == 1:
        whole = maps if isinstance(maps, Tensor) else torch.cat(maps)
        return whole.permute(0, 2, 3, 1).flatten(1, 2).contiguous()
    within = (4,) if side == 2 else (4, 4)
    if isinstance(maps, Tensor) and maps.shape[1] > 1 and torch.is_grad_enabled():
        pixels = _reordered(maps.permute(0, 2, 3, 1).flatten(1, 2), *_orders(maps.shape[-2:], side, maps.device))
        return pixels.view(len(maps), -1, *within, maps.shape[1])
    by_cell = torch.cat([_by_cell(each, side) for each in ((maps,) if isinstance(maps, Tensor) else maps)])
    return by_cell.view(len(by_cell), -1, *within, by_cell.shape[-1])


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


def _by_cell(maps: Tensor, side: int) -> Tensor:
    """View (B, C, H, W) with the batch, rows and columns of cells, those within a cell, and channels as its axes."""
    batch, channels, height, width = maps.shape
    h, w, pixels = height // side, width // side, maps.permute(0, 2, 3, 1)
    if side == 2:
        return pixels.view(batch, h, 2, w, 2, channels).permute(0, 1, 3, 2, 4, 5)
    return pixels.view(batch, h, 2, 2, w, 2, 2, channels).permute(0, 1, 4, 2, 5, 3, 6, 7)


def _orders(shape: Sequence[int], side: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return where each pixel of (H, W) maps in the order of cells lies row by row, and the inverse."""
    h, w = (size // side for size in shape)
    count = torch.arange(h * w * side**2, device=device)
    if side == 2:
        return count.view(h, 2, w, 2).transpose(1, 2).flatten(), count.view(h, w, 2, 2).transpose(1, 2).flatten()
    by_cell = count.view(h, 2, 2, w, 2, 2).permute(0, 3, 1, 4, 2, 5)
    by_row = count.view(h, w, 2, 2, 2, 2).permute(0, 2, 4, 1, 3, 5)
    return by_cell.flatten(), by_row.flatten()


class _Reorder(torch.autograd.Function):
    """Pick slices in another order, for gradients: that of a copied view, whose runs are two pixels long, is slow.

    The gradient of a plain `index_select` sums, slice by slice, and is far slower still.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, order: Tensor, inverse: Tensor) -> Tensor:
        ctx.save_for_backward(inverse)
        return x.index_select(1, order)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (inverse,) = ctx.saved_tensors
        return gradients[0].index_select(1, inverse), None, None


def _reordered(x: Tensor, order: Tensor, inverse: Tensor) -> Tensor:
    reordered: Tensor = _Reorder.apply(x, order, inverse)  # type: ignore[no-untyped-call]
    return reordered


def _of_channels(weight: Tensor, channels: tuple[int, ...] | None) -> Tensor:
    if channels is None:
        return weight
    if channels == tuple(range(len(channels))):
        # No list of indices, which would have to be copied to the device.
        return weight[:, : len(channels)]
    return weight[:, list(channels)]


class Halve(nn.Conv2d):
    """A convolution of 2 x 2 pixels with stride 2, on grouped pixels.

    Parameters
    ----------
    channels_in, channels_out
        Channels before and after.
    """

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__(channels_in, channels_out, kernel_size=2, stride=2)

    def forward(self, pixels: Tensor, channels: Any = None) -> Tensor:
        """Map (..., 4, channels_in) to (..., channels_out); of some `channels` if the others are blank."""
        weight = _of_channels(self.weight, channels)
        return F.linear(pixels.flatten(-2), weight.permute(0, 2, 3, 1).flatten(1), self.bias)


class Pointwise(nn.Conv2d):
    """A 1 x 1 convolution, on grouped pixels.

    Parameters
    ----------
    channels_in, channels_out
        Channels before and after.
    """

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__(channels_in, channels_out, kernel_size=1)

    def forward(self, pixels: Tensor, base: Tensor | None = None, channels: Any = None) -> Tensor:
        """Map (..., channels_in) to (..., channels_out); of some `channels` if the others are blank.

        It is added to `base`, which is the caller's to lose.
        """
        weight = _of_channels(self.weight, channels).flatten(1)
        return F.linear(pixels, weight, self.bias) if base is None else linear_onto(base, pixels, weight, self.bias)


class Double(nn.ConvTranspose2d):
    """A transposed convolution of 2 x 2 pixels with stride 2, on grouped pixels.

    Parameters
    ----------
    channels_in, channels_out
        Channels before and after.
    """

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__(channels_in, channels_out, kernel_size=2, stride=2)

    def forward(self, pixels: Tensor, base: Any = None) -> Tensor:
        """Map (..., channels_in) to (..., 4, channels_out), and add that to `base`, which is the caller's to lose."""
        weight = self.weight.permute(2, 3, 1, 0).flatten(0, 2)
        bias = None if self.bias is None else self.bias.repeat(4)
        if base is not None:
            return linear_onto(base, pixels, weight, bias)
        return F.linear(pixels, weight, bias).view(*pixels.shape[:-1], 4, self.out_channels)
