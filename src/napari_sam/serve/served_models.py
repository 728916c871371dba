"""The models that a server computes with, and what it keeps of the images that were sent."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from napari_sam.embedding.store import EmbeddingStore
from napari_sam.errors import UserError
from napari_sam.models.load import load_model
from napari_sam.models.model import Model
from napari_sam.models.registry import REGISTRY
from napari_sam.models.remote.messages import (
    MOST_BYTES,
    MOST_PROMPTS,
    ImagesEncoded,
    ImagesMissing,
    ImagesSent,
    MalformedMessage,
    MapsSent,
    MapsWanted,
    Message,
    ModelFacts,
    ModelKey,
    ModelWanted,
    MomentsWanted,
    NumbersSent,
    PackedArray,
    PromptedWindow,
    PromptsDecoded,
    PromptsSent,
    SimilarityWanted,
    SumsWanted,
    image_name,
    pack_array,
    prompts_at_most,
    unpack_array,
    unpacked_bytes,
)
from napari_sam.nn.cancel import CancelToken
from napari_sam.nn.network import EncodedImages, ImageFeatures

LARGEST_SIDE = 2048
"""Bound on the sides of an image that a fully convolutional network gets: twice what callers send (chosen)."""
LEAST_LABEL, MOST_LABEL = -1, 3
"""Kinds of points, see `PromptableNetwork.decode`: others are read from beyond a table, and break a card's work."""

MOST_SETS = 2**14
"""Bound on the sets of cells that are summed up at once: their sums take 16 MB of `nano` (chosen)."""

OpenModel = Callable[[str, str], Model]
NumbersWanted = MomentsWanted | SumsWanted | SimilarityWanted


