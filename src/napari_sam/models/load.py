"""A model's name or file -> a network that is ready to run."""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib.resources import as_file, files
from math import isqrt
from pathlib import Path

import torch
from torch import Tensor

from napari_sam.errors import UserError
from napari_sam.models.cache import cached_path, has_hash
from napari_sam.models.device import AUTO, CPU, choose_device, choose_precision, set_precision
from napari_sam.models.model import LocalModel, Model
from napari_sam.models.registry import REGISTRY, VIT_OBJECT_SIZE_PX, ModelSpec
from napari_sam.models.remote.server_address import ServerAddress, given_token, is_address
from napari_sam.models.weights_file import read_weights
from napari_sam.nn.image_encoder import VitConfig
from napari_sam.nn.nano import Nano, NanoConfig
from napari_sam.nn.sam import Sam, SamConfig
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
    """Read TinyViT's sizes off its weights; strides and the image's side, which no shape tells, are as published."""
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
    """Count the different numbers that the names have where `numbered` matches."""
    return len({found[1] for key in weights if (found := re.match(numbered, key))})


def misfit(weights: Mapping[str, Tensor], expected: Mapping[str, Tensor], architecture: str) -> str | None:
    """Find the first thing that keeps weights from being loaded.

    Parameters
    ----------
    weights
        What a file holds.
    expected
        The state dict of the network; only its shapes and types matter.
    architecture
        What the network is called.

    Returns
    -------
    The end of a sentence that begins with the file's name, or None if everything fits.
    """
    for key, tensor in expected.items():
        found = weights.get(key)
        if found is None:
            return f"lacks {key}, where {architecture} has {_shape(tensor)}."
        if found.shape != tensor.shape:
            return f"holds {key} of {_shape(found)}, where {architecture} has {_shape(tensor)}."
        if found.is_floating_point() != tensor.is_floating_point():
            return f"holds {key} in {_type(found)}, where {architecture} has {_type(tensor)}."
    for key, tensor in weights.items():
        if key not in expected:
            return f"holds {key} of {_shape(tensor)}, which {architecture} does not have."
    return None


def _shape(tensor: Tensor) -> str:
    return " x ".join(map(str, tensor.shape)) if tensor.ndim else "a single number"


def _type(tensor: Tensor) -> str:
    names = {torch.float32: "numbers with fractions"}
    return names.get(tensor.dtype, str(tensor.dtype).removeprefix("torch."))


CLASSIFIER = ("image_encoder.head.", "image_encoder.norm_head.")
COUNTER = ".num_batches_tracked"
BUNDLED_FILES = {"nano": "nano-9.safetensors"}


def load_model(
    name_or_path: str | Path = "nano",
    device: str = "auto",
    precision: str = AUTO,
    *,
    token: str | None = None,
    on_waiting: Callable[[], None] | None = None,
) -> Model:
    """Load a model.

    Parameters
    ----------
    name_or_path
        A name of `REGISTRY`, bundled or downloaded; or a file of weights of nano or of any SAM: safetensors, or what
        `torch.save` wrote. No code in the file is run.
    device
        "auto" (CUDA, else MPS, else the CPU), or what `torch.device` takes; or the address of a machine on which
        `napari-sam serve` runs, ``http://HOST:PORT``: then its file of weights, and its choice of device, count.
    precision
        "float32", which is exact; "bfloat16": see `Precision`; "auto": bfloat16 for the bundled model where the device
        is fast in it, which was measured to be harmless, and float32 otherwise.
    token
        What another machine knows us by; None for that in ``NAPARI_SAM_TOKEN``.
    on_waiting
        Called, on the thread that computes, when `Model.waiting` is different; without it, a `UserNotice` is given.

    Raises
    ------
    UserError
        If there is no such model, device or precision, or the file cannot be used; if another machine does not answer,
        does not know the token, or has other weights under this name.

    Examples
    --------
    >>> import napari_sam
    >>> model = napari_sam.load_model("nano", device="cpu", precision="float32")
    >>> model.name, model.device.type, model.network.window
    ('nano', 'cpu', 256)

    A model is loaded once and may serve several images:

    >>> import numpy as np
    >>> images = [np.zeros((40, 50), np.uint8), np.zeros((30, 20), np.uint8)]
    >>> [napari_sam.open_stack(image, model=model).source.shape for image in images]
    [(40, 50), (30, 20)]
    """
    if is_address(device):
        return _on_other_machine(name_or_path, device, precision, given_token(token), on_waiting)
    chosen = choose_device(device)
    spec = REGISTRY.get(str(name_or_path))
    if spec is not None and spec.bundled:
        with as_file(files("napari_sam.models") / "weights" / BUNDLED_FILES[spec.name]) as path:
            return _load_file(path, chosen, spec, precision)
    path = Path(name_or_path)
    if path.is_file():
        return _load_file(path, chosen, None, precision)
    if spec is not None:
        return _load_file(_downloaded(spec), chosen, spec, precision)
    raise UserError(
        f"There is no model and no file {name_or_path}; choose one of {', '.join(REGISTRY)}, or a file of weights."
    )


