"""The state of a run on disk."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch

FILE = "checkpoint.pt"


@dataclass(frozen=True)
class Checkpoint:
    """Everything that a run needs to continue.

    Attributes
    ----------
    step, minutes
        Done so far; pauses are not counted.
    network, average, optimizers
        Their states.
    config
        The settings as plain dictionaries.
    origin
        What the run started from.
    """

    step: int
    minutes: float
    network: dict[str, Any]
    average: dict[str, Any]
    optimizers: dict[str, Any]
    config: dict[str, Any]
    origin: dict[str, str | None]


def write_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Replace the checkpoint in one go: a reader sees the old one or the new one."""
    partial = folder / f"{FILE}.partial"
    torch.save({field.name: getattr(checkpoint, field.name) for field in fields(Checkpoint)}, partial)
    partial.replace(folder / FILE)


def read_checkpoint(folder: Path) -> Checkpoint | None:
    """The checkpoint of a run, or None."""
    path = folder / FILE
    if not path.exists():
        return None
    return Checkpoint(**torch.load(path, map_location="cpu", weights_only=True))
