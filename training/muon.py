"""Muon: momentum whose matrices are made orthogonal before they are applied.

Jordan et al., Muon: An optimizer for hidden layers in neural networks (2024); the scale of the update, which lets
it share a learning rate with AdamW, is that of Liu et al., Muon is Scalable for LLM Training (2025), section 2.2.
PyTorch's own takes matrices only; here a kernel of (out, in, rows, columns) counts as (out, in * rows * columns).
"""

from collections.abc import Iterable

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
        Parameters with two axes or more.
    lr, momentum, weight_decay
        As in SGD; the decay is multiplied by the learning rate.
    """

    def __init__(
        self, parameters: Iterable[Tensor], lr: float, momentum: float = 0.95, weight_decay: float = 0.0
    ) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """Apply the gradients."""
        assert closure is None
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state["momentum"] = torch.zeros_like(parameter)
                momentum = state["momentum"]
                momentum.lerp_(parameter.grad, 1 - group["momentum"])
                update = parameter.grad.lerp(momentum, group["momentum"])
                rows, columns = len(update), update[0].numel()
                scale = LIKE_ADAMW * max(rows, columns) ** 0.5
                direction = orthogonalised(update.reshape(rows, columns)).view(update.shape)
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                parameter.add_(direction.to(parameter.dtype), alpha=-group["lr"] * scale)


def orthogonalised(matrix: Tensor) -> Tensor:
    """The nearest matrix with singular values of about 1 (.7 to 1.2), by a Newton-Schulz iteration in bfloat16.

    Parameters
    ----------
    matrix
        (M, N).

    Returns
    -------
    (M, N) in bfloat16.
    """
    first, second, third = COEFFICIENTS
    tall = len(matrix) > matrix.shape[1]
    x = (matrix / (matrix.norm() + 1e-7)).bfloat16()
    x = x.T if tall else x
    for _ in range(ITERATIONS):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=second, alpha=third), x, beta=first)
    return x.T.contiguous() if tall else x
