"""How well the predicted IoU ranks the three candidates of one click, and how far it is from the true IoU.

    python -m benchmarks.candidates [SET ...] [--planes 20] [--objects 6] [--unblended] [--worst FOLDER]
        [--json FILE]

Every object is clicked once at its true size, so that the level plays no part. *chosen* is the mean IoU of the
candidate that the model shows, *oracle* of the best of the three; what lies between them is lost by ranking. nano shows
all three blended in the place of the best one; `--unblended` leaves them as its decoder gives them. *bias* is
the mean of predicted minus true IoU of the chosen candidate, *error* its root mean square. Below, the same by object
diameter, and the true IoU by predicted IoU. `--worst` draws the objects that were met worst: the truth green, the
chosen candidate red.
"""

import argparse
import json
import math
import sys
import warnings
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from skimage.io import imsave
from skimage.segmentation import find_boundaries
from skimage.transform import resize

from benchmarks.accuracy import gray_plane
from benchmarks.clicks import first_click, iou
from benchmarks.datasets import LabelledPlane, data_folder, labelled_planes, set_names
from napari_sam.models.load import Model, load_model
from napari_sam.nn.nano import Nano
from napari_sam.prompts.prompt import Prompts
from napari_sam.segment.segmenter import Segmenter

DIAMETERS = (0, 12, 24, 48, 96, math.inf)
BINS = np.linspace(0, 1, 6)
WORST, SIDE = 12, 160


@dataclass(frozen=True)
class Clicked:
    """One object after one click.

    Attributes
    ----------
    diameter
        Of the disc of its area, plane pixels.
    true, predicted
        IoUs of the three candidates.
    chosen
        Which of them is shown.
    """

    name: str
    label: int
    diameter: float
    true: tuple[float, ...]
    predicted: tuple[float, ...]
    chosen: int


def click_objects(model: Model, planes: Iterable[LabelledPlane], per_plane: int, worst: Path | None) -> list[Clicked]:
    """Click objects of every plane once; draw the worst ones into a file if `worst` is given."""
    rng = np.random.default_rng(0)
    clicked: list[Clicked] = []
    pictures: list[tuple[float, NDArray[np.uint8]]] = []
    for labelled in planes:
        ids = labelled.ids()
        segmenter = Segmenter(model, labelled.source, labelled.contrast)
        gray = gray_plane(labelled) if worst is not None else None
        for label in rng.choice(ids, min(per_plane, len(ids)), replace=False) if len(ids) else []:
            truth = labelled.labels == label
            diameter = 2 * math.sqrt(truth.sum() / math.pi)
            found = segmenter.segment(labelled.plane, Prompts((first_click(truth),)), object_size=diameter)
            masks = [mask.painted(truth.shape) for mask in found.candidates]
            true = tuple(iou(truth, mask) for mask in masks)
            predicted = tuple(mask.predicted_iou for mask in found.candidates)
            clicked.append(Clicked(labelled.name, int(label), diameter, true, predicted, found.chosen))
            if gray is not None:
                pictures.append((true[found.chosen], draw(gray, truth, masks[found.chosen])))
    if worst is not None and pictures:
        chosen = [picture for _, picture in sorted(pictures, key=lambda each: each[0])[:WORST]]
        chosen += [np.zeros_like(chosen[0])] * (-len(chosen) % 4)
        rows = [np.concatenate(chosen[at : at + 4], axis=1) for at in range(0, len(chosen), 4)]
        imsave(worst, np.concatenate(rows), check_contrast=False)
    return clicked


def draw(gray: NDArray[np.float32], truth: NDArray[np.bool_], found: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """A square around the true object, outlined green, and the found one, outlined red."""
    rows, columns = np.nonzero(truth)
    reach = max(int(1.5 * max(np.ptp(rows), np.ptp(columns))), 16)
    centre = int(rows.mean()), int(columns.mean())
    cut = tuple(slice(max(at - reach, 0), at + reach) for at in centre)
    shape = (SIDE, SIDE)
    picture = np.repeat(np.clip(resize(gray[cut], shape), 0, 1)[..., None], 3, -1)
    for mask, colour in ((found, (1, 0.2, 0.2)), (truth, (0.2, 1, 0.2))):
        picture[find_boundaries(resize(mask[cut], shape, order=0), mode="inner")] = colour
    return np.asarray(picture * 255, np.uint8)


def summary(clicked: list[Clicked]) -> dict[str, float]:
    """Means over objects."""
    chosen = np.array([each.true[each.chosen] for each in clicked])
    predicted = np.array([each.predicted[each.chosen] for each in clicked])
    return {
        "objects": len(clicked),
        "chosen": float(chosen.mean()),
        "oracle": float(np.mean([max(each.true) for each in clicked])),
        "bias": float((predicted - chosen).mean()),
        "error": float(np.sqrt(np.square(predicted - chosen).mean())),
    }


def lines(clicked: list[Clicked]) -> Iterable[str]:
    """The report of some objects."""
    yield _line("all", summary(clicked))
    for low, high in pairwise(DIAMETERS):
        some = [each for each in clicked if low <= each.diameter < high]
        if some:
            yield _line(f"{low:g} to {high:g} px", summary(some))
    for low, high in pairwise(BINS):
        true = [t for each in clicked for t, p in zip(each.true, each.predicted, strict=True) if low <= p < high]
        if true:
            yield f"  predicted {low:.1f} to {high:.1f}: true {np.mean(true):.3f} ({len(true)} candidates)"


def _line(title: str, means: dict[str, float]) -> str:
    return f"  {title:12s} " + "  ".join(
        f"{name} {value:.3f}" if name != "objects" else f"{value:4.0f} objects" for name, value in means.items()
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*")
    parser.add_argument("--data", type=Path, default=data_folder())
    parser.add_argument("--model", default="nano")
    parser.add_argument("--planes", type=int, default=20, help="planes per set")
    parser.add_argument("--objects", type=int, default=6, help="objects per plane")
    parser.add_argument("--unblended", action="store_true", help="rank nano's candidates as its decoder gives them")
    parser.add_argument("--worst", type=Path, help="folder for pictures of the worst objects of every set")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if not arguments.data.is_dir():
        sys.exit(f"There is no folder {arguments.data}; set NAPARI_SAM_DATA.")
    if arguments.worst:
        arguments.worst.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    model = load_model(arguments.model)
    if arguments.unblended:
        if not isinstance(model.network, Nano):
            sys.exit(f"{arguments.model} does not blend its candidates.")
        model.network.blends = False
    everything: dict[str, list[Clicked]] = {}
    for name in arguments.sets or set_names(arguments.data):
        worst = arguments.worst / f"{name}.png" if arguments.worst else None
        planes = labelled_planes(arguments.data / name, arguments.planes)
        everything[name] = click_objects(model, planes, arguments.objects, worst)
        print(name, *lines(everything[name]), sep="\n", flush=True)
    means = [summary(clicked) for clicked in everything.values()]
    print("mean over sets", *(f"{key} {np.mean([each[key] for each in means]):.3f}" for key in list(means[0])[1:]))
    if arguments.json:
        rows = {name: [asdict(each) for each in clicked] for name, clicked in everything.items()}
        arguments.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
