"""How well clicks carry through z-stacks.

    python -m benchmarks.stacks [SET ...] [--model nano] [--objects 40] [--clicks 1 3] [--json FILE]

One click in the object's own middle plane, or one in the middle plane of each third of it, carried both ways by the
product's own rules: mean 3-D IoU over objects of at least 50 voxels that span several planes, with SA50 and mSA beside
it (see `benchmarks.accuracy`). The interval is the bootstrap's 95 % over objects.

one axis   along the stack alone
views      in three views, which vote
projected  the former rule of a well-known tool, with our network: the neighbour's mask and box are the prompt, and it
           stops where the IoU of neighbours falls below .5; nothing is blended between key planes
repeated   the clicked mask on every plane of the object, which is told the object's planes

And how far confidence can be trusted: the mean 2-D IoU of the planes of each tenth of it.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.accuracy import MSA_AT, segmentation_accuracy
from benchmarks.clicks import first_click, iou
from benchmarks.datasets import LabelledStack, data_folder, labelled_stacks, set_names
from napari_sam.models.load import load_model
from napari_sam.planes.geometry import Mask, Plane, overlap
from napari_sam.prompts.encoding import mask_box
from napari_sam.prompts.prompt import Prompts
from napari_sam.segment.segmenter import Segmenter
from napari_sam.volume.carry import PropagatedPlane
from napari_sam.volume.evidence import TIGHT
from napari_sam.volume.propagate import propagate

SMALLEST_VOLUME = 50


def volume_iou(truth: NDArray[np.bool_], masks: dict[int, Mask]) -> float:
    """3-D IoU of masks by plane with the true volume."""
    shared = painted = 0
    for at, mask in masks.items():
        pixels = mask.painted(truth.shape[1:])
        painted += int(pixels.sum())
        shared += int((pixels & truth[at]).sum())
    union = int(truth.sum()) + painted - shared
    return shared / union if union else 0.0


def objects_of(labels: NDArray[np.integer], count: int) -> list[int]:
    """Ids of up to `count` objects, drawn with a fixed seed."""
    ids, volumes = np.unique(labels, return_counts=True)
    ids = ids[(ids > 0) & (volumes >= SMALLEST_VOLUME)]
    several = [int(each) for each in ids if len(np.flatnonzero((labels == each).any(axis=(1, 2)))) > 1]
    return sorted(np.random.default_rng(0).choice(several, min(count, len(several)), replace=False).tolist())


THIRDS = {1: (1 / 2,), 3: (1 / 6, 1 / 2, 5 / 6)}
"""Where along the object it is clicked, by the number of planes that are clicked."""

LEAST_OVERLAP = 0.5
"""Of neighbours, where the rule that others had stops."""

Masks = dict[int, Mask]

Doubt = tuple[float, float]
"""Confidence of a plane, and its IoU."""


def projected(segmenter: Segmenter, plane: Plane, keys: Masks) -> Iterator[PropagatedPlane]:
    """Carry an object as others do: until the IoU of neighbours falls below `LEAST_OVERLAP`."""
    last = segmenter.source.shape[0] - 1
    for start, step, end in ((max(keys), 1, last + 1), (min(keys), -1, -1)):
        neighbour = keys[start]
        for position in range(start + step, end, step):
            prompts = Prompts(box=mask_box(neighbour), mask=Mask(neighbour.box, neighbour.pixels))
            found = segmenter.segment(plane.at(0, position), prompts, framing=TIGHT).mask
            if overlap(found, neighbour) < LEAST_OVERLAP:
                break
            yield PropagatedPlane(position, found, 1.0)
            neighbour = found
    for lower, upper in pairwise(sorted(keys)):
        for position in range(lower + 1, upper):
            near = keys[lower] if position - lower <= upper - position else keys[upper]
            prompts = Prompts(box=mask_box(near), mask=Mask(near.box, near.pixels))
            yield PropagatedPlane(position, segmenter.segment(plane.at(0, position), prompts, framing=TIGHT).mask, 1.0)


WAYS: dict[str, Callable[[Segmenter, Plane, Masks], Iterator[PropagatedPlane]]] = {
    "one axis": lambda segmenter, plane, keys: propagate(segmenter, plane, keys, 0),
    "views": lambda segmenter, plane, keys: propagate(segmenter, plane, keys, 0, views=True),
    "projected": projected,
}


def clicked_masks(stack: LabelledStack, segmenter: Segmenter, label: int, clicks: int, size: float | None) -> Masks:
    """The masks of one click on each of several planes of an object; those that are not empty."""
    truth = stack.labels == label
    planes = np.flatnonzero(truth.any(axis=(1, 2)))
    masks = {}
    for share in THIRDS[clicks]:
        at = int(planes[min(int(share * len(planes)), len(planes) - 1)])
        click = Prompts((first_click(truth[at]),))
        masks[at] = segmenter.segment(Plane((1, 2), (at, 0, 0)), click, object_size=size).mask
    return {at: mask for at, mask in masks.items() if mask.area}


def measure(truth: NDArray[np.bool_], segmenter: Segmenter, keys: Masks, way: str) -> tuple[float, list[Doubt]]:
    """The 3-D IoU of one object, and how sure each plane was beside how good it was."""
    masks, sure = dict(keys), {}
    for reached in WAYS[way](segmenter, Plane((1, 2), (0, 0, 0)), dict(keys)) if keys else ():
        masks.pop(reached.index, None)
        sure.pop(reached.index, None)
        if reached.mask is not None:
            masks[reached.index], sure[reached.index] = reached.mask, reached.confidence
    shape = truth.shape[1:]
    doubts = [(confidence, iou(masks[at].painted(shape), truth[at])) for at, confidence in sure.items()]
    return volume_iou(truth, masks), doubts


def calibration(doubts: list[Doubt]) -> list[tuple[float, float, int]]:
    """For each tenth of confidence: its mean, the mean IoU, and the number of planes."""
    values = np.array(doubts).reshape(-1, 2)
    tenths = np.minimum((values[:, 0] * 10).astype(int), 9)
    return [(*values[tenths == at].mean(axis=0).tolist(), int((tenths == at).sum())) for at in np.unique(tenths)]


def report(name: str, values: list[float]) -> None:
    """One line: mean, interval, SA50, mSA."""
    ious = np.array(values)
    draws = ious[np.random.default_rng(0).integers(len(ious), size=(1000, len(ious)))].mean(axis=1)
    low, high = np.percentile(draws, (2.5, 97.5))
    msa = np.mean([segmentation_accuracy(ious, at) for at in MSA_AT])
    print(
        f"  {name:22s} {ious.mean():.3f} [{low:.3f}, {high:.3f}]  SA50 {segmentation_accuracy(ious, 0.5):.3f}  "
        f"mSA {msa:.3f}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*")
    parser.add_argument("--data", type=Path, default=data_folder())
    parser.add_argument("--model", default="nano")
    parser.add_argument("--objects", type=int, default=40, help="objects per stack")
    parser.add_argument("--clicks", type=int, nargs="+", choices=sorted(THIRDS), default=[1])
    parser.add_argument("--ways", nargs="+", choices=sorted(WAYS), default=list(WAYS))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--auto", action="store_true", help="automatic object size instead of one per set")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if not arguments.data.is_dir():
        sys.exit(f"There is no folder {arguments.data}; set NAPARI_SAM_DATA.")
    torch.set_num_threads(arguments.threads)
    model = load_model(arguments.model)
    everything: dict[str, dict[str, list[float]]] = {}
    doubts: dict[str, list[Doubt]] = {}
    for name in arguments.sets or set_names(arguments.data):
        scores: dict[str, list[float]] = {}
        started = time.perf_counter()
        for stack in labelled_stacks(arguments.data / name):
            segmenter = Segmenter(model, stack.source, stack.contrast)
            areas = np.concatenate([np.unique(each, return_counts=True)[1][1:] for each in stack.labels])
            size = None if arguments.auto else float(np.median(2 * np.sqrt(areas[areas > 20] / np.pi)))
            for label in objects_of(stack.labels, arguments.objects):
                truth = stack.labels == label
                for clicks in arguments.clicks:
                    keys = clicked_masks(stack, segmenter, label, clicks, size)
                    for way in arguments.ways:
                        score, unsure = measure(truth, segmenter, keys, way)
                        scores.setdefault(f"{clicks} clicked, {way}", []).append(score)
                        doubts.setdefault(way, []).extend(unsure)
                    if clicks == 1:
                        planes = np.flatnonzero(truth.any(axis=(1, 2)))
                        same = {int(at): mask for at in planes for mask in keys.values()}
                        scores.setdefault("1 clicked, repeated", []).append(volume_iou(truth, same))
                print(f"\r{name} {len(next(iter(scores.values())))}", end="", file=sys.stderr)
        if not scores:
            continue
        everything[name] = scores
        print(f"\r{name}: {len(next(iter(scores.values())))} objects, {time.perf_counter() - started:.0f} s")
        for way, values in scores.items():
            report(way, values)
    print("mean of sets")
    for way in next(iter(everything.values()), {}):
        print(f"  {way:22s} {np.mean([np.mean(scores[way]) for scores in everything.values()]):.3f}")
    for way, unsure in doubts.items():
        if way != "projected":
            print(f"confidence, {way}: mean -> mean IoU (planes)")
            print(
                "  " + "  ".join(f"{mean:.2f} -> {found:.2f} ({count})" for mean, found, count in calibration(unsure))
            )
    if arguments.json:
        arguments.json.write_text(json.dumps({"scores": everything, "doubts": doubts}, indent=1))


if __name__ == "__main__":
    main()
