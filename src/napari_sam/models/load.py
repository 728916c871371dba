"""A model's name or file -> a network that is ready to run."""

import hashlib
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from napari_sam.errors import UserError
from napari_sam.models.registry import REGISTRY, ModelSpec
from napari_sam.nn.nano import Nano
from napari_sam.nn.network import PromptableNetwork

BUNDLED_FILES = {"nano": "nano-0.safetensors"}


@dataclass(frozen=True, eq=False)
class Model:
    """A network with its weights, on its device.

    Parameters
    ----------
    name
        A name of `REGISTRY`, or the name of the file.
    network
        In evaluation mode, float32, without gradients.
    device
        Where the network is.
    digest
        SHA-256 of the file of weights, hexadecimal.
    spec
        What is known about the model.
    """

    name: str
    network: PromptableNetwork
    device: torch.device
    digest: str
    spec: ModelSpec


def load_model(name_or_path: str | Path = "nano", device: str = "auto") -> Model:
    """Load a model.

    Parameters
    ----------
    name_or_path
        A name of `REGISTRY`, or a file of weights.
    device
        "auto" (a GPU if there is one), or what `torch.device` takes.

    Raises
    ------
    UserError
        If there is no such model or device, or the file cannot be used.
    """
    chosen = _device(device)
    spec = REGISTRY.get(str(name_or_path))
    if spec is None:
        raise UserError(f"There is no model {name_or_path}; choose one of {', '.join(REGISTRY)}.")
    if not spec.bundled:
        raise UserError(f"The weights of {spec.name} are not bundled; download {spec.url} and open that file.")
    with as_file(files("napari_sam.models") / "weights" / BUNDLED_FILES[spec.name]) as path:
        digest = _digest(path)
        state = _read_safetensors(path)
    network = Nano()
    network.load_state_dict(state)
    network.requires_grad_(False).eval().to(device=chosen)
    _to_channels_last(network)
    return Model(spec.name, network, chosen, digest, spec)


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return dict(load_file(path))
    except SafetensorError as error:
        raise UserError(f"{path} is not a file of weights ({error}).") from error


def _to_channels_last(network: nn.Module) -> None:
    """Lay the weights of convolutions out as channels-last, in place."""
    for parameter in network.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)


def _device(name: str) -> torch.device:
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"The device {name} cannot be used here; choose auto or cpu.") from error
    return device


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
