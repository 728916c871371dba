"""One training step: encode, decode several rounds of prompts, sum the losses."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from napari_sam.nn.nano import Nano
from napari_sam.nn.network import ImageFeatures
from training.batches import Batch, PromptedWindows
from training.config import Config
from training.corrections import correct
from training.cut_windows import cut_windows
from training.losses import MaskLoss, map_loss, mask_loss

HURT = 0.02
"""Larger dice losses than before count as harm in the curve."""


@dataclass(frozen=True)
class PromptGroup:
    """Prompts with equal numbers of tokens, decoded together.

    Attributes
    ----------
    features
        Of B windows.
    offsets
        (B, 2) places of the windows in the network's frame, (x, y) in pixels.
    points, labels
        (N, K, 2) and (N, K), ordered by window, N / B for each.
    masks
        (N, 1, h, w) logits, or None.
    targets
        (N, h, w).
    before
        (N,) dice losses of the masks that the last click corrects, or None.
    """

    features: ImageFeatures
    offsets: Tensor
    points: Tensor
    labels: Tensor
    masks: Tensor | None
    targets: Tensor
    before: Tensor | None = None

    @property
    def ambiguous(self) -> bool:
        """Whether these are single points, which may mean several objects."""
        return self.masks is None and self.points.shape[1] == 1


@dataclass
class StepResult:
    """What one step gives.

    Attributes
    ----------
    loss
        To call `backward` on.
    numbers
        Means to log, by name; of no axes, on the device.
    """

    loss: Tensor
    numbers: dict[str, Tensor]


def training_step(network: Nano, batch: Batch, config: Config) -> StepResult:
    """Losses of one batch.

    Nothing is asked of the device on the way, and nothing copied to it, so that a graph of it can be captured. What is
    random is drawn by the device's default generator.
    """
    # In one context, so that weights are rounded once a step instead of once for every group of prompts. For 1024
    # cells and some 10 tokens the backward pass of fused attention is slower than the plain one.
    with torch.autocast(batch.images.device.type, torch.bfloat16), sdpa_kernel(SDPBackend.MATH):
        return _losses(network, batch, config)


def _losses(network: Nano, batch: Batch, config: Config) -> StepResult:
    features = network.encode_logits(batch.images.contiguous(memory_format=torch.channels_last))
    maps = map_loss(features.maps, batch.maps, config.loss)
    groups = first_groups(features, batch.windows)
    device = batch.images.device
    total = torch.zeros((), device=device)
    weights = 0.0
    # Left on the device until all is done: reading one would wait for everything before it.
    numbers: dict[str, list[Tensor]] = defaultdict(list)
    for turn in range(config.prompt.rounds):
        weight = 1.0 if turn == 0 else config.loss.later_round
        following = []
        for group in groups:
            prediction = network.decode_all(group.features, group.points, group.labels, group.masks, group.offsets)
            losses = mask_loss(
                prediction.logits, prediction.iou, group.targets, group.ambiguous, config.loss, group.before
            )
            choosing = config.loss.iou * losses.iou + config.loss.regret * losses.regret
            total = total + weight * (losses.mask + choosing).sum()
            weights += weight * len(losses.mask)
            numbers[f"iou_{_name(group, turn)}"].append(losses.shown_iou)
            numbers["iou_error"].append(losses.iou.detach().mean().sqrt())
            if group.ambiguous:
                numbers["regret"].append(losses.regret.detach())
                numbers["iou_oracle"].append(losses.true_iou[:, 1:].amax(1))
            if group.before is not None:
                numbers["hurt"].append((losses.shown_dice - group.before > HURT).float())
            if turn + 1 < config.prompt.rounds:
                following.append(_next_group(group, losses, config.prompt.keep))
        groups = _merge(following)
    # Without windows, which is how an encoder is pretrained, the maps are all there is.
    loss = config.loss.maps * maps + (total / weights if weights else 0.0)
    numbers["maps"].append(maps.detach())
    numbers["loss"].append(loss.detach())
    return StepResult(loss, {name: torch.cat([each.ravel() for each in kept]).mean() for name, kept in numbers.items()})


def first_groups(features: ImageFeatures, windows: Sequence[PromptedWindows]) -> list[PromptGroup]:
    """Cut windows out of the encoded images, with their prompts."""
    return [
        PromptGroup(
            cut_windows(features, group.images, group.origins, group.targets.shape[-1] * 2),
            group.offsets,
            group.points,
            group.labels,
            None if group.masks is None else group.masks[:, None],
            group.targets,
        )
        for group in windows
    ]


def _joined(features: Sequence[ImageFeatures]) -> ImageFeatures:
    high_res = zip(*(each.high_res for each in features), strict=True)
    return ImageFeatures(torch.cat([each.embedding for each in features]), tuple(map(torch.cat, high_res)))


def _merge(groups: Sequence[PromptGroup]) -> list[PromptGroup]:
    """Join groups with the same number of tokens."""
    alike: dict[tuple[int, bool], list[PromptGroup]] = defaultdict(list)
    for group in groups:
        alike[group.points.shape[1], group.masks is None].append(group)
    merged = []
    for (_, without_masks), members in alike.items():
        if len(members) == 1:
            merged.append(members[0])
            continue
        merged.append(
            PromptGroup(
                _joined([member.features for member in members]),
                torch.cat([member.offsets for member in members]),
                torch.cat([member.points for member in members]),
                torch.cat([member.labels for member in members]),
                None if without_masks else torch.cat([member.masks for member in members if member.masks is not None]),
                torch.cat([member.targets for member in members]),
                torch.cat([member.before for member in members if member.before is not None]),
            )
        )
    return merged


def _next_group(group: PromptGroup, losses: MaskLoss, keep: float) -> PromptGroup:
    """Some of a group's prompts, each with a corrective click and the logits it corrects."""
    per_window = len(group.points) // len(group.offsets)
    kept = max(1, round(per_window * keep))

    def first(prompts: Tensor) -> Tensor:
        """The first ones of every window: they are in no particular order."""
        return prompts.unflatten(0, (-1, per_window))[:, :kept].flatten(0, 1)

    fewer = replace(
        group,
        points=first(group.points),
        labels=first(group.labels),
        masks=None if group.masks is None else first(group.masks),
        targets=first(group.targets),
    )
    return replace(corrected(fewer, first(losses.shown)), before=first(losses.shown_dice))


def corrected(group: PromptGroup, logits: Tensor, *, innermost: bool = False) -> PromptGroup:
    """The same prompts, each with one more click and (N, h, w) logits of the mask that was clicked on."""
    points, labels = correct(logits > 0, group.targets > 0.5, 2, innermost=innermost)
    return PromptGroup(
        group.features,
        group.offsets,
        torch.cat([group.points, points[:, None]], 1),
        torch.cat([group.labels, labels[:, None]], 1),
        logits[:, None].clamp(-16, 16),
        group.targets,
    )


def _name(group: PromptGroup, turn: int) -> str:
    if turn > 0:
        return f"round_{turn + 1}"
    if group.masks is not None:
        return "mask"
    return "point" if group.ambiguous else "box" if group.points.shape[1] == 2 else "several"
