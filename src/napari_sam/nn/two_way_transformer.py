"""The two-way transformer of SAM's mask decoder: tokens attend to the image and the image to tokens.

Between tokens and image, the projections of the image are applied to the tokens instead (a product may be associated
either way): there are few tokens, so this is less work, and the image is neither projected nor copied.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_sam.nn.layers import MlpBlock, plus
from napari_sam.nn.network import PlacedImage


class Attention(nn.Module):
    """Self-attention of tokens, and what its kinds have in common (SAM, appendix A).

    Parameters
    ----------
    dim
        Features of a token and of a cell.
    heads
        Number of heads; must divide ``dim // downsample``.
    downsample
        How much narrower queries, keys and values are than tokens.
    """

    def __init__(self, dim: int, heads: int, downsample: int = 1) -> None:
        super().__init__()
        inner = dim // downsample
        if inner % heads:
            raise ValueError(f"{heads} heads do not divide {inner} features")
        self.heads = heads
        self.scale = (inner // heads) ** -0.5
        self.q_proj = nn.Linear(dim, inner)
        self.k_proj = nn.Linear(dim, inner)
        self.v_proj = nn.Linear(dim, inner)
        self.out_proj = nn.Linear(inner, dim)

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attend: (N, T, dim) each -> (N, T, dim)."""
        query, key, value = self._split(self.q_proj(q)), self._split(self.k_proj(k)), self._split(self.v_proj(v))
        out: Tensor = self.out_proj(F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2))
        return out

    def _split(self, x: Tensor) -> Tensor:
        """Split (N, T, C) into (N, heads, T, C / heads)."""
        batch, count, _ = x.shape
        return x.view(batch, count, self.heads, -1).transpose(1, 2)

    def _per_head(self, weight: Tensor) -> Tensor:
        """Split (C, C') into (heads, C / heads, C')."""
        return weight.view(self.heads, -1, weight.shape[1])


class TokenToImageAttention(Attention):
    """Tokens attend to the cells of an image."""

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attend.

        Parameters
        ----------
        q
            (N, T, dim) tokens.
        k, v
            (N or 1, S, dim) cells; a batch of 1 is shared by all tokens.

        Returns
        -------
        (N, T, dim).
        """
        query = self._split(self.q_proj(q)) * self.scale
        # The keys' bias adds the same to all scores of a query; the softmax forgets it.
        weights = _product(query @ self._per_head(self.k_proj.weight), k.transpose(1, 2)).softmax(-1)
        value = _product(weights, v) @ self._per_head(self.v_proj.weight).transpose(1, 2)
        out: Tensor = self.out_proj(value.transpose(1, 2).flatten(2) + self.v_proj.bias)
        return out


class ImageToTokenAttention(Attention):
    """The cells of an image attend to tokens."""

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attend.

        Parameters
        ----------
        q
            (N or 1, S, dim) cells; a batch of 1 is shared by all tokens.
        k, v
            (N, T, dim) tokens.

        Returns
        -------
        (N, S, dim).
        """
        key = self._split(self.k_proj(k)) * self.scale
        by_query = key @ self.q_proj.bias.view(self.heads, -1, 1)
        scores = _product(key @ self._per_head(self.q_proj.weight), q.transpose(1, 2)) + by_query
        weights = scores.softmax(2)
        # Weights of a head sum to one, so a bias on the first head's values is a bias on the result.
        value = self._split(self.v_proj(v)) @ self._per_head(self.out_proj.weight.T)
        first_head = torch.arange(self.heads, device=value.device)[:, None, None] == 0
        value = value + first_head * self.out_proj.bias
        out: Tensor = weights.flatten(1, 2).transpose(1, 2) @ value.flatten(1, 2)
        return out


def _product(tokens: Tensor, image: Tensor) -> Tensor:
    """Multiply (N, heads, T, C) by (N or 1, C, S) into (N, heads, T, S)."""
    rows = tokens.flatten(1, 2)
    product = tokens.flatten(0, 2) @ image[0] if len(image) == 1 else rows @ image
    return product.view(*tokens.shape[:3], -1)


class TwoWayBlock(nn.Module):
    """Self-attention of tokens, tokens to image, MLP, image to tokens (SAM, figure 14).

    Parameters
    ----------
    dim
        Features of a token and of an image position.
    heads
        Attention heads.
    mlp_dim
        Hidden features of the MLP.
    first
        The first block's self-attention has no positions and no residual.
    """

    def __init__(self, dim: int, heads: int, mlp_dim: int, first: bool) -> None:
        super().__init__()
        self.first = first
        self.self_attn = Attention(dim, heads)
        self.norm1 = nn.LayerNorm(dim)
        self.cross_attn_token_to_image = TokenToImageAttention(dim, heads, downsample=2)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = MlpBlock(dim, mlp_dim, nn.ReLU)
        self.norm3 = nn.LayerNorm(dim)
        self.norm4 = nn.LayerNorm(dim)
        self.cross_attn_image_to_token = ImageToTokenAttention(dim, heads, downsample=2)

    def forward(self, tokens: Tensor, image: PlacedImage, token_pe: Tensor) -> tuple[Tensor, Tensor]:
        """Update tokens and image.

        Parameters
        ----------
        tokens, token_pe
            (N, T, dim).
        image
            S cells.

        Returns
        -------
        tokens (N, T, dim) and image (N, S, dim).
        """
        if self.first:
            tokens = self.self_attn(tokens, tokens, tokens)
        else:
            placed = tokens + token_pe
            tokens = tokens + self.self_attn(placed, placed, tokens)
        tokens = self.norm1(tokens)
        tokens = self.norm2(tokens + self.cross_attn_token_to_image(tokens + token_pe, image.placed, image.cells))
        tokens = self.norm3(tokens + self.mlp(tokens))
        update = self.cross_attn_image_to_token(image.placed, tokens + token_pe, tokens)
        return tokens, self.norm4(plus(update, image.cells))


class TwoWayTransformer(nn.Module):
    """A few two-way blocks and a last attention of the tokens to the image.

    Parameters
    ----------
    depth
        Number of blocks.
    dim, heads, mlp_dim
        As in `TwoWayBlock`.
    """

    def __init__(self, depth: int, dim: int, heads: int, mlp_dim: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(TwoWayBlock(dim, heads, mlp_dim, first=i == 0) for i in range(depth))
        self.final_attn_token_to_image = TokenToImageAttention(dim, heads, downsample=2)
        self.norm_final_attn = nn.LayerNorm(dim)

    def forward(self, image: PlacedImage, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Let tokens and image read each other.

        Parameters
        ----------
        image
            S cells.
        tokens
            (N, T, dim).

        Returns
        -------
        tokens (N, T, dim) and image (N, S, dim).
        """
        token_pe = tokens
        for layer in self.layers:
            tokens, cells = layer(tokens, image, token_pe)
            image = PlacedImage.of(cells, image.positions, image.shape)
        read = self.final_attn_token_to_image(tokens + token_pe, image.placed, image.cells)
        return self.norm_final_attn(tokens + read), image.cells
