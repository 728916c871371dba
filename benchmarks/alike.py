"""How many objects are found from one of them: those that are like it, by the product's own code.

    python -m benchmarks.alike [SET ...] [--planes 10] [--examples 10] [--methods alike everything cosine] [--json FILE]
    python -m benchmarks.alike --two-kinds [--planes 10]

One true object of a plane is given, and the others of its kind are to be found: F1, 2 TP / (2 TP + FP + FN) at an IoU
of .5, without the object that was given. Of each plane the median over as many random choices of it, then the mean
over planes with the bootstrap's 95 % interval. Beside it `everything`, which is given nothing, and `cosine`: clicks on
those of 32 x 32 places whose embedding has a cosine of .5 or more with the mean over the object given, both without the
mean over the plane, of its size, with SAM's thresholds and greedy suppression.

`--two-kinds` takes generated planes with two kinds of objects (`benchmarks.two_kinds`) and asks for either; precision
and recall besides. Seeds from 100 on: those below chose the rules.
"""

import argparse
import json
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.datasets import SMALLEST_AREA, LabelledPlane, data_folder, labelled_planes, set_names
from benchmarks.everything import GRID, interval, suppressed
from benchmarks.two_kinds import SCENES, two_kinds
from napari_sam.discover.alike import describe_kind, propose_alike
from napari_sam.discover.everything import propose_everything
from napari_sam.discover.proposals import Proposals, Wanted
from napari_sam.models.load import load_model
from napari_sam.models.model import Model
from napari_sam.planes.contrast import measure_contrast
from napari_sam.planes.geometry import Mask, Plane
from napari_sam.planes.image_source import ImageSource
from napari_sam.prompts.prompt import Point, Prompts
from napari_sam.segment.level import diameter
from napari_sam.segment.segmenter import Segmenter

SIMILAR = 0.5
FIRST_SEED = 100


@dataclass(frozen=True, eq=False)
class Given:
    """A plane, everything that was found on it, and the object that is given."""

    segmenter: Segmenter
    plane: Plane
    proposals: Proposals
    example: Mask


def alike(given: Given) -> tuple[NDArray[np.integer], int]:
    """The product's own way."""
    kind = describe_kind(given.segmenter, [(given.plane, given.example)])
    *_, proposals = propose_alike(given.segmenter, given.plane, kind, known=[given.example], everything=given.proposals)
    assert isinstance(proposals, Proposals)
    return proposals.labels(proposals.chosen(Wanted())), proposals.prompts


def everything(given: Given) -> tuple[NDArray[np.integer], int]:
    """Everything, whatever is given."""
    return given.proposals.labels(given.proposals.chosen(Wanted())), given.proposals.prompts


def cosine(given: Given) -> tuple[NDArray[np.integer], int]:
    """Clicks wherever the embedding at full resolution is similar."""
    segmenter, plane = given.segmenter, given.plane
    shape = plane.shape(segmenter.source.shape)
    rows, columns = ((np.arange(GRID) + 0.5) * size / GRID - 0.5 for size in shape)
    places = np.stack(np.meshgrid(rows, columns, indexing="ij"), -1).reshape(-1, 2)
    inside = np.argwhere(given.example.painted(shape)).astype(float)
    embedder, stride = segmenter.embedder, segmenter.model.network.stride
    areas = embedder.covering(plane, (1.0, 1.0))

    def seen(at: NDArray[np.float64]) -> NDArray[np.float64]:
        values = np.zeros((len(at), segmenter.embedder.area(plane, areas[0]).embedding.shape[1]))
        for area in areas:
            features = embedder.area(plane, area).embedding[0].float().cpu().numpy()
            cells = np.rint(area.coarsened(stride).to_window(at)).astype(int)
            held = ((cells >= 0) & (cells < features.shape[1:])).all(1)
            values[held] = features[:, cells[held, 0], cells[held, 1]].T
        return values

    values, toward = seen(places), seen(inside).mean(0)
    middle = values.mean(0)
    values, toward = values - middle, toward - middle
    similar = values @ toward / np.maximum(np.linalg.norm(values, axis=1) * np.linalg.norm(toward), 1e-9) >= SIMILAR
    asked = [(plane, Prompts((Point(float(row), float(column)),))) for row, column in places[similar]]
    answers = segmenter.segment_each(asked, object_size=diameter(given.example, (1.0, 1.0)))
    return suppressed(answers, shape), len(asked)


METHODS: dict[str, Callable[[Given], tuple[NDArray[np.integer], int]]] = {
    "alike": alike,
    "everything": everything,
    "cosine": cosine,
}


