"""All kinds of generated images by name."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from training.synthetic.colonies import channels, colony
from training.synthetic.electron import membranes
from training.synthetic.filaments import filaments
from training.synthetic.fluorescence import cytoplasm, epithelium, nuclei
from training.synthetic.glands import glands
from training.synthetic.label_free import label_free
from training.synthetic.marrow import bone_marrow
from training.synthetic.neuropil import mitochondria, neuropil
from training.synthetic.organoids import organoids
from training.synthetic.shapes import Labels
from training.synthetic.stacks import nuclei_stack, tissue_stack
from training.synthetic.stained import blood, histology
from training.synthetic.tissue import dense_nuclei_stack, tissue_membranes, tissue_membranes_stack
from training.synthetic.transmitted import relief, rings, rods, yeast
from training.synthetic.whole_cells import whole_cells

Generator = Callable[[np.random.Generator, int], tuple[NDArray[np.generic], Labels]]
"""Gives pixels and labels of an image (H, W) or of a stack (Z, H, W), whose H and W may be less than the asked side."""

KINDS: dict[str, Generator] = {
    generate.__name__: generate
    for generate in (
        nuclei,
        epithelium,
        tissue_membranes,
        cytoplasm,
        rods,
        colony,
        channels,
        filaments,
        yeast,
        rings,
        relief,
        blood,
        histology,
        membranes,
        neuropil,
        mitochondria,
        nuclei_stack,
        tissue_stack,
        dense_nuclei_stack,
        tissue_membranes_stack,
        whole_cells,
        bone_marrow,
        organoids,
        glands,
        label_free,
    )
}