class ServedModels:
    """The models of a server, and the features of images that were sent; used by one thread at a time.

    Parameters
    ----------
    open_model
        Opens a model by its name and precision ("auto" too); raises `UserError` where there is none.
    max_bytes
        Bound on the features that are kept; None for the store's own.
    """

    def __init__(self, open_model: OpenModel, max_bytes: int | None = None) -> None:
        self._open_model = open_model
        self._models: dict[tuple[str, str], Model] = {}
        self._store = EmbeddingStore() if max_bytes is None else EmbeddingStore(max_bytes)

    def warm(self, name: str) -> Model:
        """Open a model before it is asked for.

        Raises
        ------
        UserError
            If there is no such model, or it cannot be loaded.
        """
        return self._opened(name, "auto")

    def answer(self, message: Message, cancel: CancelToken) -> Message:
        """Answer a request.

        Parameters
        ----------
        message
            One of the kinds that come in.
        cancel
            Checked between the encoder's blocks, and before prompts are decoded.

        Raises
        ------
        UserError
            If there is no such model, or not enough memory.
        MalformedMessage
            If the request makes no sense to the model.
        Cancelled
            If `cancel` was set.
        """
        cancel.check()
        match message:
            case ModelWanted():
                return self._facts(message)
            case ImagesSent():
                return self._encode(message, cancel)
            case PromptsSent():
                return self._decode(message, cancel)
            case MapsWanted():
                return self._maps(message, cancel)
            case MomentsWanted() | SumsWanted() | SimilarityWanted():
                return self._summed(message, cancel)
        raise MalformedMessage(f"Nobody asks for {type(message).__name__}.")

    def _facts(self, wanted: ModelWanted) -> ModelFacts:
        model = self._opened(wanted.name, wanted.precision)
        network, spec = model.network, model.spec
        return ModelFacts(
            ModelKey(wanted.name, model.precision.value, model.digest),
            str(model.device),
            network.window,
            network.stride,
            network.mask_stride,
            network.fully_convolutional,
            network.encode_multiple,
            spec.architecture,
            spec.licence,
            spec.object_size_px,
            spec.scanned_size_px,
            spec.boxed_size_px,
            spec.knows_ends,
            model.fell_back,
        )

    def _encode(self, message: ImagesSent, cancel: CancelToken) -> ImagesEncoded:
        model = self._model(message.model)
        encoded = self._encoded(model, message.images, cancel)
        return ImagesEncoded(tuple(each.nbytes for _, each in encoded), str(model.device), model.fell_back)

    def _decode(self, message: PromptsSent, cancel: CancelToken) -> PromptsDecoded | ImagesMissing:
        model = self._model(message.model)
        points, labels, mask = _checked_prompts(message, model)
        images = self._at_hand(model, message.windows, message.images, cancel)
        if isinstance(images, ImagesMissing):
            return images
        windows = [_window(images[each.image], each, model) for each in message.windows]
        _check_sides(windows, mask, len(points), model)
        given = torch.from_numpy(points), torch.from_numpy(labels), None if mask is None else torch.from_numpy(mask)
        if message.each:
            prediction = model.decode_each(windows, *given, message.multimask, cancel)
        else:
            prediction = model.decode(windows[0], *given, message.multimask, cancel)
        logits, iou = (pack_array(each.float().cpu().numpy()) for each in prediction)
        return PromptsDecoded(logits, iou, str(model.device), model.fell_back)

    def _maps(self, message: MapsWanted, cancel: CancelToken) -> MapsSent | ImagesMissing:
        model = self._model(message.model)
        images = self._at_hand(model, [message.window], message.images, cancel)
        if isinstance(images, ImagesMissing):
            return images
        cut = message.window.cut
        whole = images[message.window.image][0]
        maps = (whole if cut is None else _window(images[message.window.image], message.window, model)).auxiliary_maps()
        return MapsSent(None if maps is None else pack_array(maps.float().cpu().numpy()))

    def _summed(self, message: NumbersWanted, cancel: CancelToken) -> NumbersSent | ImagesMissing:
        model = self._model(message.model)
        images = self._at_hand(model, [message.window], message.images, cancel)
        if isinstance(images, ImagesMissing):
            return images
        features, size = images[message.window.image]
        if message.window.cut is not None:
            raise MalformedMessage("Embeddings of whole images are summed up.")
        match message:
            case MomentsWanted():
                numbers = features.moments(cancel)
            case SumsWanted():
                count = size[0] * size[1] // model.network.stride**2
                numbers = features.sums(*_checked_cells(message, count), cancel)
            case SimilarityWanted():
                toward = unpack_array(message.toward, "float64", "directions")
                if toward.shape != (3, features.moments().shape[1]):
                    raise MalformedMessage(f"A direction does not have the shape {toward.shape}.")
                numbers = features.similarity(torch.from_numpy(toward), cancel)
        return NumbersSent(pack_array(numbers.numpy()))

    def _opened(self, name: str, precision: str) -> Model:
        key = (name, precision)
        if key not in self._models:
            model = self._open_model(name, precision)
            # What was asked for by "auto" is one of the others.
            self._models[key] = self._models.setdefault((name, model.precision.value), model)
        return self._models[key]

    def _model(self, key: ModelKey) -> Model:
        model = self._opened(key.name, key.precision)
        if model.digest != key.digest:
            raise UserError(
                f"The other machine has another {key.name} now (SHA-256 {model.digest[:12]}, not {key.digest[:12]}): "
                "open the image anew."
            )
        return model

    def _at_hand(
        self, model: Model, windows: Sequence[PromptedWindow], sent: Sequence[PackedArray], cancel: CancelToken
    ) -> "dict[str, tuple[EncodedImages, tuple[int, int]]] | ImagesMissing":
        """Return the features of images by their names, with (rows, columns) of each; what is sent is encoded."""
        # Kept by this turn, whatever else the store has room for.
        found = dict(self._encoded(model, sent, cancel))
        missing = []
        for name in dict.fromkeys(each.image for each in windows):
            if name not in found:
                features = self._store.get((model.digest, model.precision, name))
                if features is None:
                    missing.append(name)
                else:
                    found[name] = features
        if missing:
            return ImagesMissing(tuple(missing))
        return {name: (features, _size(features, model)) for name, features in found.items()}

    def _encoded(
        self, model: Model, images: Sequence[PackedArray], cancel: CancelToken
    ) -> list[tuple[str, EncodedImages]]:
        """Return the name and the features of each image; of one shape several are encoded together."""
        if unpacked_bytes(images) > MOST_BYTES:
            raise MalformedMessage(f"The images of a message take {MOST_BYTES} bytes at most.")
        names: list[str] = []
        found: dict[str, EncodedImages | None] = {}
        missing: dict[str, NDArray[np.float32]] = {}
        for image in images:
            pixels = unpack_array(image, "float32", "pixels")
            _check_image(pixels, model)
            name = image_name(image, pixels)
            names.append(name)
            found[name] = self._store.get((model.digest, model.precision, name))
            if found[name] is None:
                missing[name] = pixels if len(pixels) == 3 else np.repeat(pixels, 3, axis=0)
        while missing:
            # No more of them than are encoded together elsewhere: the features of an image would be slightly others.
            _, rows, columns = shape = next(iter(missing.values())).shape
            together = model.images_at_once(rows * columns)
            some = [name for name, pixels in missing.items() if pixels.shape == shape][:together]
            features = model.encode(torch.from_numpy(np.stack([missing.pop(name) for name in some])), cancel).split()
            for name, each in zip(some, features, strict=True):
                found[name] = each
                self._store.put((model.digest, model.precision, name), each)
        return [(name, kept) for name in names if (kept := found[name]) is not None]


