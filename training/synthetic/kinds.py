"""All kinds of generated images by name."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from training.synthetic.colonies import channels, colony
from training.synthetic.electron import membranes, mitochondria
from training.synthetic.fluorescence import cytoplasm, epithelium, nuclei
from training.synthetic.glands import glands
from training.synthetic.label_free import label_free
from training.synthetic.marrow import bone_marrow
from training.synthetic.organoids import organoids
from training.synthetic.shapes import Labels
from training.synthetic.stacks import nuclei_stack, tissue_stack
from training.synthetic.stained import blood, histology
from training.synthetic.transmitted import relief, rings, rods, yeast
from training.synthetic.whole_cells import whole_cells

Generator = Callable[[np.random.Generator, int], tuple[NDArray[np.generic], Labels]]
"""Gives pixels and labels of an image (H, W) or of a stack (Z, H, W), whose H and W may be less than the asked side."""

KINDS: dict[str, Generator] = {
    generate.__name__: generate
    for generate in (
        nuclei,
        epithelium,
        cytoplasm,
        rods,
        colony,
        channels,
        yeast,
        rings,
        relief,
        blood,
        histology,
        membranes,
        mitochondria,
        nuclei_stack,
        tissue_stack,
        whole_cells,
        bone_marrow,
        organoids,
        glands,
        label_free,
    )
}
