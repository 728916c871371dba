"""An image embedding as the mask decoder reads it."""

from typing import NamedTuple

from torch import Tensor


class PlacedImage(NamedTuple):
    """Cells of an image embedding, its dense prompt added, with and without their positions.

    Attributes
    ----------
    cells
        (N or 1, h * w, dim); a batch of 1 is shared by all prompts.
    positions
        (N or 1, h * w, dim).
    placed
        (N or 1, h * w, dim), the sum of both.
    shape
        (h, w).
    """

    cells: Tensor
    positions: Tensor
    placed: Tensor
    shape: tuple[int, int]

    @classmethod
    def of(cls, cells: Tensor, positions: Tensor, shape: tuple[int, int]) -> "PlacedImage":
        """The image with these cells at these positions."""
        return cls(cells, positions, cells + positions, shape)
