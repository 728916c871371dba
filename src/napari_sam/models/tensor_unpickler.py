"""Unpickling that builds tensors and plain containers, and nothing else."""

import pickle
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any, Self

import torch
from torch import _utils

_ALLOWED: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _utils._rebuild_tensor_v2,
    ("torch._utils", "_rebuild_parameter"): _utils._rebuild_parameter,
    ("torch.storage", "UntypedStorage"): torch.UntypedStorage,
}


class Placeholder:
    """Stands for whatever else a file holds (optimisers, settings, functions), and does nothing."""

    def __new__(cls, *_arguments: object, **_named: object) -> Self:
        """Take and forget any arguments."""
        return super().__new__(cls)

    def __init__(self, *_arguments: object, **_named: object) -> None:
        pass

    def __call__(self, *_arguments: object, **_named: object) -> Self:
        """Answer a call of what this stands for with itself."""
        return self

    def __setstate__(self, _state: object) -> None:
        pass

    def __setitem__(self, _key: object, _value: object) -> None:
        pass

    def append(self, _item: object) -> None:
        """Forget an item."""

    def extend(self, _items: Iterable[object]) -> None:
        """Forget items."""

    def add(self, _item: object) -> None:
        """Forget an item."""


class Unpickler(pickle.Unpickler):
    """An unpickler for `torch.load`: names that do not build tensors become `Placeholder`, so no code is run.

    `torch.load(..., weights_only=True)` is as safe but refuses a file as a whole for one such name, which
    fine-tuned checkpoints often hold beside the weights.
    """

    def find_class(self, module: str, name: str) -> Any:
        """What a pickle means by a name."""
        return _ALLOWED.get((module, name), Placeholder)
