"""Multi-head attention among a few tokens, and between them and the many cells of an image.

Between tokens and image, the projections of the image are applied to the tokens instead (a product may be associated
either way): there are few tokens, so this is less work, and the image is neither projected nor copied.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


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
        """(N, T, C) -> (N, heads, T, C / heads)."""
        batch, count, _ = x.shape
        return x.view(batch, count, self.heads, -1).transpose(1, 2)

    def _per_head(self, weight: Tensor) -> Tensor:
        """(C, C') -> (heads, C / heads, C')."""
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
    """(N, heads, T, C) times (N or 1, C, S) -> (N, heads, T, S)."""
    rows = tokens.flatten(1, 2)
    product = tokens.flatten(0, 2) @ image[0] if len(image) == 1 else rows @ image
    return product.view(*tokens.shape[:3], -1)
