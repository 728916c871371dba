"""MobileSAM's image encoder: TinyViT (Wu et al. 2022), convolutions first, then attention within windows."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from napari_sam.nn.cancel import CancelToken
from napari_sam.nn.layers import Gelu, LayerNorm2d, by_bands, plus

STEM_STRIDE = 4
EXPANSION = 4
TOKENS_AT_ONCE = 1024


@dataclass(frozen=True)
class TinyVitConfig:
    """The sizes of a TinyViT; the defaults are those of MobileSAM.

    Parameters
    ----------
    dims
        Channels of the stages; the first stage is of convolutions, the others attend.
    depths
        Blocks of the stages.
    heads
        Attention heads of the stages that attend.
    windows
        Side, in tokens, of the windows of the stages that attend.
    strides
        Between one stage and the next.
    image_side
        Side of the image in pixels.
    """

    dims: tuple[int, ...] = (64, 128, 160, 320)
    depths: tuple[int, ...] = (2, 2, 6, 2)
    heads: tuple[int, ...] = (4, 5, 10)
    windows: tuple[int, ...] = (7, 14, 7)
    strides: tuple[int, ...] = (2, 2, 1)
    image_side: int = 1024

    @property
    def patch(self) -> int:
        """Pixels per cell of the embedding."""
        pixels = STEM_STRIDE
        for stride in self.strides:
            pixels *= stride
        return pixels

    @property
    def side(self) -> int:
        """Side of the embedding in cells."""
        return self.image_side // self.patch


class NormalisedConv(nn.Module):
    """A convolution without bias and batch normalisation.

    Parameters
    ----------
    before, after
        Channels.
    kernel
        Side of the kernel; the border is padded with zeros so that it fits.
    stride
        Of the convolution.
    groups
        Of channels.
    """

    def __init__(self, before: int, after: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.c = nn.Conv2d(before, after, kernel, stride, padding=kernel // 2, groups=groups, bias=False)
        self.bn: nn.Module = nn.BatchNorm2d(after)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, before, H, W) to (B, after, H / stride, W / stride)."""
        if self.c.kernel_size == (1, 1):
            # In channels-last memory a plain product, which copies nothing.
            convolved = F.linear(x.permute(0, 2, 3, 1), self.c.weight.flatten(1), self.c.bias).permute(0, 3, 1, 2)
        else:
            convolved = self.c(x)
        normalised: Tensor = self.bn(convolved)
        return normalised

    def fuse(self) -> None:
        """Fold the normalisation into the convolution; exact in evaluation mode, and then the only mode left."""
        if isinstance(self.bn, nn.BatchNorm2d):
            self.c = fuse_conv_bn_eval(self.c, self.bn)
            self.bn = nn.Identity()


class Stem(nn.Module):
    """Two convolutions that take an image to a quarter of its resolution.

    Parameters
    ----------
    dim
        Channels after the second.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.hidden = dim // 2
        self.seq = nn.Sequential(
            NormalisedConv(3, dim // 2, kernel=3, stride=2),
            Gelu(),
            NormalisedConv(dim // 2, dim, kernel=3, stride=2),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Map (B, 3, H, W) to (B, dim, H / 4, W / 4)."""
        return by_bands(self.seq, images, self.hidden, STEM_STRIDE)


class InvertedBottleneck(nn.Module):
    """Widen, convolve every channel by itself, narrow, add the input (MBConv of Sandler et al. 2018).

    Parameters
    ----------
    dim
        Channels before and after.
    hidden
        Channels in between.
    """

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.conv1 = NormalisedConv(dim, hidden)
        self.conv2 = NormalisedConv(hidden, hidden, kernel=3, groups=hidden)
        self.conv3 = NormalisedConv(hidden, dim)
        self.act = Gelu()

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, dim, H, W) to the same shape."""
        return by_bands(self._mixed, x, self.conv1.c.out_channels)

    def _mixed(self, x: Tensor) -> Tensor:
        hidden = self.act(self.conv2(self.act(self.conv1(x))))
        mixed: Tensor = self.act(plus(self.conv3(hidden), x))
        return mixed


class PatchMerging(nn.Module):
    """From one stage to the next: other channels, and a stride.

    Parameters
    ----------
    before, after
        Channels.
    stride
        1 or 2.
    """

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.conv1 = NormalisedConv(before, after)
        self.conv2 = NormalisedConv(after, after, kernel=3, stride=stride, groups=after)
        self.conv3 = NormalisedConv(after, after)
        self.act = Gelu()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, before, H, W) to (B, after, H / stride, W / stride)."""
        return by_bands(self._merged, x, self.conv1.c.out_channels, self.stride)

    def _merged(self, x: Tensor) -> Tensor:
        merged: Tensor = self.conv3(self.act(self.conv2(self.act(self.conv1(x)))))
        return merged


