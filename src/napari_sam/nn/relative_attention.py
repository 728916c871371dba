"""Attention whose weights depend on relative position, decomposed into rows and columns."""

import torch
from torch import Tensor
from torch.nn import functional as F

# Best on the CPU of what was measured: an attention matrix of this size stays in the cache between its four passes.
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
