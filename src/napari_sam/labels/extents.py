"""Where labels have their pixels."""

from collections.abc import Collection
from typing import Any

import numpy as np
from scipy import ndimage

from napari_sam.labels.blocks import blocks

Box = tuple[slice, ...]


def label_extents(labels: Any, wanted: Collection[int]) -> dict[int, tuple[int, Box]]:
    """Number of pixels and box of some labels.

    Parameters
    ----------
    labels
        Integer array of any number of axes, read block by block.
    wanted
        The labels.

    Returns
    -------
    dict
        By label; labels without a pixel have the area 0 and an empty box at the origin.
    """
    ids = np.array(sorted(wanted), np.dtype(labels.dtype))
    ndim = len(labels.shape)
    areas = np.zeros(len(ids), np.int64)
    low = np.full((len(ids), ndim), np.iinfo(np.int64).max)
    high = np.zeros((len(ids), ndim), np.int64)
    for box in blocks(labels) if len(ids) else ():
        region = np.asarray(labels[box])
        at = np.clip(np.searchsorted(ids, region), 0, len(ids) - 1)
        numbered = np.where(ids[at] == region, at + 1, 0)
        areas += np.bincount(numbered.reshape(-1), minlength=len(ids) + 1)[1:]
        for number, found in enumerate(ndimage.find_objects(numbered)):
            if found is not None:
                origin = np.array([part.start for part in box])
                low[number] = np.minimum(low[number], origin + [part.start for part in found])
                high[number] = np.maximum(high[number], origin + [part.stop for part in found])
    return {
        int(label): (
            int(areas[number]),
            tuple(
                slice(int(start), int(stop)) if areas[number] else slice(0, 0)
                for start, stop in zip(low[number], high[number], strict=True)
            ),
        )
        for number, label in enumerate(ids)
    }
