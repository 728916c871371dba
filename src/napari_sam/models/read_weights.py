"""A file of weights -> a state dict."""

import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from napari_sam.errors import UserError
from napari_sam.models import tensor_unpickler

PARTS = ("image_encoder.", "prompt_encoder.", "mask_decoder.")


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read the parameters and buffers of a network.

    Parameters
    ----------
    path
        A ``.safetensors`` file, or what `torch.save` wrote: a state dict, or a dict with one under ``model_state``
        whose names may start with ``sam.`` (as fine-tuning with micro-sam leaves them). No code in the file is run.

    Returns
    -------
    The tensors of the image encoder, prompt encoder and mask decoder by name, on the CPU; floats are float32.

    Raises
    ------
    UserError
        If the file is missing, cannot be read or holds no such tensors.
    """
    if not path.is_file():
        raise UserError(f"There is no file {path}.")
    stored = _safetensors(path) if path.suffix == ".safetensors" else _torch(path)
    state = stored.get("model_state", stored)
    if not isinstance(state, Mapping):
        raise UserError(f"{path} holds no weights under model_state.")
    weights = {}
    for key, tensor in state.items():
        name = str(key).removeprefix("sam.")
        if isinstance(tensor, Tensor) and name.startswith(PARTS):
            # Copied, since safetensors are views of a file that may be replaced while the network is in use.
            weights[name] = tensor.detach().to(torch.float32 if tensor.is_floating_point() else tensor.dtype, copy=True)
    if not weights:
        raise UserError(f"{path} holds no weights of a Segment Anything network.")
    return weights


def _safetensors(path: Path) -> Mapping[str, object]:
    try:
        return dict(load_file(path))
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path} cannot be read as safetensors ({error}).") from error


def _torch(path: Path) -> Mapping[str, object]:
    try:
        # The archive form is read with our own unpickler, the form before torch 1.6 with torch's.
        if zipfile.is_zipfile(path):
            stored = torch.load(path, map_location="cpu", pickle_module=tensor_unpickler, weights_only=False)
        else:
            stored = torch.load(path, map_location="cpu", weights_only=True)
    # A file from anywhere may break the reader in any of these ways.
    except (
        OSError,
        RuntimeError,
        pickle.UnpicklingError,
        EOFError,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
    ) as error:
        raise UserError(f"{path} cannot be read as a file of weights; it may be damaged or of another kind.") from error
    if not isinstance(stored, Mapping):
        raise UserError(f"{path} holds no weights of a Segment Anything network.")
    return stored
