"""The published predictor's own frame: an image and its prompts into the network, and masks back.

`Segmenter` works on windows at a chosen level with contrast limits of the layer. The numbers in the literature were
made otherwise, and this is how.
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from napari_sam.errors import UserError
from napari_sam.models.model import Model
from napari_sam.nn.cancel import CancelToken
from napari_sam.nn.network import EncodedImages
from napari_sam.nn.prompt_encoder import BOX_END, BOX_START
from napari_sam.nn.sam import PIXEL_MEAN
from napari_sam.planes.geometry import Mask, Plane, Window
from napari_sam.planes.image_source import ImageSource
from napari_sam.prompts.prompt import Prompts
from napari_sam.segment.segmentation import Segmentation


class ReferencePrediction(NamedTuple):
    """The prediction that the published predictor returns for one object.

    Attributes
    ----------
    masks
        (M, H, W) bool at the image's size; M is 3 or 1.
    iou
        (M,) float32, the predicted IoU of each mask.
    logits
        (M, h, w) float32, in the network's frame; one of them (``logits[i : i + 1]``) is the next call's `mask`.
    """

    masks: NDArray[np.bool_]
    iou: NDArray[np.float32]
    logits: NDArray[np.float32]


class ReferencePredictor:
    """A predictor that works as the published `SamPredictor` (Kirillov et al. 2023): same masks, same scores.

    The image's longer side is scaled to the network's 1024 pixels with an anti-aliased bilinear filter in 8 bits, its
    raw RGB values are normalised, and it is padded with zeros at the right and the bottom. The image is encoded here,
    once.

    Parameters
    ----------
    model
        A published one, or one fine-tuned from it.
    image
        (H, W, 3) uint8 RGB.
    cancel
        Checked between the encoder's blocks.
    features
        The `features` of an earlier predictor of the same image and model, which saves encoding it again.

    Raises
    ------
    UserError
        If the image is of another shape or type, or the model has no published predictor (the bundled one).
    Cancelled
        If `cancel` was set.
    """

    def __init__(
        self,
        model: Model,
        image: NDArray[np.uint8],
        cancel: CancelToken | None = None,
        features: EncodedImages | None = None,
    ) -> None:
        if model.network.fully_convolutional:
            raise UserError(f"There is no published predictor for the model {model.name}; choose a published model.")
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
            raise UserError(
                f"The published predictor takes RGB images of 8 bits, (rows, columns, 3); this one is of shape "
                f"{image.shape} and type {image.dtype}."
            )
        self._model = model
        self._shape = (image.shape[0], image.shape[1])
        self._scaled = _scaled_shape(self._shape, model.network.window)
        self.features = self._encode(image, cancel) if features is None else features

    def predict(
        self,
        points: ArrayLike | None = None,
        labels: ArrayLike | None = None,
        box: ArrayLike | None = None,
        mask: NDArray[np.float32] | None = None,
        multimask: bool = True,
        cancel: CancelToken | None = None,
    ) -> ReferencePrediction:
        """Predict one object's masks.

        Parameters
        ----------
        points
            (K, 2) as (x, y) in the image's pixels: the published order, not napari's (row, column).
        labels
            (K,): 1 positive, 0 negative.
        box
            (x0, y0, x1, y1).
        mask
            (1, h, w) logits of an earlier prediction.
        multimask
            Three candidates if True, else one.
        cancel
            See `Model.decode`.

        Returns
        -------
        ReferencePrediction

        Raises
        ------
        UserError
            If there are not as many labels as points.
        """
        places = np.zeros((0, 2)) if points is None else np.asarray(points, float).reshape(-1, 2)
        kinds = np.zeros(0, np.int64) if labels is None else np.asarray(labels, np.int64).reshape(-1)
        if len(places) != len(kinds):
            raise UserError(f"There are {len(places)} points but {len(kinds)} labels.")
        if box is not None:
            places = np.concatenate([places, np.asarray(box, float).reshape(2, 2)])
            kinds = np.concatenate([kinds, [BOX_START, BOX_END]])
        factors = [self._scaled[axis] / self._shape[axis] for axis in (1, 0)]
        with torch.inference_mode():
            prediction = self._model.decode(
                self.features,
                torch.from_numpy(places * factors)[None].float(),
                torch.from_numpy(kinds)[None],
                None if mask is None else torch.from_numpy(mask)[None].float(),
                multimask,
                cancel,
            )
            masks = self._upscaled(prediction.logits) > 0
        return ReferencePrediction(
            masks[0].cpu().numpy(), prediction.iou[0].float().cpu().numpy(), prediction.logits[0].float().cpu().numpy()
        )

    def _encode(self, image: NDArray[np.uint8], cancel: CancelToken | None) -> EncodedImages:
        side, (rows, columns) = self._model.network.window, self._scaled
        pixels = np.array(Image.fromarray(image).resize((columns, rows), Image.Resampling.BILINEAR))
        # The colour that normalisation turns into zero.
        padded = (torch.tensor(PIXEL_MEAN) / 255)[None, :, None, None].repeat(1, 1, side, side)
        padded[0, :, :rows, :columns] = torch.from_numpy(pixels).permute(2, 0, 1) / 255
        return self._model.encode(padded, cancel)

    def _upscaled(self, logits: Tensor) -> Tensor:
        """Map (1, M, h, w) to (1, M, H, W), by way of the network's frame, whose padding is cut off there."""
        side, (rows, columns) = self._model.network.window, self._scaled
        # As images of one channel: for three there is a form for colours, which is several times slower.
        in_frame = F.interpolate(logits.float().transpose(0, 1), (side, side), mode="bilinear", align_corners=False)
        in_frame = in_frame[..., :rows, :columns]
        if self._scaled != self._shape:
            in_frame = F.interpolate(in_frame, self._shape, mode="bilinear", align_corners=False)
        return in_frame.transpose(0, 1)


def _scaled_shape(shape: tuple[int, int], side: int) -> tuple[int, int]:
    """Return (rows, columns) of an image whose longer side is scaled to `side`."""
    scale = side / max(shape)
    return int(shape[0] * scale + 0.5), int(shape[1] * scale + 0.5)


class ReferenceSegmenter:
    """A segmenter that works as `ReferencePredictor`; it keeps the embedding of the plane that was prompted last.

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
            cancel,
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
        """Return the window of the logits: a square as long as the plane's longer side, from its first pixel on."""
        step = max(plane.shape(self._source.shape)) / side
        return Window((step / 2 - 0.5, step / 2 - 0.5), (step, step), (side, side))