class WindowAttention(nn.Module):
    """Self-attention within windows, with a learned bias for every distance.

    Parameters
    ----------
    dim
        Features of a token.
    heads
        Attention heads.
    side
        Side of a window in tokens.
    """

    def __init__(self, dim: int, heads: int, side: int) -> None:
        super().__init__()
        self.heads = heads
        self.side = side
        self.norm = nn.LayerNorm(dim)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        self.attention_biases = nn.Parameter(torch.zeros(heads, side * side))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, H, W, dim) to the same shape."""
        batch, h, w, dim = x.shape
        side = self.side
        windows = self._windows(x)
        down, across = windows.shape[1:3]
        # (3, windows, heads, tokens, features); queries, keys and values lie side by side for every head
        split = windows.reshape(batch * down * across, side * side, self.heads, 3, -1)
        q, k, v = split.permute(3, 0, 2, 1, 4)
        # Plain products beat the fused kernel here: with a bias that falls back to a slow general form.
        q, k, v = ((q * q.shape[-1] ** -0.5).flatten(0, 1), k.flatten(0, 1), v.flatten(0, 1))
        scores = self._bias().expand(batch * down * across, -1, -1, -1).flatten(0, 1)
        out = torch.bmm(scores.baddbmm_(q, k.transpose(1, 2)).softmax(-1), v)
        out = out.view(-1, self.heads, side * side, dim // self.heads)
        # The projection comes before the windows are put together: it takes tokens in any order.
        out = self.proj(out.transpose(1, 2).flatten(2)).view(batch, down, across, side, side, dim)
        out = out.transpose(2, 3).reshape(batch, down * side, across * side, dim)
        inside: Tensor = out[:, :h, :w]
        return inside

    def _windows(self, x: Tensor) -> Tensor:
        """Map (B, H, W, dim) to queries, keys and values (B, windows down, windows across, side, side, 3 dim).

        Tokens beyond the image are zeros before normalisation, which makes all of them its bias.
        """
        batch, h, w, _ = x.shape
        down, across = -(-h // self.side), -(-w // self.side)
        qkv = self.qkv(self.norm(x))
        if (down * self.side, across * self.side) != (h, w):
            beyond = self.qkv(self.norm.bias.to(x.dtype))
            padded = beyond.expand(batch, down * self.side, across * self.side, -1).clone()
            padded[:, :h, :w] = qkv
            qkv = padded
        windows: Tensor = qkv.view(batch, down, self.side, across, self.side, -1).transpose(2, 3)
        return windows

    def _bias(self) -> Tensor:
        """Return (heads, tokens, tokens), of a query and a key."""
        at = torch.arange(self.side, device=self.attention_biases.device)
        distance = (at[:, None] - at).abs()
        # (query's row, query's column, key's row, key's column)
        offset = distance[:, None, :, None] * self.side + distance[None, :, None, :]
        return self.attention_biases[:, offset.flatten(2).flatten(0, 1)]


class NormedMlp(nn.Module):
    """Normalise, widen, activate, narrow.

    Parameters
    ----------
    dim
        Features of a token.
    hidden
        Features in between.
    """

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)
        self.act = Gelu()

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., dim) to the same shape."""
        narrowed: Tensor = self.fc2(self.act(self.fc1(self.norm(x))))
        return narrowed


