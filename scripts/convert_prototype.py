"""Convert the weights of the prototype of nano into this package's names.

    python scripts/convert_prototype.py PROTOTYPE.safetensors OUTPUT.safetensors

The output is float16, with the name, version, architecture and licence in its metadata.
"""

import argparse
import re
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from napari_sam.nn.nano import Nano

UNUSED = {"nomask.weight"}

# Prefix in the prototype -> prefix here; the first that matches is taken.
PREFIXES = [
    (r"enc\.stages\.(\d+)\.0\.c\.", r"image_encoder.stages.\1.0.conv."),
    (r"enc\.stages\.(\d+)\.0\.n\.", r"image_encoder.stages.\1.0.norm."),
    (r"enc\.stages\.(\d+)\.(\d+)\.a\.", r"image_encoder.stages.\1.\2.first.conv."),
    (r"enc\.stages\.(\d+)\.(\d+)\.n1\.", r"image_encoder.stages.\1.\2.first.norm."),
    (r"enc\.stages\.(\d+)\.(\d+)\.b\.", r"image_encoder.stages.\1.\2.second.conv."),
    (r"enc\.stages\.(\d+)\.(\d+)\.n2\.", r"image_encoder.stages.\1.\2.second.norm."),
    (r"enc\.lat\.", "image_encoder.lateral."),
    (r"enc\.out\.(\d+)\.0\.", r"image_encoder.pyramid.\1.conv."),
    (r"enc\.out\.(\d+)\.1\.", r"image_encoder.pyramid.\1.norm."),
    (r"enc\.final\.", "image_encoder.embedding."),
    (r"enc\.hr4\.", "image_encoder.high_res.0."),
    (r"enc\.hr2\.", "image_encoder.high_res.1."),
    (r"enc\.d4\.", "image_encoder.maps.from_pyramid."),
    (r"enc\.l4\.", "image_encoder.maps.from_stage."),
    (r"enc\.dh\.0\.", "image_encoder.maps.mix.conv."),
    (r"enc\.dh\.1\.", "image_encoder.maps.mix.norm."),
    (r"enc\.dh\.3\.", "image_encoder.maps.out."),
    (r"pe\.g$", "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"),
    (r"notpt\.", "prompt_encoder.not_a_point_embed."),
    (r"md\.", "prompt_encoder.mask_downscaling."),
    (r"up2p\.", "mask_decoder.drawn_shortcut."),
    (r"iou\.", "mask_decoder.iou_token."),
    (r"mt\.", "mask_decoder.mask_tokens."),
    (r"blocks\.", "mask_decoder.transformer.layers."),
    (r"fin\.", "mask_decoder.transformer.final_attn_token_to_image."),
    (r"nf\.", "mask_decoder.transformer.norm_final_attn."),
    (r"up1\.", "mask_decoder.output_upscaling.0."),
    (r"ln\.", "mask_decoder.output_upscaling.1."),
    (r"up2\.", "mask_decoder.output_upscaling.3."),
    (r"hyp\.", "mask_decoder.output_hypernetworks_mlps."),
    (r"iouh\.", "mask_decoder.iou_prediction_head."),
]

# Applied, all of them in turn, to what follows an attention, MLP or layer norm prefix.
INNER = [
    (r"\.sa\.", ".self_attn."),
    (r"\.t2i\.", ".cross_attn_token_to_image."),
    (r"\.i2t\.", ".cross_attn_image_to_token."),
    (r"(attn|image|token)\.([qkv])\.", r"\1.\2_proj."),
    (r"(attn|image|token)\.o\.", r"\1.out_proj."),
    (r"(layers\.\d+)\.n([1-4])\.", r"\1.norm\2."),
    (r"(layers\.\d+)\.mlp\.0\.", r"\1.mlp.lin1."),
    (r"(layers\.\d+)\.mlp\.2\.", r"\1.mlp.lin2."),
    (r"(mlps\.\d+|head)\.0\.", r"\1.layers.0."),
    (r"(mlps\.\d+|head)\.2\.", r"\1.layers.1."),
    (r"(mlps\.\d+|head)\.4\.", r"\1.layers.2."),
    (r"(mask_downscaling\.\d|output_upscaling\.1)\.w$", r"\1.weight"),
    (r"(mask_downscaling\.\d|output_upscaling\.1)\.b$", r"\1.bias"),
]


def convert(prototype: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename the prototype's state dict to that of `Nano`."""
    converted: dict[str, Tensor] = {}
    for key, tensor in prototype.items():
        if key in UNUSED:
            continue
        if key == "pt.weight":
            for kind, row in enumerate(tensor):
                converted[f"prompt_encoder.point_embeddings.{kind}.weight"] = row[None].clone()
            continue
        converted[rename(key)] = tensor
    return converted


def rename(key: str) -> str:
    """The name here of the prototype's parameter `key`."""
    for pattern, prefix in PREFIXES:
        renamed, found = re.subn(f"^{pattern}", prefix, key)
        if found:
            for inner, replacement in INNER:
                renamed = re.sub(inner, replacement, renamed)
            return renamed
    raise KeyError(f"the prototype's parameter {key} has no name here")


def main() -> None:
    """Read, rename, check and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("prototype", type=Path)
    parser.add_argument("output", type=Path)
    arguments = parser.parse_args()
    state = convert(load_file(arguments.prototype))
    Nano().load_state_dict(state)
    half = {key: tensor.half() if tensor.dtype.is_floating_point else tensor for key, tensor in state.items()}
    if not all(bool(torch.isfinite(tensor).all()) for tensor in half.values()):
        raise SystemExit("some weights do not fit float16")
    metadata = {"name": "nano", "version": "0", "architecture": "nano", "licence": "BSD-3-Clause"}
    save_file(half, arguments.output, metadata)
    print(f"{arguments.output}: {len(half)} tensors, {arguments.output.stat().st_size} bytes")


if __name__ == "__main__":
    main()
