"""Decode one object's prompts on one embedded window."""

import numpy as np
import torch

from napari_sam.embedding.embedder import EmbeddedWindow
from napari_sam.models.model import Model
from napari_sam.planes.mask import Mask
from napari_sam.prompts.encoding import POSITIVE, encode_prompts
from napari_sam.prompts.prompt import Prompts
from napari_sam.segment.from_logits import mask_from_logits
from napari_sam.segment.segmentation import Segmentation


def decode_window(
    model: Model,
    embedded: EmbeddedWindow,
    prompts: Prompts,
    plane_shape: tuple[int, int],
    *,
    previous: Mask | None,
    multimask: bool,
) -> Segmentation:
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

    Returns
    -------
    Segmentation
        The candidate with the highest predicted IoU is chosen.
    """
    network, window = model.network, embedded.window
    encoded = encode_prompts(prompts, window, network.mask_stride, previous)
    prediction = model.decode(
        embedded.features,
        torch.from_numpy(encoded.points),
        torch.from_numpy(encoded.labels),
        None if encoded.mask is None else torch.from_numpy(encoded.mask),
        multimask,
    )
    logits = prediction.logits[0].float().cpu().numpy()
    scores = prediction.iou[0].float().cpu().numpy()
    grid = window.coarsened(network.mask_stride)
    anchors = window.to_plane(encoded.points[0][encoded.labels[0] == POSITIVE][:, ::-1])
    candidates = tuple(
        mask_from_logits(each, grid, plane_shape, float(score), anchors, prompts.box)
        for each, score in zip(logits, scores, strict=True)
    )
    found = [score if mask.area else -np.inf for mask, score in zip(candidates, scores, strict=True)]
    return Segmentation(candidates, int(np.argmax(found)))
