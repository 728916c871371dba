"""Positions as random Fourier features."""

import math

import torch
from torch import Tensor, nn


class FourierPositions(nn.Module):
    """Sines and cosines of random projections of (x, y) (Tancik et al. 2020, as SAM uses them).

    Parameters
    ----------
    features
        Number of frequencies; a position has twice as many features.
    """

    positional_encoding_gaussian_matrix: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        self.register_buffer("positional_encoding_gaussian_matrix", torch.randn(2, features))

    def forward(self, positions: Tensor) -> Tensor:
        """Encode positions.

        Parameters
        ----------
        positions
            (..., 2) as (x, y), 0..1 over the frame.

        Returns
        -------
        (..., 2 * features).
        """
        matrix = self.positional_encoding_gaussian_matrix
        x, y = (2 * positions.to(matrix.dtype) - 1).unbind(-1)
        # Written out rather than as a matrix product: autocast would round positions to bfloat16.
        angle = 2 * math.pi * (x[..., None] * matrix[0] + y[..., None] * matrix[1])
        return torch.cat([angle.sin(), angle.cos()], dim=-1)

    def grid(self, shape: tuple[int, int], cell: Tensor, offset: Tensor) -> Tensor:
        """Encode the centres of a grid's cells.

        Parameters
        ----------
        shape
            (h, w) cells.
        cell
            (2,) size of a cell as (x, y), in units of the frame.
        offset
            (B, 2) position of the grid's upper left corner as (x, y), in units of the frame.

        Returns
        -------
        (B, h * w, 2 * features), row by row.
        """
        h, w = shape
        centres = [torch.arange(n, dtype=cell.dtype, device=cell.device) + 0.5 for n in (w, h)]
        xy = torch.stack(torch.meshgrid(*centres, indexing="xy"), dim=-1) * cell
        encoded: Tensor = self(xy + offset[:, None, None])
        return encoded.flatten(1, 2)
