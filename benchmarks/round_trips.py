"""Labels written in every format, read again by other readers than ours, and compared: IoU, size and time.

    python -m benchmarks.round_trips eval

prints a table over all files of labels of the data sets in a folder of $NAPARI_SAM_DATA.
"""

import json
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import roifile
import tifffile
import zarr
from numpy.typing import NDArray
from PIL import Image
from pycocotools.coco import COCO
from shapely.geometry import shape as shapely_shape

from napari_sam.export.export_labels import FORMATS, export_labels
from napari_sam.planes.open_image import open_image


def filled(rings: Iterable[NDArray], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """The pixels within rings of (x, y) along the edges of pixels, by the even-odd rule, as ImageJ and QuPath fill."""
    crossed = np.zeros((shape[0], shape[1] + 1), bool)
    for ring in rings:
        points = np.asarray(ring, int)
        for (x0, y0), (x1, y1) in zip(points, np.roll(points, -1, axis=0), strict=True):
            if x0 == x1:
                crossed[min(y0, y1) : max(y0, y1), x0] ^= True
    return np.logical_xor.accumulate(crossed, axis=1)[:, :-1]


def paint(labels: NDArray, label: int, rings: list[NDArray]) -> None:
    """Paint what rings enclose on a plane, within their box."""
    corners = np.concatenate([np.asarray(ring, int) for ring in rings])
    low, high = corners.min(axis=0), corners.max(axis=0)
    inside = filled([np.asarray(ring, int) - low for ring in rings], (high[1] - low[1], high[0] - low[0]))
    labels[low[1] : high[1], low[0] : high[0]][inside] = label


def read_rois(path: Path, shape: tuple[int, ...]) -> NDArray:
    """By roifile."""
    found = np.zeros(shape, np.uint32)
    planes = found.reshape(-1, *shape[-2:])
    for region in roifile.roiread(path):
        rings = region.coordinates(multi=True) if region.composite else [region.coordinates()]
        paint(planes[max(region.position - 1, 0)], int(region.name.split("-")[0]), rings)
    return found


def read_geojson(path: Path, shape: tuple[int, ...]) -> NDArray:
    """By shapely."""
    found = np.zeros(shape, np.uint32)
    planes = found.reshape(-1, *shape[-2:])
    for feature in json.loads(path.read_text(encoding="utf-8"))["features"]:
        geometry = shapely_shape(feature["geometry"])
        if not geometry.is_valid:
            raise ValueError(f"{path}: {feature['properties']['name']} is no valid polygon")
        parts = getattr(geometry, "geoms", [geometry])
        rings = [np.array(ring.coords[:-1]) for part in parts for ring in (part.exterior, *part.interiors)]
        paint(planes[feature["geometry"]["plane"]["z"]], int(feature["properties"]["name"]), rings)
    return found


def read_coco(path: Path, shape: tuple[int, ...]) -> NDArray:
    """By pycocotools."""
    found = np.zeros(shape, np.uint32)
    planes = found.reshape(-1, *shape[-2:])
    with warnings.catch_warnings():
        # Of pycocotools under numpy 2.
        warnings.simplefilter("ignore")
        data = COCO(str(path))
        for each in data.anns.values():
            planes[each["image_id"] - 1][data.annToMask(each) > 0] = each["object_id"]
    return found


def read_png(path: Path, _: tuple[int, ...]) -> NDArray:
    """By Pillow."""
    with Image.open(path) as picture:
        return np.asarray(picture)


READERS: dict[str, Callable[[Path, tuple[int, ...]], NDArray]] = {
    "ome-tiff": lambda path, _: tifffile.imread(path),
    "ome-zarr": lambda path, _: zarr.open_array(path / "0", mode="r")[...],
    "imagej-rois": read_rois,
    "qupath": read_geojson,
    "coco": read_coco,
    "png": read_png,
}


def iou(found: NDArray, expected: NDArray) -> float:
    """Of pixels with the same id among those that have any in either."""
    either = (found > 0) | (expected > 0)
    return float((found[either] == expected[either]).mean()) if either.any() else 1.0


def size_of(path: Path) -> int:
    """Bytes of a file or folder."""
    return sum(each.stat().st_size for each in path.rglob("*")) if path.is_dir() else path.stat().st_size


def main() -> None:
    """Print the table."""
    from benchmarks.datasets import data_folder

    wanted = sys.argv[1] if len(sys.argv) > 1 else "eval"
    files = sorted((data_folder().parent / wanted).glob("*/labels/*"))
    print(f"{len(files)} files of labels in {wanted}")
    print("| Format | Files | Least IoU | Seconds to write | MB |")
    print("|---|---|---|---|---|")
    for name, read in READERS.items():
        least, seconds, size, count = 1.0, 0.0, 0, 0
        for file in files:
            source = open_image(file)
            if name == "png" and any(length > 1 for length in source.shape[:-2]):
                continue
            expected = np.asarray(source.array()[...]).reshape(source.shape)
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / f"labels{FORMATS[name].suffixes[0]}"
                begun = time.perf_counter()
                export_labels(path, source)
                seconds += time.perf_counter() - begun
                least = min(least, iou(read(path, source.shape), expected))
                size += size_of(path)
                shutil.rmtree(path, ignore_errors=True)
            count += 1
        print(f"| `{name}` | {count} | {least:.6f} | {seconds:.1f} | {size / 1e6:.1f} |")


if __name__ == "__main__":
    main()
