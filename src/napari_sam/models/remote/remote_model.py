"""A model whose network is on another machine: pixels go there once for each window, prompts go, logits come back."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, TypeVar

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_sam.errors import UserError
from napari_sam.models.device import MOST_AT_ONCE, Precision
from napari_sam.models.model import Model
from napari_sam.models.registry import ModelSpec
from napari_sam.models.remote.connection import MISSING, Answer, ServerConnection
from napari_sam.models.remote.messages import (
    MOST_BYTES,
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
    WindowCut,
    image_name,
    pack_array,
    prompts_at_most,
    read,
    unpack_array,
    unpacked_bytes,
)
from napari_sam.nn.cancel import CancelToken
from napari_sam.nn.network import EncodedImages, MaskPrediction

Kind = TypeVar("Kind", bound=Message)


@dataclass(frozen=True, eq=False)
class SentImage:
    """An image that was sent, with its pixels: the other machine may lose it.

    Parameters
    ----------
    name
        What it is known by.
    pixels
        As it travels.
    nbytes
        What its features take there.
    """

    name: str
    pixels: PackedArray
    nbytes: int


@dataclass(frozen=True, eq=False)
class RemoteFeatures:
    """Features that are kept on another machine; `EncodedImages` by name.

    Parameters
    ----------
    network
        What encoded them.
    images
        The images, in order.
    part
        The part of the (only) image that is meant; None for the whole.
    """

    network: "RemoteNetwork"
    images: tuple[SentImage, ...]
    part: WindowCut | None = None

    @property
    def nbytes(self) -> int:
        """Bytes that the features take there: what is at hand is the same as if they were here."""
        return sum(image.nbytes for image in self.images)

    def split(self) -> "list[RemoteFeatures]":
        """Return every image by itself."""
        return [replace(self, images=(image,)) for image in self.images]

    def cut(self, corner: tuple[int, int], side: int, height: int) -> "RemoteFeatures":
        """Return a square part, which is cut when it is asked for."""
        del height
        return replace(self, part=WindowCut(corner[0], corner[1], side))

    def auxiliary_maps(self, cancel: CancelToken | None = None) -> Tensor | None:
        """Fetch the maps, the first time."""
        if "_maps" not in self.__dict__:
            self.__dict__["_maps"] = self.network.auxiliary_maps(self, cancel)
        maps: Tensor | None = self.__dict__["_maps"]
        return maps

    def moments(self, cancel: CancelToken | None = None) -> Tensor:
        """Have the embedding summed up there; see `EncodedImages.moments`."""
        return self.network.numbers(self, partial(MomentsWanted, self.network.key, self.window), "float64", cancel)

    def sums(self, cells: Tensor, ends: Tensor, cancel: CancelToken | None = None) -> Tensor:
        """Have the embedding summed up there; see `EncodedImages.sums`."""
        which, where = pack_array(cells.numpy(), compress=True), pack_array(ends.numpy(), compress=True)
        wanted = partial(SumsWanted, self.network.key, self.window, cells=which, ends=where)
        return self.network.numbers(self, wanted, "float32", cancel)

    def similarity(self, toward: Tensor, cancel: CancelToken | None = None) -> Tensor:
        """Have the embedding compared there; see `EncodedImages.similarity`."""
        wanted = partial(SimilarityWanted, self.network.key, self.window, toward=pack_array(toward.numpy()))
        return self.network.numbers(self, wanted, "float64", cancel)

    @cached_property
    def window(self) -> PromptedWindow:
        """How it is named in a message."""
        (image,) = self.images
        return PromptedWindow(image.name, self.part)


class RemoteNetwork:
    """A network on another machine; its methods are those of `Model`.

    Parameters
    ----------
    connection
        The machine.
    facts
        What it told of the network.

    Attributes
    ----------
    device : str
        The device there that computed last.
    fell_back : str
        Why that is another one than it began with; empty where it is not.
    """

    def __init__(self, connection: ServerConnection, facts: ModelFacts) -> None:
        self.connection = connection
        self.key: ModelKey = facts.key
        self.window = facts.window
        self.stride = facts.stride
        self.mask_stride = facts.mask_stride
        self.fully_convolutional = facts.fully_convolutional
        self.encode_multiple = facts.encode_multiple
        self.device = facts.device
        self.fell_back = facts.fell_back

    def encode(self, images: Tensor, cancel: CancelToken | None = None) -> EncodedImages:
        """Send images to be encoded; see `Model.encode`."""
        pixels = [_without_copies(image) for image in np.ascontiguousarray(images.cpu().numpy())]
        packed = [pack_array(each, compress=True) for each in pixels]
        names = [image_name(*each) for each in zip(packed, pixels, strict=True)]
        sent: list[SentImage] = []
        for some in _bounded(packed):
            sizes = self._sent(some, cancel)
            sent += [SentImage(names[len(sent) + at], image, sizes[at]) for at, image in enumerate(some)]
        return RemoteFeatures(self, tuple(sent))

    def decode(
        self,
        features: EncodedImages,
        points: Tensor,
        labels: Tensor,
        mask: Tensor | None,
        multimask: bool,
        cancel: CancelToken | None = None,
    ) -> MaskPrediction:
        """Send prompts on one window; see `Model.decode`."""
        return self._decoded([features], points, labels, mask, multimask, cancel, each=False)

    def decode_each(
        self,
        features: Sequence[EncodedImages],
        points: Tensor,
        labels: Tensor,
        mask: Tensor | None,
        multimask: bool,
        cancel: CancelToken | None = None,
    ) -> MaskPrediction:
        """Send prompts, each on a window of its own; see `Model.decode_each`."""
        return self._decoded(features, points, labels, mask, multimask, cancel, each=True)

    def auxiliary_maps(self, features: RemoteFeatures, cancel: CancelToken | None) -> Tensor | None:
        """Fetch the auxiliary maps of a window; None where the network has none."""
        answer = self._asked(
            lambda images: MapsWanted(self.key, features.window, images), list(features.images), cancel, MapsSent
        )
        return None if answer.maps is None else torch.from_numpy(self._array(answer.maps, None))

    def numbers(
        self,
        features: RemoteFeatures,
        wanted: Callable[[tuple[PackedArray, ...]], Message],
        dtype: str,
        cancel: CancelToken | None,
    ) -> Tensor:
        """Fetch numbers that sum the embedding of a window up."""
        answer = self._asked(wanted, list(features.images), cancel, NumbersSent)
        return torch.from_numpy(self._array(answer.numbers, None, dtype))

    def _decoded(
        self,
        features: Sequence[EncodedImages],
        points: Tensor,
        labels: Tensor,
        mask: Tensor | None,
        multimask: bool,
        cancel: CancelToken | None,
        *,
        each: bool,
    ) -> MaskPrediction:
        windows = [window for window in features if isinstance(window, RemoteFeatures)]
        assert len(windows) == len(features)
        parts: list[MaskPrediction] = []
        together = prompts_at_most(self.window, self.mask_stride)
        for start in range(0, len(points), together):
            some = slice(start, start + together)
            on = windows[some] if each else windows
            request = PromptsSent(
                self.key,
                tuple(window.window for window in on),
                (),
                each,
                pack_array(points[some].float().numpy()),
                pack_array(labels[some].long().numpy()),
                None if mask is None else pack_array(mask[some].float().numpy()),
                multimask,
            )
            answer = self._asked(
                partial(_with_images, request),
                [image for window in on for image in window.images],
                cancel,
                PromptsDecoded,
            )
            self._note(answer)
            logits = torch.from_numpy(self._array(answer.logits, len(points[some])))
            parts.append(MaskPrediction(logits, torch.from_numpy(self._array(answer.iou, len(points[some])))))
        return MaskPrediction.joined(parts)

    def _asked(
        self,
        request: Callable[[tuple[PackedArray, ...]], Message],
        images: Sequence[SentImage],
        cancel: CancelToken | None,
        kind: type[Kind],
    ) -> Kind:
        """Ask about images; those that the machine has lost are sent with the request when it is made again."""
        answer = self.connection.ask(request(()), cancel)
        while answer.status == MISSING:
            names = set(self._read(answer, ImagesMissing).names)
            lost = {image.name: image.pixels for image in images if image.name in names}
            if not lost:
                raise UserError(f"{self.connection.address} asks for images that it never had.")
            *before, last = _bounded(list(lost.values()))
            for some in before:
                self._sent(some, cancel)
            answer = self.connection.ask(request(tuple(last)), cancel)
        return self._read(answer, kind)

    def _sent(self, images: Sequence[PackedArray], cancel: CancelToken | None) -> tuple[int, ...]:
        answer = self._read(self.connection.ask(ImagesSent(self.key, tuple(images)), cancel), ImagesEncoded)
        self._note(answer)
        if len(answer.bytes) != len(images):
            raise UserError(f"{self.connection.address} answered for {len(answer.bytes)} of {len(images)} images.")
        return answer.bytes

    def _note(self, answer: ImagesEncoded | PromptsDecoded) -> None:
        self.device, self.fell_back = answer.device, answer.fell_back

    def _read(self, answer: Answer, kind: type[Kind]) -> Kind:
        try:
            return read(answer.content, kind)
        except MalformedMessage as error:
            raise self._misunderstood() from error

    def _array(self, packed: PackedArray, prompts: int | None, dtype: str = "float32") -> NDArray[Any]:
        try:
            found = unpack_array(packed, dtype, "numbers")
        except MalformedMessage as error:
            raise self._misunderstood() from error
        if prompts is not None and len(found) != prompts:
            raise self._misunderstood()
        return found

    def _misunderstood(self) -> UserError:
        return UserError(f"{self.connection.address} gave an answer that makes no sense: install one version on both.")


class RemoteModel(Model):
    """A model on another machine; `device` and `precision` are those with which it computes there.

    Parameters
    ----------
    network
        The network.
    spec
        What is known about the model.
    """

    network: RemoteNetwork

    def __init__(self, network: RemoteNetwork, spec: ModelSpec) -> None:
        key = network.key
        super().__init__(spec.name, network, torch.device(network.device), key.digest, spec, Precision(key.precision))

    @property
    def waiting(self) -> str:
        """One sentence while the other machine does not answer; empty otherwise."""
        return self.network.connection.waiting

    def encode(self, images: Tensor, cancel: CancelToken | None = None) -> EncodedImages:
        """Have images encoded on the other machine; see `Model.encode`."""
        features = self.network.encode(images, cancel)
        self._follow()
        return features

    def decode(
        self,
        features: EncodedImages,
        points: Tensor,
        labels: Tensor,
        mask: Tensor | None,
        multimask: bool,
        cancel: CancelToken | None = None,
    ) -> MaskPrediction:
        """Have prompts decoded on the other machine; see `Model.decode`."""
        prediction = self.network.decode(features, points, labels, mask, multimask, cancel)
        self._follow()
        return prediction

    def decode_each(
        self,
        features: Sequence[EncodedImages],
        points: Tensor,
        labels: Tensor,
        mask: Tensor | None,
        multimask: bool,
        cancel: CancelToken | None = None,
    ) -> MaskPrediction:
        """Have prompts decoded on the other machine, each on its window; see `Model.decode_each`."""
        prediction = self.network.decode_each(features, points, labels, mask, multimask, cancel)
        self._follow()
        return prediction

    def close(self) -> None:
        """End what is being computed there, and what is waited for."""
        self.network.connection.close()

    def _images_on_card(self, pixels: int) -> int:
        # There its memory decides, and what does not fit is halved.
        return max(1, min(MOST_AT_ONCE, MOST_BYTES // (3 * 4 * pixels)))

    def _follow(self) -> None:
        """Take over on which device it computes now."""
        self.device = torch.device(self.network.device)
        self.fell_back = self.network.fell_back and f"On the other machine: {self.network.fell_back}"


def open_remote(connection: ServerConnection, name: str, precision: str, spec: ModelSpec | None = None) -> RemoteModel:
    """Open a model on another machine.

    Parameters
    ----------
    connection
        The machine.
    name
        The name that it has there.
    precision
        "auto", "float32" or "bfloat16".
    spec
        What is known about the model here; None takes what is known there.

    Raises
    ------
    UserError
        If the machine does not answer, does not know us, or has no such model.
    """
    wanted = ModelWanted(name, "auto" if precision not in tuple(Precision) else Precision(precision).value)
    answer = connection.ask(wanted)
    try:
        facts = read(answer.content, ModelFacts)
    except MalformedMessage as error:
        raise UserError(f"{connection.address} is no `napari-sam serve` of this version: install it there.") from error
    return RemoteModel(RemoteNetwork(connection, facts), spec or _spec_of(facts, str(connection.address)))


def _spec_of(facts: ModelFacts, where: str) -> ModelSpec:
    return ModelSpec(
        name=facts.key.name,
        architecture=facts.architecture,
        description=f"Weights on {where}",
        licence=facts.licence,
        size_bytes=0,
        bundled=False,
        object_size_px=facts.object_size_px,
        scanned_size_px=facts.scanned_size_px,
        boxed_size_px=facts.boxed_size_px,
        knows_ends=facts.knows_ends,
    )


def _without_copies(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (3, rows, columns) pixels, or (1, rows, columns) where the channels are bit for bit the same."""
    bits = image.view(np.int32)
    return image[:1] if (bits[0] == bits[1]).all() and (bits[0] == bits[2]).all() else image


def _with_images(request: PromptsSent, images: tuple[PackedArray, ...]) -> PromptsSent:
    return msgspec.structs.replace(request, images=images)


def _bounded(images: Sequence[PackedArray]) -> Iterator[list[PackedArray]]:
    """Share images out among messages that are not too large."""
    some: list[PackedArray] = []
    for image in images:
        if some and unpacked_bytes([*some, image]) > MOST_BYTES:
            yield some
            some = []
        some.append(image)
    yield some
