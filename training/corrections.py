"""Corrective clicks."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from training.first_prompts import NEGATIVE, POSITIVE


def correct(
    rng: np.random.Generator | None, mask: NDArray[np.bool_], target: NDArray[np.bool_], stride: int
) -> tuple[float, float, int]:
    """A click where mask and target differ.

    Parameters
    ----------
    rng
        Half of the clicks are the innermost pixel of the largest error, half lie anywhere in the errors but off
        their borders; without it all are the former.
    mask, target
        (h, w).
    stride
        Window pixels per pixel of the mask.

    Returns
    -------
    x, y
        In window pixels, pixel centres on integers.
    label
        1 if the object was missed there, else 0. Where nothing is wrong, a positive click inside.
    """
    wrong = mask != target
    if not wrong.any():
        wrong = target if target.any() else ~target
    if rng is not None and rng.random() < 0.5:
        eroded = ndimage.binary_erosion(wrong)
        rows, columns = np.nonzero(eroded if eroded.any() else wrong)
        index = rng.integers(len(rows))
        row, column = rows[index], columns[index]
        fraction = rng.uniform(-0.5, 0.5, 2) * (stride - 1) / stride
    else:
        depth = ndimage.distance_transform_edt(np.pad(wrong, 1))[1:-1, 1:-1]
        row, column = np.unravel_index(depth.argmax(), depth.shape)
        fraction = np.zeros(2)
    x, y = (np.array([column, row]) + 0.5 + fraction) * stride - 0.5
    return float(x), float(y), POSITIVE if target[row, column] else NEGATIVE
