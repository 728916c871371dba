"""What was done, one JSON line a deed, written as it is done; and the shortest script that still goes wrong."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TextIO


@dataclass(frozen=True)
class Step:
    """One deed, and how long the hand waits after it."""

    deed: str
    args: dict[str, Any] = field(default_factory=dict)
    wait_ms: int = 0


@dataclass(frozen=True)
class Start:
    """What a script begins with: the image, its seed, and what computes."""

    image: str
    seed: int
    engine: str
    more: str = ""


def open_script(path: Path, start: Start) -> TextIO:
    file = path.open("w", buffering=1)
    file.write(json.dumps(asdict(start)) + "\n")
    return file


def write_step(file: TextIO, step: Step) -> None:
    """Before it is done, so that what ends the process is in it."""
    file.write(json.dumps(asdict(step)) + "\n")
    file.flush()


def read_script(path: Path) -> tuple[Start, list[Step]]:
    """A line that the end of the process cut off is left out."""
    first, *lines = path.read_text().splitlines()
    steps = []
    for line in lines:
        try:
            steps.append(Step(**json.loads(line)))
        except json.JSONDecodeError:
            break
    return Start(**json.loads(first)), steps


def write_script(path: Path, start: Start, steps: Sequence[Step]) -> None:
    with open_script(path, start) as file:
        for step in steps:
            write_step(file, step)


def shortest(steps: Sequence[Step], fails: Callable[[list[Step]], bool], go_on: Callable[[], bool]) -> list[Step]:
    """Leave out steps as long as the rest fails: halves first, then ever smaller parts (delta debugging).

    Parameters
    ----------
    steps
        A script that fails.
    fails
        Tells whether a shorter one fails alike.
    go_on
        Whether there is time for another try.
    """
    left, parts = list(steps), 2
    while len(left) > 1 and go_on():
        size = -(-len(left) // parts)
        # The last deed is the one after which it failed: what came long before it goes first.
        for start in range(0, len(left), size):
            shorter = left[:start] + left[start + size :]
            if shorter and go_on() and fails(shorter):
                left, parts = shorter, max(parts - 1, 2)
                break
        else:
            if size == 1:
                break
            parts = min(parts * 2, len(left))
    return left
