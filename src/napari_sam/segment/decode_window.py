"""Decode one object's prompts on embedded windows."""

from collections.abc import Sequence

import numpy as np
import torch

from napari_sam.embedding.embedder import EmbeddedWindow
from napari_sam.models.model import Model
from napari_sam.nn.network import MaskPrediction
from napari_sam.planes.mask import Mask
from napari_sam.prompts.encoding import POSITIVE, EncodedPrompts, encode_prompts
from napari_sam.prompts.prompt import Prompts
from napari_sam.segment.decoded_window import DecodedWindow


def decode_window(
    model: Model,
    embedded: EmbeddedWindow,
    prompts: Prompts,
    plane_shape: tuple[int, int],
    *,
    previous: Mask | None,
    multimask: bool,
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
    """
    network = model.network
    encoded = encode_prompts(prompts, embedded.window, network.mask_stride, previous)
    prediction = model.decode(
        embedded.features,
        torch.from_numpy(encoded.points),
        torch.from_numpy(encoded.labels),
        None if encoded.mask is None else torch.from_numpy(encoded.mask),
        multimask,
    )
    (decoded,) = _decoded(prediction, [embedded], [encoded], network.mask_stride, plane_shape, [prompts])
    return decoded


def decode_windows(
    model: Model,
    embedded: Sequence[EmbeddedWindow],
    prompts: Sequence[Prompts],
    plane_shape: tuple[int, int],
    *,
    multimask: bool,
) -> list[DecodedWindow]:
    """Decode prompts, each on an embedded window of its own, all at once.

    Parameters
    ----------
    model, plane_shape, multimask
        As of `decode_window`.
    embedded
        The features of the windows.
    prompts
        For each window; no masks, and all as many tokens (see `encode_prompts`).
    """
    stride = model.network.mask_stride
    encoded = [encode_prompts(said, each.window, stride) for said, each in zip(prompts, embedded, strict=True)]
    prediction = model.decode_each(
        [each.features for each in embedded],
        torch.from_numpy(np.concatenate([each.points for each in encoded])),
        torch.from_numpy(np.concatenate([each.labels for each in encoded])),
        multimask,
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
