"""Identity of an image, by which it is recognised later."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod

import numpy as np

from napari_sam.errors import UserError
from napari_sam.planes.geometry import Plane
from napari_sam.planes.image_source import ImageSource

SAMPLES, SIDE = 16, 32
"""So many squares of this side are compared (chosen: 16,384 pixels in all)."""


@dataclass(frozen=True)
class ImageIdentity:
    """The features by which an image is recognised.

    Parameters
    ----------
    shape
        Without the channel or RGB axis.
    dtype
        Of its values, as numpy names it.
    rgb, channel_axis, n_channels
        See `ImageSource`.
    scale, axis_labels, units
        See `ImageSource`. They are what the image was worked on with, whatever its file says.
    fingerprint
        SHA-256 of a few squares of pixels, hexadecimal; empty where that is not known.
    path
        Where it was; empty where that is not known.
    """

    shape: tuple[int, ...]
    dtype: str
    rgb: bool = False
    channel_axis: int | None = None
    n_channels: int = 1
    scale: tuple[float, ...] | None = None
    axis_labels: tuple[str, ...] | None = None
    units: tuple[str, ...] | None = None
    fingerprint: str = ""
    path: str = ""

    @classmethod
    def of(cls, source: ImageSource) -> "ImageIdentity":
        """Return the identity of an image; reads at most `SAMPLES` chunks or so."""
        return replace(cls.unread(source), fingerprint=fingerprint(source))

    @classmethod
    def unread(cls, source: ImageSource) -> "ImageIdentity":
        """Return the identity of an image without its fingerprint: nothing is read."""
        return cls(
            source.shape,
            source.dtype.name,
            source.rgb,
            source.channel_axis,
            source.n_channels,
            source.scale,
            source.axis_labels,
            source.units,
            path=source.path,
        )

    def recognise(self, source: ImageSource) -> ImageSource:
        """Return the image as it was worked on: with the channels, scale and names that it had then.

        Raises
        ------
        UserError
            If it is another image.
        """
        full = tuple(int(size) for size in source.array().shape)
        spatial = tuple(size for axis, size in enumerate(full) if axis != self.channel_axis)
        if spatial != self.shape or source.dtype.name != self.dtype:
            raise UserError(
                f"This is not the image that the session was made on: that one has shape {self.shape} and type "
                f"{self.dtype}, this one {source.shape} and {source.dtype.name}."
            )
        levels = [source.array(level) for level in range(source.n_levels)]
        same = ImageSource(
            levels if len(levels) > 1 else levels[0],
            rgb=self.rgb,
            channel_axis=self.channel_axis,
            scale=self.scale,
            axis_labels=self.axis_labels,
            units=self.units,
        )
        if self.fingerprint and fingerprint(same) != self.fingerprint:
            raise UserError(
                "This is not the image that the session was made on: it has the same shape, but other pixels; "
                "give the right one."
            )
        return same


def fingerprint(source: ImageSource) -> str:
    """Hash small squares spread evenly over the finest level: SHA-256, hexadecimal."""
    *_, last = fingerprint_steps(source)
    return last


def fingerprint_steps(source: ImageSource) -> Iterator[str]:
    """Yield hashes, the last one the fingerprint; each reads one square, which may take long in images read late."""
    state = hashlib.sha256()
    for plane, rows, columns in _squares(source):
        pixels = source.read(plane, rows, columns)
        state.update(np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<")).tobytes())
        yield state.hexdigest()


def _squares(source: ImageSource) -> Iterator[tuple[Plane, slice, slice]]:
    row, column = source.ndim - 2, source.ndim - 1
    others = source.shape[:-2]
    total = prod(others)
    for at in range(SAMPLES):
        index = np.unravel_index(at * total // SAMPLES, others) if others else ()
        # Steps of the golden ratio and its square cover a plane evenly.
        start = [
            int((0.5 + at * step) % 1 * max(source.shape[axis] - SIDE + 1, 1))
            for axis, step in ((row, 0.7548776662), (column, 0.5698402910))
        ]
        yield (
            Plane((row, column), (*(int(each) for each in index), 0, 0)),
            slice(start[0], start[0] + SIDE),
            slice(start[1], start[1] + SIDE),
        )
