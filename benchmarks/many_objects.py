"""How long it takes to carry many objects through a stack at once, beside encoding its planes.

    python -m benchmarks.many_objects [--planes 60] [--side 1024] [--objects 40] [--threads 2]

A generated stack of nuclei; each object begins with its true mask on its middle plane. Times are given as multiples of
the time that it takes to encode all planes once, at the level that suits the objects; memory as what it took at most
beyond what was there before.
"""

import argparse
import resource
import time
from collections.abc import Callable

import numpy as np
import torch

from napari_sam.models.load import load_model
from napari_sam.planes.contrast import measure_contrast
from napari_sam.planes.geometry import Mask, Plane
from napari_sam.planes.image_source import ImageSource
from napari_sam.sample import StackRecipe, generate_stack
from napari_sam.segment.segmenter import Segmenter
from napari_sam.volume.propagate import propagate, propagate_each

FIRST = Plane((1, 2), (0, 0, 0))
Keys = dict[int, dict[int, Mask]]


def seconds(compute: Callable[[], object]) -> float:
    """How long something takes."""
    started = time.perf_counter()
    compute()
    return time.perf_counter() - started


def key_masks(labels: np.ndarray, count: int) -> Keys:
    """Of up to `count` objects, drawn with a fixed seed, the mask on the middle plane."""
    ids = np.unique(labels)[1:]
    keys: Keys = {}
    for label in np.random.default_rng(0).permutation(ids).tolist():
        planes = np.flatnonzero((labels == label).any(axis=(1, 2)))
        if len(planes) > 2 and len(keys) < count:
            middle = int(planes[len(planes) // 2])
            keys[label] = {middle: Mask.from_pixels(labels[middle] == label)}
    return keys


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--planes", type=int, default=60)
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--objects", type=int, default=40)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    sample = generate_stack(StackRecipe(shape=(arguments.planes, arguments.side, arguments.side)), seed=0)
    keys = key_masks(sample.nucleus_labels, arguments.objects)
    size = float(np.median([2 * np.sqrt(mask.area / np.pi) for own in keys.values() for mask in own.values()]))
    source = ImageSource(sample.nuclei)
    contrast = measure_contrast(source, (1, 2))
    model = load_model("nano", "cpu")

    def fresh() -> Segmenter:
        return Segmenter(model, source, contrast)

    def encode() -> None:
        segmenter = fresh()
        for position in range(arguments.planes):
            list(segmenter.prepare(FIRST.at(0, position), object_size=size))

    def one_by_one() -> None:
        segmenter = fresh()
        for own in keys.values():
            list(propagate(segmenter, FIRST, own, 0))

    ways: dict[str, Callable[[], object]] = {
        "encoding all planes": encode,
        "one axis, one after another": one_by_one,
        "one axis, at once": lambda: list(propagate_each(fresh(), FIRST, keys, 0)),
        "three views, at once": lambda: list(propagate_each(fresh(), FIRST, keys, 0, views=True)),
    }
    print(f"{len(keys)} objects of {size:.0f} px on {arguments.planes} planes of {arguments.side}")
    encoding = 0.0
    for name, compute in ways.items():
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        took = seconds(compute)
        encoding = encoding or took
        more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        print(f"  {name:28s} {took / encoding:5.2f} times the encoding, {more:.0f} MB more at most", flush=True)


if __name__ == "__main__":
    main()
