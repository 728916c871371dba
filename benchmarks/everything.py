"""How many objects of a plane are found without any prompt, by the product's own code.

    python -m benchmarks.everything [SET ...] [--planes 20] [--methods everything otsu grid] [--json FILE]
    python -m benchmarks.everything --speed [--threads 2]

AP50 is TP / (TP + FP + FN) at an IoU of .5, mSA its mean over IoUs of .50, .55 ... .95, each the mean over planes with
the bootstrap's 95 % interval. `otsu` is Otsu's threshold with a watershed of the distances, what a user has without a
network. `grid` is SAM's own way with the same network: 32 x 32 clicks, SAM's thresholds for predicted IoU and
stability, and greedy suppression. Beside the scores: seconds a plane and prompts decoded.

`--speed` takes a generated plane of 1024 x 1024 with some 100 nuclei and says how many times as long everything takes
as encoding the plane at full resolution, turn by turn.
"""

import argparse
import json
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from skimage.feature import peak_local_max
from skimage.filters import threshold_otsu
from skimage.segmentation import watershed

from benchmarks.accuracy import MSA_AT, gray_plane
from benchmarks.datasets import LabelledPlane, data_folder, labelled_planes, set_names
from napari_sam.discover.everything import propose_everything
from napari_sam.discover.proposals import Proposals, Wanted
from napari_sam.errors import UserError
from napari_sam.models.load import load_model
from napari_sam.models.model import Model
from napari_sam.planes.contrast import measure_contrast
from napari_sam.planes.geometry import Mask, Plane, overlap
from napari_sam.planes.image_source import ImageSource
from napari_sam.prompts.prompt import Point, Prompts
from napari_sam.sample import StackRecipe, generate_stack
from napari_sam.segment.segmentation import Segmentation
from napari_sam.segment.segmenter import Segmenter

SMALLEST_AREA = 20
GRID = 32
GRID_IOU, GRID_STABILITY, GRID_NMS = 0.88, 0.95, 0.7
"""Defaults of SAM's automatic mask generator."""


@dataclass(frozen=True, eq=False)
class Answer:
    """What one method finds on one plane."""

    labels: NDArray[np.integer]
    prompts: int = 0


def precisions(found: NDArray[np.integer], truth: NDArray[np.integer]) -> NDArray[np.float64]:
    """TP / (TP + FP + FN) of labels against instances at every IoU of `MSA_AT`.

    Labels do not overlap, so that from an IoU of .5 on no two of them match the same instance.
    """
    _, truth = np.unique(truth, return_inverse=True)
    _, found = np.unique(found, return_inverse=True)
    pairs = np.zeros((found.max() + 1, truth.max() + 1))
    np.add.at(pairs, (found.ravel(), truth.ravel()), 1)
    areas = pairs.sum(0)
    union = pairs.sum(1, keepdims=True) + areas - pairs
    ious = (pairs / np.maximum(union, 1))[1:, 1:][:, areas[1:] > SMALLEST_AREA]
    matched = np.array([(ious >= at).any(0).sum() if ious.size else 0 for at in MSA_AT])
    everything = sum(ious.shape) - matched
    return np.where(everything > 0, matched / np.maximum(everything, 1), 1.0)


def everything(model: Model, labelled: LabelledPlane) -> Answer:
    """The product's own way."""
    *_, proposals = propose_everything(Segmenter(model, labelled.source, labelled.contrast), labelled.plane)
    assert isinstance(proposals, Proposals)
    return Answer(proposals.labels(proposals.chosen(Wanted())), proposals.prompts)