def scores(
    found: NDArray[np.integer], truth: NDArray[np.integer], ids: NDArray[np.integer], example: int
) -> tuple[float, float, float]:
    """F1, precision and recall of labels against the instances `ids`, as if the example were not there."""
    order = np.append(ids[ids != example], example)
    place = np.zeros(int(truth.max()) + 1, int)
    place[order] = np.arange(1, len(order) + 1)
    _, found = np.unique(np.append(found.ravel(), 0), return_inverse=True)
    pairs = np.zeros((int(found.max()) + 1, len(order) + 1))
    np.add.at(pairs, (found[:-1], place[truth.ravel()]), 1)
    ious = (pairs / np.maximum(pairs.sum(1, keepdims=True) + pairs.sum(0) - pairs, 1))[1:, 1:]
    kept = ious[ious[:, -1] < 0.5, :-1] >= 0.5
    hits, missed = int(kept.any(0).sum()), len(order) - 1 - int(kept.any(0).sum())
    precision = hits / len(kept) if len(kept) else float(missed == 0)
    return 2 * hits / max(2 * hits + len(kept) - hits + missed, 1), precision, hits / max(hits + missed, 1)


def measured(
    model: Model, labelled: LabelledPlane, kinds: list[NDArray[np.integer]], methods: list[str], examples: int
) -> Iterator[tuple[str, NDArray[np.float64], float, int]]:
    """For every kind (ids of one plane) and method the median scores, seconds and prompts over the examples."""
    segmenter = Segmenter(model, labelled.source, labelled.contrast)
    began = time.perf_counter()
    *_, proposals = propose_everything(segmenter, labelled.plane)
    assert isinstance(proposals, Proposals)
    first = time.perf_counter() - began
    for ids in kinds:
        if len(ids) < 2:
            continue
        chosen = np.random.default_rng(0).permutation(ids)[:examples]
        for method in methods:
            rows = []
            for example in chosen:
                given = Given(segmenter, labelled.plane, proposals, Mask.from_pixels(labelled.labels == example))
                began = time.perf_counter()
                found, prompts = METHODS[method](given)
                seconds = time.perf_counter() - began + (method != "cosine") * first
                rows.append((*scores(found, labelled.labels, ids, int(example)), seconds, prompts))
            middle = np.median(rows, axis=0)
            yield method, middle[:3], float(middle[3]), int(middle[4])


def _two_kinds(scene: str, planes: int) -> Iterator[tuple[LabelledPlane, list[NDArray[np.integer]]]]:
    for seed in range(FIRST_SEED, FIRST_SEED + planes):
        made = two_kinds(scene, seed)
        source = ImageSource(made.image)
        labelled = LabelledPlane(
            f"{scene} {seed}", source, measure_contrast(source, (0, 1)), Plane((0, 1), (0, 0)), made.labels
        )
        ids = labelled.ids()
        yield labelled, [ids[made.kinds[ids] == kind] for kind in (0, 1)]


def _one_kind(folder: Path, planes: int) -> Iterator[tuple[LabelledPlane, list[NDArray[np.integer]]]]:
    for labelled in labelled_planes(folder, planes):
        yield labelled, [labelled.ids()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*")
    parser.add_argument("--data", type=Path, default=data_folder())
    parser.add_argument("--model", default="nano")
    parser.add_argument("--planes", type=int, default=10, help="planes per set")
    parser.add_argument("--examples", type=int, default=10, help="random choices of the object that is given")
    parser.add_argument("--methods", nargs="+", default=["alike", "everything"], choices=list(METHODS))
    parser.add_argument("--two-kinds", action="store_true", help="generated planes instead of the sets")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if not arguments.two_kinds and not arguments.data.is_dir():
        sys.exit(f"There is no folder {arguments.data}; set NAPARI_SAM_DATA.")
    warnings.simplefilter("ignore")
    model, results = load_model(arguments.model), {}
    known = list(SCENES) if arguments.two_kinds else set_names(arguments.data)
    for name in arguments.sets or known:
        planes = (
            _two_kinds(name, arguments.planes)
            if arguments.two_kinds
            else _one_kind(arguments.data / name, arguments.planes)
        )
        rows: dict[str, list[tuple[NDArray[np.float64], float, int]]] = {}
        objects = count = 0
        for labelled, kinds in planes:
            count += 1
            objects += sum(map(len, kinds))
            for method, *row in measured(model, labelled, kinds, arguments.methods, arguments.examples):
                rows.setdefault(method, []).append((row[0], row[1], row[2]))
        print(f"{name}: {count} planes, {objects} objects of more than {SMALLEST_AREA} pixels", flush=True)
        for method, found in rows.items():
            f1, precision, recall = np.array([each[0] for each in found]).T
            low, high = interval(f1)
            seconds, prompts = np.mean([each[1:] for each in found], axis=0)
            print(
                f"  {method:<11} F1 {f1.mean():.3f} [{low:.3f}, {high:.3f}]  precision {precision.mean():.3f}  "
                f"recall {recall.mean():.3f}  {seconds:.1f} s and {prompts:.0f} prompts a plane",
                flush=True,
            )
            results.setdefault(name, {})[method] = {"F1": f1.tolist(), "seconds": float(seconds)}
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
