"""How many objects of a plane are found without any prompt: peaks of the auxiliary maps, one click on each.

    python -m benchmarks.everything [SET ...] [--planes 20] [--json FILE]

At every level of `LEVELS` the peaks of the centre map inside the foreground are prompted with one point; of overlapping
masks the more convincing one stays (predicted IoU, and the size that the model likes at that level). The score is
TP / (TP + FP + FN) at an IoU of .5, mean over planes, with the bootstrap's 95 % interval. The thresholds were
chosen on the training images.
"""

import argparse
import json
import math
import sys
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from skimage.feature import peak_local_max

from benchmarks.datasets import LabelledPlane, data_folder, labelled_planes, set_names
from napari_sam.models.load import load_model
from napari_sam.models.model import Model
from napari_sam.planes.geometry import Mask, Plane, overlap
from napari_sam.prompts.prompt import Point, Prompts
from napari_sam.segment.level import pixel_aspect, step_at
from napari_sam.segment.segmenter import Segmenter

LEVELS = (-1.0, 0.0, 1.0, 2.0)
FOREGROUND, CENTRE = 0.5, 0.4
CONVINCING = 0.45
SHARED = 0.45
"""Of the smaller of two masks: more of it in common, and only one of them stays."""
OCTAVES_OFF = 1.5
SMALLEST_AREA = 20


@dataclass(frozen=True, eq=False)
class Found:
    """A mask and how much it convinces, 0..1."""

    mask: Mask
    score: float


def find_everything(segmenter: Segmenter, plane: Plane) -> list[Mask]:
    """Masks of everything on a plane, the most convincing first."""
    found = [each for level in LEVELS for each in _at_level(segmenter, plane, level)]
    kept: list[Found] = []
    for each in sorted(found, key=lambda each: -each.score):
        if each.score >= CONVINCING and all(shared(each.mask, other.mask) < SHARED for other in kept):
            kept.append(each)
    return [each.mask for each in kept]


def average_precision(masks: list[Mask], labels: NDArray[np.integer], least: float = 0.5) -> float:
    """TP / (TP + FP + FN): masks and instances are matched so that most pairs have an IoU of `least`."""
    ids = [label for label in np.unique(labels) if label and (labels == label).sum() > SMALLEST_AREA]
    truths = [Mask.from_pixels(labels == label) for label in ids]
    ious = np.array([[overlap(mask, truth) for truth in truths] for mask in masks]).reshape(len(masks), len(truths))
    rows, columns = linear_sum_assignment(ious >= least, maximize=True)
    matched = int((ious[rows, columns] >= least).sum())
    everything = len(masks) + len(truths) - matched
    return matched / everything if everything else 1.0


def shared(first: Mask, second: Mask) -> float:
    """Pixels in common, of the smaller mask's."""
    iou = overlap(first, second)
    return iou / (1 + iou) * (first.area + second.area) / max(min(first.area, second.area), 1)


def _at_level(segmenter: Segmenter, plane: Plane, level: float) -> list[Found]:
    aspect = pixel_aspect(segmenter.source.scale, plane.axes)
    step, shape = step_at(level, aspect), plane.shape(segmenter.source.shape)
    liked = segmenter.model.spec.object_size_px
    found = []
    for row, column in _peaks(segmenter, plane, step, shape):
        prompts = Prompts((Point(row, column),))
        mask = segmenter.segment(plane, prompts, object_size=liked * 2**level).mask
        if mask.area > SMALLEST_AREA:
            diameter = 2 * math.sqrt(mask.area / (aspect[0] * aspect[1]) / math.pi)
            off = math.log2(diameter / 2**level / liked)
            found.append(Found(mask, mask.predicted_iou * math.exp(-0.5 * (off / OCTAVES_OFF) ** 2)))
    return found


def _peaks(
    segmenter: Segmenter, plane: Plane, step: tuple[float, float], shape: tuple[int, int]
) -> list[tuple[float, float]]:
    """(row, column) on the plane of the centre map's peaks, at one level."""
    embedder = segmenter.embedder
    side = segmenter.model.network.window
    peaks = []
    # Windows a half apart; of each, its own middle counts, so that no peak is found twice.
    hop = (side / 2 * step[0], side / 2 * step[1])
    for top in np.arange(0, max(shape[0], 1), hop[0]):
        for left in np.arange(0, max(shape[1], 1), hop[1]):
            centre = (min(top + hop[0] / 2, shape[0] - 1), min(left + hop[1] / 2, shape[1] - 1))
            embedded = embedder.at(plane, step, centre)
            assert embedded.features.maps is not None
            foreground, centres, _ = embedded.features.maps[0].float().cpu().numpy()
            cells = peak_local_max(centres * (foreground > FOREGROUND), min_distance=2, threshold_abs=CENTRE)
            places = embedded.window.coarsened(side // len(centres)).to_plane(cells.astype(float))
            peaks += [
                (float(row), float(column))
                for row, column in places
                if top <= row + 0.5 < top + hop[0]
                and left <= column + 0.5 < left + hop[1]
                and 0 <= row <= shape[0] - 1
                and 0 <= column <= shape[1] - 1
            ]
    return peaks


def score_planes(model: Model, planes: list[LabelledPlane]) -> list[float]:
    """The score of every plane."""
    scores = []
    for number, labelled in enumerate(planes):
        masks = find_everything(Segmenter(model, labelled.source, labelled.contrast), labelled.plane)
        scores.append(average_precision(masks, labelled.labels))
        print(f"\r{number + 1}/{len(planes)}", end="", file=sys.stderr)
    print(file=sys.stderr)
    return scores


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*")
    parser.add_argument("--data", type=Path, default=data_folder())
    parser.add_argument("--model", default="nano")
    parser.add_argument("--planes", type=int, default=20, help="planes per set")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if not arguments.data.is_dir():
        sys.exit(f"There is no folder {arguments.data}; set NAPARI_SAM_DATA.")
    warnings.simplefilter("ignore")
    model, results = load_model(arguments.model), {}
    for name in arguments.sets or set_names(arguments.data):
        planes = list(labelled_planes(arguments.data / name, arguments.planes))
        started = time.perf_counter()
        scores = np.array(score_planes(model, planes))
        rng = np.random.default_rng(0)
        draws = [scores[rng.integers(len(scores), size=len(scores))].mean() for _ in range(500)]
        low, high = np.percentile(draws, (2.5, 97.5))
        seconds = (time.perf_counter() - started) / len(planes)
        print(
            f"{name}: AP50 {scores.mean():.3f} [{low:.3f}, {high:.3f}], {len(planes)} planes, {seconds:.1f} s each",
            flush=True,
        )
        results[name] = {"AP50": float(scores.mean()), "interval": [float(low), float(high)], "planes": list(scores)}
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
