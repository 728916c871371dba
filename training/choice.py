"""Which mask the product shows."""

import torch
from torch import Tensor

from napari_sam.nn.nano import blended


def choose(iou: Tensor, ambiguous: bool) -> Tensor:
    """(N,) which of four predicted IoUs, (N, 4), is shown: the single mask's, or the highest of three candidates."""
    return 1 + iou[:, 1:].argmax(1) if ambiguous else torch.zeros(len(iou), dtype=torch.long, device=iou.device)


def shown(logits: Tensor, iou: Tensor, ambiguous: bool) -> Tensor:
    """(N, h, w) logits that are shown, by (N, 4, h, w) and (N, 4): the single mask, or the candidates blended."""
    return blended(logits[:, 1:].float(), iou[:, 1:]) if ambiguous else logits[:, 0].float()
