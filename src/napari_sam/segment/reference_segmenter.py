"""Prompts on the planes of an image, answered in the published predictor's own frame."""

import numpy as np
from numpy.typing import NDArray

from napari_sam.errors import UserError
from napari_sam.models.model import Model
from napari_sam.nn.cancel import CancelToken
from napari_sam.planes.mask import Mask
from napari_sam.planes.plane import Plane
from napari_sam.planes.source import ImageSource
from napari_sam.planes.window import Window
from napari_sam.prompts.prompt import Prompts
from napari_sam.segment.reference_frame import ReferencePredictor
from napari_sam.segment.segmentation import Segmentation


class ReferenceSegmenter:
    """Segments as `ReferencePredictor` does; keeps the embedding of the plane that was prompted last.

    Parameters
    ----------
    model
        A published model, or one fine-tuned from it.
    source
        An image of 8 bits, gray or RGB.
    """

    def __init__(self, model: Model, source: ImageSource) -> None:
        self._model = model
        self._source = source
        self._latest: tuple[Plane, ReferencePredictor] | None = None

    def segment(
        self,
        plane: Plane,
        prompts: Prompts,
        previous: Mask | None = None,
        multimask: bool = True,
        cancel: CancelToken | None = None,
    ) -> Segmentation:
        """Segment one object; parameters as of `Segmenter.segment`.

        Raises
        ------
        UserError
            If the image or the model has no published predictor, or for prompts that it does not know.
        """
        if prompts.mask is not None or prompts.scribbles:
            raise UserError("The published predictor takes points and a box: leave out masks and scribbles.")
        if self._latest is None or self._latest[0] != plane:
            self._latest = (plane, ReferencePredictor(self._model, self._pixels(plane), cancel))
        box = prompts.box
        # The published order is (x, y).
        found = self._latest[1].predict(
            [(point.column, point.row) for point in prompts.points],
            [int(point.positive) for point in prompts.points],
            None if box is None else (box.column0, box.row0, box.column1, box.row1),
            None if previous is None or previous.logits is None else previous.logits[None],
            multimask,
        )
        candidates = []
        for pixels, iou, logits in zip(found.masks, found.iou, found.logits, strict=True):
            mask = Mask.from_pixels(pixels)
            candidates.append(Mask(mask.box, mask.pixels, float(iou), logits, self._frame(plane, logits.shape[0])))
        return Segmentation(tuple(candidates), int(np.argmax(found.iou)))

    def _pixels(self, plane: Plane) -> NDArray[np.uint8]:
        pixels = self._source.read(plane, slice(None), slice(None))
        if pixels.dtype != np.uint8 or pixels.shape[2] not in (1, 3):
            raise UserError(
                f"The published predictor takes gray or RGB images of 8 bits; this one is of type {pixels.dtype} "
                f"with {pixels.shape[2]} channels."
            )
        return np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3)))

    def _frame(self, plane: Plane, side: int) -> Window:
        """Where the logits lie: a square as long as the plane's longer side, from its first pixel on."""
        step = max(plane.shape(self._source.shape)) / side
        return Window((step / 2 - 0.5, step / 2 - 0.5), (step, step), (side, side))
