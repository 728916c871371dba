"""The published SAM's image encoder: a plain vision transformer with decomposed relative positions."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_sam.nn.cancel import CancelToken
from napari_sam.nn.layers import Gelu, LayerNorm2d, MlpBlock

# Best on the CPU of what was measured: an attention matrix of this size stays in the cache between its four passes.
# With all of it, ViT-B's encoder is twice as fast as the published one (docs/benchmarks.md, "Speed").
BLOCK_QUERIES = 512
BLOCK_WEIGHTS = 2**20


def relative_attention(q: Tensor, k: Tensor, v: Tensor, rel_h: Tensor, rel_w: Tensor, first_row: int = 0) -> Tensor:
    """Attend with decomposed relative positions (Li et al. 2022, MViTv2, equation 4).

    ``softmax(scale * q k^T + bias)``, where the bias of a query at (row, column) and a key at (row', column') is
    ``q . rel_h[row - row' + S - 1] + q . rel_w[column - column' + S - 1]``. The form of the computation is chosen by
    device; all forms are exact.

    Parameters
    ----------
    q
        (G, R, S, d), some or all rows of a square of tokens for every group (image, window and head).
    k, v
        (G, S, S, d), the whole square.
    rel_h, rel_w
        (2 S - 1, d) learned embeddings of relative rows and columns.
    first_row
        Where in the square the rows of `q` begin.

    Returns
    -------
    (G, R, S, d).
    """
    rows, side = q.shape[1:3]
    ahead = torch.arange(side, device=q.device)
    distance = ahead[:, None] - ahead + side - 1
    # (G, row, column, row') and (G, row, column, column')
    bias_h = torch.einsum("ghwc,hkc->ghwk", q, rel_h[distance[first_row : first_row + rows]])
    bias_w = torch.einsum("ghwc,wkc->ghwk", q, rel_w[distance])
    return (attend_folded if q.is_cuda else attend_blocks)(q, k, v, bias_h, bias_w)


def attend_blocks(q: Tensor, k: Tensor, v: Tensor, bias_h: Tensor, bias_w: Tensor) -> Tensor:
    """Attend block of queries by block of queries, which keeps the scores in the cache.

    Parameters
    ----------
    q
        (G, R, S, d).
    k, v
        (G, S, S, d).
    bias_h, bias_w
        (G, R, S, S), of a query and a key's row or column.

    Returns
    -------
    (G, R, S, d).
    """
    groups, height, side, features = q.shape
    rows = min(height, max(1, BLOCK_QUERIES // side))
    together = max(1, BLOCK_WEIGHTS // (rows * side**3))
    # Products of bfloat16 copy what is not contiguous, and every block would copy it again.
    queries = (q * features**-0.5).contiguous().flatten(1, 2)
    keys, values = k.contiguous().flatten(1, 2).transpose(1, 2), v.contiguous().flatten(1, 2)
    bias_h, bias_w = bias_h.flatten(1, 2), bias_w.flatten(1, 2)
    done = []
    for group in range(0, groups, together):
        some = slice(group, group + together)
        blocks = []
        for start in range(0, height * side, rows * side):
            block = some, slice(start, start + rows * side)
            # The product is added to the bias: one pass over the scores less than the other way round.
            scores = (bias_h[block][..., None] + bias_w[block][..., None, :]).flatten(2)
            scores.baddbmm_(queries[block], keys[some])
            blocks.append(torch.bmm(scores.softmax(-1), values[some]))
        done.append(torch.cat(blocks, dim=1))
    return torch.cat(done).view(groups, height, side, features)


def attend_folded(q: Tensor, k: Tensor, v: Tensor, bias_h: Tensor, bias_w: Tensor) -> Tensor:
    """Attend with a fused kernel, the bias folded into longer queries and keys.

    ``scale * q k^T + bias`` is the plain product of ``[scale * q, bias_h, bias_w]`` and ``[k, onehot(row'),
    onehot(column')]``. Values are padded to the same length, which fused kernels ask for.

    Parameters
    ----------
    q
        (G, R, S, d).
    k, v
        (G, S, S, d).
    bias_h, bias_w
        (G, R, S, S), of a query and a key's row or column.

    Returns
    -------
    (G, R, S, d).
    """
    groups, height, side, features = q.shape
    one = torch.eye(side, dtype=q.dtype, device=q.device)
    key_row = one[:, None].expand(groups, side, side, side)
    key_column = one.expand(groups, side, side, side)
    long_q = torch.cat([q * features**-0.5, bias_h, bias_w], dim=-1)
    long_k = torch.cat([k, key_row, key_column], dim=-1)
    long_v = F.pad(v, (0, 2 * side))
    # Fused kernels take four axes: a leading batch of 1.
    long_q, long_k, long_v = (x.flatten(1, 2)[None] for x in (long_q, long_k, long_v))
    attended = F.scaled_dot_product_attention(long_q, long_k, long_v, scale=1.0)
    return attended[0, :, :, :features].reshape(groups, height, side, features)


TOKENS_AT_ONCE = 1024
"""Where tokens are taken in turns: the widest layer's features of so many fill no more than a few megabytes.

Chosen, not compared.
"""


@dataclass(frozen=True)
class VitConfig:
    """The sizes of a vision transformer.

    Parameters
    ----------
    dim
        Features of a token.
    depth
        Number of blocks.
    heads
        Attention heads.
    global_blocks
        Blocks whose attention spans the whole image; the others attend within windows.
    image_side
        Side of the image in pixels.
    patch
        Side of a token's patch in pixels.
    attention_window
        Side of an attention window in tokens.
    """

    dim: int
    depth: int
    heads: int
    global_blocks: tuple[int, ...]
    image_side: int = 1024
    patch: int = 16
    attention_window: int = 14

    @property
    def side(self) -> int:
        """Side of the grid of tokens."""
        return self.image_side // self.patch


class VitAttention(nn.Module):
    """Self-attention with decomposed relative positions, over the whole image or within windows.

    Parameters
    ----------
    dim
        Features of a token.
    heads
        Attention heads.
    side
        Side, in tokens, of the square within which tokens attend.
    """

    def __init__(self, dim: int, heads: int, side: int) -> None:
        super().__init__()
        self.heads = heads
        self.side = side
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        self.rel_pos_h = nn.Parameter(torch.zeros(2 * side - 1, dim // heads))
        self.rel_pos_w = nn.Parameter(torch.zeros(2 * side - 1, dim // heads))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, H, W, dim) to the same shape."""
        _, h, w, dim = x.shape
        windows = self._windows(self.qkv(x))
        batch, down, across = windows.shape[:3]
        # (3, groups, side, side, features), a group for every image, window and head
        split = windows.view(batch, down, across, self.side, self.side, 3, self.heads, -1)
        q, k, v = split.permute(5, 0, 1, 2, 6, 3, 4, 7).flatten(1, 4)
        out = relative_attention(q, k, v, self.rel_pos_h, self.rel_pos_w)
        out = out.view(batch, down, across, self.heads, self.side, self.side, -1)
        out = out.permute(0, 1, 4, 2, 5, 3, 6).reshape(batch, down * self.side, across * self.side, dim)
        projected: Tensor = self.proj(out[:, :h, :w].contiguous())
        return projected

    def add_(self, x: Tensor, norm: nn.Module) -> None:
        """Add what attention over the whole image makes of ``norm(x)`` to `x`, a few rows of queries at a time.

        Parameters
        ----------
        x
            (B, side, side, dim), overwritten.
        norm
            Normalises tokens.
        """
        batch, side, _, dim = x.shape
        weight, bias = self.qkv.weight, self.qkv.bias
        kv = F.linear(norm(x), weight[dim:], bias[dim:]).view(batch, side, side, 2, self.heads, -1)
        k, v = kv.permute(3, 0, 4, 1, 2, 5).flatten(1, 2)
        del kv
        rows = max(1, TOKENS_AT_ONCE // side)
        for top in range(0, side, rows):
            band = x[:, top : top + rows]
            q = F.linear(norm(band), weight[:dim], bias[:dim]).view(batch, -1, side, self.heads, dim // self.heads)
            q = q.permute(0, 3, 1, 2, 4).flatten(0, 1)
            out = relative_attention(q, k, v, self.rel_pos_h, self.rel_pos_w, top)
            out = out.view(batch, self.heads, -1, side, dim // self.heads).permute(0, 2, 3, 1, 4)
            band += self.proj(out.reshape(band.shape))

    def _windows(self, qkv: Tensor) -> Tensor:
        """Map (B, H, W, C) to (B, windows down, windows across, side, side, C).

        Windows that reach beyond the image are filled with what tokens of zeros would give: the projection's bias.
        """
        batch, h, w, channels = qkv.shape
        down, across = -(-h // self.side), -(-w // self.side)
        if (down * self.side, across * self.side) != (h, w):
            padded = self.qkv.bias.to(qkv.dtype).expand(batch, down * self.side, across * self.side, -1).clone()
            padded[:, :h, :w] = qkv
            qkv = padded
        return qkv.view(batch, down, self.side, across, self.side, channels).transpose(2, 3)


class VitBlock(nn.Module):
    """A transformer block: attention and MLP, each after normalisation and with a residual.

    Parameters
    ----------
    dim
        Features of a token.
    heads
        Attention heads.
    side
        Side, in tokens, of the square within which tokens attend.
    """

    def __init__(self, dim: int, heads: int, side: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = VitAttention(dim, heads, side)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = MlpBlock(dim, 4 * dim, Gelu)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, H, W, dim) to the same shape."""
        if x.device.type == "cpu" and not torch.is_grad_enabled():
            return self._forward_in_parts(x)
        x = x + self.attn(self.norm1(x))
        mixed: Tensor = x + self.mlp(self.norm2(x))
        return mixed

    def _forward_in_parts(self, x: Tensor) -> Tensor:
        """Do the same in a fraction of the memory, which is faster too on a CPU: part by part, overwriting `x`."""
        if self.attn.side == x.shape[1]:
            self.attn.add_(x, self.norm1)
        else:
            # A row of windows needs nothing of the others.
            for top in range(0, x.shape[1], self.attn.side):
                band = x[:, top : top + self.attn.side]
                band += self.attn(self.norm1(band))
        tokens = x.view(-1, x.shape[-1])
        for start in range(0, len(tokens), TOKENS_AT_ONCE):
            part = tokens[start : start + TOKENS_AT_ONCE]
            part += self.mlp(self.norm2(part))
        return x


class PatchEmbed(nn.Module):
    """Image patches -> tokens.

    Parameters
    ----------
    dim
        Features of a token.
    patch
        Side of a patch in pixels.
    """

    def __init__(self, dim: int, patch: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, dim, kernel_size=patch, stride=patch)

    def forward(self, images: Tensor) -> Tensor:
        """Map (B, 3, H, W) to (B, H / patch, W / patch, dim)."""
        tokens: Tensor = self.proj(images).permute(0, 2, 3, 1)
        return tokens


class ImageEncoder(nn.Module):
    """A plain vision transformer with windowed attention (Li et al. 2022, ViTDet) and SAM's neck.

    Parameters
    ----------
    config
        Sizes.
    out_channels
        Channels of the image embedding.
    """

    def __init__(self, config: VitConfig, out_channels: int) -> None:
        super().__init__()
        self.patch_embed = PatchEmbed(config.dim, config.patch)
        self.pos_embed = nn.Parameter(torch.zeros(1, config.side, config.side, config.dim))
        self.blocks = nn.ModuleList(
            VitBlock(config.dim, config.heads, config.side if i in config.global_blocks else config.attention_window)
            for i in range(config.depth)
        )
        self.neck = nn.Sequential(
            nn.Conv2d(config.dim, out_channels, kernel_size=1, bias=False),
            LayerNorm2d(out_channels),
            nn.Conv2d(out_channels, out_channels, kernel_size=3, padding=1, bias=False),
            LayerNorm2d(out_channels),
        )

    @property
    def dtype(self) -> torch.dtype:
        """The type in which images are encoded."""
        return self.pos_embed.dtype

    def forward(self, images: Tensor, cancel: CancelToken | None = None) -> Tensor:
        """Encode images.

        Parameters
        ----------
        images
            (B, 3, side, side), normalised.
        cancel
            Checked before every block.

        Returns
        -------
        (B, out_channels, side / patch, side / patch).
        """
        x = (self.patch_embed(images) + self.pos_embed).contiguous()
        for block in self.blocks:
            if cancel is not None:
                cancel.check()
            x = block(x)
        embedding: Tensor = self.neck(x.permute(0, 3, 1, 2))
        return embedding
