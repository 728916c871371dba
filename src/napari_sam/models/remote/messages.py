"""The messages between a program and the machine that computes for it: their form, their bounds, their packing.

Everything is a POST of one message as MessagePack, answered by one message. Nothing else travels: pixels one way (once
for each window), prompts, and logits the other way. Arrays are numbers of three types, unpacked by their shape alone.
"""

import hashlib
from collections.abc import Iterable
from math import prod
from typing import Annotated, Any, Literal, TypeVar

import imagecodecs
import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

PROTOCOL = 1
"""Version of all that is said in this file."""
PROTOCOL_HEADER = "napari-sam-protocol"
MOST_BYTES = 128 * 2**20
"""Bound on a message, and on its images together once they are unpacked.

Ten windows of 1024 x 1024 pixels in colour: those of `PROMPTS_AT_ONCE` prompts, and two more (chosen).
"""
MOST_PROMPTS = 1024
"""Bound on the prompts, and on the points of each, of one message (chosen: no caller has a tenth of it)."""


class MalformedMessage(ValueError):
    """A message that is not of the form that is described here; says in one sentence what is wrong with it."""


Side = Annotated[int, Meta(ge=0, le=2**16)]
Name = Annotated[str, Meta(min_length=1, max_length=255)]
ImageName = Annotated[str, Meta(min_length=64, max_length=64)]
Digest = Annotated[str, Meta(min_length=64, max_length=64)]


class Message(msgspec.Struct, forbid_unknown_fields=True):
    """A message; each kind has a path of its own."""


ArrayType = Literal["float32", "float64", "int64"]


class PackedArray(Message):
    """An array of numbers.

    Parameters
    ----------
    dtype
        Their type.
    shape
        Up to four axes.
    data
        Their bytes, little-endian in C order; or, if `packed`, first all lowest bytes, then all second ones, and so
        on, compressed by Zstandard: without loss.
    packed
        Whether they are compressed.
    """

    dtype: ArrayType
    shape: Annotated[tuple[Side, ...], Meta(max_length=4)]
    data: bytes
    packed: bool = False


def pack_array(array: NDArray[Any], compress: bool = False) -> PackedArray:
    """Pack an array of float32, float64 or int64.

    Parameters
    ----------
    array
        Up to four axes.
    compress
        Whether to compress it. Pixels become three fifths of what they were, in 5 ms for each megabyte (the median of
        windows of seven training images at two levels): less than 1 Gbit/s takes for what is saved. Logits are noise in
        their lower bytes, and do not shrink.
    """
    types: dict[str, ArrayType] = {"f4": "float32", "f8": "float64", "i8": "int64"}
    dtype = types[array.dtype.str[1:]]
    data = np.ascontiguousarray(array, f"<{array.dtype.str[1:]}").tobytes()
    compress = compress and array.size > 0
    if compress:
        planes = np.frombuffer(data, np.uint8).reshape(-1, array.dtype.itemsize).T
        data = bytes(imagecodecs.zstd_encode(np.ascontiguousarray(planes).tobytes(), 1))
    return PackedArray(dtype, array.shape, data, compress)


def unpacked_bytes(messages: Iterable[PackedArray]) -> int:
    """Return the bytes that arrays take together once they are unpacked."""
    return sum(prod(each.shape) * np.dtype(each.dtype).itemsize for each in messages)


def unpack_array(message: PackedArray, dtype: str, what: str) -> NDArray[Any]:
    """Return the array of a message, in memory of its own.

    Parameters
    ----------
    message
        The message.
    dtype
        The type that it must be of.
    what
        What it holds, for the error.

    Raises
    ------
    MalformedMessage
        If it is of another type, too large, or does not hold as many numbers as its shape says.
    """
    if message.dtype != dtype:
        raise MalformedMessage(f"The {what} are of type {message.dtype}, not {dtype}.")
    kind = np.dtype(dtype).newbyteorder("<")
    size = unpacked_bytes([message])
    if size > MOST_BYTES:
        raise MalformedMessage(f"The {what} take {size} bytes, and {MOST_BYTES} is the most.")
    data: Any = message.data
    if message.packed:
        try:
            # No more is unpacked than the shape has room for.
            planes = np.frombuffer(imagecodecs.zstd_decode(data, out=bytearray(size)), np.uint8)
        except (RuntimeError, ValueError) as error:
            raise MalformedMessage(f"The {what} cannot be unpacked.") from error
        data = np.ascontiguousarray(planes.reshape(kind.itemsize, -1).T) if len(planes) == size else b""
    if memoryview(data).nbytes != size:
        raise MalformedMessage(f"The {what} are not as many as their shape {message.shape} says.")
    return np.frombuffer(data, kind).reshape(message.shape).astype(dtype)


class ModelWanted(Message):
    """A request for a model, by the name that it has on the other machine; answered by `ModelFacts`."""

    name: Name
    precision: Literal["auto", "float32", "bfloat16"]


class ModelKey(Message):
    """A model as it was opened: its name, the precision in which it encodes, and the SHA-256 of its weights."""

    name: Name
    precision: Literal["float32", "bfloat16"]
    digest: Digest


Device = Annotated[str, Meta(pattern=r"^(cpu|cuda|mps)(:\d+)?$")]


