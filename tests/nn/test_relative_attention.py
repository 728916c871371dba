"""The forms of attention with relative positions agree with the plain formula."""

import pytest
import torch

from napari_sam.nn import image_encoder as module
from napari_sam.nn.image_encoder import attend_blocks, attend_folded, relative_attention


def plain(q, k, v, bias_h, bias_w):
    features = q.shape[-1]
    scores = q.flatten(1, 2) @ k.flatten(1, 2).transpose(1, 2) * features**-0.5
    bias = bias_h[..., :, None] + bias_w[..., None, :]
    weights = (scores + bias.reshape(scores.shape)).softmax(-1)
    return (weights @ v.flatten(1, 2)).view_as(q)


@pytest.mark.parametrize("form", [attend_blocks, attend_folded])
@pytest.mark.parametrize(("groups", "side"), [(1, 1), (5, 3), (2, 8), (3, 27)])
def test_forms_agree(monkeypatch, form, groups, side):
    # Blocks small enough that all loops go round, some with a remainder.
    monkeypatch.setattr(module, "BLOCK_QUERIES", 100)
    monkeypatch.setattr(module, "BLOCK_WEIGHTS", 3**4 * 2)
    generator = torch.Generator().manual_seed(side)
    q, k, v = torch.randn(3, groups, side, side, 6, generator=generator, dtype=torch.float64)
    bias_h, bias_w = torch.randn(2, groups, side, side, side, generator=generator, dtype=torch.float64)

    torch.testing.assert_close(form(q, k, v, bias_h, bias_w), plain(q, k, v, bias_h, bias_w), rtol=1e-12, atol=1e-12)


def test_bias_is_read_by_relative_position():
    side = 3
    q, k = torch.ones(1, side, side, 1), torch.zeros(1, side, side, 1)
    v = torch.arange(9.0).view(1, side, side, 1)
    rel_h, rel_w = torch.zeros(5, 1), torch.zeros(5, 1)
    rel_h[side - 1 + 1] = rel_w[side - 1 - 1] = 1000  # the key one row above and one column to the right

    out = relative_attention(q, k, v, rel_h, rel_w)

    assert out[0, 1:, :-1, 0].tolist() == [[1, 2], [4, 5]]
