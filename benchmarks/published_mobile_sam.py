"""MobileSAM as its publishers wrote it, without timm and torchvision."""

import importlib
import importlib.util
import sys
from functools import cache
from types import ModuleType
from typing import Any

import torch
from torch import nn

from napari_sam.nn.sam import SamConfig
from napari_sam.nn.tiny_vit import TinyVitConfig


def _stand_in_for_timm() -> None:
    """The four names that MobileSAM imports of timm: none of them does anything in a network that is not trained."""
    layers, registry = ModuleType("timm.models.layers"), ModuleType("timm.models.registry")
    layers.DropPath = nn.Module  # type: ignore[attr-defined]
    layers.to_2tuple = lambda side: (side, side)  # type: ignore[attr-defined]
    layers.trunc_normal_ = torch.nn.init.trunc_normal_  # type: ignore[attr-defined]
    registry.register_model = lambda build: build  # type: ignore[attr-defined]
    sys.modules["timm"] = ModuleType("timm")
    sys.modules["timm.models"] = ModuleType("timm.models")
    sys.modules["timm.models.layers"] = layers
    sys.modules["timm.models.registry"] = registry


@cache
def _modeling() -> Any:
    if importlib.util.find_spec("timm") is None:
        _stand_in_for_timm()
    if "mobile_sam" not in sys.modules:
        spec = importlib.util.find_spec("mobile_sam")
        if spec is None:
            raise ImportError("mobilesam-mirror is not installed")
        bare = ModuleType("mobile_sam")
        bare.__path__ = list(spec.submodule_search_locations or [])
        sys.modules["mobile_sam"] = bare
    return importlib.import_module("mobile_sam.modeling")


def published_mobile_sam(config: SamConfig) -> Any:
    """A published network of the given sizes.

    Its encoder computes the biases of its attention in `eval`: call that after the weights are in place. It works for
    embeddings of 64 x 64 cells only, and halves the resolution before its last stage unless that has 320 channels.
    """
    parts = _modeling()
    encoder = config.encoder
    assert isinstance(encoder, TinyVitConfig)
    side = (encoder.side, encoder.side)
    return parts.Sam(
        parts.TinyViT(
            img_size=encoder.image_side,
            embed_dims=list(encoder.dims),
            depths=list(encoder.depths),
            num_heads=[1, *encoder.heads],
            window_sizes=[1, *encoder.windows],
            drop_path_rate=0.0,
        ),
        parts.PromptEncoder(config.dim, side, (encoder.image_side, encoder.image_side), config.mask_channels[1]),
        parts.MaskDecoder(
            transformer_dim=config.dim,
            transformer=parts.TwoWayTransformer(config.depth, config.dim, config.heads, config.mlp_dim),
            iou_head_hidden_dim=config.dim,
        ),
    )
