"""Muon: momentum whose matrices are made orthogonal before they are applied.

Jordan et al., Muon: An optimizer for hidden layers in neural networks (2024); the scale of the update, which lets
it share a learning rate with AdamW, is that of Liu et al., Muon is Scalable for LLM Training (2025), section 2.2.
PyTorch's own takes matrices only; here a kernel of (out, in, rows, columns) counts as (out, in * rows * columns).
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5
LIKE_ADAMW = 0.2
"""Root mean square of an AdamW update, in learning rates."""


class Muon(torch.optim.Optimizer):
    """Muon with Nesterov momentum and decoupled weight decay.

    Parameters
    ----------
    parameters
        Parameters with two axes or more, or groups of them.
    lr, momentum, weight_decay
        As in SGD; the decay is multiplied by the learning rate.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """Apply the gradients."""
        assert closure is None
        for group in self.param_groups:
            parameters = [parameter for parameter in group["params"] if parameter.grad is not None]
            if not parameters:
                continue
            gradients = [parameter.grad for parameter in parameters]
            momenta = [self._momentum(parameter) for parameter in parameters]
            torch._foreach_lerp_(momenta, gradients, 1 - group["momentum"])
            updates = torch._foreach_lerp(gradients, momenta, group["momentum"])
            torch._foreach_mul_(parameters, 1 - group["lr"] * group["weight_decay"])
            # Equal shapes together: on a graphics card the products are small, and starting each takes longer than it.
            alike: dict[torch.Size, list[tuple[Tensor, Tensor]]] = defaultdict(list)
            for parameter, update in zip(parameters, updates, strict=True):
                alike[parameter.shape].append((parameter, update))
            for shape, pairs in alike.items():
                rows, columns = shape[0], shape[1:].numel()
                scale = LIKE_ADAMW * max(rows, columns) ** 0.5
                directions = orthogonalised(torch.stack([update.reshape(rows, columns) for _, update in pairs])).float()
                moved = [parameter for parameter, _ in pairs]
                torch._foreach_add_(moved, list(directions.view(-1, *shape)), alpha=-group["lr"] * scale)

    def _momentum(self, parameter: Tensor) -> Tensor:
        state = self.state[parameter]
        if not state:
            state["momentum"] = torch.zeros_like(parameter)
        momentum: Tensor = state["momentum"]
        return momentum


def orthogonalised(matrices: Tensor) -> Tensor:
    """The nearest matrices with singular values of about 1 (.7 to 1.2), by a Newton-Schulz iteration in bfloat16.

    Parameters
    ----------
    matrices
        (B, M, N).

    Returns
    -------
    (B, M, N) in bfloat16.
    """
    first, second, third = COEFFICIENTS
    tall = matrices.shape[1] > matrices.shape[2]
    x = (matrices / (matrices.norm(dim=(1, 2), keepdim=True) + 1e-7)).bfloat16()
    x = x.mT if tall else x
    for _ in range(ITERATIONS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=second, alpha=third), x, beta=first)
    return x.mT.contiguous() if tall else x
