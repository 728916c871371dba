"""Layer normalisation of many short rows on a graphics card.

PyTorch's own kernel is made for rows of thousands of numbers and gives each a block of threads; of the millions of
rows of 16 to 128 numbers in a step it needs twenty times as long as their memory. Here a block takes many rows at once,
and the result keeps the type of its input, where autocast would widen it.
"""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor, nn

ROWS_AT_ONCE = 2048
"""Numbers that a block holds: rows times their width."""
BLOCKS = 1024
"""Blocks that sum the gradients of weight and bias, each over many rows."""


class RowNorm(nn.LayerNorm):
    """A layer normalisation over the last axis; takes the place of `nn.LayerNorm` in a network on a graphics card."""

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., C) to the same shape and type."""
        normed: Tensor = _RowNorm.apply(x, self.weight, self.bias, self.eps)  # type: ignore[no-untyped-call]
        return normed


def use_row_norms(network: nn.Module) -> None:
    """Let all layer normalisations of a network work on many rows at once; parameters and their names stay."""
    for module in network.modules():
        if type(module) is nn.LayerNorm:
            module.__class__ = RowNorm


class _RowNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
        x = x.contiguous()
        channels = x.shape[-1]
        count = x.numel() // channels
        out = torch.empty_like(x)
        mean, scale = (torch.empty(count, dtype=torch.float32, device=x.device) for _ in range(2))
        rows, width = _block(channels)
        _normalise[(triton.cdiv(count, rows),)](x, weight, bias, out, mean, scale, count, channels, eps, rows, width)
        ctx.save_for_backward(x, weight, mean, scale)
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        x, weight, mean, scale = ctx.saved_tensors
        gradient = gradients[0].contiguous()
        channels = x.shape[-1]
        count = x.numel() // channels
        rows, width = _block(channels)
        blocks = min(BLOCKS, triton.cdiv(count, rows))
        by_x = torch.empty_like(x)
        by_weight, by_bias = (torch.empty(blocks, channels, dtype=torch.float32, device=x.device) for _ in range(2))
        turns = triton.cdiv(triton.cdiv(count, rows), blocks)
        _differentiate[(blocks,)](
            gradient, x, weight, mean, scale, by_x, by_weight, by_bias, count, channels, turns, rows, width
        )
        return by_x, by_weight.sum(0), by_bias.sum(0), None


def _block(channels: int) -> tuple[int, int]:
    """Rows of a block and their width, both powers of two."""
    width = triton.next_power_of_2(channels)
    return max(1, ROWS_AT_ONCE // width), width


@triton.jit
def _normalise(x, weight, bias, out, mean, scale, count, channels, eps, rows: tl.constexpr, width: tl.constexpr):
    row = tl.program_id(0).to(tl.int64) * rows + tl.arange(0, rows)
    column = tl.arange(0, width)
    used = column < channels
    inside = (row < count)[:, None] & used[None, :]
    where = row[:, None] * channels + column[None, :]
    values = tl.load(x + where, mask=inside, other=0.0).to(tl.float32)
    middle = tl.sum(values, axis=1) / channels
    centred = tl.where(inside, values - middle[:, None], 0.0)
    factor = 1 / tl.sqrt(tl.sum(centred * centred, axis=1) / channels + eps)
    gain = tl.load(weight + column, mask=used, other=0.0).to(tl.float32)
    shift = tl.load(bias + column, mask=used, other=0.0).to(tl.float32)
    normed = centred * factor[:, None] * gain[None, :] + shift[None, :]
    tl.store(out + where, normed.to(out.dtype.element_ty), mask=inside)
    tl.store(mean + row, middle, mask=row < count)
    tl.store(scale + row, factor, mask=row < count)


@triton.jit
def _differentiate(
    gradient,
    x,
    weight,
    mean,
    scale,
    by_x,
    by_weight,
    by_bias,
    count,
    channels,
    turns,
    rows: tl.constexpr,
    width: tl.constexpr,
):
    column = tl.arange(0, width)
    used = column < channels
    gain = tl.load(weight + column, mask=used, other=0.0).to(tl.float32)
    of_weight = tl.zeros((width,), tl.float32)
    of_bias = tl.zeros((width,), tl.float32)
    first = tl.program_id(0).to(tl.int64) * turns * rows
    for turn in range(turns):
        row = first + turn * rows + tl.arange(0, rows)
        inside = (row < count)[:, None] & used[None, :]
        where = row[:, None] * channels + column[None, :]
        upstream = tl.load(gradient + where, mask=inside, other=0.0).to(tl.float32)
        values = tl.load(x + where, mask=inside, other=0.0).to(tl.float32)
        middle = tl.load(mean + row, mask=row < count, other=0.0)
        factor = tl.load(scale + row, mask=row < count, other=0.0)
        normed = tl.where(inside, (values - middle[:, None]) * factor[:, None], 0.0)
        of_weight += tl.sum(upstream * normed, axis=0)
        of_bias += tl.sum(upstream, axis=0)
        scaled = upstream * gain[None, :]
        along = tl.sum(scaled * normed, axis=1) / channels
        level = tl.sum(scaled, axis=1) / channels
        result = (scaled - level[:, None] - normed * along[:, None]) * factor[:, None]
        tl.store(by_x + where, result.to(by_x.dtype.element_ty), mask=inside)
    tl.store(by_weight + tl.program_id(0) * channels + column, of_weight, mask=used)
    tl.store(by_bias + tl.program_id(0) * channels + column, of_bias, mask=used)
