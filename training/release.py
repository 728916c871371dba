"""Write the averaged weights of a run to one file: ``python -m training.release RUN -o FILE``."""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from training.checkpoint import Checkpoint, read_checkpoint

LICENCE = "BSD-3-Clause"


def release(run: Path, out: Path, version: str) -> None:
    """Write a run's averaged weights as float16 safetensors, with what they were trained on in the metadata.

    Parameters
    ----------
    run
        Folder of the run.
    out
        File to write, in one go.
    version
        Of the weights.

    Raises
    ------
    FileNotFoundError
        If the run has no checkpoint.
    """
    checkpoint = read_checkpoint(run)
    if checkpoint is None:
        raise FileNotFoundError(f"There is no checkpoint in {run}; train first.")
    write_weights(checkpoint.average["state"], out, metadata(checkpoint, version))


def write_weights(state: Mapping[str, Tensor], out: Path, about: dict[str, str]) -> None:
    """Write weights in half precision, with what is known about them, in one go."""
    partial = out.with_name(f"{out.name}.partial")
    save_file(half_precision(state), partial, about)
    # safetensors writes for the owner alone; the file is part of a package.
    partial.chmod(0o644)
    partial.replace(out)


def half_precision(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Floating point tensors as float16, the others as they are; all contiguous.

    Raises
    ------
    ValueError
        If a value is not finite or does not fit.
    """
    halved = {name: (tensor.half() if tensor.is_floating_point() else tensor) for name, tensor in state.items()}
    broken = [name for name, tensor in halved.items() if not torch.isfinite(tensor).all()]
    if broken:
        raise ValueError(f"Not finite in float16: {', '.join(broken)}.")
    return {name: tensor.contiguous() for name, tensor in halved.items()}


def metadata(checkpoint: Checkpoint, version: str) -> dict[str, str]:
    """What the file says about itself."""
    data = checkpoint.config["data"]
    return {
        "name": "nano",
        "architecture": "nano",
        "version": version,
        "licence": LICENCE,
        "steps": str(checkpoint.step),
        "minutes": f"{checkpoint.minutes:.0f}",
        "started_from": checkpoint.origin.get("init") or "random",
        "data": ", ".join(data["sets"]),
        "generated": ", ".join(data["synthetic_kinds"]),
        "config": json.dumps(checkpoint.config),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m training.release", description=__doc__)
    parser.add_argument("run", type=Path, help="folder of a run")
    parser.add_argument("-o", "--out", type=Path, required=True, help="file of weights to write")
    parser.add_argument("--version", default="1")
    given = parser.parse_args(arguments)
    release(given.run, given.out, given.version)
    print(f"{given.out}: {given.out.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
