"""How many objects of a stack are found without any prompt, as volumes, by the product's own code.

    python -m benchmarks.everything_in_stacks [SET ...] [--methods everything linked overlap otsu] [--json FILE]
    python -m benchmarks.everything_in_stacks --speed [--planes 60] [--side 1024] [--threads 2]

AP50 is TP / (TP + FP + FN) at a 3-D IoU of .5 of all objects of a stack, mSA its mean over IoUs of .50, .55 ... .95;
in brackets the bootstrap's 95 % interval over the objects. `linked` is everything without what is carried on. `overlap`
links the same objects of planes as a script would: each with the one on the plane before that it overlaps most, from an
IoU of .25 on. `otsu` is Otsu's threshold with a watershed of the distances in 3-D, what a user has without a network.

`--speed` takes a generated stack and says how many times as long everything takes as encoding its planes once at full
resolution, and what memory it took at most beyond what was there before.
"""

import argparse
import json
import resource
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from scipy.sparse import coo_array
from skimage.feature import peak_local_max
from skimage.filters import threshold_otsu
from skimage.segmentation import watershed

from benchmarks.accuracy import MSA_AT
from benchmarks.datasets import LabelledStack, data_folder, labelled_stacks, set_names
from napari_sam.discover.everything import propose_everything
from napari_sam.discover.proposals import Proposals, Wanted
from napari_sam.discover.volume_proposals import VolumeProposals
from napari_sam.discover.volumes import propose_volumes
from napari_sam.models.load import load_model
from napari_sam.models.model import Model
from napari_sam.planes.contrast import measure_contrast
from napari_sam.planes.geometry import Plane
from napari_sam.planes.image_source import ImageSource
from napari_sam.sample import StackRecipe, generate_stack
from napari_sam.segment.segmenter import Segmenter

FIRST = Plane((1, 2), (0, 0, 0))
SMALLEST_VOLUME = 20
"""True objects of fewer voxels are left out."""


def matches(found: NDArray[np.integer], truth: NDArray[np.integer]) -> tuple[NDArray[np.float64], int]:
    """The IoU of each true object with what was found of it, and how many objects were found.

    Labels do not overlap, so that from an IoU of .5 on no two of them match the same object.
    """
    _, of_truth = np.unique(truth, return_inverse=True)
    _, of_found = np.unique(found, return_inverse=True)
    of_truth, of_found = of_truth.ravel(), of_found.ravel()
    shape = of_found.max() + 1, of_truth.max() + 1
    pairs = coo_array((np.ones(of_truth.size, np.int64), (of_found, of_truth)), shape=shape).tocsr()
    areas = np.asarray(pairs.sum(axis=0)).ravel()
    sizes = np.asarray(pairs.sum(axis=1)).ravel()
    common = pairs.tocoo()
    ious = np.zeros(shape[1])
    inside = (common.row > 0) & (common.col > 0)
    row, column, both = common.row[inside], common.col[inside], common.data[inside]
    np.maximum.at(ious, column, both / (sizes[row] + areas[column] - both))
    return ious[1:][areas[1:] > SMALLEST_VOLUME], int(shape[0]) - 1


def scores(ious: NDArray[np.float64], found: int) -> tuple[float, float]:
    """AP50 and mSA."""
    hits = np.array([(ious >= at).sum() for at in MSA_AT])
    each = hits / np.maximum(len(ious) + found - hits, 1)
    return float(each[0]), float(each.mean())


def interval(ious: NDArray[np.float64], found: int) -> tuple[float, float]:
    """The bootstrap's 95 % of AP50, over the true objects; what was found in vain stays."""
    rng, vain = np.random.default_rng(0), found - int((ious >= 0.5).sum())
    drawn = [ious[rng.integers(len(ious), size=len(ious))] for _ in range(500)]
    low, high = np.percentile([scores(each, vain + int((each >= 0.5).sum()))[0] for each in drawn], (2.5, 97.5))
    return float(low), float(high)


def everything(model: Model, stack: LabelledStack, *, carried: bool = True) -> NDArray[np.int32]:
    """The product's own way."""
    segmenter = Segmenter(model, stack.source, stack.contrast)
    *_, found = propose_volumes(segmenter, FIRST, 0, carried=carried)
    assert isinstance(found, VolumeProposals)
    labels = np.zeros(stack.source.shape, np.int32)
    chosen = found.chosen(Wanted())
    found.paint(labels, chosen, range(1, len(chosen) + 1))
    return labels


def linked(model: Model, stack: LabelledStack) -> NDArray[np.int32]:
    """The same, but that nothing is carried on."""
    return everything(model, stack, carried=False)


