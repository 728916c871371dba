"""Score released files on the held-out objects and say which is to be released.

``python -m training.judge --config FILE --data FOLDER BEFORE CANDIDATE [CANDIDATE ...]``
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open

from napari_sam.models.load import nano_config
from napari_sam.nn.nano import Nano
from training.config import Config, ReleaseConfig, read_config
from training.growth import load_released
from training.image import TrainingImage
from training.image_source import FreshImages
from training.train import read_held_out
from training.validation import validate

MEASURES = ("click_1", "oracle", "click_3", "box", "hurt")
SCORED = ("click_1", "click_3", "box")

Scores = Mapping[str, Mapping[str, float]]
"""Of each set, as `validate` gives them."""


GENERATED_IMAGES = 8
SEED = 2_000_000
"""Far from those of workers and of the calibration."""


def score(weights: Path, config: Config, data: Path) -> dict[str, dict[str, float]]:
    """What a released file has on the objects held out of every set and on generated ones, the same every time."""
    with safe_open(weights, "pt") as file:
        sizes = nano_config({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
    network = Nano(sizes).eval().to(memory_format=torch.channels_last)
    load_released(network, weights)
    images = read_held_out(config, data) | {kind: _generated(kind, config) for kind in config.release.generated}
    scores = validate(network, images, config, config.release.objects)
    scores.pop("mean")
    return scores


def _generated(kind: str, config: Config) -> list[TrainingImage]:
    source = FreshImages(kind, config.data.synthetic_side, GENERATED_IMAGES, 1.0)
    rng = np.random.default_rng([SEED, *kind.encode()])
    return [source.draw(rng) for _ in range(GENERATED_IMAGES)]


def mean_score(scores: Scores, names: Sequence[str] | None = None) -> float:
    """The mean over sets, all of them if no names are given, of the mean of one click, three clicks and a box."""
    each = [sum(scores[name][key] for key in SCORED) / len(SCORED) for name in names or list(scores)]
    return sum(each) / len(each)


def verdict(before: Scores, candidates: Mapping[str, Scores], rule: ReleaseConfig) -> tuple[str, bool]:
    """The candidate with the best mean over all sets, and whether the rule releases it."""
    real = [name for name in before if name not in rule.generated]
    best = max(candidates, key=lambda name: mean_score(candidates[name], real))
    after = candidates[best]
    gained = mean_score(after, real) - mean_score(before, real)
    known = rule.known or real
    lost = mean_score(before, known) - mean_score(after, known)
    enough = gained >= rule.gain and lost <= rule.loss
    if rule.generated:
        enough &= mean_score(after, rule.generated) - mean_score(before, rule.generated) >= rule.generated_gain
    return best, enough


def main(arguments: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m training.judge", description=__doc__)
    parser.add_argument("files", type=Path, nargs="+", help="released files: first the version before, then candidates")
    parser.add_argument("--config", type=Path, required=True, help="settings of the run, with its rule")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--scores", type=Path, help="file in which scores are kept and found again, by file name")
    given = parser.parse_args(arguments)
    config = read_config(given.config)
    torch.set_num_threads(config.run.threads)
    kept: dict[str, dict[str, dict[str, float]]] = {}
    if given.scores and given.scores.exists():
        kept = json.loads(given.scores.read_text())
    for file in given.files:
        if file.name not in kept:
            kept[file.name] = score(file, config, given.data)
            if given.scores:
                given.scores.write_text(json.dumps(kept))
        print(_table(file.name, kept[file.name], config.release))
    before, *candidates = (file.name for file in given.files)
    if candidates:
        best, released = verdict(kept[before], {name: kept[name] for name in candidates}, config.release)
        print(f"{best}: {'released' if released else 'not released'}")


def _table(name: str, scores: Scores, rule: ReleaseConfig) -> str:
    lines = [f"{name:<30}" + "".join(f"{measure:>9}" for measure in MEASURES)]
    lines += [f"{of:<30}" + "".join(f"{values[measure]:9.4f}" for measure in MEASURES) for of, values in scores.items()]
    real = [name for name in scores if name not in rule.generated]
    lines.append(f"score {mean_score(scores, real):.4f}, known sets {mean_score(scores, rule.known or real):.4f}")
    if rule.generated:
        lines[-1] += f", generated {mean_score(scores, rule.generated):.4f}"
    return "\n".join(lines)


if __name__ == "__main__":
    main()
