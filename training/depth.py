"""How deep the pixels of masks lie, on any device."""

import torch
from torch import Tensor

LARGEST_TABLE = 2**28
"""Numbers held at once."""


def squared_depth(masks: Tensor) -> Tensor:
    """Squared Euclidean distance of each pixel to the nearest one outside, the frame's surroundings included.

    Rows first, then columns: Felzenszwalb and Huttenlocher, Distance Transforms of Sampled Functions (2012), their
    lower envelope found by trying every row, which a graphics card does at once.

    Parameters
    ----------
    masks
        (N, h, w) of booleans.

    Returns
    -------
    (N, h, w) in float32; 0 outside.
    """
    height, width = masks.shape[1:]
    in_row = _distance_in_row(masks).square()
    rows = torch.arange(height, device=masks.device)
    apart = (rows[:, None] - rows).square().float()
    beyond = torch.minimum(rows + 1, height - rows).square().float()[:, None]
    share = max(1, LARGEST_TABLE // (height * height * width))
    # (part, row, row of the nearest one outside, column)
    lowest = [(part[:, None] + apart[:, :, None]).amin(2) for part in in_row.split(share)]
    return torch.cat(lowest).minimum(beyond)


def _distance_in_row(masks: Tensor) -> Tensor:
    width = masks.shape[2]
    columns = torch.arange(width, device=masks.device).expand(masks.shape)
    before = torch.where(masks, -1, columns).cummax(2).values
    after = torch.where(masks, width, columns).flip(2).cummin(2).values.flip(2)
    return torch.minimum(columns - before, after - columns).float()
