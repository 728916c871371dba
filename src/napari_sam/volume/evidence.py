"""The evidence that speaks for an object on a plane, and the rule by which it has ended."""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from scipy import ndimage

from napari_sam.nn.cancel import CancelToken
from napari_sam.planes.geometry import Mask, Plane, Window, overlap
from napari_sam.planes.read_window import read_window
from napari_sam.prompts.encoding import inner_point, mask_logits
from napari_sam.prompts.prompt import Prompts
from napari_sam.segment.level import Framing, diameter, pixel_aspect

if TYPE_CHECKING:
    # It needs torch, which a window waits for only when there is an image.
    from napari_sam.segment.segmenter import Segmenter


class Stop(StrEnum):
    """The reason why propagation went no further."""

    NONE = ""
    EMPTY = "the object was not found any more"
    DOUBTFUL = "the object no longer stands out"
    JUMP = "the area changed suddenly"
    OUTVOTED = "the other views do not see the object here"
    TAKEN = "other objects have all of it"


REVISION = 3
"""The way in which objects are carried, which sessions record, since what was recorded must come out the same again.

1: beyond the outermost of several key planes the standard is that plane, and contrast counts however weak it is beside
the texture; planes between the range and a key plane outside it are given, too. 2: the standard is the surest of the
key planes, contrast counts where an object is `DISTINCT`, and nothing is given outside the range. 3: what several
objects lie on is encoded for all of a plane at once, and key planes are compared on the way to the first plane beyond.
"""

LEAST = 0.01
"""Keeps shares finite where a key plane's evidence is nil (chosen: far below any evidence that is worth comparing)."""

LEAST_CONTRAST = 0.05
"""A key plane's contrast weaker than this, a twentieth of the contrast limits, says nothing (chosen, not measured)."""

# Chosen with version 9 on 79 objects of six training stacks and generated nuclei, one click along one axis: mean 3-D
# IoU of the eight sets .574 where contrast always counts, .607 with .5, .613 with .6, .612 with .7, where nuclei lose
# (docs/log-of-measurements.md, "Stacks: contrast and texture").
DISTINCT = 0.6
"""A key plane's contrast weaker than this times the texture of object and surroundings says nothing.

What is bounded by a membrane, as neurites and cells are, differs from its surroundings by chance: a little further on
the difference is another one, or the other way round, and the object goes on.
"""

# Chosen, not measured: beyond the blurred border, and near enough to be the surroundings.
GAP, RING = 2, 5
"""The ring around a mask lies between these distances, in pixels of the level that the mask was decoded at."""


TIGHT = Framing(tight=True)
"""What an object that the user prompted is shown on."""

# The window is the smaller of the two sides of training. Everything in seven generated stacks has AP50 .620 with it and
# .621 with `TIGHT`, in four tenths of the time; but one click on 72 objects of generated stacks, seen from three sides,
# .576 instead of .599 (docs/log-of-measurements.md, "Stacks: small windows").
SWIFT = Framing(tight=True, window=160, whole_levels=True)
"""What objects are shown on that the network found by itself on planes of their own, and that are many."""


@dataclass(frozen=True)
class Evidence:
    """The evidence that speaks for a mask.

    Parameters
    ----------
    predicted_iou
        The model's own estimate.
    agreement
        IoU with the best answer to a single click in the middle of the mask: a network that is told box and mask still
        draws what it was told where the object has ended, but a click there finds something else. None for models that
        were trained to say where an object has ended (`ModelSpec.knows_ends`): what a click finds adds nothing there,
        and costs a second decode on every plane.
    contrast
        Mean of the mask's pixels less that of a ring around them, for each channel that the network sees, as a share
        of the image's contrast limits.
    texture
        How much pixels vary in the mask and in the ring: the root of the sum of all variances, in the same units.
    """

    predicted_iou: float
    agreement: float | None
    contrast: tuple[float, ...] = ()
    texture: float = 0.0

    def trust(self, key: "Evidence", revision: int = REVISION) -> float:
        """Rate how well this compares with what speaks for the key plane's mask, 0..1.

        Shares of the key plane's evidence, since models and images differ in how high it comes out. The weights are
        those that stopped best on generated stacks and on the training stacks, with nano. See `REVISION`.
        """
        trust = _share(self.predicted_iou, key.predicted_iou)
        if self.agreement is not None and key.agreement is not None:
            trust *= _share(self.agreement, key.agreement)
        strength = sum(value**2 for value in key.contrast)
        least = LEAST_CONTRAST if revision < 2 else max(LEAST_CONTRAST, DISTINCT * key.texture)
        if strength >= least**2:
            along = sum(mine * its for mine, its in zip(self.contrast, key.contrast, strict=True))
            trust *= math.sqrt(_share(along, strength))
        return trust


