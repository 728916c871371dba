"""A file of weights -> a state dict."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from napari_sam.errors import UserError
from napari_sam.models.tensor_pickle import StoredTensor
from napari_sam.models.torch_file import open_torch_file

T = TypeVar("T")
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
    try:
        if path.suffix == ".safetensors":
            return _weights(path, load_file(path), Tensor, Tensor.clone)
        with open_torch_file(path) as file:
            return _weights(path, file.content, StoredTensor, file.read)
    except (SafetensorError, KeyError) as error:
        raise UserError(f"{path} cannot be read as safetensors; it may be damaged or of another kind.") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}.") from error
    except UserError:
        raise
    except ValueError as error:
        raise UserError(
            f"{path} cannot be read as a file of weights ({error}); it may be damaged or of another kind."
        ) from error


def _weights(path: Path, stored: object, kind: type[T], read: Callable[[T], Tensor]) -> dict[str, Tensor]:
    """What the networks hold, of what a file holds.

    Parameters
    ----------
    path
        The file.
    stored
        Its content.
    kind
        Of its tensors.
    read
        Makes a tensor that does not depend on the file, which may be replaced while the network is in use.
    """
    state = stored.get("model_state", stored) if isinstance(stored, Mapping) else None
    if not isinstance(state, Mapping):
        where = " under model_state" if isinstance(stored, Mapping) else ""
        raise UserError(f"{path} holds no weights of a Segment Anything network{where}.")
    weights = {}
    for key, tensor in state.items():
        name = str(key).removeprefix("sam.")
        if isinstance(tensor, kind) and name.startswith(PARTS):
            own = read(tensor)
            weights[name] = own.to(torch.float32) if own.is_floating_point() else own
    if not weights:
        raise UserError(f"{path} holds no weights of a Segment Anything network.")
    return weights
