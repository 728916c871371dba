"""An object as it was when accepted, in little memory."""

import io
import pickle
import zlib
from typing import Any

import numpy as np

from napari_sam.planes.mask import Mask, Outline
from napari_sam.session.draft import DraftState


def pack(state: DraftState) -> bytes:
    """Prompts, masks, candidates and where they came from, compressed; logits are left out."""
    file = io.BytesIO()
    _LeanPickler(file, protocol=5).dump(state)
    return zlib.compress(file.getbuffer(), 1)


def unpack(packed: bytes) -> DraftState:
    """What was packed; only for what this process packed itself."""
    state = pickle.loads(zlib.decompress(packed))
    assert isinstance(state, DraftState)
    for question in state.questions.values():
        question.in_flight = False
    return state


class _LeanPickler(pickle.Pickler):
    """Keeps masks as bits, without logits."""

    def reducer_override(self, thing: Any) -> Any:
        if type(thing) is Mask:
            return _mask, (thing.box, np.packbits(thing.pixels).tobytes(), thing.predicted_iou, thing.outline)
        return NotImplemented


def _mask(box: tuple[int, int, int, int], bits: bytes, predicted_iou: float, outline: Outline | None) -> Mask:
    shape = box[2] - box[0], box[3] - box[1]
    pixels = np.unpackbits(np.frombuffer(bits, np.uint8), count=shape[0] * shape[1])
    return Mask(box, pixels.astype(bool).reshape(shape), predicted_iou, outline=outline)
