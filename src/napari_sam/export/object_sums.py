"""What is summed up over the pixels of objects, block by block, so that no image is ever held as a whole."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from napari_sam.errors import UserError
from napari_sam.export.crofton import Offset
from napari_sam.labels.label_array import number_labels

# Ids below this are found by counting instead of by sorting (chosen: a table of 16 MB at most).
_COUNTABLE = 2**24
Pairs = dict[tuple[int, int], float]


@dataclass
class ObjectSums:
    """Sums over the pixels of the objects in one area or volume of `n` axes, with `c` channels of intensity.

    Parameters
    ----------
    ids
        (k,) the objects, ascending.
    pixels
        (k,) number of pixels.
    first, second
        (k, n) sums of positions and (k, n, n) of their products, in pixels.
    low, high
        (k, n) first and last position.
    border
        (k,) length or area of the border.
    at_edge
        (k,) whether a pixel lies at the edge of the image.
    finite
        (k, c) number of pixels whose intensity is a number.
    total, squares, least, most
        (k, c) sum, sum of squares, minimum and maximum of these.
    hulls
        Per block, (m,) objects and (m, n) corners of pixels that their convex hull is the hull of; in planes only.
    contacts
        By (object, neighbour), the length or area of the border that they share.
    """

    ids: NDArray[np.int64]
    pixels: NDArray[np.int64]
    first: NDArray[np.float64]
    second: NDArray[np.float64]
    low: NDArray[np.int64]
    high: NDArray[np.int64]
    border: NDArray[np.float64]
    at_edge: NDArray[np.bool_]
    finite: NDArray[np.int64]
    total: NDArray[np.float64]
    squares: NDArray[np.float64]
    least: NDArray[np.float64]
    most: NDArray[np.float64]
    hulls: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = field(default_factory=list)
    contacts: Pairs = field(default_factory=dict)

    @classmethod
    def empty(cls, ids: NDArray[np.int64], ndim: int, n_channels: int) -> "ObjectSums":
        """Make sums of no pixels."""
        k = len(ids)
        per_axis, per_channel = (k, ndim), (k, n_channels)
        return cls(
            ids,
            np.zeros(k, np.int64),
            np.zeros(per_axis),
            np.zeros((k, ndim, ndim)),
            np.full(per_axis, np.iinfo(np.int64).max),
            np.full(per_axis, -1),
            np.zeros(k),
            np.zeros(k, bool),
            np.zeros(per_channel, np.int64),
            np.zeros(per_channel),
            np.zeros(per_channel),
            np.full(per_channel, np.inf),
            np.full(per_channel, -np.inf),
        )

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return int(self.low.shape[1])

    def add(self, other: "ObjectSums") -> "ObjectSums":
        """Return the sums over the pixels of both."""
        ids = np.union1d(self.ids, other.ids)
        both = ObjectSums.empty(ids, self.ndim, self.total.shape[1])
        for each in (self, other):
            at = np.searchsorted(ids, each.ids)
            for name in ("pixels", "first", "second", "border", "finite", "total", "squares"):
                getattr(both, name)[at] += getattr(each, name)
            both.at_edge[at] |= each.at_edge
            both.low[at] = np.minimum(both.low[at], each.low)
            both.high[at] = np.maximum(both.high[at], each.high)
            both.least[at] = np.minimum(both.least[at], each.least)
            both.most[at] = np.maximum(both.most[at], each.most)
            both.hulls += each.hulls
        both.contacts = dict(self.contacts)
        for pair, shared in other.contacts.items():
            both.contacts[pair] = both.contacts.get(pair, 0.0) + shared
        return both


def sum_block(
    around: NDArray[np.integer],
    intensities: Sequence[NDArray[np.generic]],
    origin: Sequence[int],
    shape: Sequence[int],
    weights: Mapping[Offset, float],
) -> ObjectSums:
    """Sum up over the objects of one block.

    Parameters
    ----------
    around
        The block's labels with one more pixel on each side of each axis, 0 beyond the image.
    intensities
        The block's intensities, one array for each channel.
    origin
        Position of the block's first pixel.
    shape
        Of the whole area or volume.
    weights
        See `crossing_weights`.

    Raises
    ------
    UserError
        If an id is negative, or beyond 63 bits.
    """
    ids, numbers = _number(around)
    inner = tuple(slice(1, -1) for _ in around.shape)
    own = numbers[inner]
    flat = np.flatnonzero(own)
    there = np.unravel_index(flat, own.shape)
    # Number 0 is the background.
    of = own.reshape(-1)[flat] - 1
    sums = ObjectSums.empty(ids, around.ndim, len(intensities))
    if not len(flat):
        return sums
    k = len(ids)
    positions = [along + start for along, start in zip(there, origin, strict=True)]
    sums.pixels += np.bincount(of, minlength=k)
    for axis, along in enumerate(positions):
        sums.first[:, axis] = np.bincount(of, along, k)
        for other in range(axis + 1):
            sums.second[:, axis, other] = sums.second[:, other, axis] = np.bincount(
                of, np.multiply(along, positions[other]), k
            )
        np.minimum.at(sums.low[:, axis], of, along)
        np.maximum.at(sums.high[:, axis], of, along)
        sums.at_edge |= (sums.low[:, axis] == 0) | (sums.high[:, axis] == shape[axis] - 1)
    for channel, intensity in enumerate(intensities):
        _sum_intensity(sums, channel, of, np.asarray(intensity).reshape(-1)[flat])
    _sum_borders(sums, numbers, there, of, weights)
    if around.ndim == 2:
        sums.hulls.append(_hull_corners(numbers, ids, origin))
    # Those that are in the halo only are of another block.
    return _only(sums, sums.pixels > 0)


def _number(region: NDArray[np.integer]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Number the labels from 1 on; 0 is the background."""
    least, most = int(region.min()), int(region.max())
    if least < 0:
        raise UserError(f"The labels hold the negative id {least}; relabel it first.")
    if most > np.iinfo(np.int64).max:
        raise UserError(f"The labels hold the id {most}, which is too large; relabel it first.")
    ids, numbers = number_labels(region)
    return ids.astype(np.int64), numbers


