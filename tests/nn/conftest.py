"""The published implementation, and weights that hide no mistake."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import nn

from benchmarks.published_predictor import published_modeling
from napari_sam.nn.sam import SamConfig

LEARNED_TOKENS = ("token.weight", "tokens.weight", "_embed.weight", "pos_embed", "_matrix")


def _published_sam(config: SamConfig) -> nn.Module:
    """A published network of the given sizes."""
    parts = published_modeling()
    encoder = config.encoder
    side = (encoder.side, encoder.side)
    sam = parts.Sam(
        parts.ImageEncoderViT(
            img_size=encoder.image_side,
            patch_size=encoder.patch,
            embed_dim=encoder.dim,
            depth=encoder.depth,
            num_heads=encoder.heads,
            out_chans=config.dim,
            norm_layer=partial(nn.LayerNorm, eps=1e-6),
            use_rel_pos=True,
            window_size=encoder.attention_window,
            global_attn_indexes=encoder.global_blocks,
        ),
        parts.PromptEncoder(config.dim, side, (encoder.image_side, encoder.image_side), config.mask_channels[1]),
        parts.MaskDecoder(
            transformer_dim=config.dim,
            transformer=parts.TwoWayTransformer(config.depth, config.dim, config.heads, config.mlp_dim),
            iou_head_hidden_dim=config.dim,
        ),
    )
    # It encodes positions in float32 whatever the network's type; in float64 that would not even multiply.
    positions = sam.prompt_encoder.pe_layer
    encode = positions._pe_encoding
    positions._pe_encoding = lambda coords: encode(coords.to(positions.positional_encoding_gaussian_matrix.dtype))
    return sam


def _fill(network: nn.Module, seed: int) -> None:
    """Give every parameter and buffer a value that is neither zero nor one nor the same as another's."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in sorted(network.state_dict().items()):
            values = torch.randn(tensor.shape, generator=generator, dtype=torch.float64)
            if name.endswith("running_var"):
                values = 0.5 + values.abs()
            elif name.endswith(LEARNED_TOKENS) or "point_embeddings" in name:
                values *= 0.7
            elif tensor.ndim > 1:
                # A gain near one: large weights make attention so sharp that float32 differs from float64 by itself.
                values *= tensor[0].numel() ** -0.5 * 1.2
            elif name.endswith("weight"):
                values = 1 + 0.3 * values
            else:
                values *= 0.3
            if tensor.dtype.is_floating_point:
                tensor.copy_(values)


@pytest.fixture(scope="session")
def published_sam() -> Callable[[SamConfig], nn.Module]:
    return _published_sam


@pytest.fixture(scope="session")
def fill() -> Callable[[nn.Module, int], None]:
    return _fill
