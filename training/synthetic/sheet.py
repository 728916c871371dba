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
    """Rows of kinds, columns of pairs: the image as a network sees it, and with its objects outlined."""
    rows = []
    for kind in kinds:
        rng = np.random.default_rng([seed, *kind.encode()])
        rows.append(np.hstack([_pair(*KINDS[kind](rng, side)) for _ in range(PER_KIND)]))
    return np.vstack(rows)


def _pair(pixels: NDArray[np.generic], labels: Labels) -> NDArray[np.uint8]:
    stack = pixels[None] if pixels.ndim == 3 else pixels[None, ..., None]
    low, high = contrast_limits(stack).T
    picture = np.broadcast_to(np.clip((stack[0] - low) / np.maximum(high - low, 1e-6), 0, 1), (*labels.shape, 3))
    outlined = picture.copy()
    outlined[(depth(labels) < 1) & (labels > 0)] = (1, 0.9, 0)
    return (np.hstack([picture, outlined]) * 255).astype(np.uint8)


if __name__ == "__main__":
    imageio.imwrite(Path(sys.argv[1]), contact_sheet(sys.argv[2:] or list(KINDS), 256, 0))