def model_opener(names: Sequence[str], device: str, precision: str) -> OpenModel:
    """Return what opens the models of a server.

    Parameters
    ----------
    names
        Names of models and files of weights that may be opened; none for every model that is bundled or downloaded.
    device
        Where they compute.
    precision
        Taken for "auto".

    Raises
    ------
    UserError
        If two files have one name.
    """
    known: Mapping[str, str] = {(Path(name).stem if Path(name).is_file() else name): name for name in names}
    if len(known) < len(set(names)):
        raise UserError("Two of these models have one name: rename a file.")

    def opened(name: str, wanted: str) -> Model:
        # Nothing that is asked for is a path of ours.
        if name not in (known or REGISTRY):
            raise UserError(f"The other machine has no model {name}: it has {', '.join(known or REGISTRY)}.")
        try:
            return load_model(known.get(name, name), device, precision if wanted == "auto" else wanted)
        except UserError as error:
            raise UserError(f"The other machine says: {error}") from error

    return opened


def _check_image(pixels: NDArray[np.float32], model: Model) -> None:
    network = model.network
    if pixels.ndim != 3 or pixels.shape[0] not in (1, 3):
        raise MalformedMessage(f"An image has one or three channels, rows and columns, not the shape {pixels.shape}.")
    largest = LARGEST_SIDE if network.fully_convolutional else network.window
    least = 1 if network.fully_convolutional else network.window
    for side in pixels.shape[1:]:
        if side % network.encode_multiple or not least <= side <= largest:
            raise MalformedMessage(
                f"Sides of images are multiples of {network.encode_multiple} up to {largest}, not {side}."
            )


def _checked_prompts(
    message: PromptsSent, model: Model
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float32] | None]:
    points = unpack_array(message.points, "float32", "points")
    labels = unpack_array(message.labels, "int64", "labels")
    mask = None if message.mask is None else unpack_array(message.mask, "float32", "masks")
    if points.ndim != 3 or points.shape[2] != 2 or labels.shape != points.shape[:2]:
        raise MalformedMessage(f"Points of the shape {points.shape} do not go with labels of {labels.shape}.")
    count, most = len(points), prompts_at_most(model.network.window, model.network.mask_stride)
    if not 1 <= count <= most or points.shape[1] > MOST_PROMPTS:
        raise MalformedMessage(
            f"1 to {most} prompts of up to {MOST_PROMPTS} points are decoded, not {points.shape[:2]}."
        )
    if labels.size and not LEAST_LABEL <= labels.min() <= labels.max() <= MOST_LABEL:
        raise MalformedMessage(f"Labels of points are {LEAST_LABEL} to {MOST_LABEL}.")
    if len(message.windows) != (count if message.each else 1):
        raise MalformedMessage(f"{count} prompts do not go with {len(message.windows)} windows.")
    return points, labels, mask


def _check_sides(windows: Sequence[EncodedImages], mask: NDArray[np.float32] | None, count: int, model: Model) -> None:
    """Refuse windows of several sizes, and masks that are not as large as the windows."""
    sides = {_size(window, model)[0] for window in windows}
    side = min(sides) // model.network.mask_stride
    if len(sides) > 1:
        raise MalformedMessage("Windows that are decoded together are of one size.")
    if mask is not None and mask.shape != (count, 1, side, side):
        raise MalformedMessage(f"Masks have the shape {(count, 1, side, side)}, not {mask.shape}.")


def _checked_cells(message: SumsWanted, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the sets of cells of an embedding that has so many."""
    cells, ends = unpack_array(message.cells, "int64", "cells"), unpack_array(message.ends, "int64", "ends")
    if cells.ndim != 1 or ends.ndim != 1 or not 1 <= len(ends) <= MOST_SETS:
        raise MalformedMessage(f"Sets of cells do not have the shapes {cells.shape} and {ends.shape}.")
    if cells.size and not 0 <= cells.min() <= cells.max() < count:
        raise MalformedMessage(f"Cells are numbered from 0 to {count - 1}.")
    if ends[0] != 0 or ends[-1] != len(cells) or (np.diff(ends) < 0).any():
        raise MalformedMessage("Sets of cells follow each other, and together are all of them.")
    return torch.from_numpy(cells), torch.from_numpy(ends)


def _size(features: EncodedImages, model: Model) -> tuple[int, int]:
    assert isinstance(features, ImageFeatures)
    rows, columns = features.embedding.shape[-2:]
    return rows * model.network.stride, columns * model.network.stride


def _window(image: tuple[EncodedImages, tuple[int, int]], wanted: PromptedWindow, model: Model) -> EncodedImages:
    features, size = image
    network, cut = model.network, wanted.cut
    side = min(size) if cut is None else cut.side
    # The whole of an image is no window unless it is as large as one.
    if (size != (side, side) and cut is None) or not 0 < side <= network.window or side % network.stride:
        raise MalformedMessage(f"Windows have sides of {network.window} pixels at most, not {side}.")
    if cut is None:
        return features
    for corner, along in ((cut.row, size[0]), (cut.column, size[1])):
        if corner % network.stride or corner + side > along:
            raise MalformedMessage(f"A window of {side} pixels at {corner} is not one of an image of {along}.")
    return features.cut((cut.row, cut.column), side, size[0])
