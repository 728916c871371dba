"""Where training images are drawn from."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from training.image import TrainingImage, make_training_image
from training.synthetic.kinds import KINDS

FILLING = 0.25
"""How often a new image is made as long as fewer are held than wanted. Making all of them first, every worker of a run
on a graphics card would let it wait for half a minute."""


class ImageSource(Protocol):
    """One set of real images, or one kind of generated ones."""

    def draw(self, rng: np.random.Generator) -> TrainingImage:
        """Any of the images."""


class FixedImages:
    """The same images all the time."""

    def __init__(self, images: Sequence[TrainingImage]) -> None:
        self.images = images

    def draw(self, rng: np.random.Generator) -> TrainingImage:
        """Any of them."""
        return self.images[rng.integers(len(self.images))]


class FreshImages:
    """Generated images of one kind that are replaced by new ones, for runs that would see fixed ones too often.

    Parameters
    ----------
    kind
        Name of the kind.
    side
        Of the images, pixels.
    held
        How many are kept in memory.
    refresh
        How often drawing makes a new one, which takes the place of the oldest. Until as many as wanted are held it is
        done more often (`FILLING`).
    """

    def __init__(self, kind: str, side: int, held: int, refresh: float) -> None:
        self.kind = kind
        self.side = side
        self.held = held
        self.refresh = refresh
        self.images: list[TrainingImage] = []
        self.made = 0

    def draw(self, rng: np.random.Generator) -> TrainingImage:
        """A new image if it is time for one, else any of those held."""
        often = self.refresh if len(self.images) >= self.held else max(self.refresh, FILLING)
        if not self.images or rng.random() < often:
            return self._make(rng)
        return self.images[rng.integers(len(self.images))]

    def _make(self, rng: np.random.Generator) -> TrainingImage:
        image = None
        while image is None:
            image = make_training_image(f"{self.kind}/{self.made}", *KINDS[self.kind](rng, self.side))
            self.made += 1
        self.images = [*self.images, image][-self.held :]
        return image
