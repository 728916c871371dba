"""By how much labels grow, and where."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from napari_sam.labels.pixel_change import Box, PixelChange, hull


@dataclass(frozen=True)
class Growth:
    """What changes of pixels do to the labels that they write or take away.

    Parameters
    ----------
    pixels
        By label, by how many pixels it grows; negative where it shrinks.
    boxes
        By label, a box that holds all pixels that it gets.
    """

    pixels: Counter[int]
    boxes: dict[int, Box]

    @classmethod
    def of(cls, changes: Iterable[PixelChange]) -> Self:
        """Of several changes, one after another."""
        pixels: Counter[int] = Counter()
        boxes: dict[int, list[Box]] = {}
        for change in changes:
            pixels.update(change.labels())
            for label in change.written():
                boxes.setdefault(label, []).append(change.box)
        hulls = {label: hull(each) for label, each in boxes.items()}
        return cls(pixels, {label: box for label, box in hulls.items() if box is not None})
