"""Corrective clicks."""

import torch
from torch import Tensor

from training.depth import squared_depth
from training.first_prompts import NEGATIVE, POSITIVE


def correct(masks: Tensor, targets: Tensor, stride: int, *, innermost: bool = False) -> tuple[Tensor, Tensor]:
    """A click on each mask where it differs from its target.

    Parameters
    ----------
    masks, targets
        (N, h, w) of booleans.
    stride
        Window pixels per pixel of the masks.
    innermost
        Whether all clicks are the innermost pixel of the largest error. Otherwise every other one is; the others lie
        anywhere in the errors but off their borders, drawn by the device's default generator, the only one from which
        a captured graph draws fresh numbers.

    Returns
    -------
    points
        (N, 2) as (x, y) in window pixels, pixel centres on integers.
    labels
        (N,), 1 if the object was missed there, else 0. Where nothing is wrong, a positive click inside.
    """
    wrong = masks ^ targets
    instead = torch.where(targets.flatten(1).any(1)[:, None, None], targets, ~targets)
    wrong = torch.where(wrong.flatten(1).any(1)[:, None, None], wrong, instead)
    index = torch.zeros(len(masks), dtype=torch.long, device=masks.device)
    fraction = torch.zeros(len(masks), 2, device=masks.device)
    deepest = slice(None) if innermost else slice(0, None, 2)
    index[deepest] = squared_depth(wrong[deepest]).flatten(1).argmax(1)
    if not innermost:
        others = wrong[1::2]
        eroded = _eroded(others)
        allowed = torch.where(eroded.flatten(1).any(1)[:, None, None], eroded, others)
        anywhere = torch.rand(others.shape, device=masks.device)
        index[1::2] = torch.where(allowed, anywhere, -1.0).flatten(1).argmax(1)
        fraction[1::2] = (torch.rand(len(others), 2, device=masks.device) - 0.5) * (stride - 1) / stride
    width = masks.shape[2]
    points = (torch.stack([index % width, index // width], 1) + 0.5 + fraction) * stride - 0.5
    missed = targets.flatten(1).gather(1, index[:, None])[:, 0]
    return points, torch.where(missed, POSITIVE, NEGATIVE)


def _eroded(masks: Tensor) -> Tensor:
    """Without the pixels next to the outside, or to the frame."""
    padded = torch.nn.functional.pad(masks, (1, 1, 1, 1))
    across = padded[:, 1:-1, :-2] & padded[:, 1:-1, 2:]
    return masks & across & padded[:, :-2, 1:-1] & padded[:, 2:, 1:-1]
