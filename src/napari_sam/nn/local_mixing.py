"""A residual block that lets neighbouring cells of an image embedding read each other."""

from torch import Tensor, nn

from napari_sam.nn.in_place import Gelu, plus

DILATIONS = (1, 2)


class LocalMixing(nn.Module):
    """Two 3 x 3 convolutions, the second one dilated, in a bottleneck around which the input is added back.

    Attention compares cells with what the tokens remember of the prompts; this lets what a prompt says, and what the
    tokens have written into the cells, spread and halt from cell to cell. The bottleneck is that of He et al. (2016)
    with layer normalisation in front, as in transformers. It starts as the identity.

    Parameters
    ----------
    dim
        Features of a cell.
    hidden
        Features in the bottleneck.
    """

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.narrow = nn.Linear(dim, hidden)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(hidden, hidden, kernel_size=3, padding=dilation, dilation=dilation) for dilation in DILATIONS
        )
        self.widen = nn.Linear(hidden, dim)
        self.activate = Gelu()
        nn.init.zeros_(self.widen.weight)
        nn.init.zeros_(self.widen.bias)

    def forward(self, cells: Tensor, shape: tuple[int, int]) -> Tensor:
        """Map (N, h * w, dim) cells of (h, w) to the same shape."""
        x = self.activate(self.narrow(self.norm(cells)))
        # Cells are the pixels of a map whose channels come last.
        x = x.unflatten(1, shape).permute(0, 3, 1, 2)
        for convolution in self.convolutions:
            x = self.activate(convolution(x))
        return plus(self.widen(x.permute(0, 2, 3, 1).flatten(1, 2)), cells)
