"""Read the real training sets from disk and hold a part of each out for validation."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import tifffile
from numpy.typing import NDArray

from training.image import TrainingImage, make_training_image

VIEWS = ((0, 1, 2), (1, 0, 2), (2, 0, 1))
"""Axes of a stack of which each comes first once."""


def read_set(
    folder: Path, validation_fraction: float, *, complete: bool = True, isotropic: bool = False
) -> tuple[list[TrainingImage], list[TrainingImage]]:
    """Read ``images/*`` and ``labels/*.tif`` of one set.

    Parameters
    ----------
    folder
        Of the set.
    validation_fraction
        Share held out.
    complete
        Whether every object is labelled.
    isotropic
        Whether stacks are trained on in all three views; they are held out in the first one alone.

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
    for path, label_path in find_images(folder):
        pixels, labels = read_pixels(path), tifffile.imread(label_path)
        name = f"{folder.name}/{path.stem}"
        if labels.ndim == 3:
            kept = labels.shape[0] - max(1, round(labels.shape[0] * validation_fraction))
            parts = [(training, slice(None, kept)), (validation, slice(kept, None))]
        else:
            parts = [(validation if _held_out(name, validation_fraction) else training, slice(None))]
        for images, part in parts:
            views = VIEWS if isotropic and labels.ndim == 3 and images is training else VIEWS[:1]
            for axes in views:
                image = make_training_image(
                    name, _view(pixels[part], axes), _view(labels[part], axes), complete=complete
                )
                if image is not None:
                    images.append(image)
    if not training:
        raise FileNotFoundError(f"No labelled images in {folder}; expected images/NAME.* with labels/NAME.tif.")
    if not validation and len(training) > 4:
        validation.append(training.pop(min(range(len(training)), key=lambda i: _hash(training[i].name))))
    return training, validation


def find_images(folder: Path) -> Iterator[tuple[Path, Path]]:
    """Files of the images of a set that have labels, with the files of these, by name."""
    for path in sorted((folder / "images").iterdir()):
        label_path = folder / "labels" / f"{path.stem}.tif"
        if label_path.exists():
            yield path, label_path


def _view(array: NDArray[np.generic], axes: tuple[int, int, int]) -> NDArray[np.generic]:
    """The array itself, or seen along another of a stack's first three axes."""
    if axes == VIEWS[0]:
        return array
    return np.ascontiguousarray(array.transpose(*axes, *range(3, array.ndim)))


def _held_out(name: str, fraction: float) -> bool:
    return _hash(name) < fraction


def _hash(name: str) -> float:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") / 2**32


def write_packed(path: Path, planes: Sequence[NDArray[np.uint8]], quality: int, *, stack: bool) -> None:
    """Write planes as JPEGs in one file, which `read_packed` reads with nothing but imageio."""
    encoded = [imageio.imwrite("<bytes>", plane, extension=".jpg", quality=quality, subsampling=0) for plane in planes]
    np.savez(
        path, stack=np.array(stack), **{f"{at:05d}": np.frombuffer(each, np.uint8) for at, each in enumerate(encoded)}
    )


def read_packed(path: Path) -> NDArray[np.uint8]:
    """The pixels of a file of `write_packed`: a stack, or one plane."""
    with np.load(path) as file:
        planes = [
            imageio.imread(file[name].tobytes(), extension=".jpg") for name in sorted(file.files) if name != "stack"
        ]
        return np.stack(planes) if file["stack"] else planes[0]


def read_pixels(path: Path) -> NDArray[np.generic]:
    """The pixels of an image file."""
    if path.suffix in {".tif", ".tiff"}:
        return np.asarray(tifffile.imread(path))
    if path.suffix == ".npz":
        return read_packed(path)
    return np.asarray(imageio.imread(path))
