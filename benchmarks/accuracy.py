"""How good masks from clicks and boxes are, per set of images, beside a watershed and a flood fill.

    python -m benchmarks.accuracy [SET ...] [--model nano] [--json FILE]

Mean IoU per object after 1, 3 and 5 clicks and after one box, the model's own first choice, everything by the product's
own rules; a failure counts 0. Beside it SA50, SA75 and mSA, in which published numbers are given: with p the share of
objects that reach an IoU, SA = p / (2 - p); mSA is its mean over IoUs of .50, .55 ... .95. And the share of objects
that corrections hurt: their IoU is more than .02 lower after three clicks than after one, after five than after three.

Once with automatic object size and once with one size per set, the median diameter; a
method `sized*F` takes F times that, which tells how near the automatic size comes to the best fixed one. The interval
is the bootstrap's 95 % over images.
"""

import argparse
import json
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.classical import FloodFill, Watershed
from benchmarks.clicks import first_click, iou, next_click, true_box
from benchmarks.datasets import LabelledPlane, data_folder, labelled_planes, set_names
from napari_sam.models.load import load_model
from napari_sam.models.model import Model
from napari_sam.planes.geometry import Mask, Window
from napari_sam.planes.read_window import read_window
from napari_sam.prompts.prompt import Box, Point, Prompts
from napari_sam.segment.segmenter import Segmenter

CLICKS = (1, 3, 5)
HURT = 0.02
"""An IoU that is lower by more than this after more clicks counts as hurt; less is a matter of single border pixels."""
Scores = dict[str, dict[str, float]]
Answer = Callable[[Sequence[Point], Box | None], NDArray[np.bool_]]


class ModelUser:
    """Gives one object's clicks to the model as the product does: corrections feed the previous mask back."""

    def __init__(self, segmenter: Segmenter, labelled: LabelledPlane, object_size: float | None) -> None:
        self.segmenter, self.labelled, self.object_size = segmenter, labelled, object_size
        self.previous: Mask | None = None

    def __call__(self, points: Sequence[Point], box: Box | None) -> NDArray[np.bool_]:
        found = self.segmenter.segment(
            self.labelled.plane,
            Prompts(tuple(points), box),
            object_size=self.object_size,
            previous=self.previous if len(points) > 1 else None,
        )
        self.previous = found.mask
        return found.mask.painted(self.labelled.labels.shape)


class ModelUsers:
    """Makes users of a model; those of one plane share its embeddings."""

    def __init__(self, model: Model, object_size: float | None, local_corrections: bool = True) -> None:
        self.model, self.object_size, self.local_corrections = model, object_size, local_corrections
        self.latest: tuple[LabelledPlane, Segmenter] | None = None

    def __call__(self, labelled: LabelledPlane) -> Answer:
        if self.latest is None or self.latest[0] is not labelled:
            segmenter = Segmenter(
                self.model, labelled.source, labelled.contrast, local_corrections=self.local_corrections
            )
            self.latest = (labelled, segmenter)
        return ModelUser(self.latest[1], labelled, self.object_size)


class ClassicalUsers:
    """Makes users of a method that works on the gray plane; those of one plane share what it prepares."""

    def __init__(self, method: Callable[[NDArray[np.float32]], Answer]) -> None:
        self.method = method
        self.latest: tuple[LabelledPlane, Answer] | None = None

    def __call__(self, labelled: LabelledPlane) -> Answer:
        if self.latest is None or self.latest[0] is not labelled:
            self.latest = (labelled, self.method(gray_plane(labelled)))
        return self.latest[1]


def score(truth: NDArray[np.bool_], new_answer: Callable[[], Answer]) -> dict[str, float]:
    """IoU of one object after each number of clicks and after one box."""
    scores, points = {}, [first_click(truth)]
    answer = new_answer()
    for clicks in range(1, max(CLICKS) + 1):
        result = answer(points, None)
        if clicks in CLICKS:
            scores[_clicks(clicks)] = iou(truth, result)
        correction = next_click(truth, result)
        if correction is not None:
            points = [*points, correction]
    scores["1 box"] = iou(truth, new_answer()([], true_box(truth)))
    return scores


def measure(
    planes: Sequence[LabelledPlane], users: dict[str, Callable[[LabelledPlane], Answer]], per_plane: int
) -> list[dict]:
    """One record for every method, plane and object."""
    rng = np.random.default_rng(0)
    records = []
    for number, labelled in enumerate(planes):
        ids = labelled.ids()
        for label in rng.choice(ids, min(per_plane, len(ids)), replace=False) if len(ids) else []:
            truth = labelled.labels == label
            for method, user in users.items():
                scores = score(truth, lambda user=user, labelled=labelled: user(labelled))
                records.append({"method": method, "image": number, "area": int(truth.sum()), **scores})
        print(f"\r{number + 1}/{len(planes)}", end="", file=sys.stderr)
    print(file=sys.stderr)
    return records


def summary(records: list[dict], method: str) -> dict[str, tuple[float, float, float]]:
    """Mean and 95 % interval of every measure of a method."""
    mine = [record for record in records if record["method"] == method]
    images = np.array([record["image"] for record in mine])
    rng = np.random.default_rng(0)
    groups = [np.flatnonzero(images == image) for image in np.unique(images)]
    draws = [np.concatenate([groups[at] for at in rng.integers(len(groups), size=len(groups))]) for _ in range(500)]
    result = {}
    for measure_name in MEASURES:
        values = np.array([record[measure_name] for record in mine])
        low, high = np.percentile([values[draw].mean() for draw in draws], (2.5, 97.5))
        result[measure_name] = (float(values.mean()), float(low), float(high))
    return result


