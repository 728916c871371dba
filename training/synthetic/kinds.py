"""All kinds of generated images by name."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from training.synthetic.electron import membranes, mitochondria
from training.synthetic.fluorescence import cytoplasm, epithelium, nuclei
from training.synthetic.shapes import Labels
from training.synthetic.stained import blood, histology
from training.synthetic.transmitted import relief, rings, rods, yeast

Generator = Callable[[np.random.Generator, int], tuple[NDArray[np.generic], Labels]]

KINDS: dict[str, Generator] = {
    generate.__name__: generate
    for generate in (
        nuclei,
        epithelium,
        cytoplasm,
        rods,
        yeast,
        rings,
        relief,
        blood,
        histology,
        membranes,
        mitochondria,
    )
}
