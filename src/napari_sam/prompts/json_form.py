"""The form that prompts, planes and masks have in JSON: types by which msgspec checks, reads and writes them.

A `Plane` is its own form. A new kind of prompt is one more field with a default: what wrote a file without it is read
as having none. What does not fit raises ValueError, OverflowError or RecursionError: `MALFORMED` names them for those
who read files.
"""

import math
import zlib
from typing import Annotated, Any, TypeAlias

import msgspec
import numpy as np
from msgspec import Meta

from napari_sam.planes.geometry import Mask, Outline, Window
from napari_sam.prompts.prompt import Box, Point, Prompts, Scribble

MALFORMED = (ValueError, OverflowError, RecursionError)

Natural = Annotated[int, Meta(ge=0)]
Positive = Annotated[int, Meta(ge=1)]
Pair: TypeAlias = tuple[float, float]
"""(row, column) on a plane, pixel centres on integers; or the two ends of a range."""

_Side = Annotated[int, Meta(ge=-(2**31), le=2**31)]
_Step = Annotated[float, Meta(gt=0)]

WindowForm: TypeAlias = tuple[float, float, _Step, _Step, Positive, Positive]
"""Position of the centre of a window's first pixel, plane pixels per window pixel, and its shape in window pixels, each
along (row, column)."""


class Form(msgspec.Struct):
    """The form of a thing in JSON: one key per field; keys that are not known are passed over."""


class LogitsForm(Form):
    """The logits of a mask: where they lie, and little-endian floats, deflated (zlib)."""

    shape: tuple[Natural, Natural]
    window: WindowForm
    float32: bytes


class OutlineForm(Form):
    """The border that a mask was drawn by: its kind, and vertices [row, column]."""

    kind: str
    vertices: tuple[Pair, ...]


class MaskForm(Form, omit_defaults=True):
    """The pixels of an object on a plane.

    `box` is [row0, column0, row1, column1], half-open; `bits` are the pixels in C order, the first in the highest bit
    of a byte, deflated (zlib).
    """

    box: tuple[_Side, _Side, _Side, _Side]
    bits: bytes
    predicted_iou: float | None = None
    logits: LogitsForm | None = None
    outline: OutlineForm | None = None

    def __post_init__(self) -> None:
        row0, column0, row1, column1 = self.box
        if row1 < row0 or column1 < column0:
            raise ValueError("a box has its sides the wrong way round")


class ScribbleForm(Form):
    """A stroke along the object, or along what is beside it: its vertices [row, column]."""

    vertices: Annotated[tuple[Pair, ...], Meta(min_length=1)]
    positive: bool


class PromptsForm(Form, omit_defaults=True):
    """All prompts for one object on one plane, in plane coordinates; kinds that there are none of are left out.

    `points` are [row, column, positive]; `box` is [row0, column0, row1, column1], corners included.
    """

    points: tuple[tuple[float, float, bool], ...] = ()
    scribbles: tuple[ScribbleForm, ...] = ()
    box: tuple[float, float, float, float] | None = None
    mask: MaskForm | None = None


def to_json(form: Any) -> Any:
    """Turn a form into the dicts, lists and plain values that `json.dumps` writes."""
    return msgspec.to_builtins(form, enc_hook=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def inflate(data: bytes, size: int) -> bytes:
    """Read exactly `size` bytes out of a zlib stream; one that holds more is refused before it fills the memory."""
    try:
        found = zlib.decompressobj().decompress(data, size + 1)
    except zlib.error as error:
        raise ValueError("bytes cannot be inflated") from error
    if len(found) != size:
        raise ValueError(f"{len(found)} bytes were found where {size} should be")
    return found


def window_form(window: Window) -> WindowForm:
    """Return the form of a window."""
    return (*window.origin, *window.step, *window.shape)


def read_window_form(form: WindowForm) -> Window:
    """Return the window of a form."""
    return Window(form[0:2], form[2:4], form[4:6])


def mask_form(mask: Mask) -> MaskForm:
    """Return the form of a mask."""
    logits = outline = None
    if mask.logits is not None and mask.window is not None:
        height, width = mask.logits.shape
        data = np.ascontiguousarray(mask.logits, "<f4").tobytes()
        logits = LogitsForm((height, width), window_form(mask.window), zlib.compress(data, 6))
    if mask.outline is not None:
        outline = OutlineForm(mask.outline.kind, tuple(mask.outline.vertices.tolist()))
    iou = None if math.isnan(mask.predicted_iou) else mask.predicted_iou
    return MaskForm(mask.box, zlib.compress(np.packbits(mask.pixels).tobytes(), 6), iou, logits, outline)


def read_mask(form: MaskForm) -> Mask:
    """Return the mask of a form; raise one of `MALFORMED` if its bytes do not fill it."""
    row0, column0, row1, column1 = form.box
    rows, columns = row1 - row0, column1 - column0
    bits = np.frombuffer(inflate(form.bits, -(-rows * columns // 8)), np.uint8)
    pixels = np.unpackbits(bits, count=rows * columns).astype(bool).reshape(rows, columns)
    logits = window = outline = None
    if form.logits is not None:
        height, width = form.logits.shape
        data = inflate(form.logits.float32, height * width * 4)
        logits, window = np.frombuffer(data, "<f4").astype(np.float32), read_window_form(form.logits.window)
        logits = logits.reshape(height, width)
    if form.outline is not None:
        outline = Outline(form.outline.kind, np.array(form.outline.vertices, np.float64).reshape(-1, 2))
    iou = float("nan") if form.predicted_iou is None else form.predicted_iou
    return Mask(form.box, pixels, iou, logits, window, outline)


def prompts_form(prompts: Prompts) -> PromptsForm:
    """Return the form of prompts."""
    box, mask = prompts.box, prompts.mask
    # Whole numbers that a program gave as positions are written as what they will be read as.
    scribbles = (
        (tuple((float(row), float(column)) for row, column in each.vertices), each) for each in prompts.scribbles
    )
    return PromptsForm(
        tuple((float(each.row), float(each.column), each.positive) for each in prompts.points),
        tuple(ScribbleForm(vertices, each.positive) for vertices, each in scribbles),
        None if box is None else (float(box.row0), float(box.column0), float(box.row1), float(box.column1)),
        None if mask is None else mask_form(mask),
    )


def read_prompts(form: PromptsForm) -> Prompts:
    """Return the prompts of a form; raise one of `MALFORMED` if their mask is damaged."""
    return Prompts(
        tuple(Point(*each) for each in form.points),
        None if form.box is None else Box(*form.box),
        None if form.mask is None else read_mask(form.mask),
        tuple(Scribble(each.vertices, each.positive) for each in form.scribbles),
    )
