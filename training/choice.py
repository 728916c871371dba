"""Which mask the product shows."""

import torch
from torch import Tensor


def choose(iou: Tensor, ambiguous: bool) -> Tensor:
    """(N,) which of four masks is shown, by (N, 4) predicted IoUs: the single one, or the best of three candidates."""
    return 1 + iou[:, 1:].argmax(1) if ambiguous else torch.zeros(len(iou), dtype=torch.long, device=iou.device)
