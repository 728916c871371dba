"""Copy the real sets of a run, small enough to be sent.

``python -m training.pack --config FILE --data FOLDER -o FOLDER`` writes a data folder as `train` takes it. Pixels are
8-bit JPEG, 16-bit ones between their percentiles .02 and 99.98, in files that need no codec which a machine with a card
may lack; labels are as they were.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray

from training.config import read_config
from training.real_sets import find_images, read_pixels, write_packed

LIMIT = 50.0
"""Megabytes."""
QUALITIES = (95, 90, 85, 75, 60)
"""Of JPEG; the first that is small enough is kept."""
STRETCH = (0.02, 99.98)
"""Percentiles that become 0 and 255."""


def pack(sets: Sequence[str], data: Path, out: Path, limit: float = LIMIT) -> int:
    """Write smaller copies of the sets.

    Parameters
    ----------
    sets
        Names of their folders.
    data
        Folder of the real sets.
    out
        Folder to write.
    limit
        Megabytes that all of them may take.

    Returns
    -------
    The quality of the JPEGs.

    Raises
    ------
    ValueError
        If they are too large at the lowest quality.
    """
    for quality in QUALITIES:
        for name in sets:
            _pack_set(data / name, out / name, quality)
        size = sum(file.stat().st_size for name in sets for file in (out / name).rglob("*") if file.is_file()) / 1e6
        if size <= limit:
            return quality
    raise ValueError(f"{size:.0f} MB with JPEGs of quality {quality}; only {limit:.0f} were allowed.")


def _pack_set(folder: Path, out: Path, quality: int) -> None:
    for part in ("images", "labels"):
        (out / part).mkdir(parents=True, exist_ok=True)
    for image, label in find_images(folder):
        pixels, labels = eight_bits(read_pixels(image)), tifffile.imread(label)
        stack = labels.ndim == 3
        write_packed(out / "images" / f"{image.stem}.npz", list(pixels) if stack else [pixels], quality, stack=stack)
        tifffile.imwrite(
            out / "labels" / label.name,
            labels,
            photometric="minisblack",
            compression="zlib",
            predictor=True,
        )


def eight_bits(pixels: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Pixels as 8 bits without an opacity; those of other types between two percentiles."""
    if pixels.shape[-1] == 4:
        pixels = pixels[..., :3]
    if pixels.dtype == np.uint8:
        return np.ascontiguousarray(pixels, np.uint8)
    low, high = np.percentile(pixels, STRETCH)
    scaled = (pixels.astype(np.float32) - low) / max(high - low, 1e-6)
    return np.asarray(np.clip(scaled * 255, 0, 255).round(), np.uint8)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m training.pack", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="settings of the run, which name the sets")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--limit", type=float, default=LIMIT, help="megabytes")
    given = parser.parse_args(arguments)
    quality = pack(list(read_config(given.config).data.sets), given.data, given.out, given.limit)
    print(f"{given.out}: JPEGs of quality {quality}")


if __name__ == "__main__":
    main()
