"""Images with instance labels, read from a folder of sets (`SET/images/*`, `SET/labels/*.tif`)."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_sam.planes.contrast import Contrast, measure_contrast
from napari_sam.planes.geometry import Plane
from napari_sam.planes.image_source import ImageSource
from napari_sam.planes.open_image import open_image

SMALLEST_AREA = 20
"""Objects of fewer pixels are left out: their labels are uncertain by as much as their size."""


@dataclass(frozen=True, eq=False)
class LabelledPlane:
    """One plane of an image and the instances on it."""

    name: str
    source: ImageSource
    contrast: Contrast
    plane: Plane
    labels: NDArray[np.integer]

    def ids(self) -> NDArray[np.integer]:
        """Ids of the instances that are large enough to count."""
        ids, areas = np.unique(self.labels, return_counts=True)
        return ids[(ids > 0) & (areas > SMALLEST_AREA)]


@dataclass(frozen=True, eq=False)
class LabelledStack:
    """A z-stack and its instances."""

    name: str
    source: ImageSource
    contrast: Contrast
    labels: NDArray[np.integer]


def data_folder(split: str = "eval") -> Path:
    """The folder of sets: the environment variable NAPARI_SAM_DATA, or ../shared/data beside the repository."""
    root = os.environ.get("NAPARI_SAM_DATA")
    folder = Path(root) if root else Path(__file__).resolve().parents[2] / "shared" / "data"
    return folder / split


def set_names(folder: Path) -> list[str]:
    """Names of the sets in a folder."""
    return sorted(path.name for path in folder.iterdir() if (path / "images").is_dir())


def labelled_planes(folder: Path, limit: int = 40, every: int = 3) -> Iterator[LabelledPlane]:
    """The planes of a set: 2-D images whole, of stacks every third plane.

    Parameters
    ----------
    folder
        The set.
    limit
        At most so many planes, evenly drawn.
    every
        Which planes of a stack are taken.
    """
    planes = [
        (image, label, at)
        for image, label in _pairs(folder)
        for at in ([None] if _ndim(label) == 2 else range(0, len(tifffile.imread(label)), every))
    ]
    chosen = [
        planes[at] for at in np.unique(np.linspace(0, len(planes) - 1, min(limit, len(planes))).round().astype(int))
    ]
    opened: dict[Path, tuple[ImageSource, Contrast, NDArray[np.integer]]] = {}
    for image, label, at in chosen:
        if image not in opened:
            opened.clear()
            source = open_image(image)
            axes = (source.ndim - 2, source.ndim - 1)
            opened[image] = (source, measure_contrast(source, axes), tifffile.imread(label))
        source, contrast, labels = opened[image]
        if at is None:
            yield LabelledPlane(image.stem, source, contrast, Plane((0, 1), (0, 0)), labels)
        else:
            yield LabelledPlane(f"{image.stem}[{at}]", source, contrast, Plane((1, 2), (at, 0, 0)), labels[at])


def labelled_stacks(folder: Path) -> Iterator[LabelledStack]:
    """The z-stacks of a set."""
    for image, label in _pairs(folder):
        if _ndim(label) == 3:
            source = open_image(image)
            yield LabelledStack(image.stem, source, measure_contrast(source, (1, 2)), tifffile.imread(label))


def _pairs(folder: Path) -> list[tuple[Path, Path]]:
    images = sorted((folder / "images").iterdir())
    pairs = [(image, folder / "labels" / f"{image.stem}.tif") for image in images]
    return [(image, label) for image, label in pairs if label.exists()]


def _ndim(path: Path) -> int:
    with tifffile.TiffFile(path) as file:
        return len(file.series[0].shape)
