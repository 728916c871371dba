"""Losses of masks, predicted IoUs and auxiliary maps."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from training.choice import choose, shown
from training.config import LossConfig


class MaskLoss(NamedTuple):
    """Of N prompts.

    Attributes
    ----------
    mask
        (N,) loss of the masks.
    iou
        (N,) squared error of the four predicted IoUs.
    regret
        (N,) IoU that is lost, on average, by choosing a candidate with the softmax of the predicted IoUs instead of
        the best one; 0 where nothing is chosen.
    true_iou
        (N, 4) IoU of every mask with the target; 0 where the target is empty.
    shown
        (N, h, w) logits of the mask that the product shows, without gradients.
    shown_iou
        (N,) its IoU with the target, as `true_iou`.
    shown_dice
        (N,) its dice loss, without gradients.
    """

    mask: Tensor
    iou: Tensor
    regret: Tensor
    true_iou: Tensor
    shown: Tensor
    shown_iou: Tensor
    shown_dice: Tensor


def mask_loss(
    logits: Tensor,
    predicted_iou: Tensor,
    target: Tensor,
    candidates: bool,
    config: LossConfig,
    before: Tensor | None = None,
) -> MaskLoss:
    """Focal loss, dice and cross-entropy of the best of three candidates, or of the single mask.

    The candidates that are not the best are trained a little as well, so that a wrong choice costs less; the one with
    the highest predicted IoU as much as `LossConfig.shown_candidate` says, and all of them blended, as the product
    shows them, as much as `LossConfig.blend` says.

    Parameters
    ----------
    logits
        (N, 4, h, w): first the single mask, then the three candidates.
    predicted_iou
        (N, 4).
    target
        (N, h, w) in 0..1.
    candidates
        Whether the prompts are ambiguous, so that the best candidate is trained and the single mask only a little;
        otherwise the other way round.
    config
        Weights.
    before
        (N,) dice losses of the masks that these correct. Where the single mask's is larger, the click did harm, and
        what it lost counts besides (`LossConfig.hurt`): an error that stays costs less than a new one. None for first
        prompts.
    """
    with torch.no_grad():
        true_iou = mask_iou(logits, target)
        best = 1 + _dice(logits[:, 1:].float().sigmoid(), target[:, None]).argmin(1)
    rows = torch.arange(len(logits), device=logits.device)
    one = _pixel_loss(logits[:, 0].float(), target, config)
    predicted_iou = predicted_iou.float()
    drawn = shown(logits, predicted_iou.detach(), candidates)
    if candidates:
        regret = _regret(predicted_iou[:, 1:], true_iou[:, 1:], config.temperature)
        maps = logits[:, 1:].float()
        if config.blend:
            maps = torch.cat([maps, drawn[:, None]], 1)
        each = _pixel_loss(maps, target[:, None].expand(-1, maps.shape[1], -1, -1), config)
        weights = torch.full_like(each, config.other_candidates)
        weights[:, 3:] = config.blend
        weights.scatter_(1, best[:, None] - 1, 1 - config.shown_candidate - config.blend)
        weights[rows, choose(predicted_iou, ambiguous=True) - 1] += config.shown_candidate
        main, other = (weights * each).sum(1), one
        shown_iou = mask_iou(drawn[:, None], target)[:, 0]
    else:
        regret = logits.new_zeros(len(logits), dtype=torch.float32)
        main, other = one, _pixel_loss(logits[rows, best].float(), target, config)
        shown_iou = true_iou[:, 0]
    if before is not None and config.hurt:
        main = main + config.hurt * functional.relu(_dice(logits[:, 0].float().sigmoid(), target) - before)
    empty = target.flatten(1).amax(1) == 0
    mask = (main + config.other_mode * other) * torch.where(empty, config.empty, 1.0)
    iou = (predicted_iou - true_iou).square().mean(1)
    seen = drawn.detach()
    return MaskLoss(mask, iou, regret, true_iou, seen, shown_iou, _dice(seen.sigmoid(), target))


def map_loss(logits: Tensor, target: Tensor, config: LossConfig) -> Tensor:
    """Cross-entropy of the foreground and squared errors of the other two of (B, 3, h, w) auxiliary maps.

    Where a target is NaN, nothing is known and nothing is trained.
    """
    logits = logits.float()
    known = ~target[:, 0].isnan()
    target = target.nan_to_num(nan=0.0)
    foreground = functional.binary_cross_entropy_with_logits(logits[:, 0], target[:, 0], reduction="none")
    others = (logits[:, 1:].sigmoid() - target[:, 1:]).square().mean(1)
    return ((foreground + config.centre_maps * others) * known).sum() / known.sum().clamp(min=1)


def _regret(predicted: Tensor, true: Tensor, temperature: float) -> Tensor:
    """What (N, 3) predicted IoUs lose against the best choice, smoothed so that it has a gradient."""
    shares = (predicted / temperature).softmax(1)
    return true.amax(1) - (shares * true).sum(1)


def _pixel_loss(logits: Tensor, target: Tensor, config: LossConfig) -> Tensor:
    probability = logits.sigmoid()
    entropy = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    wrong = probability + target - 2 * probability * target
    focal = (entropy * wrong.square()).mean((-2, -1))
    dice, cross_entropy = _dice(probability, target), entropy.mean((-2, -1))
    return config.focal * focal + config.dice * dice + config.cross_entropy * cross_entropy


def _dice(probability: Tensor, target: Tensor) -> Tensor:
    overlap = (probability * target).sum((-2, -1))
    return 1 - (2 * overlap + 1) / (probability.sum((-2, -1)) + target.sum((-2, -1)) + 1)


def mask_iou(logits: Tensor, target: Tensor) -> Tensor:
    """(N, M) IoU of (N, M, h, w) logits with (N, h, w) targets in 0..1; 0 where the target is empty."""
    mask, object_ = logits > 0, (target > 0.5)[:, None]
    union = (mask | object_).sum((2, 3))
    return (mask & object_).sum((2, 3)).float() / union.clamp(min=1)
