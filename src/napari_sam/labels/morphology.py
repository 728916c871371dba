"""The pixels of one object among other labels: holes filled, largest part kept, smoothed, grown, shrunk."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_sam.errors import UserError

_TRUNCATE = 4.0
"""Standard deviations at which the Gaussian ends (scipy's own choice)."""
_EVEN = 1e-9
"""Rounding of a sum of weights: shares that differ by less are equal."""


class Treatment(StrEnum):
    """What is done to the pixels of an object."""

    FILL_HOLES = "fill holes"
    KEEP_LARGEST = "keep largest part"
    SMOOTH = "smooth"
    GROW = "grow"
    SHRINK = "shrink"


@dataclass(frozen=True)
class Reshaping:
    """A treatment of an object, and how far it goes.

    Parameters
    ----------
    treatment
        What is done.
    distance
        For smoothing, growing and shrinking: how far, above 0, in the unit of the spacing. 0 for the others.

    Raises
    ------
    UserError
        If the distance makes no sense.
    """

    treatment: Treatment
    distance: float = 0.0

    def __post_init__(self) -> None:
        goes_far = self.treatment in (Treatment.SMOOTH, Treatment.GROW, Treatment.SHRINK)
        if goes_far and not (math.isfinite(self.distance) and self.distance > 0):
            raise UserError(f"To {self.treatment} takes a distance above 0, but got {self.distance:g}.")

    def margin(self, spacing: Sequence[float]) -> tuple[int, ...]:
        """Return how many pixels around an object's box it depends on, along each axis.

        Parameters
        ----------
        spacing
            Size of a pixel along each axis.
        """
        match self.treatment:
            case Treatment.SMOOTH:
                return tuple(math.ceil(_TRUNCATE * self.distance / size) for size in spacing)
            case Treatment.GROW:
                # Whoever is nearer to a pixel that it reaches is at most so far away again.
                return tuple(2 * math.floor(self.distance / size) + 1 for size in spacing)
            case Treatment.SHRINK:
                return (1,) * len(spacing)
        return (0,) * len(spacing)


def reshaped(
    region: NDArray[Any], label: int, reshaping: Reshaping, spacing: Sequence[float], rivals: NDArray[Any] | None = None
) -> NDArray[np.bool_]:
    """Return the pixels that an object has after a treatment; pixels of other labels are never among them.

    What lies beyond the region counts as more of the same: an object does not shrink from the border of the image. An
    object of a volume that is on one plane only stays on it: it neither grows beyond nor shrinks from that side.

    Parameters
    ----------
    region
        (axes...) labels: the object's box and the treatment's margin around it, as far as the array goes.
    label
        The object.
    reshaping
        The treatment.
    spacing
        Size of a pixel along each axis.
    rivals
        Labels that grow at the same time, sorted: a pixel goes to the nearest of them, of equally near ones to the
        smallest id. None for no others.

    Returns
    -------
    (axes...) bool.
    """
    own: NDArray[np.bool_] = np.asarray(region == label)
    free: NDArray[np.bool_] = np.asarray(region == 0)
    flat = _flat_axis(own)
    match reshaping.treatment:
        case Treatment.FILL_HOLES:
            return own | (filled(own) & free)
        case Treatment.KEEP_LARGEST:
            return largest_part(own)
        case Treatment.SMOOTH:
            return _smoothed(own, free, reshaping.distance, spacing, flat)
        case Treatment.GROW:
            grown = _grown(region, own, free, label, reshaping.distance, spacing, rivals)
            return grown if flat is None else grown & _plane_of(own, flat)
        case Treatment.SHRINK:
            # No way leads across planes that count as more of the same.
            beside = ~own if flat is None else ~own & _plane_of(own, flat)
            return own & np.asarray(_distance_to(beside, spacing) > reshaping.distance + _EVEN)


def _flat_axis(own: NDArray[np.bool_]) -> int | None:
    """Return the first axis of a volume along which an object has one pixel only; None for none."""
    if own.ndim < 3:
        return None
    for axis in range(own.ndim):
        others = tuple(other for other in range(own.ndim) if other != axis)
        if np.count_nonzero(own.any(axis=others)) == 1:
            return axis
    return None


def _plane_of(own: NDArray[np.bool_], axis: int) -> NDArray[np.bool_]:
    """Return where the plane is that an object is on, to be broadcast."""
    others = tuple(other for other in range(own.ndim) if other != axis)
    return np.asarray(own.any(axis=others, keepdims=True))


def filled(pixels: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Fill what an object encloses: background that no way over pixel faces leads out of.

    From an object of a volume that is on one plane only, the other planes do not lead out.
    """
    flat = _flat_axis(pixels)
    if flat is not None:
        plane = np.asarray(ndimage.binary_fill_holes(pixels.any(axis=flat)), bool)
        return np.expand_dims(plane, flat) & _plane_of(pixels, flat)
    whole: NDArray[np.bool_] = np.asarray(ndimage.binary_fill_holes(pixels), bool)
    return whole


def largest_part(pixels: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Keep the part with the most pixels, of equal ones the first; pixels that touch by a corner hang together."""
    numbered, count = ndimage.label(pixels, np.ones((3,) * pixels.ndim))
    if count <= 1:
        return pixels
    sizes = np.bincount(numbered.reshape(-1))
    kept: NDArray[np.bool_] = numbered == 1 + int(np.argmax(sizes[1:]))
    return kept


def _smoothed(
    own: NDArray[np.bool_], free: NDArray[np.bool_], distance: float, spacing: Sequence[float], flat: int | None
) -> NDArray[np.bool_]:
    """Move the border with the background to where the two are even when blurred.

    It is a step of motion by mean curvature (Merriman, Bence and Osher, 1994): straight borders stay, bumps and dents
    narrower than about the distance, which is the Gaussian's standard deviation, go. Borders with other labels stay. Of
    disjoint objects at most one has more than half of a pixel, so that no two can get the same one.
    """
    sigma = [distance / size for size in spacing]
    inside = [0.0 if axis == flat else each for axis, each in enumerate(sigma)]
    of_own, of_free = _blurred(own, inside), _blurred(free, inside)
    gained = free & (of_own > 0.5 + _EVEN)
    if flat is not None:
        # What another object gets through other planes is its.
        gained &= _blurred(~own & ~free, sigma) <= 0.5 + _EVEN
    smooth: NDArray[np.bool_] = gained | (own & (of_own >= of_free - _EVEN))
    return smooth


def _blurred(pixels: NDArray[np.bool_], sigma: Sequence[float]) -> NDArray[np.float64]:
    blurred: NDArray[np.float64] = ndimage.gaussian_filter(
        pixels.astype(np.float64), sigma, mode="nearest", truncate=_TRUNCATE
    )
    return blurred


def _grown(
    region: NDArray[Any],
    own: NDArray[np.bool_],
    free: NDArray[np.bool_],
    label: int,
    distance: float,
    spacing: Sequence[float],
    rivals: NDArray[Any] | None,
) -> NDArray[np.bool_]:
    away = _distance_to(own, spacing)
    reached = free & (away <= distance + _EVEN)
    if rivals is not None and len(rivals):
        for others, wins in ((rivals[rivals < label], np.less), (rivals[rivals > label], np.less_equal)):
            theirs = np.isin(region, others) if len(others) else np.zeros((), bool)
            if theirs.any():
                reached &= wins(away, _distance_to(theirs, spacing))
    # What lies behind another label is not reached.
    whole = own | reached
    numbered, count = ndimage.label(whole)
    if count <= 1:
        return whole
    mine = np.zeros(count + 1, bool)
    mine[np.unique(numbered[own])] = True
    hanging: NDArray[np.bool_] = mine[numbered]
    return hanging


def _distance_to(pixels: NDArray[np.bool_], spacing: Sequence[float]) -> NDArray[np.float64]:
    """Return how far it is from each pixel to the nearest of some pixels, centre to centre; infinity if none are."""
    if not pixels.any():
        return np.full(pixels.shape, np.inf)
    away: NDArray[np.float64] = ndimage.distance_transform_edt(~pixels, sampling=spacing)
    return away
