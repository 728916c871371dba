"""A model's name or file -> a network that is ready to run."""

import hashlib
from collections.abc import Mapping
from importlib.resources import as_file, files
from pathlib import Path

import torch
from torch import Tensor

from napari_sam.errors import UserError
from napari_sam.models.architecture import NANO, architecture_of, nano_config, sam_config
from napari_sam.models.cache import cached_path
from napari_sam.models.device import CPU, choose_device
from napari_sam.models.file_hash import has_hash
from napari_sam.models.fit import misfit
from napari_sam.models.model import Model
from napari_sam.models.precision import AUTO, choose_precision, set_precision
from napari_sam.models.read_weights import read_weights
from napari_sam.models.registry import REGISTRY, VIT_OBJECT_SIZE_PX, ModelSpec
from napari_sam.nn.nano import Nano
from napari_sam.nn.sam import Sam

CLASSIFIER = ("image_encoder.head.", "image_encoder.norm_head.")
COUNTER = ".num_batches_tracked"
BUNDLED_FILES = {"nano": "nano-8.safetensors"}


def load_model(name_or_path: str | Path = "nano", device: str = "auto", precision: str = AUTO) -> Model:
    """Load a model.

    Parameters
    ----------
    name_or_path
        A name of `REGISTRY`, bundled or downloaded; or a file of weights of nano or of any SAM: safetensors, or what
        `torch.save` wrote. No code in the file is run.
    device
        "auto" (CUDA, else MPS, else the CPU), or what `torch.device` takes.
    precision
        "float32", which is exact; "bfloat16": see `Precision`; "auto": bfloat16 for the bundled model where the device
        is fast in it, which was measured to be harmless, and float32 otherwise.

    Raises
    ------
    UserError
        If there is no such model, device or precision, or the file cannot be used.
    """
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


def _downloaded(spec: ModelSpec) -> Path:
    """The downloaded file of a model, its hash checked."""
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


def _load_file(path: Path, device: torch.device, spec: ModelSpec | None, precision: str) -> Model:
    network, architecture = _network(path, read_weights(path))
    spec = spec or _spec_of_file(path, architecture)
    network.requires_grad_(False).eval().fuse()
    used = choose_precision(precision, device, harmless=spec.bundled)
    set_precision(network, used)
    model = Model(spec.name, network, CPU, _digest(path), spec, used)
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
    """Without the classifier of MobileSAM's encoder, and with the counters of training that some tools leave out."""
    counters = {key: torch.zeros_like(each, device="cpu") for key, each in expected.items() if key.endswith(COUNTER)}
    return counters | {key: each for key, each in weights.items() if not key.startswith(CLASSIFIER)}


def _uninitialised_sam(weights: Mapping[str, Tensor]) -> Sam:
    """A SAM of the weights' sizes on the meta device: initialising a ViT-H only to replace it takes seconds."""
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
