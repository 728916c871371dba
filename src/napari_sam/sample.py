"""A made-up tissue and what a microscope records of it: z-stacks with exact labels."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, spatial


@dataclass(frozen=True)
class StackRecipe:
    """A made-up tissue and the microscope that records it.

    The defaults are chosen to look like a confocal stack of nuclei; they were fitted to no microscope.

    Lengths are in micrometres, axes in the order (z, row, column).

    Parameters
    ----------
    shape
        Voxels (planes, rows, columns).
    voxel_size
        Edge lengths of a voxel; planes usually lie farther apart than pixels.
    cell_spacing
        Typical distance between the centres of neighbouring cells.
    nucleus_fill
        Radius of a nucleus relative to half the cell spacing, 0..1; towards 1 the nuclei touch.
    elongation
        How much longer than wide a nucleus may be, >= 1.
    roughness
        Depth of the dents and bulges of a nucleus relative to its radius, 0..0.4.
    blur
        Standard deviations of the microscope's point spread.
    photons
        Photons that a voxel of average nucleus sends to the detector: fewer make a noisier stack.
    haze
        Out-of-focus light from the whole tissue, relative to an average nucleus.
    dimming
        Light that the deepest plane loses relative to the first, 0..1.
    """

    shape: tuple[int, int, int] = (40, 256, 256)
    voxel_size: tuple[float, float, float] = (0.8, 0.3, 0.3)
    cell_spacing: float = 11.0
    nucleus_fill: float = 0.8
    elongation: float = 1.35
    roughness: float = 0.12
    blur: tuple[float, float, float] = (0.8, 0.28, 0.28)
    photons: float = 60.0
    haze: float = 0.12
    dimming: float = 0.35


TISSUE = StackRecipe()
"""Cells side by side, each with its nucleus well inside."""

CROWDED = StackRecipe(
    cell_spacing=9.0,
    nucleus_fill=0.92,
    elongation=1.7,
    roughness=0.16,
    blur=(1.1, 0.34, 0.34),
    photons=30.0,
    haze=0.2,
    dimming=0.5,
)
"""Small, irregular nuclei that touch each other, in a dimmer and noisier recording."""


@dataclass(frozen=True, eq=False)
class Cells:
    """Cells and their nuclei on a voxel grid.

    Parameters
    ----------
    labels
        (z, row, column) int32: the cell of every voxel, from 1; the cells fill the stack.
    nuclei
        (z, row, column) int32: the nucleus of every voxel, 0 outside. A nucleus has the number of its cell.
    border_distance
        (z, row, column) float32: micrometres to the nearest border between two cells.
    """

    labels: NDArray[np.int32]
    nuclei: NDArray[np.int32]
    border_distance: NDArray[np.float32]


def grow_cells(recipe: StackRecipe, random: np.random.Generator) -> Cells:
    """Grow cells as the regions nearest to well-spread centres, with bent borders, each around a lumpy nucleus."""
    positions = _voxel_positions(recipe)
    centres = _spread_centres(recipe, random)
    bent = positions + _smooth_displacement(recipe, random)
    distances, nearest = spatial.cKDTree(centres).query(bent.reshape(-1, 3), k=2, workers=1)
    labels = (nearest[:, 0] + 1).astype(np.int32).reshape(recipe.shape)
    # The border is the plane halfway between the two nearest centres: this is the distance to it.
    between = np.linalg.norm(centres[nearest[:, 0]] - centres[nearest[:, 1]], axis=1)
    border_distance = ((distances[:, 1] ** 2 - distances[:, 0] ** 2) / (2 * between)).astype(np.float32)
    border_distance = border_distance.reshape(recipe.shape)
    nuclei = np.where(border_distance > 0.35, _nuclei(recipe, random, bent, centres, labels), 0).astype(np.int32)
    return _renumbered(Cells(labels, nuclei, border_distance))


def _voxel_positions(recipe: StackRecipe) -> NDArray[np.float64]:
    """Return (z, row, column, 3) centres of the voxels, micrometres."""
    axes = [np.arange(n) * size for n, size in zip(recipe.shape, recipe.voxel_size, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)


def _spread_centres(recipe: StackRecipe, random: np.random.Generator) -> NDArray[np.float64]:
    """Return (n, 3) positions that keep their distance, some of them outside the stack so that it has cut cells."""
    spacing = recipe.cell_spacing
    extent = np.asarray(recipe.shape) * recipe.voxel_size
    axes = [np.arange(-spacing, length + 2 * spacing, spacing) for length in extent]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    # Every other layer is shifted by half a cell, as spheres pack; then each centre strays.
    grid[1::2, :, :, 1:] += spacing / 2
    grid = grid.reshape(-1, 3) + random.uniform(-0.5, 0.0, 3) * spacing
    return np.asarray(grid + random.uniform(-0.35, 0.35, grid.shape) * spacing)


def _smooth_displacement(recipe: StackRecipe, random: np.random.Generator) -> NDArray[np.float64]:
    """Return (z, row, column, 3) micrometres by which the tissue is bent, smooth over a third of a cell."""
    strength, width = 0.14 * recipe.cell_spacing, 0.35 * recipe.cell_spacing
    fields = [_smooth_field(recipe, random, width) * strength for _ in range(3)]
    return np.stack(fields, axis=-1)


def _smooth_field(recipe: StackRecipe, random: np.random.Generator, width: float) -> NDArray[np.float32]:
    """Return (z, row, column) noise of mean 0 and deviation 1, smooth over `width` micrometres."""
    sigma = [width / size for size in recipe.voxel_size]
    noise = random.standard_normal(recipe.shape).astype(np.float32)
    field = ndimage.gaussian_filter(noise, sigma, mode="wrap", truncate=3)
    return np.asarray((field - field.mean()) / field.std(), np.float32)


def _nuclei(
    recipe: StackRecipe,
    random: np.random.Generator,
    positions: NDArray[np.float64],
    centres: NDArray[np.float64],
    labels: NDArray[np.int32],
) -> NDArray[np.int32]:
    """Return (z, row, column) the nucleus of every voxel: in each cell a turned ellipsoid with dents and bulges."""
    n = len(centres)
    radius = 0.5 * recipe.cell_spacing * recipe.nucleus_fill * random.uniform(0.8, 1.1, n)
    stretch = random.uniform(1.0, recipe.elongation, n)
    axes = random.standard_normal((n, 3))
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    at = labels - 1
    offset = positions - centres[at]
    along = np.einsum("...i,...i->...", offset, axes[at])
    across = np.sqrt(np.maximum(np.einsum("...i,...i->...", offset, offset) - along**2, 0))
    # The volume stays when a nucleus is stretched: longer along its axis, thinner across.
    reach = np.hypot(along / stretch[at], across * np.sqrt(stretch[at])) / radius[at]
    lumps = 1 + recipe.roughness * _smooth_field(recipe, random, 0.22 * recipe.cell_spacing)
    return np.where(reach < lumps, labels, 0).astype(np.int32)


def _renumbered(cells: Cells) -> Cells:
    """Return the same cells numbered from 1 without gaps; crumbs that a bent border cut off a nucleus are dropped."""
    present, renumbered = np.unique(cells.labels, return_inverse=True)
    labels = (renumbered.reshape(cells.labels.shape) + 1).astype(np.int32)
    inside = cells.nuclei > 0
    nuclei = np.zeros_like(labels)
    for label, box in enumerate(ndimage.find_objects(np.where(inside, labels, 0), len(present)), start=1):
        if box is None:
            continue
        parts, count = ndimage.label(inside[box] & (labels[box] == label))
        if count:
            largest = 1 + int(np.argmax(np.bincount(parts.ravel())[1:]))
            nuclei[box][parts == largest] = label
    return Cells(labels, nuclei, cells.border_distance)


# These and the numbers of the stains are chosen to look like a camera's pictures; they were fitted to no microscope.
OFFSET = 100
"""Grey value that the detector shows in the dark."""

GAIN = 12.0
"""Grey values per photon."""


def stain_nuclei(cells: Cells, recipe: StackRecipe, random: np.random.Generator) -> NDArray[np.float32]:
    """Return (z, row, column) brightness of the nuclear stain, 1 on average inside: uneven chromatin, dark nucleoli."""
    count = int(cells.labels.max())
    brightness = np.concatenate([[0.0], random.lognormal(0.0, 0.25, count)]).astype(np.float32)
    chromatin = 1 + 0.16 * _grain(recipe, random, 0.5)
    nucleoli = np.where(_grain(recipe, random, 0.9) > 1.7, np.float32(0.55), np.float32(1.0))
    return np.asarray(brightness[cells.nuclei] * chromatin * nucleoli, np.float32)


def stain_membranes(cells: Cells, recipe: StackRecipe, random: np.random.Generator) -> NDArray[np.float32]:
    """Return (z, row, column) brightness of the membrane stain: about 1 on the borders between cells, patchy."""
    thickness = 0.3
    patches = np.clip(1 + 0.25 * _grain(recipe, random, 1.2), 0.3, None)
    return np.asarray(np.exp(-0.5 * (cells.border_distance / thickness) ** 2) * patches + 0.04, np.float32)


def record(stain: NDArray[np.float32], recipe: StackRecipe, random: np.random.Generator) -> NDArray[np.uint16]:
    """Return (z, row, column) grey values of a stain as the recipe's microscope records it."""
    sigma = [deviation / size for deviation, size in zip(recipe.blur, recipe.voxel_size, strict=True)]
    sharp = ndimage.gaussian_filter(stain, sigma, mode="nearest")
    spread = [8 * deviation for deviation in sigma]
    light = sharp + recipe.haze * (0.3 + ndimage.gaussian_filter(stain, spread, mode="nearest", truncate=2))
    light *= np.linspace(1, 1 - recipe.dimming, recipe.shape[0], dtype=np.float32)[:, None, None]
    photons = random.poisson(np.maximum(light, 0) * recipe.photons)
    grey = OFFSET + GAIN * photons + random.normal(0, 6, recipe.shape)
    return np.asarray(np.clip(np.rint(grey), 0, 65535), np.uint16)


def _grain(recipe: StackRecipe, random: np.random.Generator, width: float) -> NDArray[np.float32]:
    """Return (z, row, column) noise of mean 0 and deviation 1, smooth over `width` micrometres."""
    noise = random.standard_normal(recipe.shape).astype(np.float32)
    grain = ndimage.gaussian_filter(noise, [width / size for size in recipe.voxel_size], mode="wrap", truncate=3)
    return np.asarray((grain - grain.mean()) / grain.std(), np.float32)


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
