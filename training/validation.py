"""Scores on the held-out part of the training sets, prompted as the product's users do."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from skimage import measure
from torch import Tensor

from napari_sam.nn.nano import FRAME, Nano
from training.batches import PromptedWindows
from training.choice import choose, shown
from training.config import Config
from training.corrections import correct
from training.first_prompts import LOWER_RIGHT, POSITIVE, UPPER_LEFT
from training.geometry import Placement, cut
from training.image import TrainingImage
from training.step import PromptGroup, corrected, first_groups

SIDE = 384
CLICKS = 3
PER_WINDOW = 4


def validate(
    network: Nano, images: Mapping[str, Sequence[TrainingImage]], config: Config, objects_per_set: int
) -> dict[str, dict[str, float]]:
    """Mean IoU after one and three clicks and a box, by set, on the same objects every time.

    Objects are shown 36 pixels wide (their square root of 4 area / pi), the window is cut out of a larger encode.

    Returns
    -------
    For each set and "mean" over the sets: ``click_1``, ``click_2``, ``click_3``, ``box``; of the first click's three
    candidates ``chosen`` (the one with the highest predicted IoU) and ``oracle`` (the best); ``iou_error`` (root mean
    square error of the predicted IoU, first click) and ``iou_bias`` (its mean error); ``hurt``, the share of objects
    that three clicks show worse than one, by more than .02.
    """
    scores: dict[str, dict[str, float]] = {}
    for name, group in images.items():
        rng = np.random.default_rng(0)
        numbers: dict[str, list[float]] = defaultdict(list)
        done = 0
        while group and done < objects_per_set:
            image = group[rng.integers(len(group))]
            done += _score_window(network, image, config, rng, numbers)
        if numbers:
            scores[name] = {
                key: round(float(np.sqrt(np.mean(values)) if key == "iou_error" else np.mean(values)), 4)
                for key, values in numbers.items()
            }
    measures = {key for values in scores.values() for key in values}
    scores["mean"] = {
        key: round(float(np.mean([values[key] for values in scores.values()])), 4) for key in sorted(measures)
    }
    return scores


def _score_window(
    network: Nano, image: TrainingImage, config: Config, rng: np.random.Generator, numbers: dict[str, list[float]]
) -> int:
    index = rng.integers(len(image.objects))
    plane, label, area = image.objects[index]
    zoom = float(np.clip(36 / (2 * np.sqrt(area / np.pi)), 0.1, 6))
    box = image.boxes[index]
    centre = np.array([box[:2].mean(), box[2:].mean()])
    pixels, (labels,), _ = cut(image, [int(plane)], Placement(np.eye(2) / zoom, centre, SIDE))
    pieces = measure.label(labels, background=0, connectivity=1)
    label = int(np.bincount(pieces[labels == label], minlength=1).argmax())
    labels = pieces
    low, span = image.limits[:, :1, None], np.ptp(image.limits, axis=1)[:, None, None]
    scaled = np.broadcast_to((pixels - low) / np.maximum(span, 1e-6), (3, SIDE, SIDE)).astype(np.float32)
    side = config.window.side
    corner = (SIDE - side) // 2
    window = labels[corner : corner + side, corner : corner + side]
    areas = np.bincount(window.ravel(), minlength=label + 1)
    areas[0] = 0
    others = np.flatnonzero(areas >= 4 * config.window.smallest_object)
    ids = [label] if areas[label] >= config.window.smallest_object else []
    ids += [int(other) for other in rng.permutation(others[others != label])[: PER_WINDOW - len(ids)]]
    if not ids:
        return 0
    masks = np.stack([window == i for i in ids])
    device = next(network.parameters()).device
    objects = torch.from_numpy(masks).to(device)
    targets = torch.nn.functional.avg_pool2d(objects[:, None].float(), 2)[:, 0]
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16):
        encoded = torch.zeros(1, dtype=torch.long, device=device)
        origin = torch.full((1, 2), corner, device=device)
        offset = torch.full((1, 2), (FRAME - side) / 2, device=device)
        features = network.encode_logits(torch.from_numpy(scaled)[None].to(device))

        def prompt(points: Tensor, kinds: Tensor) -> PromptGroup:
            prompted = PromptedWindows(encoded, origin, offset, points, kinds, None, targets)
            return first_groups(features, [prompted])[0]

        clicks, _ = correct(torch.zeros_like(objects), objects, 1, innermost=True)
        group = prompt(clicks[:, None], torch.full((len(ids), 1), POSITIVE, device=device))
        for click in range(CLICKS):
            prediction = network.decode_all(group.features, group.points, group.labels, group.masks, group.offsets)
            predicted = prediction.iou.float()
            logits = shown(prediction.logits, predicted, group.ambiguous)
            true = _iou(logits[:, None], objects)[:, 0]
            numbers[f"click_{click + 1}"] += true.tolist()
            if click == 0:
                each = _iou(prediction.logits, objects)
                chosen = choose(predicted, group.ambiguous)[:, None]
                error = predicted.gather(1, chosen)[:, 0] - true
                numbers["chosen"] += each.gather(1, chosen)[:, 0].tolist()
                numbers["oracle"] += each[:, 1:].amax(1).tolist()
                numbers["iou_error"] += error.square().tolist()
                numbers["iou_bias"] += error.tolist()
            group = corrected(group, logits, innermost=True)
        first, last = (np.array(numbers[f"click_{click}"][-len(ids) :]) for click in (1, CLICKS))
        numbers["hurt"] += (last < first - 0.02).astype(float).tolist()
        corners = torch.tensor([_corners(mask) for mask in masks], dtype=torch.float32, device=device)
        group = prompt(corners, torch.tensor([[UPPER_LEFT, LOWER_RIGHT]], device=device).expand(len(ids), 2))
        prediction = network.decode_all(group.features, group.points, group.labels, group.masks, group.offsets)
        numbers["box"] += _iou(prediction.logits, objects)[:, 0].tolist()
    return len(ids)


def _iou(logits: Tensor, masks: Tensor) -> Tensor:
    """(N, M) IoU of logits at stride 2 with masks at stride 1."""
    full = torch.nn.functional.interpolate(logits.float(), size=masks.shape[1:], mode="bilinear") > 0
    target = masks[:, None]
    return (full & target).sum((2, 3)) / (full | target).sum((2, 3)).clamp(min=1)


def _corners(mask: np.ndarray) -> list[list[int]]:
    rows, columns = np.nonzero(mask)
    return [[columns.min(), rows.min()], [columns.max(), rows.max()]]
