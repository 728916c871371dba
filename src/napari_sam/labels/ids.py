"""Label ids: the next free one, and whether it fits."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from napari_sam.errors import UserError
from napari_sam.labels.blocks import blocks


def next_label(labels: Any) -> int:
    """One more than the largest label, at least 1.

    Parameters
    ----------
    labels
        Integer array of any number of axes; read block by block unless it lies in memory.
    """
    if isinstance(labels, np.ndarray) and not isinstance(labels, np.memmap):
        largest = int(labels.max(initial=0))
    else:
        largest = max((int(np.asarray(labels[box]).max(initial=0)) for box in blocks(labels)), default=0)
    return largest + 1


def check_fits(label: int, dtype: DTypeLike) -> None:
    """Refuse a label that the array's type would wrap or truncate.

    Raises
    ------
    UserError
        If `dtype` is no integer type or its largest value is below `label`.
    """
    kind = np.dtype(dtype)
    if kind.kind not in "iu":
        raise UserError(f"Labels must be integers, but the array's type is {kind}; convert it first.")
    largest = np.iinfo(kind).max
    if not 0 <= label <= largest:
        raise UserError(
            f"Label {label} does not fit into labels of type {kind}, which end at {largest}; "
            "convert them to a wider type."
        )


def smallest_dtype(label: int) -> np.dtype[np.unsignedinteger[Any]]:
    """The narrowest unsigned type that holds a label.

    Raises
    ------
    UserError
        If 64 bits do not hold it, or it is negative.
    """
    for kind in (np.uint8, np.uint16, np.uint32, np.uint64):
        if 0 <= label <= np.iinfo(kind).max:
            return np.dtype(kind)
    raise UserError(f"Label {label} fits into no unsigned integer type.")
