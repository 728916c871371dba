"""Identity of an image, by which it is recognised later."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod

import numpy as np

from napari_sam.errors import UserError
from napari_sam.planes.array_view import turned
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
    shown
        See `ImageSource`.
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
    shown: tuple[int, ...] | None = None

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
            shown=source.shown,
        )

    def recognise(self, source: ImageSource) -> ImageSource:
        """Return the image as it was worked on: with the channels, scale and names that it had then.

        Raises
        ------
        UserError
            If it is another image.
        """
        candidates = self._candidates(source) if source.dtype.name == self.dtype else []
        if not candidates:
            raise UserError(
                f"This is not the image that the session was made on: that one has shape {self.shape} and type "
                f"{self.dtype}{_with_channels(self)}, this one {source.shape} and {source.dtype.name}"
                f"{_with_channels(source)}."
            )
        if not self.fingerprint:
            return candidates[0]
        same = next((each for each in candidates if fingerprint(each) == self.fingerprint), None)
        if same is None:
            raise UserError(
                "This is not the image that the session was made on: it has the same shape, but other pixels; "
                "give the right one."
            )
        return same

    def _candidates(self, source: ImageSource) -> list[ImageSource]:
        """Return what of an image may be the one that was worked on, likeliest first.

        That is its arrays with the channels of then; with its own channels, wherever they stand; or one channel of it,
        where the session was made on one that another program had split off.
        """
        full = tuple(int(size) for size in source.array().shape)
        spatial = tuple(size for axis, size in enumerate(full) if axis != self.channel_axis)
        layouts: list[tuple[int | None, int | None]] = []
        if spatial == self.shape and (self.channel_axis is None or full[self.channel_axis] >= self.n_channels):
            layouts.append((self.channel_axis, None))
        if source.shape == self.shape and source.channel_axis is not None and not source.rgb and not self.rgb:
            if source.n_channels == self.n_channels and source.channel_axis != self.channel_axis:
                layouts.append((source.channel_axis, None))
            if self.channel_axis is None:
                chosen = source.shown or ()
                layouts += [(None, at) for at in sorted(range(source.n_channels), key=lambda at: at not in chosen)]
        return [self._as_then(source, channel_axis, channel) for channel_axis, channel in layouts]

    def _as_then(self, source: ImageSource, channel_axis: int | None, channel: int | None) -> ImageSource:
        levels = [source.array(level) for level in range(source.n_levels)]
        if channel is not None and source.channel_axis is not None:
            rest = [axis for axis in range(len(levels[0].shape)) if axis != source.channel_axis]
            levels = [turned(level, rest, {source.channel_axis: channel}) for level in levels]
        return ImageSource(
            levels if len(levels) > 1 else levels[0],
            rgb=self.rgb,
            channel_axis=channel_axis,
            scale=self.scale,
            axis_labels=self.axis_labels,
            units=self.units,
            path=source.path,
            channel_names=source.channel_names if channel is None else None,
            shown=self.shown,
        )


def _with_channels(image: "ImageIdentity | ImageSource") -> str:
    return "" if image.channel_axis is None or image.rgb else f" in {image.n_channels} channels"


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
