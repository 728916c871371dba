"""Images for batches: what is brighter than half, and a network that finds just that."""

from pathlib import Path

import numpy as np
import tifffile

from napari_sam.models.model import Model
from napari_sam.testing.fake_network import threshold_model

RECIPE = '[images]\nfiles = ["images/*.tif"]\n\n[find]\nwhat = "everything"\nconfidence = 0.1\n'


def bright_squares(seed: int, side: int = 64) -> np.ndarray:
    """A plane with a few bright squares, none at its edges."""
    random = np.random.default_rng(seed)
    plane = np.zeros((side, side), np.uint8)
    for row in range(4, side - 12, 20):
        for column in range(4, side - 12, 20):
            if random.random() < 0.7:
                size = int(random.integers(7, 12))
                plane[row : row + size, column : column + size] = 200
    return plane


def write_images(folder: Path, count: int) -> None:
    """Write planes of squares, 0.5 µm a pixel."""
    folder.mkdir()
    for seed in range(count):
        sizes = {"PhysicalSizeY": 0.5, "PhysicalSizeX": 0.5}
        tifffile.imwrite(folder / f"cells-{seed}.tif", bright_squares(seed), ome=True, metadata={"axes": "YX", **sizes})


def load_threshold(_: object) -> Model:
    """In place of the model that a recipe names."""
    return threshold_model()