def evidence_for(mask: Mask, segmenter: "Segmenter", plane: Plane, cancel: CancelToken | None = None) -> Evidence:
    """Gather what speaks for a decoded mask (one that has a window; not empty) on its plane."""
    if mask.window is None:
        raise ValueError("evidence needs a decoded mask")
    agreement = None if segmenter.model.spec.knows_ends else _agreement(mask, segmenter, plane, cancel)
    stride = segmenter.model.network.mask_stride
    step = (mask.window.step[0] / stride, mask.window.step[1] / stride)
    return Evidence(mask.predicted_iou, agreement, *_contrast(mask, step, segmenter, plane))


def _share(value: float, standard: float) -> float:
    return min(max(value, 0.0) / max(standard, LEAST), 1.0)


def _agreement(mask: Mask, segmenter: "Segmenter", plane: Plane, cancel: CancelToken | None) -> float:
    size = diameter(mask, pixel_aspect(segmenter.source.scale, plane.axes))
    click = Prompts((inner_point(mask),))
    answers = segmenter.segment(plane, click, object_size=size, framing=TIGHT, cancel=cancel).candidates
    return max(overlap(answer, mask) for answer in answers)


def _contrast(
    mask: Mask, step: tuple[float, float], segmenter: "Segmenter", plane: Plane
) -> tuple[tuple[float, ...], float]:
    """Return the contrast of a mask, and the texture; see `Evidence`."""
    margin = RING + 1
    rows, columns = (math.ceil((mask.box[axis + 2] - mask.box[axis]) / step[axis]) + 2 * margin for axis in (0, 1))
    window = Window((mask.box[0] - margin * step[0], mask.box[1] - margin * step[1]), step, (rows, columns))
    pixels = read_window(segmenter.source, plane, window, segmenter.embedder.contrast, segmenter.embedder.channels)
    inside = mask_logits(Mask(mask.box, mask.pixels), window) > 0
    beside = ndimage.binary_dilation(inside, iterations=RING) & ~ndimage.binary_dilation(inside, iterations=GAP)
    if not inside.any() or not beside.any():
        return (0.0,) * len(pixels), 0.0
    contrast = tuple(float(channel[inside].mean() - channel[beside].mean()) for channel in pixels)
    return contrast, math.sqrt(sum(float(channel[part].var()) for channel in pixels for part in (inside, beside)))


@dataclass(frozen=True)
class StopRule:
    """The rule by which an object is taken to have ended.

    Parameters
    ----------
    least_trust
        A mask that is trusted less than this ends the object: `Evidence.trust`, times the IoU with the neighbour, for
        where the object has ended the network soon draws something else. Chosen with version 5 on 204 objects of
        generated stacks and 48 of training stacks: mean 3-D IoU .648, .642 with the former rule; with version 6 it gets
        .642, the best of 880 rules .648 (docs/log-of-measurements.md, "Stacks: the rule when to stop").
    largest_growth
        An area this many times the neighbour's ends the object, and so does its inverse (chosen, not measured).
    """

    least_trust: float = 0.55
    largest_growth: float = 2.5

    def judge(self, mask: Mask, neighbour: Mask, trust: float) -> Stop:
        """Tell whether, and why, the object ends at `mask`."""
        growth = mask.area / max(neighbour.area, 1)
        if growth > self.largest_growth or growth < 1 / self.largest_growth:
            return Stop.JUMP
        return Stop.DOUBTFUL if trust * overlap(mask, neighbour) < self.least_trust else Stop.NONE
