"""SAM as transformers has it: other code, other names of the parameters."""

import importlib
import importlib.util
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import Tensor

from napari_sam.nn.image_encoder import VitConfig
from napari_sam.nn.sam import SamConfig

STAND_INS = ("torchvision", "timm")
POSITIONS = "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"
# The publishers' names -> transformers'; applied in this order.
RENAMED = (
    (r"^image_encoder\.patch_embed\.proj\.", r"vision_encoder.patch_embed.projection."),
    (r"^image_encoder\.blocks\.", r"vision_encoder.layers."),
    (r"^image_encoder\.neck\.0\.", r"vision_encoder.neck.conv1."),
    (r"^image_encoder\.neck\.1\.", r"vision_encoder.neck.layer_norm1."),
    (r"^image_encoder\.neck\.2\.", r"vision_encoder.neck.conv2."),
    (r"^image_encoder\.neck\.3\.", r"vision_encoder.neck.layer_norm2."),
    (r"^image_encoder\.", r"vision_encoder."),
    (r"\.norm(\d)\.", r".layer_norm\1."),
    (r"\.norm_final_attn\.", r".layer_norm_final_attn."),
    (r"^prompt_encoder\.pe_layer\.positional_encoding_gaussian_matrix", r"shared_image_embedding.positional_embedding"),
    (r"^prompt_encoder\.point_embeddings\.", r"prompt_encoder.point_embed."),
    (r"^prompt_encoder\.mask_downscaling\.0\.", r"prompt_encoder.mask_embed.conv1."),
    (r"^prompt_encoder\.mask_downscaling\.1\.", r"prompt_encoder.mask_embed.layer_norm1."),
    (r"^prompt_encoder\.mask_downscaling\.3\.", r"prompt_encoder.mask_embed.conv2."),
    (r"^prompt_encoder\.mask_downscaling\.4\.", r"prompt_encoder.mask_embed.layer_norm2."),
    (r"^prompt_encoder\.mask_downscaling\.6\.", r"prompt_encoder.mask_embed.conv3."),
    (r"^mask_decoder\.output_upscaling\.0\.", r"mask_decoder.upscale_conv1."),
    (r"^mask_decoder\.output_upscaling\.1\.", r"mask_decoder.upscale_layer_norm."),
    (r"^mask_decoder\.output_upscaling\.3\.", r"mask_decoder.upscale_conv2."),
    (r"(mlps\.\d|head)\.layers\.0\.", r"\1.proj_in."),
    (r"(mlps\.\d|head)\.layers\.1\.", r"\1.layers.0."),
    (r"(mlps\.\d|head)\.layers\.2\.", r"\1.proj_out."),
)


def transformers_installed() -> bool:
    """Whether transformers can be imported."""
    return importlib.util.find_spec("transformers") is not None


def with_transformers_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The publishers' state dict under transformers' names, which has the positions' matrix twice."""
    renamed = {_renamed(name): tensor for name, tensor in state.items()}
    return renamed | {"prompt_encoder.shared_embedding.positional_embedding": state[POSITIONS]}


def transformers_sam(config: SamConfig) -> Any:
    """transformers' `SamModel` of the given sizes."""
    encoder = config.encoder
    assert isinstance(encoder, VitConfig)
    with _without_stand_ins():
        transformers = importlib.import_module("transformers")
        model, its_config = transformers.SamModel, transformers.SamConfig
    image = {"image_size": encoder.image_side, "patch_size": encoder.patch}
    return model(
        its_config(
            vision_config=image
            | {
                "hidden_size": encoder.dim,
                "output_channels": config.dim,
                "num_hidden_layers": encoder.depth,
                "num_attention_heads": encoder.heads,
                "window_size": encoder.attention_window,
                "global_attn_indexes": list(encoder.global_blocks),
                "num_pos_feats": config.dim // 2,
                "mlp_dim": 4 * encoder.dim,
            },
            prompt_encoder_config=image | {"hidden_size": config.dim, "mask_input_channels": config.mask_channels[1]},
            mask_decoder_config={
                "hidden_size": config.dim,
                "num_hidden_layers": config.depth,
                "num_attention_heads": config.heads,
                "mlp_dim": config.mlp_dim,
                "iou_head_hidden_dim": config.dim,
                # The publishers' value; transformers' own default is a tenth of it.
                "layer_norm_eps": 1e-5,
            },
        )
    ).eval()


def _renamed(name: str) -> str:
    for pattern, replacement in RENAMED:
        name = re.sub(pattern, replacement, name)
    return name


@contextmanager
def _without_stand_ins() -> Iterator[None]:
    """Hide what stands in for packages that are not installed: transformers would take them for real ones."""
    hidden = {
        name: module
        for name, module in sys.modules.items()
        if name.split(".")[0] in STAND_INS and getattr(module, "__spec__", None) is None
    }
    for name in hidden:
        del sys.modules[name]
    try:
        yield
    finally:
        sys.modules.update(hidden)