def _sum_intensity(sums: ObjectSums, channel: int, of: NDArray[np.int64], intensity: NDArray[np.generic]) -> None:
    values: NDArray[np.float64] = intensity.astype(np.float64)
    finite = np.isfinite(values)
    if not finite.all():
        of, values = of[finite], values[finite]
    k = len(sums.ids)
    sums.finite[:, channel] = np.bincount(of, minlength=k)
    sums.total[:, channel] = np.bincount(of, values, k)
    sums.squares[:, channel] = np.bincount(of, values * values, k)
    np.minimum.at(sums.least[:, channel], of, values)
    np.maximum.at(sums.most[:, channel], of, values)


def _sum_borders(
    sums: ObjectSums,
    numbers: NDArray[np.int64],
    there: tuple[NDArray[np.int64], ...],
    of: NDArray[np.int64],
    weights: Mapping[Offset, float],
) -> None:
    """Sum up how often lines cross the borders of objects, and whose borders these are."""
    flat, k = numbers.reshape(-1), len(sums.ids)
    strides = np.cumprod((1, *numbers.shape[:0:-1]))[::-1]
    # The halo is one pixel wide.
    at = sum(((along + 1) * stride for along, stride in zip(there, strides, strict=True)), np.zeros_like(of))
    pairs, shares = [], []
    for offset, weight in weights.items():
        neighbours = flat[at + int(np.dot(offset, strides))]
        crossed = neighbours != of + 1
        sums.border += weight * np.bincount(of[crossed], minlength=k)
        touched = crossed & (neighbours > 0)
        keys, counts = np.unique(of[touched] * k + neighbours[touched] - 1, return_counts=True)
        pairs.append(keys)
        shares.append(weight * counts)
    keys, inverse = np.unique(np.concatenate(pairs), return_inverse=True)
    shared = np.bincount(inverse, np.concatenate(shares), len(keys)) if len(keys) else np.zeros(0)
    for key, share in zip(keys.tolist(), shared.tolist(), strict=True):
        sums.contacts[int(sums.ids[key // k]), int(sums.ids[key % k])] = share


def _hull_corners(
    numbers: NDArray[np.int64], ids: NDArray[np.int64], origin: Sequence[int]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the corners of the first and the last pixel of each row of each object, and whose they are."""
    inner, found = numbers[1:-1, 1:-1], []
    for beside, right in ((numbers[1:-1, :-2], 0), (numbers[1:-1, 2:], 1)):
        rows, columns = np.nonzero((inner > 0) & (inner != beside))
        of = inner[rows, columns]
        # Of each object and row, the outermost ones only: the hull is the same.
        outermost = np.lexsort((-columns if right else columns, rows, of))
        rows, columns, of = rows[outermost], columns[outermost], of[outermost]
        keep = np.ones(len(of), bool)
        keep[1:] = (of[1:] != of[:-1]) | (rows[1:] != rows[:-1])
        found.append((of[keep], rows[keep] + origin[0], columns[keep] + origin[1] + right))
    of, rows, columns = (np.concatenate(parts) for parts in zip(*found, strict=True))
    corners = np.concatenate([np.stack([rows + down, columns], axis=1) for down in (0, 1)])
    return np.tile(ids[of - 1], 2), corners


def _only(sums: ObjectSums, keep: NDArray[np.bool_]) -> ObjectSums:
    if keep.all():
        return sums
    kept = {name: value[keep] for name, value in vars(sums).items() if isinstance(value, np.ndarray)}
    return ObjectSums(**kept, hulls=sums.hulls, contacts=sums.contacts)
