"""How well one click carries through z-stacks.

    python -m benchmarks.stacks [SET ...] [--model nano] [--objects 40] [--json FILE]

One click in the object's own middle plane, carried both ways by the product's own rules: mean 3-D IoU over objects of
at least 50 voxels that span several planes, beside "repeat the clicked mask on every plane of the object", which is
told the object's planes. The interval is the bootstrap's 95 % over objects.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.clicks import first_click
from benchmarks.datasets import LabelledStack, data_folder, labelled_stacks, set_names
from napari_sam.models.load import load_model
from napari_sam.planes.geometry import Mask, Plane
from napari_sam.prompts.prompt import Prompts
from napari_sam.segment.segmenter import Segmenter
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


def measure(stack: LabelledStack, segmenter: Segmenter, label: int, object_size: float | None) -> dict[str, float]:
    """The scores of one object."""
    truth = stack.labels == label
    planes = np.flatnonzero(truth.any(axis=(1, 2)))
    middle = int(planes[len(planes) // 2])
    plane = Plane((1, 2), (middle, 0, 0))
    mask = segmenter.segment(plane, Prompts((first_click(truth[middle]),)), object_size=object_size).mask
    masks = {middle: mask}
    if mask.area:
        for reached in propagate(segmenter, plane, masks.copy(), 0):
            if reached.mask is not None:
                masks[reached.index] = reached.mask
    reached_planes = set(masks)
    return {
        "clicked": volume_iou(truth[middle : middle + 1], {0: mask}),
        "carried": volume_iou(truth, masks),
        "repeated": volume_iou(truth, {int(at): mask for at in planes}),
        "beyond": len(reached_planes - set(planes.tolist())),
        "missed": len(set(planes.tolist()) - reached_planes),
        "planes": len(planes),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*")
    parser.add_argument("--data", type=Path, default=data_folder())
    parser.add_argument("--model", default="nano")
    parser.add_argument("--objects", type=int, default=40, help="objects per stack")
    parser.add_argument("--auto", action="store_true", help="automatic object size instead of one per set")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if not arguments.data.is_dir():
        sys.exit(f"There is no folder {arguments.data}; set NAPARI_SAM_DATA.")
    torch.set_num_threads(2)
    model = load_model(arguments.model)
    everything: dict[str, list[dict[str, float]]] = {}
    for name in arguments.sets or set_names(arguments.data):
        records: list[dict[str, float]] = []
        started = time.perf_counter()
        for stack in labelled_stacks(arguments.data / name):
            segmenter = Segmenter(model, stack.source, stack.contrast)
            areas = np.concatenate([np.unique(each, return_counts=True)[1][1:] for each in stack.labels])
            size = None if arguments.auto else float(np.median(2 * np.sqrt(areas[areas > 20] / np.pi)))
            for label in objects_of(stack.labels, arguments.objects):
                records.append(measure(stack, segmenter, label, size))
                print(f"\r{name} {len(records)}", end="", file=sys.stderr)
        if not records:
            continue
        everything[name] = records
        rng = np.random.default_rng(0)
        print(f"\r{name}: {len(records)} objects, {time.perf_counter() - started:.0f} s")
        for key in records[0]:
            values = np.array([record[key] for record in records])
            draws = values[rng.integers(len(values), size=(1000, len(values)))].mean(axis=1)
            low, high = np.percentile(draws, (2.5, 97.5))
            print(f"  {key:9s} {values.mean():.3f} [{low:.3f}, {high:.3f}]", flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(everything, indent=1))


if __name__ == "__main__":
    main()
