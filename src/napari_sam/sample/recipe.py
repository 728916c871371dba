"""What a made-up stack looks like, in numbers."""

from dataclasses import dataclass


@dataclass(frozen=True)
class StackRecipe:
    """A made-up tissue and the microscope that records it.

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
