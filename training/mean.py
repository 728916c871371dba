"""The mean of released weights: ``python -m training.mean FILE FILE ... -o FILE``.

Runs that went on from one another end near each other, and their mean often does better on images unlike those trained
on than any of them (Wortsman et al., Model soups, ICML 2022).
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file

from training.release import write_weights


def write_mean(files: Sequence[Path], out: Path) -> None:
    """Write the mean of weights, with what the last file says about itself and the names and versions of all.

    Parameters
    ----------
    files
        Released files, of networks of the same sizes.
    out
        File to write, in one go.

    Raises
    ------
    ValueError
        If they differ in sizes, or only some are calibrated: a mean of these would be neither.
    """
    states = [load_file(file) for file in files]
    about = [_about(file) for file in files]
    shapes = [{name: tensor.shape for name, tensor in state.items()} for state in states]
    if any(each != shapes[0] for each in shapes):
        raise ValueError("These weights are of networks of different sizes.")
    if len({"calibrated" in each for each in about}) > 1:
        raise ValueError("Some of these weights are calibrated, others are not.")
    mean = {
        name: torch.stack([state[name].float() for state in states]).mean(0) if last.is_floating_point() else last
        for name, last in states[-1].items()
    }
    parts = [f"{file.name} (version {each['version']})" for file, each in zip(files, about, strict=True)]
    write_weights(mean, out, about[-1] | {"mean_of": json.dumps(parts)})


def _about(file: Path) -> dict[str, str]:
    with safe_open(file, "pt") as opened:
        metadata: dict[str, str] = opened.metadata()
    return metadata


def main(arguments: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m training.mean", description=__doc__)
    parser.add_argument("files", type=Path, nargs="+", help="released files")
    parser.add_argument("-o", "--out", type=Path, required=True, help="file of weights to write")
    given = parser.parse_args(arguments)
    write_mean(given.files, given.out)


if __name__ == "__main__":
    main()
