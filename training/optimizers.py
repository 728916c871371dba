"""Which optimizer moves which parameter of the network."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from training.config import OptimizerConfig
from training.muon import Muon

SMALLEST_MATRIX = 32
"""Matrices with a shorter side are left to AdamW: those next to the image and to the output, mostly."""
SHARE = "share"
"""Name, in a group of parameters, of their share of the learning rates."""


class Optimizers:
    """Muon for hidden kernels and matrices if the configuration says so, AdamW for everything else.

    Parameters
    ----------
    network
        The network; its parameters that need no gradient stay as they are.
    config
        Settings.
    """

    def __init__(self, network: nn.Module, config: OptimizerConfig) -> None:
        self.config = config
        hidden = dict(_hidden(network)) if config.muon else {}
        others = {name: each for name, each in network.named_parameters() if each.requires_grad and name not in hidden}
        groups = [
            group | {"weight_decay": weight_decay}
            for weight_decay, chosen in (
                (config.weight_decay, {name: each for name, each in others.items() if each.ndim > 1}),
                (0.0, {name: each for name, each in others.items() if each.ndim <= 1}),
            )
            for group in _by_rate(chosen, config.slower)
        ]
        betas = (config.betas[0], config.betas[1])
        self.parts: dict[str, torch.optim.Optimizer] = {
            "adamw": torch.optim.AdamW(groups, lr=config.learning_rate, betas=betas)
        }
        if hidden:
            self.parts["muon"] = Muon(
                _by_rate(hidden, config.slower), lr=config.muon_rate, weight_decay=config.muon_weight_decay
            )

    def step(self, share: float) -> None:
        """Apply the gradients, at a share of the configured learning rates."""
        rates = {"adamw": self.config.learning_rate, "muon": self.config.muon_rate}
        for name, part in self.parts.items():
            for group in part.param_groups:
                group["lr"] = rates[name] * share * group[SHARE]
            part.step()

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {name: part.state_dict() for name, part in self.parts.items()}

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""
        for name, part in self.parts.items():
            part.load_state_dict(saved[name])


def _by_rate(parameters: Mapping[str, Tensor], slower: Mapping[str, float]) -> list[dict[str, Any]]:
    """Groups of parameters that have the same share of the learning rates."""
    groups: dict[float, list[Tensor]] = defaultdict(list)
    for name, parameter in parameters.items():
        shares = [share for module, share in slower.items() if name.startswith(f"{module}.")]
        groups[shares[0] if shares else 1.0].append(parameter)
    return [{"params": members, SHARE: share} for share, members in groups.items()]


def _hidden(network: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Kernels and matrices between hidden layers; no embeddings."""
    embeddings = {f"{name}.weight" for name, module in network.named_modules() if isinstance(module, nn.Embedding)}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad and parameter.ndim > 1 and name not in embeddings:
            rows, columns = len(parameter), parameter[0].numel()
            if min(rows, columns) >= SMALLEST_MATRIX:
                yield name, parameter
