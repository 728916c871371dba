"""One run, in a process of its own: deeds are chosen or read, done, written down and looked at; then the ending."""

import faulthandler
import json
import os
import sys
import time
import traceback
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.monkey.deeds import DEEDS, Deed
from benchmarks.monkey.desk import Desk
from benchmarks.monkey.ending import Beginnings, save_and_replay, undo_and_redo
from benchmarks.monkey.facts import Facts
from benchmarks.monkey.rules import MEANT, STALL_S, Fault, Moment, broken
from benchmarks.monkey.script import Start, Step, open_script, write_step

PACES = {"person": (250, 900), "hurried": (20, 250), "machine": (0, 5)}
"""Milliseconds between two deeds, least and most."""
ENDING_S = 600.0
"""Seconds that start and ending may take on a machine that does other work; later it counts as a hang."""
SCRIPT, RESULT, REPORTS, LOGS = "script.jsonl", "result.json", "reports.jsonl", "sessions"


@dataclass(frozen=True)
class Order:
    """What a run is told.

    Parameters
    ----------
    start
        What the script begins with.
    folder
        Where everything of the run goes.
    seconds, deeds
        How long it goes on, whichever is less.
    pace
        One of `PACES`, or "mixed" for spells of each.
    steps
        A script to do again; None to choose deeds.
    stall_s
        Seconds that the event loop may stand still.
    ending
        Whether everything is undone, redone, saved and replayed at the end.
    """

    start: Start
    folder: Path
    seconds: float = 60.0
    deeds: int = 100_000
    pace: str = "mixed"
    steps: tuple[Step, ...] | None = None
    stall_s: float = STALL_S
    ending: bool = True


@dataclass(frozen=True)
class Result:
    """What came of it."""

    deeds: int
    seconds: float
    fault: Fault | None = None
    counts: dict[str, int] | None = None


def registry(more: str) -> dict[str, Deed]:
    """All deeds by name, with those of one more module's `DEEDS`."""
    kinds = [*DEEDS, *(import_module(more).DEEDS if more else ())]
    return {kind.__name__: kind() for kind in kinds}


def work(order: Order) -> None:
    """Run, and write the result; to be called in a process of its own."""
    folder = order.folder
    for variable, name in (("SESSIONS", LOGS), ("CONFIG", "config"), ("CACHE", "cache")):
        (folder / name).mkdir(parents=True, exist_ok=True)
        os.environ[f"NAPARI_SAM_{variable}"] = str(folder / name)
    # napari's own settings, too, are the user's.
    os.environ["NAPARI_CONFIG"] = str(folder / "napari.yaml")
    with (folder / "hangs.txt").open("w") as hangs, (folder / "output.txt").open("w") as output:
        sys.stdout = sys.stderr = output
        faulthandler.enable(hangs)
        faulthandler.dump_traceback_later(order.seconds + ENDING_S, exit=True, file=hangs)
        try:
            result = _Run(order).run()
        except Exception:
            result = Result(0, 0.0, Fault("monkey", traceback.format_exc()))
        (folder / RESULT).write_text(json.dumps(asdict(result)))
        output.flush()
        # Nothing of Qt's own end has to do with what was looked for.
        os._exit(0)


class _Run:
    def __init__(self, order: Order) -> None:
        self.order = order
        self.random = Random(order.start.seed)
        self.deeds = registry(order.start.more)
        self.counts: dict[str, int] = {}
        self.beginnings = Beginnings()
        self.reports = (order.folder / REPORTS).open("w", buffering=1)
        self.reported: Any = None

    def run(self) -> Result:
        start = self.order.start
        self.desk = desk = Desk(start.image, start.seed, start.engine, self.order.folder)
        for pattern in MEANT:
            desk.notices.expect(pattern)
        desk.settle()
        self.begun = time.monotonic()
        fault = self._do_all() or (self._end() if self.order.ending else None)
        return Result(sum(self.counts.values()), time.monotonic() - self.begun, fault, self.counts)

    def _do_all(self) -> Fault | None:
        before = self._facts()
        with open_script(self.order.folder / SCRIPT, self.order.start) as script:
            for step in self._steps():
                deed = self.deeds[step.deed]
                write_step(script, step)
                with self.desk.watching():
                    try:
                        deed.do(self.desk, **step.args)
                    except Exception:
                        return Fault("deed", f"{step.deed}: {traceback.format_exc()}")
                    self.desk.wait(step.wait_ms)
                self.counts[step.deed] = self.counts.get(step.deed, 0) + 1
                after = self._facts()
                self._report(after)
                self.beginnings.look(self.desk)
                fault = broken(Moment(self.desk, deed, before, after, self.order.stall_s))
                if fault is not None:
                    return fault
                before = after
        return None

    def _facts(self) -> Facts | None:
        reading = self.desk.open
        return reading.facts() if reading is not None and reading.settled else None

    def _report(self, facts: Facts | None) -> None:
        """Say what the labels are, for who brings them back after a kill."""
        if self.desk.open is not None:
            labels = facts.labels if facts is not None else self.desk.open.labels()
            self.reports.write(json.dumps({"at": time.time(), "labels": labels}) + "\n")

    def _steps(self) -> Iterator[Step]:
        if self.order.steps is not None:
            yield from self.order.steps
            return
        paces = list(PACES) if self.order.pace == "mixed" else [self.order.pace]
        pace = self.random.choice(paces)
        until = self.begun + self.order.seconds
        for number in range(self.order.deeds):
            if time.monotonic() > until:
                return
            if number % 40 == 39:
                pace = self.random.choice(paces)
            yield self._choose(*PACES[pace])

    def _choose(self, least: int, most: int) -> Step:
        deeds = list(self.deeds.values())
        while True:
            deed = self.random.choices(deeds, [each.weight for each in deeds])[0]
            args = deed.choose(self.desk, self.random)
            if args is not None:
                return Step(deed.name, args, self.random.randint(least, most))

    def _end(self) -> Fault | None:
        desk = self.desk
        if not desk.settle(120) and desk.open is not None and not desk.open.stuck:
            return Fault("settling", f"it works for ever: {desk.open.state()}")
        fault = undo_and_redo(desk, self.beginnings) or save_and_replay(desk)
        if fault is None and desk.notices.unexpected:
            fault = Fault("nothing_is_shown_or_raised", "\n".join(map(str, desk.notices.unexpected)))
        return fault
