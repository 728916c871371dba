"""A contact sheet of generated images: ``python -m training.synthetic.sheet OUT.png [KIND ...]``."""

import sys
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
from numpy.typing import NDArray

from training.image import contrast_limits
from training.synthetic.kinds import KINDS
from training.synthetic.shapes import Labels, depth

PER_KIND = 4


def contact_sheet(kinds: list[str], side: int, seed: int) -> NDArray[np.uint8]:
    """Rows of kinds, columns of pairs: the image as a network sees it, and with its objects outlined.

    Of stacks the columns are planes of a single one, from first to last.
    """
    rows = []
    for kind in kinds:
        rng = np.random.default_rng([seed, *kind.encode()])
        pixels, labels = KINDS[kind](rng, side)
        if labels.ndim == 3:
            shown = np.linspace(0, len(labels) - 1, PER_KIND).round().astype(int)
            pairs = _pairs(pixels[shown, ..., None], labels[shown])
        else:
            others = [KINDS[kind](rng, side) for _ in range(PER_KIND - 1)]
            pairs = [
                _pairs(image[None] if image.ndim == 3 else image[None, ..., None], objects[None])[0]
                for image, objects in [(pixels, labels), *others]
            ]
        height, width = pairs[0].shape[:2]
        rows.append(np.pad(np.hstack(pairs), ((0, side - height), (0, PER_KIND * (2 * side - width)), (0, 0))))
    return np.vstack(rows)


def _pairs(stack: NDArray[np.generic], labels: Labels) -> list[NDArray[np.uint8]]:
    """Of each plane the picture, with contrast limits that all share, and the same with outlines."""
    low, high = contrast_limits(stack).T
    pairs = []
    for pixels, objects in zip(stack, labels, strict=True):
        picture = np.broadcast_to(np.clip((pixels - low) / np.maximum(high - low, 1e-6), 0, 1), (*objects.shape, 3))
        outlined = picture.copy()
        outlined[(depth(objects) < 1) & (objects > 0)] = (1, 0.9, 0)
        pairs.append((np.hstack([picture, outlined]) * 255).astype(np.uint8))
    return pairs


if __name__ == "__main__":
    imageio.imwrite(Path(sys.argv[1]), contact_sheet(sys.argv[2:] or list(KINDS), 256, 0))
