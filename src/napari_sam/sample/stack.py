"""A made-up z-stack with exact labels."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_sam.sample.cells import grow_cells
from napari_sam.sample.microscope import record, stain_membranes, stain_nuclei
from napari_sam.sample.recipe import TISSUE, StackRecipe


@dataclass(frozen=True, eq=False)
class SampleStack:
    """Two recorded channels and what is truly there, all (z, row, column).

    Parameters
    ----------
    nuclei, membranes
        uint16 grey values.
    nucleus_labels
        int32, 0 outside the nuclei. A nucleus has the number of its cell.
    cell_labels
        int32, from 1: the cells fill the stack.
    scale
        Micrometres per voxel.
    """

    nuclei: NDArray[np.uint16]
    membranes: NDArray[np.uint16]
    nucleus_labels: NDArray[np.int32]
    cell_labels: NDArray[np.int32]
    scale: tuple[float, float, float]


def generate_stack(recipe: StackRecipe = TISSUE, seed: int = 0) -> SampleStack:
    """Make a stack; the same recipe and seed give the same stack.

    Parameters
    ----------
    recipe
        The tissue and the microscope.
    seed
        Any non-negative integer.
    """
    random = np.random.default_rng(seed)
    cells = grow_cells(recipe, random)
    return SampleStack(
        nuclei=record(stain_nuclei(cells, recipe, random), recipe, random),
        membranes=record(stain_membranes(cells, recipe, random), recipe, random),
        nucleus_labels=cells.nuclei,
        cell_labels=cells.labels,
        scale=recipe.voxel_size,
    )
