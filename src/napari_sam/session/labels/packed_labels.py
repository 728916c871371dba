"""Labels of some pixels, in little memory."""

import zlib
from dataclasses import dataclass
from math import prod
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_sam.labels.edits import PixelChange
from napari_sam.prompts.json_form import inflate

Bounds: TypeAlias = tuple[tuple[int, int], ...]
"""(start, stop) along every axis, half-open."""

# No labels have so many: whatever claims to is damaged, and would ask for memory without end.
_MOST_PIXELS = 2**40


@dataclass(frozen=True)
class PackedLabels:
    """Labels of some of the pixels of a box.

    Parameters
    ----------
    bounds
        The box.
    dtype
        Of the labels, little-endian, as numpy writes it: "<u2", ...
    count
        How many pixels are meant.
    where
        Which pixels of the box these are: bits in C order, the first in the highest bit of a byte; deflated (zlib).
        Empty for all.
    values
        Their labels in C order, deflated; a single one stands for all.
    """

    bounds: Bounds
    dtype: str
    count: int
    where: bytes
    values: bytes

    @classmethod
    def of(cls, bounds: Bounds, where: NDArray[np.bool_] | None, values: NDArray[Any]) -> "PackedLabels":
        """Pack labels.

        Parameters
        ----------
        bounds
            The box.
        where
            Which of its pixels; None for all.
        values
            Their labels in C order; a single one stands for all.
        """
        dtype = np.dtype(values.dtype).newbyteorder("<")
        count = prod(stop - start for start, stop in bounds) if where is None else int(np.count_nonzero(where))
        if values.size and (values == values.flat[0]).all():
            values = values.reshape(-1)[:1]
        return cls(
            bounds,
            dtype.str,
            count,
            b"" if where is None else zlib.compress(np.packbits(where).tobytes(), 1),
            zlib.compress(np.ascontiguousarray(values, dtype).tobytes(), 1),
        )

    @classmethod
    def after(cls, change: PixelChange) -> "PackedLabels":
        """Pack the labels that a change writes."""
        return cls.of(_bounds(change), change.mask(), change.new.unpacked())

    @classmethod
    def before(cls, change: PixelChange) -> "PackedLabels":
        """Pack the labels that a change takes away."""
        return cls.of(_bounds(change), change.mask(), change.old.unpacked())

    @property
    def box(self) -> tuple[slice, ...]:
        """The box as slices."""
        return tuple(slice(start, stop) for start, stop in self.bounds)

    def unpacked(self) -> tuple[NDArray[np.bool_], NDArray[Any]]:
        """Return the pixels of the box, and their labels: one-dimensional, perhaps a single one that stands for all."""
        shape = tuple(stop - start for start, stop in self.bounds)
        total, dtype = prod(shape), np.dtype(self.dtype)
        if total > _MOST_PIXELS or not 0 <= self.count <= total:
            raise ValueError("a box is too large")
        if self.where:
            bits = np.frombuffer(inflate(self.where, -(-total // 8)), np.uint8)
            where = np.unpackbits(bits, count=total).astype(bool).reshape(shape)
        else:
            where = np.ones(shape, bool)
        if np.count_nonzero(where) != self.count:
            raise ValueError("a number of pixels is wrong")
        try:
            data = inflate(self.values, dtype.itemsize)
        except ValueError:
            data = inflate(self.values, dtype.itemsize * self.count)
        return where, np.frombuffer(data, dtype)

    def labels(self) -> list[int]:
        """Return the labels that there are, ascending, without the background."""
        return [int(label) for label in np.unique(self.unpacked()[1]) if label]

    def check(self) -> None:
        """Raise one of `MALFORMED` if it cannot be unpacked."""
        self.unpacked()

    def write(self, array: Any) -> None:
        """Write the labels into an array, whatever is there."""
        if not self.count:
            return
        where, values = self.unpacked()
        if self.count == where.size and not self.where:
            array[self.box] = np.broadcast_to(values.astype(array.dtype), where.size).reshape(where.shape)
            return
        region = np.array(array[self.box])
        region[where] = values.astype(region.dtype)
        array[self.box] = region

    def write_within(self, region: NDArray[Any], origin: tuple[int, ...]) -> None:
        """Write those labels that lie in a part of the array, into a copy of that part.

        Parameters
        ----------
        region
            The part.
        origin
            Position of its first pixel in the array.
        """
        inner = [
            (max(start, at), min(stop, at + size))
            for (start, stop), at, size in zip(self.bounds, origin, region.shape, strict=True)
        ]
        if not self.count or any(stop <= start for start, stop in inner):
            return
        where, values = self.unpacked()
        full = np.zeros(where.shape, region.dtype)
        full[where] = values.astype(region.dtype)
        own = tuple(
            slice(start - first, stop - first) for (start, stop), (first, _) in zip(inner, self.bounds, strict=True)
        )
        there = tuple(slice(start - at, stop - at) for (start, stop), at in zip(inner, origin, strict=True))
        np.copyto(region[there], full[own], where=where[own])


def _bounds(change: PixelChange) -> Bounds:
    return tuple((int(part.start), int(part.stop)) for part in change.box)