MSA_AT = np.arange(50, 100, 5) / 100
"""IoUs over which mSA is the mean."""


def segmentation_accuracy(ious: NDArray[np.float64], at: float) -> float:
    """Share of true positives among true and false positives and misses, where every object has one answer."""
    reached = float(np.mean(ious >= at))
    return reached / (2 - reached)


def published_measures(records: list[dict], method: str) -> dict[str, tuple[float, float, float]]:
    """SA50, SA75 and mSA after every number of clicks and after one box."""
    mine = [record for record in records if record["method"] == method]
    result = {}
    for measure_name in MEASURES:
        ious = np.array([record[measure_name] for record in mine])
        accuracies = [segmentation_accuracy(ious, at) for at in MSA_AT]
        result[measure_name] = (accuracies[0], accuracies[5], float(np.mean(accuracies)))
    return result


def hurt_by_corrections(records: list[dict], method: str) -> dict[str, float]:
    """Share of objects whose IoU is lower by more than `HURT` after more clicks."""
    mine = [record for record in records if record["method"] == method]
    return {
        f"{fewer} to {more}": float(np.mean([record[_clicks(more)] < record[_clicks(fewer)] - HURT for record in mine]))
        for fewer, more in pairwise(CLICKS)
    }


def _clicks(number: int) -> str:
    return f"{number} click{'s' * (number > 1)}"


MEASURES = (*map(_clicks, CLICKS), "1 box")


def factor(method: str) -> float:
    """What a method such as "sized*0.7" multiplies the set's median diameter by."""
    return float(method.partition("*")[2] or 1)


def gray_plane(labelled: LabelledPlane) -> NDArray[np.float32]:
    """The plane as the classical methods see it."""
    rows, columns = labelled.labels.shape
    window = Window((0.0, 0.0), (1.0, 1.0), (rows, columns))
    return read_window(labelled.source, labelled.plane, window, labelled.contrast).mean(axis=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*")
    parser.add_argument("--data", type=Path, default=data_folder())
    parser.add_argument("--model", default="nano")
    parser.add_argument("--planes", type=int, default=40, help="planes per set")
    parser.add_argument("--objects", type=int, default=6, help="objects per plane")
    parser.add_argument(
        "--methods",
        default="auto,sized,watershed,flood",
        help="also sized*F; free: as auto, but corrections may change what is far from them; "
        "bfloat16: as auto, images encoded in bfloat16",
    )
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if not arguments.data.is_dir():
        sys.exit(f"There is no folder {arguments.data}; set NAPARI_SAM_DATA.")
    torch.set_num_threads(2)
    # Planes without any signal are part of some stacks; the product warns about them, the benchmark counts them.
    warnings.simplefilter("ignore")
    model, wanted = load_model(arguments.model, precision="float32"), arguments.methods.split(",")
    rounded = load_model(arguments.model, precision="bfloat16")
    everything: dict[str, dict] = {}
    for name in arguments.sets or set_names(arguments.data):
        planes = list(labelled_planes(arguments.data / name, arguments.planes))
        areas = np.concatenate([np.unique(each.labels, return_counts=True)[1][1:] for each in planes])
        size = float(np.median(2 * np.sqrt(areas[areas > 20] / np.pi)))
        users = {method: ModelUsers(model, size * factor(method)) for method in wanted if method.startswith("sized")}
        users |= {
            "auto": ModelUsers(model, None),
            "free": ModelUsers(model, None, local_corrections=False),
            "bfloat16": ModelUsers(rounded, None),
            "watershed": ClassicalUsers(Watershed),
            "flood": ClassicalUsers(FloodFill),
        }
        started = time.perf_counter()
        records = measure(planes, {method: users[method] for method in wanted}, arguments.objects)
        everything[name] = {"object size": size, "records": records}
        counted = len(records) // max(len(wanted), 1)
        seconds = time.perf_counter() - started
        print(f"\n{name}: {len(planes)} planes, {counted} objects, median diameter {size:.0f} px, {seconds:.0f} s")
        for method in wanted:
            means = summary(records, method)
            cells = "  ".join(f"{key} {mean:.3f} [{low:.3f}, {high:.3f}]" for key, (mean, low, high) in means.items())
            print(f"  {method:9s} {cells}", flush=True)
            everything[name][method] = means
            published = published_measures(records, method)
            cells = "  ".join(
                f"{key} SA50 {sa50:.3f} SA75 {sa75:.3f} mSA {msa:.3f}" for key, (sa50, sa75, msa) in published.items()
            )
            hurt = hurt_by_corrections(records, method)
            print(f"  {'':9s} {cells}")
            print(f"  {'':9s} hurt  " + "  ".join(f"{key} {share:.3f}" for key, share in hurt.items()), flush=True)
            everything[name][f"{method} published"], everything[name][f"{method} hurt"] = published, hurt
    print("\nmean over sets")
    for method in wanted:
        print(
            f"  {method:9s}",
            "  ".join(
                f"{key} {np.mean([each[method][key][0] for each in everything.values()]):.3f}" for key in MEASURES
            ),
        )
        of_all = [record for each in everything.values() for record in each["records"]]
        hurt = hurt_by_corrections(of_all, method)
        msa = {key: np.mean([each[f"{method} published"][key][2] for each in everything.values()]) for key in MEASURES}
        print(f"  {'':9s} mSA  " + "  ".join(f"{key} {value:.3f}" for key, value in msa.items()))
        print(
            f"  {'':9s} hurt, of all {sum(record['method'] == method for record in of_all)} objects:  "
            + "  ".join(f"{key} {share:.3f}" for key, share in hurt.items())
        )
    if arguments.json:
        arguments.json.write_text(json.dumps(everything, indent=1))


if __name__ == "__main__":
    main()
