"""What the decoder returned for one window, and the masks that it stands for."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from napari_sam.planes.mask import Mask
from napari_sam.planes.window import Window
from napari_sam.prompts.prompt import Box
from napari_sam.segment.from_logits import mask_from_logits
from napari_sam.segment.segmentation import Segmentation


@dataclass(frozen=True, eq=False)
class DecodedWindow:
    """One object's candidates on one window; masks at the plane's resolution are made when they are asked for.

    Parameters
    ----------
    window
        The window.
    area
        The area that was encoded for it.
    logits
        (M, h, w) float32.
    scores
        (M,) predicted IoUs.
    grid
        Where the logits lie: one window pixel per logit.
    plane_shape
        (rows, columns) of the plane.
    anchors
        (n, 2) positive points in plane coordinates.
    box
        The prompted box, if any.
    """

    window: Window
    area: Window
    logits: NDArray[np.float32]
    scores: NDArray[np.float32]
    grid: Window
    plane_shape: tuple[int, int]
    anchors: NDArray[np.float64]
    box: Box | None

    @cached_property
    def chosen(self) -> int:
        """Of the candidates that are not empty, the one with the highest predicted IoU."""
        best_first = np.argsort(-self.scores, kind="stable")
        return next((int(at) for at in best_first if self._candidate(int(at)).area), 0)

    @property
    def mask(self) -> Mask:
        """The chosen candidate."""
        return self._candidate(self.chosen)

    @property
    def segmentation(self) -> Segmentation:
        """All candidates."""
        return Segmentation(tuple(self._candidate(at) for at in range(len(self.scores))), self.chosen)

    def _candidate(self, at: int) -> Mask:
        known = self._candidates.get(at)
        if known is None:
            known = self._candidates[at] = mask_from_logits(
                self.logits[at], self.grid, self.plane_shape, float(self.scores[at]), self.anchors, self.box
            )
        return known

    @cached_property
    def _candidates(self) -> dict[int, Mask]:
        return {}
