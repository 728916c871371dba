"""Decoding of one object's prompts on embedded windows, and the masks on the plane."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from napari_sam.embedding.embedder import EmbeddedWindow
from napari_sam.models.model import Model
from napari_sam.nn.cancel import CancelToken
from napari_sam.nn.network import MaskPrediction
from napari_sam.planes.geometry import Mask, Window
from napari_sam.planes.resample import sample_grid
from napari_sam.prompts.encoding import POSITIVE, EncodedPrompts, encode_prompts
from napari_sam.prompts.prompt import Box, Prompts
from napari_sam.segment.correction import confined
from napari_sam.segment.segmentation import Segmentation

SAMPLED_AT_ONCE = 2**17
"""Pixels that are interpolated together: half a megabyte of them, which stays in a cache (chosen, not compared)."""


def mask_from_logits(
    logits: NDArray[np.float32],
    window: Window,
    plane_shape: tuple[int, int],
    predicted_iou: float,
    anchors: NDArray[np.float64],
    box: Box | None = None,
) -> Mask:
    """Return the mask where logits are positive, at the plane's resolution.

    Only the box of the positive logits is interpolated. Of several pieces those stay that hold an anchor; with no
    anchor inside any, the one with the largest part in the prompted box, or in the plane.

    Parameters
    ----------
    logits
        (h, w) float32.
    window
        Where they lie: one window pixel per logit.
    plane_shape
        (rows, columns) of the plane; the mask is clipped to it.
    predicted_iou
        The decoder's estimate.
    anchors
        (n, 2) plane coordinates (row, column) that lie on the object: positive points.
    box
        The prompted box, if any.

    Returns
    -------
    Mask
        Empty where no logit is positive.
    """
    positive = np.zeros(logits.shape, bool)
    # Beyond the plane the encoder saw reflections: an object there is not one.
    on_plane = _part(window, (-0.5, -0.5, plane_shape[0] - 0.5, plane_shape[1] - 0.5))
    positive[on_plane] = logits[on_plane] > 0
    if positive.any():
        boxed = on_plane if box is None else _part(window, box.borders)
        positive = _pieces_with(positive, np.rint(window.to_window(anchors)).astype(int), boxed)
    found = ndimage.find_objects(positive.astype(np.uint8))
    if not found:
        return Mask((0, 0, 0, 0), np.zeros((0, 0), bool), predicted_iou, logits, window)
    low = [max(part.start - 1, 0) for part in found[0]]
    high = [min(part.stop, size - 1) for part, size in zip(found[0], logits.shape, strict=True)]
    corners = window.to_plane([low, high])
    row0, column0 = (max(math.ceil(value), 0) for value in corners[0])
    row1, column1 = (min(math.floor(value) + 1, size) for value, size in zip(corners[1], plane_shape, strict=True))
    if row1 <= row0 or column1 <= column0:
        return Mask((0, 0, 0, 0), np.zeros((0, 0), bool), predicted_iou, logits, window)
    rows = (np.arange(row0, row1) - window.origin[0]) / window.step[0] - low[0]
    columns = (np.arange(column0, column1) - window.origin[1]) / window.step[1] - low[1]
    around = slice(low[0], high[0] + 1), slice(low[1], high[1] + 1)
    positive, within = positive[around], logits[around]
    # Other pieces may lie in the box as well: drop them, but let the kept ones grow by the half cell
    # that interpolation moves a border.
    kept = np.where(ndimage.binary_dilation(positive, np.ones((3, 3), bool)) | (within <= 0), within, np.float32(-1))
    pixels = _positive(kept, rows, columns)
    cropped = Mask.from_pixels(pixels, (row0, column0))
    return Mask(cropped.box, cropped.pixels, predicted_iou, logits, window)


def _positive(
    logits: NDArray[np.float32], rows: NDArray[np.float64], columns: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Mark where interpolated logits are positive; by bands of rows, since what stays in the cache is faster."""
    positive = np.empty((len(rows), len(columns)), bool)
    band = max(1, SAMPLED_AT_ONCE // len(columns))
    for top in range(0, len(rows), band):
        some = slice(top, top + band)
        np.greater(sample_grid(logits, rows[some], columns), 0, out=positive[some])
    return positive


def _part(window: Window, borders: tuple[float, float, float, float]) -> tuple[slice, slice]:
    """Return the pixels of a window that lie on what these borders enclose, be it in part."""
    (row0, column0), (row1, column1) = window.to_window([borders[:2], borders[2:]])
    return (
        slice(max(math.floor(row0 + 0.5), 0), max(math.ceil(row1 + 0.5), 0)),
        slice(max(math.floor(column0 + 0.5), 0), max(math.ceil(column1 + 0.5), 0)),
    )


def _pieces_with(
    positive: NDArray[np.bool_], anchors: NDArray[np.int_], region: tuple[slice, slice]
) -> NDArray[np.bool_]:
    """Keep the connected pieces that hold an anchor, or else the one that covers most of `region`."""
    pieces, count = ndimage.label(positive)
    if count == 1:
        return positive
    inside = ((anchors >= 0) & (anchors < positive.shape)).all(axis=1)
    held = {int(pieces[row, column]) for row, column in anchors[inside]} - {0}
    if not held:
        areas = np.bincount(pieces[region].ravel(), minlength=count + 1)[1:]
        held = {int(areas.argmax()) + 1}
    return np.isin(pieces, sorted(held))


@dataclass(frozen=True, eq=False)
class DecodedWindow:
    """The candidates of an object on one window; masks at the plane's resolution are made when they are asked for.

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


def decode_window(
    model: Model,
    embedded: EmbeddedWindow,
    prompts: Prompts,
    plane_shape: tuple[int, int],
    *,
    previous: Mask | None,
    multimask: bool,
    local: bool = True,
    cancel: CancelToken | None = None,
) -> DecodedWindow:
    """Decode one object's prompts on one embedded window.

    Parameters
    ----------
    model
        The model that made the embedding.
    embedded
        The window's features.
    prompts
        The object's prompts, in plane coordinates.
    plane_shape
        (rows, columns) of the plane.
    previous
        The mask that the prompts correct.
    multimask
        Three candidates if True, else one.
    local
        Whether corrections of `previous` change what is far from them but little, see `confined`.
    cancel
        See `Model.decode`.
    """
    network = model.network
    encoded = encode_prompts(prompts, embedded.window, network.mask_stride, previous)
    prediction = model.decode(
        embedded.features,
        torch.from_numpy(encoded.points),
        torch.from_numpy(encoded.labels),
        None if encoded.mask is None else torch.from_numpy(encoded.mask),
        multimask,
        cancel,
    )
    (decoded,) = _decoded(prediction, [embedded], [encoded], network.mask_stride, plane_shape, [prompts])
    if previous is None or encoded.mask is None or not local:
        return decoded
    places = decoded.grid.to_window(embedded.window.to_plane(encoded.points[0][:, ::-1]))
    kept = [confined(each, encoded.mask[0, 0], places, encoded.labels[0]) for each in decoded.logits]
    return replace(decoded, logits=np.stack(kept))


def decode_windows(
    model: Model,
    embedded: Sequence[EmbeddedWindow],
    prompts: Sequence[Prompts],
    plane_shape: tuple[int, int],
    *,
    multimask: bool,
    cancel: CancelToken | None = None,
) -> list[DecodedWindow]:
    """Decode prompts, each on an embedded window of its own, all at once.

    Parameters
    ----------
    model, plane_shape, multimask, cancel
        As of `decode_window`.
    embedded
        The features of the windows.
    prompts
        For each window; all as many tokens (see `encode_prompts`), and all with a mask prompt or none.
    """
    stride = model.network.mask_stride
    encoded = [encode_prompts(said, each.window, stride) for said, each in zip(prompts, embedded, strict=True)]
    masks = [each.mask for each in encoded if each.mask is not None]
    prediction = model.decode_each(
        [each.features for each in embedded],
        torch.from_numpy(np.concatenate([each.points for each in encoded])),
        torch.from_numpy(np.concatenate([each.labels for each in encoded])),
        torch.from_numpy(np.concatenate(masks)) if masks else None,
        multimask,
        cancel,
    )
    return _decoded(prediction, embedded, encoded, stride, plane_shape, prompts)


def _decoded(
    prediction: MaskPrediction,
    embedded: Sequence[EmbeddedWindow],
    encoded: Sequence[EncodedPrompts],
    mask_stride: int,
    plane_shape: tuple[int, int],
    prompts: Sequence[Prompts],
) -> list[DecodedWindow]:
    logits, scores = (each.float().cpu().numpy() for each in prediction)
    return [
        DecodedWindow(
            each.window,
            each.area,
            logits[at],
            scores[at],
            each.window.coarsened(mask_stride),
            plane_shape,
            each.window.to_plane(asked.points[0][asked.labels[0] == POSITIVE][:, ::-1]),
            said.box,
        )
        for at, (each, asked, said) in enumerate(zip(embedded, encoded, prompts, strict=True))
    ]