def otsu(_: Model, labelled: LabelledPlane) -> Answer:
    """Otsu's threshold, then a watershed of the distance to the background."""
    plane = gray_plane(labelled)
    smooth = ndimage.gaussian_filter(plane, 1)
    bright = smooth > (threshold_otsu(smooth) if np.ptp(smooth) else smooth.max())
    if bright.mean() > 0.5:
        bright = ~bright
    distance = ndimage.gaussian_filter(ndimage.distance_transform_edt(bright), 1)
    markers = np.zeros(plane.shape, np.int32)
    peaks = peak_local_max(distance, min_distance=5, labels=bright.astype(int), exclude_border=False)
    markers[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    found = watershed(-distance, markers, mask=bright)
    areas = np.bincount(found.ravel())
    found[areas[found] <= SMALLEST_AREA] = 0
    return Answer(found)


def grid(model: Model, labelled: LabelledPlane) -> Answer:
    """SAM's automatic mask generator with this network: a click on each of 32 x 32 places, of automatic size."""
    segmenter = Segmenter(model, labelled.source, labelled.contrast)
    shape = labelled.plane.shape(labelled.source.shape)
    places = [(np.arange(GRID) + 0.5) * size / GRID - 0.5 for size in shape]
    asked = [(labelled.plane, Prompts((Point(float(r), float(c)),))) for r in places[0] for c in places[1]]
    return Answer(suppressed(segmenter.segment_each(asked), shape), len(asked))


def suppressed(answers: Iterable[Segmentation | UserError | None], shape: tuple[int, int]) -> NDArray[np.int32]:
    """Labels of those masks that SAM's thresholds and greedy suppression leave."""
    masks = []
    for answer in answers:
        if answer is None or isinstance(answer, Exception):
            continue
        mask = answer.mask
        if mask.area > SMALLEST_AREA and mask.predicted_iou >= GRID_IOU and _stability(mask) >= GRID_STABILITY:
            masks.append(mask)
    kept: list[Mask] = []
    for mask in sorted(masks, key=lambda each: -each.predicted_iou):
        if all(overlap(mask, other) < GRID_NMS for other in kept):
            kept.append(mask)
    labels = np.zeros(shape, np.int32)
    for label in range(len(kept), 0, -1):
        labels[kept[label - 1].slices][kept[label - 1].pixels] = label
    return labels


METHODS: dict[str, Callable[[Model, LabelledPlane], Answer]] = {"everything": everything, "otsu": otsu, "grid": grid}


def _stability(mask: Mask) -> float:
    assert mask.logits is not None
    return float((mask.logits > 1).sum() / max((mask.logits > -1).sum(), 1))


def interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """The bootstrap's 95 % of a mean."""
    rng = np.random.default_rng(0)
    draws = [values[rng.integers(len(values), size=len(values))].mean() for _ in range(500)]
    low, high = np.percentile(draws, (2.5, 97.5))
    return float(low), float(high)


def measured(
    model: Model, planes: list[LabelledPlane], method: str
) -> Iterator[tuple[NDArray[np.float64], float, int]]:
    """Precisions, seconds and prompts of every plane."""
    for number, labelled in enumerate(planes):
        began = time.perf_counter()
        answer = METHODS[method](model, labelled)
        seconds = time.perf_counter() - began
        print(f"\r{number + 1}/{len(planes)}", end="", file=sys.stderr)
        yield precisions(answer.labels, labelled.labels), seconds, answer.prompts
    print(file=sys.stderr)


def times_encoding(model: Model, turns: int = 5) -> list[float]:
    """How many times as long as encoding a plane of 1024 x 1024 it takes to find its some 100 nuclei, turn by turn."""
    sample = generate_stack(StackRecipe(shape=(2, 1024, 1024), cell_spacing=27.0), seed=1)
    source, plane = ImageSource(sample.nuclei), Plane((1, 2), (1, 0, 0))
    labelled = LabelledPlane("generated", source, measure_contrast(source, plane.axes), plane, sample.nucleus_labels[1])
    ratios = []
    for turn in range(turns + 1):
        segmenter = Segmenter(model, source, labelled.contrast)
        began = time.perf_counter()
        for area in segmenter.embedder.covering(plane, (1.0, 1.0)):
            segmenter.embedder.area(plane, area)
        encoded = time.perf_counter() - began
        began = time.perf_counter()
        answer = everything(model, labelled)
        taken = time.perf_counter() - began
        if turn:
            ratios.append(taken / encoded)
        print(
            f"turn {turn}: encoding {encoded:.2f} s, everything {taken:.2f} s, {answer.labels.max()} objects found, "
            f"{len(labelled.ids())} are there, AP50 {precisions(answer.labels, labelled.labels)[0]:.3f}, "
            f"{answer.prompts} prompts",
            flush=True,
        )
    return ratios


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*")
    parser.add_argument("--data", type=Path, default=data_folder())
    parser.add_argument("--model", default="nano")
    parser.add_argument("--planes", type=int, default=20, help="planes per set")
    parser.add_argument("--methods", nargs="+", default=["everything", "otsu"], choices=list(METHODS))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--speed", action="store_true")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.speed:
        ratios = times_encoding(load_model(arguments.model))
        print(f"{np.median(ratios):.1f} times encoding (median of {len(ratios)}; {min(ratios):.1f} at best)")
        return
    if not arguments.data.is_dir():
        sys.exit(f"There is no folder {arguments.data}; set NAPARI_SAM_DATA.")
    warnings.simplefilter("ignore")
    model, results = load_model(arguments.model), {}
    for name in arguments.sets or set_names(arguments.data):
        planes = list(labelled_planes(arguments.data / name, arguments.planes))
        objects = sum(len(labelled.ids()) for labelled in planes)
        print(f"{name}: {len(planes)} planes, {objects} objects", flush=True)
        for method in arguments.methods:
            rows = list(measured(model, planes, method))
            ap50, msa = np.array([row[0][0] for row in rows]), np.array([row[0].mean() for row in rows])
            seconds, prompts = np.mean([row[1] for row in rows]), np.mean([row[2] for row in rows])
            (low, high), (msa_low, msa_high) = interval(ap50), interval(msa)
            print(
                f"  {method:<11} AP50 {ap50.mean():.3f} [{low:.3f}, {high:.3f}]  mSA {msa.mean():.3f} "
                f"[{msa_low:.3f}, {msa_high:.3f}]  {seconds:.1f} s and {prompts:.0f} prompts a plane",
                flush=True,
            )
            results.setdefault(name, {})[method] = {
                "AP50": ap50.tolist(),
                "mSA": msa.tolist(),
                "seconds": float(seconds),
                "prompts": float(prompts),
            }
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