class ModelFacts(Message):
    """The facts of a model that the program must know to ask it; names as of `PromptableNetwork` and `ModelSpec`."""

    key: ModelKey
    device: Device
    window: Annotated[int, Meta(ge=8, le=4096)]
    stride: Annotated[int, Meta(ge=1, le=256)]
    mask_stride: Annotated[int, Meta(ge=1, le=256)]
    fully_convolutional: bool
    encode_multiple: Annotated[int, Meta(ge=1, le=4096)]
    architecture: Name
    licence: Name
    object_size_px: Annotated[float, Meta(gt=0)]
    scanned_size_px: Annotated[float, Meta(gt=0)]
    boxed_size_px: Annotated[float, Meta(gt=0)]
    knows_ends: bool
    fell_back: str


class ImagesSent(Message):
    """Images to encode: each (3, rows, columns), or (1, rows, columns) where its three channels are the same."""

    model: ModelKey
    images: Annotated[tuple[PackedArray, ...], Meta(min_length=1, max_length=64)]


class ImagesEncoded(Message):
    """Images were encoded, and are known by their names (`image_name`): the bytes that the features of each take."""

    bytes: tuple[Annotated[int, Meta(ge=0)], ...]
    device: Device
    fell_back: str


class WindowCut(Message):
    """A square part of an image, in pixels."""

    row: Side
    column: Side
    side: Side


class PromptedWindow(Message):
    """An encoded image by its name, or a square part of it."""

    image: ImageName
    cut: WindowCut | None = None


class PromptsSent(Message):
    """Prompts to decode, as `PromptableNetwork.decode` takes them; answered by `PromptsDecoded`.

    Parameters
    ----------
    model
        The model.
    windows
        One window for all prompts; or with `each` one for each.
    images
        Pixels of those of them that the other machine does not have (any more).
    each
        Whether each prompt has a window of its own.
    points, labels, mask, multimask
        The prompts.
    """

    model: ModelKey
    windows: Annotated[tuple[PromptedWindow, ...], Meta(min_length=1, max_length=MOST_PROMPTS)]
    images: Annotated[tuple[PackedArray, ...], Meta(max_length=MOST_PROMPTS)]
    each: bool
    points: PackedArray
    labels: PackedArray
    mask: PackedArray | None
    multimask: bool


class PromptsDecoded(Message):
    """The answer to prompts, as `MaskPrediction` has it."""

    logits: PackedArray
    iou: PackedArray
    device: Device
    fell_back: str


class MapsWanted(Message):
    """A request for the auxiliary maps of a window; `images` as of `PromptsSent`; answered by `MapsSent`."""

    model: ModelKey
    window: PromptedWindow
    images: Annotated[tuple[PackedArray, ...], Meta(max_length=1)]


class MapsSent(Message):
    """The auxiliary maps, (1, 3, h, w); None where the network has none."""

    maps: PackedArray | None


class MomentsWanted(Message):
    """A request for `EncodedImages.moments`; `images` as of `PromptsSent`; answered by `NumbersSent`."""

    model: ModelKey
    window: PromptedWindow
    images: Annotated[tuple[PackedArray, ...], Meta(max_length=1)]


class SumsWanted(Message):
    """A request for `EncodedImages.sums`; answered by `NumbersSent`."""

    model: ModelKey
    window: PromptedWindow
    images: Annotated[tuple[PackedArray, ...], Meta(max_length=1)]
    cells: PackedArray
    ends: PackedArray


class SimilarityWanted(Message):
    """A request for `EncodedImages.similarity`; answered by `NumbersSent`."""

    model: ModelKey
    window: PromptedWindow
    images: Annotated[tuple[PackedArray, ...], Meta(max_length=1)]
    toward: PackedArray


class NumbersSent(Message):
    """The answer to a request for numbers that sum an embedding up."""

    numbers: PackedArray


class ImagesMissing(Message):
    """The answer of a machine that does not have some images any more: they are to be sent once more."""

    names: tuple[ImageName, ...]


class RefusalSent(Message):
    """The answer to what cannot be done; one sentence."""

    sentence: Annotated[str, Meta(max_length=2000)]


PATHS: dict[type[Message], str] = {
    ModelWanted: "/model",
    ImagesSent: "/encode",
    PromptsSent: "/decode",
    MapsWanted: "/maps",
    MomentsWanted: "/moments",
    SumsWanted: "/sums",
    SimilarityWanted: "/similarity",
}
"""Where each kind of request goes."""

HELLO = "/hello"
"""Where nothing is asked, but whether one is known."""

Kind = TypeVar("Kind", bound=Message)


def written(message: Message) -> bytes:
    """Return a message as bytes."""
    return msgspec.msgpack.encode(message)


def read(data: bytes | bytearray, kind: type[Kind]) -> Kind:
    """Read a message of a kind.

    Raises
    ------
    MalformedMessage
        If it is none.
    """
    try:
        return msgspec.msgpack.decode(data, type=kind)
    except msgspec.MsgspecError as error:
        raise MalformedMessage(f"This is no {kind.__name__}: {error}.") from error


def image_name(image: PackedArray, pixels: NDArray[np.float32]) -> str:
    """Return the name of an image: the SHA-256 of its shape and its pixels.

    Parameters
    ----------
    image
        As it travels.
    pixels
        What it holds.
    """
    known = hashlib.sha256(repr(image.shape).encode())
    known.update(np.ascontiguousarray(pixels, "<f4").data)
    return known.hexdigest()


def prompts_at_most(window: int, mask_stride: int) -> int:
    """Return the number of prompts whose logits, three masks each, one message holds."""
    return max(1, min(MOST_PROMPTS, MOST_BYTES // (3 * 4 * (window // mask_stride) ** 2)))