def overlap(model: Model, stack: LabelledStack) -> NDArray[np.int32]:
    """Everything on each plane, and each object linked with the one before that it overlaps most."""
    segmenter = Segmenter(model, stack.source, stack.contrast)
    labels, count = np.zeros(stack.source.shape, np.int32), 0
    for position in range(len(labels)):
        *_, proposals = propose_everything(segmenter, FIRST.at(0, position))
        assert isinstance(proposals, Proposals)
        here = proposals.labels(proposals.chosen(Wanted()))
        before = labels[position - 1] if position else np.zeros_like(here)
        taken: set[int] = set()
        for own in range(1, int(here.max()) + 1):
            inside = here == own
            met, times = np.unique(before[inside], return_counts=True)
            ious = {
                int(other): float(both / np.count_nonzero(inside | (before == other)))
                for other, both in zip(met, times, strict=True)
                if other and int(other) not in taken
            }
            best = max(ious, key=ious.__getitem__, default=0)
            if not best or ious[best] < 0.25:
                count += 1
                best = count
            taken.add(best)
            labels[position][inside] = best
    planes = np.zeros(count + 1, int)
    for plane in labels:
        planes[np.unique(plane)] += 1
    return np.where(planes[labels] > 1, labels, 0)


def otsu(_: Model, stack: LabelledStack) -> NDArray[np.int32]:
    """Otsu's threshold, then a watershed of the distance to the background, in 3-D."""
    pixels = np.asarray(stack.source.array()).astype(np.float32)
    scale = np.array(stack.source.scale or (1.0, 1.0, 1.0))
    smooth = ndimage.gaussian_filter(pixels, (0.5, 1, 1))
    bright = smooth > (threshold_otsu(smooth) if np.ptp(smooth) else smooth.max())
    if bright.mean() > 0.5:
        bright = ~bright
    distance = ndimage.gaussian_filter(ndimage.distance_transform_edt(bright, sampling=scale / scale[-1]), 1)
    peaks = peak_local_max(distance, min_distance=5, labels=bright.astype(int), exclude_border=False)
    markers = np.zeros(pixels.shape, np.int32)
    markers[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    found = watershed(-distance, markers, mask=bright)
    volumes = np.bincount(found.ravel())
    found[volumes[found] <= SMALLEST_VOLUME] = 0
    return found


METHODS: dict[str, Callable[[Model, LabelledStack], NDArray[np.int32]]] = {
    "everything": everything,
    "linked": linked,
    "overlap": overlap,
    "otsu": otsu,
}


def measure_speed(model: Model, planes: int, side: int) -> None:
    """Print how long everything in a generated stack takes beside encoding its planes, and its memory."""
    sample = generate_stack(StackRecipe(shape=(planes, side, side)), seed=0)
    source = ImageSource(sample.nuclei)
    contrast = measure_contrast(source, (1, 2))
    segmenter = Segmenter(model, source, contrast)
    began = time.perf_counter()
    for position in range(planes):
        plane = FIRST.at(0, position)
        for area in segmenter.embedder.covering(plane, (1.0, 1.0)):
            segmenter.embedder.area(plane, area)
    encoding = time.perf_counter() - began
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    labels = everything(model, LabelledStack("generated", source, contrast, sample.nucleus_labels))
    taken = time.perf_counter() - began
    more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    ious, found = matches(labels, sample.nucleus_labels)
    print(
        f"{planes} x {side} x {side}, {len(ious)} objects, {found} found, AP50 {scores(ious, found)[0]:.3f}: "
        f"{taken / encoding:.1f} times encoding ({taken:.0f} s), {more:.0f} MiB more memory"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*")
    parser.add_argument("--data", type=Path, default=data_folder())
    parser.add_argument("--model", default="nano")
    parser.add_argument("--methods", nargs="+", default=["everything", "overlap", "otsu"], choices=list(METHODS))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--speed", action="store_true")
    parser.add_argument("--planes", type=int, default=60)
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    model = load_model(arguments.model)
    if arguments.speed:
        measure_speed(model, arguments.planes, arguments.side)
        return
    if not arguments.data.is_dir():
        sys.exit(f"There is no folder {arguments.data}; set NAPARI_SAM_DATA.")
    warnings.simplefilter("ignore")
    results: dict[str, dict[str, list[float]]] = {}
    for name in arguments.sets or set_names(arguments.data):
        for stack in labelled_stacks(arguments.data / name):
            title = f"{name}/{stack.name}"
            print(title, stack.source.shape, flush=True)
            for method in arguments.methods:
                began = time.perf_counter()
                ious, found = matches(METHODS[method](model, stack), stack.labels)
                taken = time.perf_counter() - began
                (ap50, msa), (low, high) = scores(ious, found), interval(ious, found)
                print(
                    f"  {method:<11} AP50 {ap50:.3f} [{low:.3f}, {high:.3f}]  mSA {msa:.3f}  {found} found of "
                    f"{len(ious)}, {taken:.0f} s",
                    flush=True,
                )
                results.setdefault(title, {})[method] = [ap50, msa, found, len(ious), taken]
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
