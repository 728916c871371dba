"""Several candidates as one mask."""

import torch
from torch import Tensor

from napari_sam.nn.network import MaskPrediction

POWER = 4
"""Of the predicted IoUs, by which candidates are weighted: one that claims half as much counts a sixteenth."""
LEAST = 0.01
"""A predicted IoU below this counts as this: nothing keeps it above 0."""


def blended(logits: Tensor, iou: Tensor) -> Tensor:
    """The mean of candidates' logits, each weighted by how good it claims to be.

    Where candidates differ by chance, their mean is nearer to the truth than any one of them that could be picked;
    where one is clearly better, it is nearly that one.

    Parameters
    ----------
    logits
        (N, M, h, w).
    iou
        (N, M) predicted IoUs.

    Returns
    -------
    (N, h, w), of the logits' type.
    """
    # Shares of the best, so that a factor common to all predicted IoUs changes nothing.
    claims = iou.float().clamp(min=LEAST)
    weights = (claims / claims.amax(1, keepdim=True)) ** POWER
    weights = (weights / weights.sum(1, keepdim=True)).to(logits.dtype)
    # Not a matrix product: autocast would round the logits.
    return (weights[..., None, None] * logits).sum(1)


def with_best_blended(candidates: MaskPrediction) -> MaskPrediction:
    """The same candidates, the one with the highest predicted IoU replaced by all of them blended."""
    logits, iou = candidates
    best = torch.arange(iou.shape[1], device=iou.device) == iou.argmax(1, keepdim=True)
    return MaskPrediction(torch.where(best[..., None, None], blended(logits, iou)[:, None], logits), iou)
