"""A network whose answers can be worked out by hand."""

import hashlib

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_sam.models.model import LocalModel, Model
from napari_sam.models.registry import REGISTRY
from napari_sam.nn.cancel import CancelToken
from napari_sam.nn.network import ImageFeatures, MaskPrediction


class ThresholdNetwork:
    """Segments what is brighter than half; several pieces and holes included.

    Counts the pixels that it encodes and the prompts that it decodes. Its embedding is the image averaged over 8
    pixels, its finer features over 4 and 2. The candidates' predicted IoUs are 0.5, 0.9 and 0.7, and they are
    the bright pixels grown by one cell, as they are, and shrunk by one cell.
    """

    stride = 8
    mask_stride = 2
    fully_convolutional = True
    encode_multiple = 32

    def __init__(self, window: int = 64) -> None:
        self.window = window
        self.encoded: list[tuple[int, int]] = []
        self.decoded: list[dict[str, Tensor | None]] = []

    def encode(self, images: Tensor, cancel: CancelToken | None = None) -> ImageFeatures:
        """Average (B, 3, h, w) images over 8, 4 and 2 pixels."""
        if cancel is not None:
            cancel.check()
        assert images.shape[-2] % self.encode_multiple == images.shape[-1] % self.encode_multiple == 0
        self.encoded.append((images.shape[-2], images.shape[-1]))
        return ImageFeatures(F.avg_pool2d(images, 8), (F.avg_pool2d(images, 4), F.avg_pool2d(images, 2)))

    def decode(
        self, features: ImageFeatures, points: Tensor, labels: Tensor, mask: Tensor | None, multimask: bool
    ) -> MaskPrediction:
        """Return what is bright on one window, whatever the prompts: one mask, or three."""
        assert features.embedding.shape[-1] * 8 <= self.window
        self.decoded.append({"points": points, "labels": labels, "mask": mask})
        logits = (features.high_res[-1].mean(1, keepdim=True) - 0.5) * 20
        if not multimask:
            return MaskPrediction(logits, torch.tensor([[0.8]]))
        grown = F.max_pool2d(logits, 3, 1, 1)
        shrunk = -F.max_pool2d(-logits, 3, 1, 1)
        return MaskPrediction(torch.cat([grown, logits, shrunk], 1), torch.tensor([[0.5, 0.9, 0.7]]))

    def decode_each(
        self,
        features: list[ImageFeatures],
        points: Tensor,
        labels: Tensor,
        mask: Tensor | None,
        multimask: bool,
    ) -> MaskPrediction:
        """Decode a prompt on each window."""
        masks = [None if mask is None else mask[at : at + 1] for at in range(len(features))]
        return MaskPrediction.joined(
            [
                self.decode(window, points[at : at + 1], labels[at : at + 1], masks[at], multimask)
                for at, window in enumerate(features)
            ]
        )


class ObedientNetwork(ThresholdNetwork):
    """Draws the mask that it was told, wherever it is told one, and is as sure of it as of anything else."""

    def decode(
        self, features: ImageFeatures, points: Tensor, labels: Tensor, mask: Tensor | None, multimask: bool
    ) -> MaskPrediction:
        """Return the mask that it was told, or else what is bright."""
        found = super().decode(features, points, labels, mask, multimask)
        if mask is None:
            return found
        told = F.interpolate(mask, found.logits.shape[-2:], mode="bilinear")
        return MaskPrediction(told.expand_as(found.logits), found.iou)


def threshold_model(window: int = 64, name: str = "nano", network: type[ThresholdNetwork] = ThresholdNetwork) -> Model:
    """Make a `Model` around a `ThresholdNetwork`, or one like it, that passes for the model `name`."""
    digest = hashlib.sha256(b"threshold").hexdigest()
    return LocalModel("threshold", network(window), torch.device("cpu"), digest, REGISTRY[name])
