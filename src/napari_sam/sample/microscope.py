"""What a microscope records of a made-up tissue: stains, blur, haze, dimming with depth, noise."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_sam.sample.cells import Cells
from napari_sam.sample.recipe import StackRecipe

OFFSET = 100
"""Grey value that the detector shows in the dark."""

GAIN = 12.0
"""Grey values per photon."""


def stain_nuclei(cells: Cells, recipe: StackRecipe, random: np.random.Generator) -> NDArray[np.float32]:
    """(z, row, column) brightness of the nuclear stain, 1 on average inside: uneven chromatin, dark nucleoli."""
    count = int(cells.labels.max())
    brightness = np.concatenate([[0.0], random.lognormal(0.0, 0.25, count)]).astype(np.float32)
    chromatin = 1 + 0.16 * _grain(recipe, random, 0.5)
    nucleoli = np.where(_grain(recipe, random, 0.9) > 1.7, np.float32(0.55), np.float32(1.0))
    return np.asarray(brightness[cells.nuclei] * chromatin * nucleoli, np.float32)


def stain_membranes(cells: Cells, recipe: StackRecipe, random: np.random.Generator) -> NDArray[np.float32]:
    """(z, row, column) brightness of the membrane stain: about 1 on the borders between cells, patchy."""
    thickness = 0.3
    patches = np.clip(1 + 0.25 * _grain(recipe, random, 1.2), 0.3, None)
    return np.asarray(np.exp(-0.5 * (cells.border_distance / thickness) ** 2) * patches + 0.04, np.float32)


def record(stain: NDArray[np.float32], recipe: StackRecipe, random: np.random.Generator) -> NDArray[np.uint16]:
    """(z, row, column) grey values of a stain as the recipe's microscope records it."""
    sigma = [deviation / size for deviation, size in zip(recipe.blur, recipe.voxel_size, strict=True)]
    sharp = ndimage.gaussian_filter(stain, sigma, mode="nearest")
    spread = [8 * deviation for deviation in sigma]
    light = sharp + recipe.haze * (0.3 + ndimage.gaussian_filter(stain, spread, mode="nearest", truncate=2))
    light *= np.linspace(1, 1 - recipe.dimming, recipe.shape[0], dtype=np.float32)[:, None, None]
    photons = random.poisson(np.maximum(light, 0) * recipe.photons)
    grey = OFFSET + GAIN * photons + random.normal(0, 6, recipe.shape)
    return np.asarray(np.clip(np.rint(grey), 0, 65535), np.uint16)


def _grain(recipe: StackRecipe, random: np.random.Generator, width: float) -> NDArray[np.float32]:
    """(z, row, column) noise of mean 0 and deviation 1, smooth over `width` micrometres."""
    noise = random.standard_normal(recipe.shape).astype(np.float32)
    grain = ndimage.gaussian_filter(noise, [width / size for size in recipe.voxel_size], mode="wrap", truncate=3)
    return np.asarray((grain - grain.mean()) / grain.std(), np.float32)