def _on_other_machine(
    name_or_path: str | Path, address: str, precision: str, token: str, on_waiting: Callable[[], None] | None
) -> Model:
    # What is sent needs packages that a model on this machine does not.
    from napari_sam.models.remote.connection import ServerConnection
    from napari_sam.models.remote.remote_model import open_remote

    path, spec = Path(name_or_path), REGISTRY.get(str(name_or_path))
    connection = ServerConnection(ServerAddress.read(address), token, on_waiting)
    is_file = spec is None and path.is_file()
    model = open_remote(connection, path.stem if is_file else str(name_or_path), precision, spec)
    known = _digest(path) if is_file else None if spec is None else _known_digest(spec)
    if known not in (None, model.digest):
        model.close()
        raise UserError(
            f"{connection.address} has another {model.name} than this machine (SHA-256 {model.digest[:12]} there, "
            f"{str(known)[:12]} here): bring both to one version."
        )
    return model


def _known_digest(spec: ModelSpec) -> str | None:
    """Return the SHA-256 of a model's weights as it is known here; None where it is not."""
    if spec.bundled:
        with as_file(files("napari_sam.models") / "weights" / BUNDLED_FILES[spec.name]) as path:
            return _digest(path)
    kind, _, digest = (spec.known_hash or "").partition(":")
    return digest if kind == "sha256" else None


def _downloaded(spec: ModelSpec) -> Path:
    """Return the downloaded file of a model, its hash checked."""
    path = cached_path(spec)
    command = f"`napari-sam models download {spec.name}`"
    if not path.is_file():
        raise UserError(f"{spec.name} is not downloaded: run {command} ({spec.size_bytes / 1e6:,.0f} MB).")
    try:
        good = spec.known_hash is not None and has_hash(path, spec.known_hash)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}.") from error
    if not good:
        raise UserError(f"{path} is not {spec.name} as it was published, or damaged: run {command} to replace it.")
    return path


def _load_file(path: Path, device: torch.device, spec: ModelSpec | None, precision: str) -> LocalModel:
    network, architecture = _network(path, read_weights(path))
    spec = spec or _spec_of_file(path, architecture)
    network.requires_grad_(False).eval().fuse()
    used = choose_precision(precision, device, harmless=spec.bundled)
    set_precision(network, used)
    model = LocalModel(spec.name, network, CPU, _digest(path), spec, used)
    model.move_to(device)
    _to_channels_last(network)
    return model


def _network(path: Path, weights: Mapping[str, Tensor]) -> tuple[Nano | Sam, str]:
    architecture = architecture_of(weights)
    if architecture is None:
        raise UserError(
            f"{path} is of an architecture that is not supported; use nano or a SAM with ViT-B, -L, -H or TinyViT."
        )
    try:
        network = Nano(nano_config(weights)) if architecture == NANO else _uninitialised_sam(weights)
    except KeyError as error:
        raise UserError(f"{path} lacks {error.args[0]}, which {architecture} has.") from error
    except (RuntimeError, LookupError, ValueError, TypeError, ZeroDivisionError) as error:
        raise UserError(f"The weights in {path} have other sizes than any {architecture} ({error}).") from error
    expected = network.state_dict()
    complete = _completed(weights, expected)
    problem = misfit(complete, expected, architecture)
    if problem is not None:
        raise UserError(f"{path} {problem}")
    network.load_state_dict(complete, assign=True)
    return network, architecture


def _completed(weights: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Drop the classifier of MobileSAM's encoder, and add the counters of training that some tools leave out."""
    counters = {key: torch.zeros_like(each, device="cpu") for key, each in expected.items() if key.endswith(COUNTER)}
    return counters | {key: each for key, each in weights.items() if not key.startswith(CLASSIFIER)}


def _uninitialised_sam(weights: Mapping[str, Tensor]) -> Sam:
    """Build a SAM of the weights' sizes on the meta device: initialising a ViT-H only to replace it takes seconds."""
    with torch.device("meta"):
        return Sam(sam_config(weights))


def _spec_of_file(path: Path, architecture: str) -> ModelSpec:
    known = REGISTRY.get(architecture)
    return ModelSpec(
        name=path.stem,
        architecture=architecture,
        description=f"Weights from {path}",
        licence="unknown",
        size_bytes=path.stat().st_size,
        bundled=False,
        object_size_px=known.object_size_px if known else VIT_OBJECT_SIZE_PX,
        scanned_size_px=known.scanned_size_px if known else VIT_OBJECT_SIZE_PX,
        boxed_size_px=known.boxed_size_px if known else VIT_OBJECT_SIZE_PX,
        knows_ends=known.knows_ends if known else False,
    )


def _to_channels_last(network: torch.nn.Module) -> None:
    """Lay the weights of convolutions out as channels-last, in place."""
    for parameter in network.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
