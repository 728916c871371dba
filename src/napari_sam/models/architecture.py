"""A state dict -> the network that it belongs to."""

import re
from collections.abc import Mapping
from dataclasses import replace
from math import isqrt

from torch import Tensor

from napari_sam.nn.image_encoder import VitConfig
from napari_sam.nn.nano import NanoConfig
from napari_sam.nn.sam import SamConfig
from napari_sam.nn.tiny_vit import TinyVitConfig

NANO = "nano"
TINY_VIT = "vit_t"
_VIT_BY_DEPTH = {12: "vit_b", 24: "vit_l", 32: "vit_h"}


def architecture_of(weights: Mapping[str, Tensor]) -> str | None:
    """Name the architecture of weights.

    Returns
    -------
    "nano", "vit_t", "vit_b", "vit_l", "vit_h", "vit" for a vision transformer of other sizes, or None if it is unknown.
    """
    if "image_encoder.stages.0.0.conv.weight" in weights:
        return NANO
    if "image_encoder.patch_embed.seq.0.c.weight" in weights:
        return TINY_VIT
    if "image_encoder.pos_embed" in weights and "image_encoder.blocks.0.attn.rel_pos_h" in weights:
        return _VIT_BY_DEPTH.get(_depth(weights), "vit")
    return None


def nano_config(weights: Mapping[str, Tensor]) -> NanoConfig:
    """Read off its weights what the versions of nano differ in: blocks of the encoder and local mixing."""
    sizes = NanoConfig()
    blocks = (_count(weights, rf"image_encoder\.stages\.{stage}\.(\d+)\.") - 1 for stage in range(len(sizes.blocks)))
    mixing = weights.get("mask_decoder.mix_before.narrow.weight", ())
    return replace(sizes, blocks=tuple(blocks), mixing=len(mixing))


def sam_config(weights: Mapping[str, Tensor]) -> SamConfig:
    """Read the sizes of a SAM network off its weights, save the decoder's heads, which are the published 8.

    Raises
    ------
    KeyError
        If a parameter is missing that the sizes depend on.
    ValueError, ZeroDivisionError, IndexError
        If such a parameter has a shape that no network gives it.
    """
    return SamConfig(
        _tiny_vit(weights) if architecture_of(weights) == TINY_VIT else _vit(weights),
        dim=len(weights["image_encoder.neck.0.weight"]),
        mask_channels=(
            len(weights["prompt_encoder.mask_downscaling.0.weight"]),
            len(weights["prompt_encoder.mask_downscaling.3.weight"]),
        ),
        depth=_count(weights, r"mask_decoder\.transformer\.layers\.(\d+)\."),
        mlp_dim=len(weights["mask_decoder.transformer.layers.0.mlp.lin1.weight"]),
    )


def _vit(weights: Mapping[str, Tensor]) -> VitConfig:
    _, side, _, dim = weights["image_encoder.pos_embed"].shape
    patch = weights["image_encoder.patch_embed.proj.weight"].shape[-1]
    reach = [(len(weights[f"image_encoder.blocks.{i}.attn.rel_pos_h"]) + 1) // 2 for i in range(_depth(weights))]
    head = weights["image_encoder.blocks.0.attn.rel_pos_h"].shape[1]
    return VitConfig(
        dim=dim,
        depth=len(reach),
        heads=dim // head,
        global_blocks=tuple(i for i, tokens in enumerate(reach) if tokens == side),
        image_side=side * patch,
        patch=patch,
        attention_window=min(reach),
    )


def _tiny_vit(weights: Mapping[str, Tensor]) -> TinyVitConfig:
    """Strides and the image's side, which no shape tells, are the published ones."""
    stages = _count(weights, r"image_encoder\.layers\.(\d+)\.")
    biases = [weights[f"image_encoder.layers.{i}.blocks.0.attn.attention_biases"] for i in range(1, stages)]
    return TinyVitConfig(
        dims=(
            len(weights["image_encoder.layers.0.blocks.0.conv3.c.weight"]),
            *(len(weights[f"image_encoder.layers.{i}.blocks.0.attn.proj.weight"]) for i in range(1, stages)),
        ),
        depths=tuple(_count(weights, rf"image_encoder\.layers\.{i}\.blocks\.(\d+)\.") for i in range(stages)),
        heads=tuple(len(bias) for bias in biases),
        windows=tuple(isqrt(bias.shape[1]) for bias in biases),
    )


def _depth(weights: Mapping[str, Tensor]) -> int:
    return _count(weights, r"image_encoder\.blocks\.(\d+)\.")


def _count(weights: Mapping[str, Tensor], numbered: str) -> int:
    """How many different numbers the names have where `numbered` matches."""
    return len({found[1] for key in weights if (found := re.match(numbered, key))})
