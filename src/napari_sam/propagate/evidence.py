"""What the model and the image say for a mask on its plane."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_sam.planes.mask import Mask
from napari_sam.planes.plane import Plane
from napari_sam.planes.read_window import read_window
from napari_sam.planes.window import Window
from napari_sam.prompts.mask_logits import mask_logits
from napari_sam.segment.segmenter import Segmenter

GAP, RING = 2, 5
"""The ring around a mask lies between these distances, in pixels of the level that the mask was decoded at."""

LEAST_CONTRAST = 0.05
"""A key plane's contrast weaker than this, as a share of the image's contrast limits, says nothing."""

LEAST_PREDICTED_IOU = 0.05


@dataclass(frozen=True, eq=False)
class Evidence:
    """What speaks for a mask.

    Parameters
    ----------
    predicted_iou
        The model's own estimate.
    contrast
        (3,) mean of the mask's pixels less that of a ring around them, per channel that the network sees, as a share of
        the image's contrast limits.
    """

    predicted_iou: float
    contrast: NDArray[np.float32]

    def trust(self, key: "Evidence") -> float:
        """How well this compares with what speaks for the key plane's mask, 0..1.

        The share of the predicted IoU, since models differ in how high theirs comes out, times the share of the
        contrast: where an object has ended, a network that is told box and mask still draws what it was told, but
        the object no longer differs from what surrounds it. Where it never did, only the predicted IoU counts.
        """
        share = min(max(self.predicted_iou, 0.0) / max(key.predicted_iou, LEAST_PREDICTED_IOU), 1.0)
        strength = float(key.contrast @ key.contrast)
        if strength < LEAST_CONTRAST**2:
            return share
        return share * min(max(float(self.contrast @ key.contrast) / strength, 0.0), 1.0)


def evidence_for(mask: Mask, segmenter: Segmenter, plane: Plane) -> Evidence:
    """What speaks for a decoded mask (one that has a window; not empty) on its plane."""
    if mask.window is None:
        raise ValueError("evidence needs a decoded mask")
    step = (
        mask.window.step[0] / segmenter.model.network.mask_stride,
        mask.window.step[1] / segmenter.model.network.mask_stride,
    )
    shape = [math.ceil((mask.box[axis + 2] - mask.box[axis]) / step[axis]) + 2 * (RING + 1) for axis in (0, 1)]
    window = Window(
        (mask.box[0] - (RING + 1) * step[0], mask.box[1] - (RING + 1) * step[1]), step, (shape[0], shape[1])
    )
    pixels = read_window(segmenter.source, plane, window, segmenter.embedder.contrast, segmenter.embedder.channels)
    inside = mask_logits(Mask(mask.box, mask.pixels), window) > 0
    beside = ndimage.binary_dilation(inside, iterations=RING) & ~ndimage.binary_dilation(inside, iterations=GAP)
    if not inside.any() or not beside.any():
        return Evidence(mask.predicted_iou, np.zeros(3, np.float32))
    return Evidence(mask.predicted_iou, pixels[:, inside].mean(axis=1) - pixels[:, beside].mean(axis=1))
