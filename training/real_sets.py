"""Read the real training sets from disk and hold a part of each out for validation."""

import hashlib
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import tifffile
from numpy.typing import NDArray

from training.image import TrainingImage, make_training_image


def read_set(folder: Path, validation_fraction: float) -> tuple[list[TrainingImage], list[TrainingImage]]:
    """Read ``images/*`` and ``labels/*.tif`` of one set.

    Returns
    -------
    training, validation
        Images are divided by the hash of their name, so that a set that grows keeps its division; of a stack the
        last planes are held out.

    Raises
    ------
    FileNotFoundError
        If the folder holds no image with labels.
    """
    training: list[TrainingImage] = []
    validation: list[TrainingImage] = []
    for path in sorted((folder / "images").iterdir()):
        label_path = folder / "labels" / f"{path.stem}.tif"
        if not label_path.exists():
            continue
        pixels, labels = _read_pixels(path), tifffile.imread(label_path)
        name = f"{folder.name}/{path.stem}"
        if labels.ndim == 3:
            kept = labels.shape[0] - max(1, round(labels.shape[0] * validation_fraction))
            parts = [(training, slice(None, kept)), (validation, slice(kept, None))]
        else:
            parts = [(validation if _held_out(name, validation_fraction) else training, slice(None))]
        for images, part in parts:
            image = make_training_image(name, pixels[part], labels[part])
            if image is not None:
                images.append(image)
    if not training:
        raise FileNotFoundError(f"No labelled images in {folder}; expected images/NAME.* with labels/NAME.tif.")
    if not validation and len(training) > 4:
        validation.append(training.pop(min(range(len(training)), key=lambda i: _hash(training[i].name))))
    return training, validation


def _held_out(name: str, fraction: float) -> bool:
    return _hash(name) < fraction


def _hash(name: str) -> float:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") / 2**32


def _read_pixels(path: Path) -> NDArray[np.generic]:
    if path.suffix in {".tif", ".tiff"}:
        return np.asarray(tifffile.imread(path))
    return np.asarray(imageio.imread(path))
