"""Whether weights are those of a network: every name, every shape."""

from collections.abc import Mapping

import torch
from torch import Tensor


def misfit(weights: Mapping[str, Tensor], expected: Mapping[str, Tensor], architecture: str) -> str | None:
    """The first thing that keeps weights from being loaded.

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
