"""An accepted object as a row of the table of objects, and what a deed changed there."""

import io
import math
import pickle
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from napari_sam.labels.edits import Box, PixelChange, hull
from napari_sam.planes.geometry import Mask, Outline, Plane
from napari_sam.planes.image_source import ImageSource
from napari_sam.planes.units import in_centimeters, unit_symbol
from napari_sam.session.object.draft import Draft, DraftState


def pack(state: DraftState) -> bytes:
    """Pack prompts, masks, candidates and where they came from, compressed; logits are left out."""
    file = io.BytesIO()
    _LeanPickler(file, protocol=5).dump(state)
    return zlib.compress(file.getbuffer(), 1)


def unpack(packed: bytes) -> DraftState:
    """Unpack what was packed; only for what this process packed itself."""
    state = pickle.loads(zlib.decompress(packed))
    assert isinstance(state, DraftState)
    for request in state.requests.values():
        request.in_flight = False
    return state


class _LeanPickler(pickle.Pickler):
    """A pickler that keeps masks as bits, without logits."""

    def reducer_override(self, thing: Any) -> Any:
        if type(thing) is Mask:
            return _mask, (thing.box, np.packbits(thing.pixels).tobytes(), thing.predicted_iou, thing.outline)
        return NotImplemented


def _mask(box: tuple[int, int, int, int], bits: bytes, predicted_iou: float, outline: Outline | None) -> Mask:
    shape = box[2] - box[0], box[3] - box[1]
    pixels = np.unpackbits(np.frombuffer(bits, np.uint8), count=shape[0] * shape[1])
    return Mask(box, pixels.astype(bool).reshape(shape), predicted_iou, outline=outline)


_POWERS = {2: "²", 3: "³"}


@dataclass(frozen=True)
class Extent:
    """The extent of a label: where it has its pixels.

    Parameters
    ----------
    area
        Number of pixels, on all planes.
    box
        One slice per axis; holds all of them.
    """

    area: int
    box: Box


@dataclass(frozen=True)
class ObjectRow:
    """An object that was accepted: what the table shows of it, and what it takes to go on with it.

    Parameters
    ----------
    label
        Its id in the labels.
    name
        What the user calls it; empty for none.
    key
        A plane that was prompted, else the first one it is on.
    center
        (row, column) of the middle of its mask there.
    n_planes, n_prompts
        How many planes it is on, and by how many prompts it was made.
    score
        Mean predicted IoU of its masks on prompted planes, 0..1; NaN where there is none.
    confidence
        The lowest confidence of its planes that were propagated, or found with everything else, 0..1; None without.
    packed
        All its prompts, masks, candidates and where they came from, compressed; without logits.
    """

    label: int
    name: str
    key: Plane
    center: tuple[float, float]
    n_planes: int
    n_prompts: int
    score: float
    confidence: float | None
    packed: bytes

    @classmethod
    def of(cls, draft: Draft, label: int, name: str) -> "ObjectRow":
        """Make the row of an object as it is accepted under `label`."""
        masks = draft.masks
        key = next(iter(draft.key_masks), next(iter(masks)))
        row0, column0, row1, column1 = masks[key].box
        scores = [mask.score for mask in draft.key_masks.values() if not math.isnan(mask.score)]
        carried = [
            reached.confidence
            for plane, reached in draft.proposal.items()
            if plane in masks and plane not in draft.requests
        ]
        carried += [
            request.asked.found.confidence
            for plane, request in draft.requests.items()
            if plane in masks and request.asked.found is not None
        ]
        return cls(
            label=label,
            name=name,
            key=key,
            center=((row0 + row1 - 1) / 2, (column0 + column1 - 1) / 2),
            n_planes=len(masks),
            n_prompts=len(draft.order),
            score=sum(scores) / len(scores) if scores else float("nan"),
            confidence=min(carried, default=None),
            packed=pack(draft.state),
        )

    @property
    def nbytes(self) -> int:
        """Memory held, roughly."""
        return len(self.packed) + 512

    def state(self) -> DraftState:
        """Return the object as it was when it was accepted, without logits."""
        return unpack(self.packed)


@dataclass(frozen=True)
class TableRow:
    """The row that the table of objects shows of one object.

    Parameters
    ----------
    label, name, n_planes, n_prompts, score, confidence
        See `ObjectRow`.
    span
        First and last position along each axis that is not displayed on its planes and along which it extends.
    area
        Number of its pixels in the labels.
    size, unit
        Its physical area, or its volume where it is on several planes; None and "" where the pixel size is not known.
    """

    label: int
    name: str
    span: tuple[tuple[int, int], ...]
    n_planes: int
    n_prompts: int
    score: float
    confidence: float | None
    area: int
    size: float | None
    unit: str

    @classmethod
    def of(cls, row: ObjectRow, extent: Extent, source: ImageSource | None) -> "TableRow":
        """Make the row from what is known of an object; `source` tells the pixel size."""
        size, unit = physical_size(extent, row.key.axes, source)
        across = [axis for axis in range(row.key.ndim) if axis not in row.key.axes]
        span = tuple((extent.box[axis].start, extent.box[axis].stop - 1) for axis in across)
        return cls(
            row.label,
            row.name,
            span,
            row.n_planes,
            row.n_prompts,
            row.score,
            row.confidence,
            extent.area,
            size,
            unit,
        )


def physical_size(extent: Extent, axes: Sequence[int], source: ImageSource | None) -> tuple[float | None, str]:
    """Compute the area or volume of a label, and its unit.

    Parameters
    ----------
    extent
        Its pixels.
    axes
        The two axes of its planes.
    source
        The image, which tells the pixel size.

    Returns
    -------
    (float or None, str)
        None and an empty unit where a pixel has no size along an axis, sizes of different units, or no length at all.
    """
    if source is None or source.scale is None or source.units is None:
        return None, ""
    along = [axis for axis, part in enumerate(extent.box) if axis in axes or part.stop - part.start > 1]
    units = {unit_symbol(source.units[axis]) for axis in along}
    if len(units) != 1 or in_centimeters(next(iter(units))) is None or len(along) not in _POWERS:
        return None, ""
    voxel = math.prod(abs(source.scale[axis]) for axis in along)
    return extent.area * voxel, next(iter(units)) + _POWERS[len(along)]


@dataclass(frozen=True, eq=False)
class LabelsPatch:
    """A reversible change of a label array, its objects and its next free id.

    Parameters
    ----------
    pixels
        Changes of pixels, in the order they were made.
    rows, extents
        Per label, before and after; None for none.
    next_label
        Before and after.
    dtype
        Name of the array's type before and after; None where it stays.
    """

    pixels: tuple[PixelChange, ...] = ()
    rows: dict[int, tuple[ObjectRow | None, ObjectRow | None]] = field(default_factory=dict)
    extents: dict[int, tuple[Extent | None, Extent | None]] = field(default_factory=dict)
    next_label: tuple[int | None, int | None] = (None, None)
    dtype: tuple[str, str] | None = None

    @property
    def box(self) -> Box | None:
        """The smallest box around the pixels that change; None if none do."""
        return hull(change.box for change in self.pixels)

    @property
    def nbytes(self) -> int:
        """Memory held, roughly."""
        rows = sum(row.nbytes for pair in self.rows.values() for row in pair if row is not None)
        return rows + sum(change.nbytes for change in self.pixels) + 256 * len(self.extents) + 256
