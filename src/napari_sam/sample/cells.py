"""The shapes of a made-up tissue: which cell and which nucleus every voxel belongs to."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, spatial

from napari_sam.sample.recipe import StackRecipe


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
    """Cells as the regions nearest to well-spread centres, with bent borders, each around a lumpy nucleus."""
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
    """(z, row, column, 3) centres of the voxels, micrometres."""
    axes = [np.arange(n) * size for n, size in zip(recipe.shape, recipe.voxel_size, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)


def _spread_centres(recipe: StackRecipe, random: np.random.Generator) -> NDArray[np.float64]:
    """(n, 3) positions that keep their distance, some of them outside the stack so that it has cut cells."""
    spacing = recipe.cell_spacing
    extent = np.asarray(recipe.shape) * recipe.voxel_size
    axes = [np.arange(-spacing, length + 2 * spacing, spacing) for length in extent]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    # Every other layer is shifted by half a cell, as spheres pack; then each centre strays.
    grid[1::2, :, :, 1:] += spacing / 2
    grid = grid.reshape(-1, 3) + random.uniform(-0.5, 0.0, 3) * spacing
    return np.asarray(grid + random.uniform(-0.35, 0.35, grid.shape) * spacing)


def _smooth_displacement(recipe: StackRecipe, random: np.random.Generator) -> NDArray[np.float64]:
    """(z, row, column, 3) micrometres by which the tissue is bent, smooth over a third of a cell."""
    strength, width = 0.14 * recipe.cell_spacing, 0.35 * recipe.cell_spacing
    fields = [_smooth_field(recipe, random, width) * strength for _ in range(3)]
    return np.stack(fields, axis=-1)


def _smooth_field(recipe: StackRecipe, random: np.random.Generator, width: float) -> NDArray[np.float32]:
    """(z, row, column) noise of mean 0 and deviation 1, smooth over `width` micrometres."""
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
    """(z, row, column) the nucleus of every voxel: in each cell a turned ellipsoid with dents and bulges."""
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
    """The same cells numbered from 1 without gaps; crumbs that a bent border cut off a nucleus are dropped."""
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