class AttentionBlock(nn.Module):
    """Attention within windows, a convolution of every channel by itself, an MLP.

    Parameters
    ----------
    dim
        Features of a token.
    heads
        Attention heads.
    side
        Side of a window in tokens.
    """

    def __init__(self, dim: int, heads: int, side: int) -> None:
        super().__init__()
        self.attn = WindowAttention(dim, heads, side)
        self.mlp = NormedMlp(dim, EXPANSION * dim)
        self.local_conv = NormalisedConv(dim, dim, kernel=3, groups=dim)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, dim, H, W) to the same shape; fastest in channels-last memory."""
        if x.device.type == "cpu" and not torch.is_grad_enabled():
            return self._forward_in_parts(x)
        tokens = x.permute(0, 2, 3, 1)
        mixed = (tokens + self.attn(tokens)).permute(0, 3, 1, 2)
        tokens = self.local_conv(mixed).permute(0, 2, 3, 1)
        out: Tensor = (tokens + self.mlp(tokens)).permute(0, 3, 1, 2)
        return out

    def _forward_in_parts(self, x: Tensor) -> Tensor:
        """Do the same, part by part, overwriting `x`."""
        # A row of windows needs nothing of the others.
        for top in range(0, x.shape[2], self.attn.side):
            band = x[:, :, top : top + self.attn.side].permute(0, 2, 3, 1)
            band += self.attn(band)
        x = self.local_conv(x)
        tokens = x.permute(0, 2, 3, 1).flatten(0, 2)
        for start in range(0, len(tokens), TOKENS_AT_ONCE):
            part = tokens[start : start + TOKENS_AT_ONCE]
            part += self.mlp(part)
        return x


class Stage(nn.Module):
    """Blocks at one resolution, and the way to the next.

    Parameters
    ----------
    blocks
        In order.
    downsample
        After the blocks; None after the last stage.
    """

    def __init__(self, blocks: list[nn.Module], downsample: PatchMerging | None) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.downsample = downsample

    def forward(self, x: Tensor, cancel: CancelToken | None = None) -> Tensor:
        """Map (B, C, H, W) to what the next stage takes; `cancel` is checked before every block."""
        for block in self.blocks:
            if cancel is not None:
                cancel.check()
            x = block(x)
        return x if self.downsample is None else self.downsample(x)


class TinyVit(nn.Module):
    """TinyViT and SAM's neck, under MobileSAM's names (Zhang et al. 2023).

    Its classifier, which MobileSAM's file holds too, is left out: nothing uses it.

    Parameters
    ----------
    config
        Sizes.
    out_channels
        Channels of the image embedding.
    """

    def __init__(self, config: TinyVitConfig, out_channels: int) -> None:
        super().__init__()
        self.patch_embed = Stem(config.dims[0])
        self.layers = nn.ModuleList(
            Stage(
                [_block(config, stage) for _ in range(depth)],
                PatchMerging(config.dims[stage], config.dims[stage + 1], config.strides[stage])
                if stage + 1 < len(config.depths)
                else None,
            )
            for stage, depth in enumerate(config.depths)
        )
        self.neck = nn.Sequential(
            nn.Conv2d(config.dims[-1], out_channels, kernel_size=1, bias=False),
            LayerNorm2d(out_channels),
            nn.Conv2d(out_channels, out_channels, kernel_size=3, padding=1, bias=False),
            LayerNorm2d(out_channels),
        )

    @property
    def dtype(self) -> torch.dtype:
        """The type in which images are encoded."""
        return next(self.parameters()).dtype

    def forward(self, images: Tensor, cancel: CancelToken | None = None) -> Tensor:
        """Encode images.

        Parameters
        ----------
        images
            (B, 3, H, W), normalised.
        cancel
            Checked before every block.

        Returns
        -------
        (B, out_channels, H / patch, W / patch).
        """
        x = self.patch_embed(images.contiguous(memory_format=torch.channels_last))
        for layer in self.layers:
            x = layer(x, cancel)
        embedding: Tensor = self.neck(x)
        return embedding

    def fuse(self) -> None:
        """Fold batch normalisation into the convolutions; see `NormalisedConv.fuse`."""
        for module in self.modules():
            if isinstance(module, NormalisedConv):
                module.fuse()


def _block(config: TinyVitConfig, stage: int) -> nn.Module:
    dim = config.dims[stage]
    if stage == 0:
        return InvertedBottleneck(dim, EXPANSION * dim)
    return AttentionBlock(dim, config.heads[stage - 1], config.windows[stage - 1])
