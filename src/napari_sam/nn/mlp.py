"""Multi-layer perceptrons."""

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F


class Mlp(nn.Module):
    """Linear layers with ReLU in between.

    Parameters
    ----------
    widths
        Number of features at the input, after every hidden layer, and at the output.
    """

    def __init__(self, *widths: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(before, after) for before, after in pairwise(widths))

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., first width) to (..., last width)."""
        last = len(self.layers) - 1
        for i, layer in enumerate(self.layers):
            x = layer(x)
            if i < last:
                x = F.relu(x)
        return x


class MlpBlock(nn.Module):
    """The MLP of a transformer block: widen, activate, narrow.

    Parameters
    ----------
    dim
        Features of a token.
    hidden
        Features in between.
    activation
        ReLU in the two-way transformer, GELU in the image encoder.
    """

    def __init__(self, dim: int, hidden: int, activation: type[nn.Module]) -> None:
        super().__init__()
        self.lin1 = nn.Linear(dim, hidden)
        self.lin2 = nn.Linear(hidden, dim)
        self.act = activation()

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., dim) to the same shape."""
        narrowed: Tensor = self.lin2(self.act(self.lin1(x)))
        return narrowed
