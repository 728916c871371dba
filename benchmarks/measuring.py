"""The objects of a large zarr array measured: time and memory.

python -m benchmarks.measuring
"""

import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import zarr
from scipy import ndimage

from napari_sam.export.measurements import measure_objects

SHAPE, TILE = (96, 2048, 2048), (16, 512, 512)


def write_blobs(path: Path) -> zarr.Array:
    """Write labels of blobs, another id for each."""
    noise = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=TILE), (2, 6, 6))
    blobs, count = ndimage.label(noise > 0.025)
    array = zarr.create_array(path, shape=SHAPE, chunks=(8, 512, 512), dtype="u4")
    for number, corner in enumerate(np.ndindex(*(size // tile for size, tile in zip(SHAPE, TILE, strict=True)))):
        box = tuple(slice(at * tile, (at + 1) * tile) for at, tile in zip(corner, TILE, strict=True))
        array[box] = np.where(blobs, blobs + number * count, 0)
    return array


def main() -> None:
    """Print what it takes."""
    with tempfile.TemporaryDirectory() as folder:
        array = write_blobs(Path(folder) / "blobs.zarr")
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        begun = time.perf_counter()
        table = measure_objects(array, scale=(1, 0.5, 0.5), units=("um",) * 3)
        seconds = time.perf_counter() - begun
    more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"{len(table['label'])} objects in {array.nbytes / 1e9:.1f} GB: {seconds:.0f} s, {more:.0f} MB more")


if __name__ == "__main__":
    main()
