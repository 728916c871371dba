"""Multi-head attention between tokens and image."""

from torch import Tensor, nn
from torch.nn import functional as F


class Attention(nn.Module):
    """Multi-head attention that may work at a smaller width than its tokens (SAM, appendix A).

    Parameters
    ----------
    dim
        Features of a token.
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
        self.q_proj = nn.Linear(dim, inner)
        self.k_proj = nn.Linear(dim, inner)
        self.v_proj = nn.Linear(dim, inner)
        self.out_proj = nn.Linear(inner, dim)

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attend.

        Parameters
        ----------
        q
            (N or 1, T, dim).
        k, v
            (N or 1, S, dim). A batch of 1 is shared by all prompts.

        Returns
        -------
        (N, T, dim).
        """
        query, key, value = self._split(self.q_proj(q)), self._split(self.k_proj(k)), self._split(self.v_proj(v))
        prompts = max(query.shape[0], key.shape[0])
        query, key, value = (x.expand(prompts, -1, -1, -1) for x in (query, key, value))
        heads = F.scaled_dot_product_attention(query, key, value)
        out: Tensor = self.out_proj(heads.transpose(1, 2).flatten(2))
        return out

    def _split(self, x: Tensor) -> Tensor:
        """(B, T, C) -> (B, heads, T, C / heads)."""
        batch, count, _ = x.shape
        return x.view(batch, count, self.heads, -1).transpose(1, 2)
