"""A hurried person at the window.

    xvfb-run -a -s "-screen 0 1600x1200x24 +extension GLX" \
        python -m benchmarks.monkey [--seeds 10] [--minutes 2] [--image KIND ...] [--pace mixed] [--out FOLDER]
    python -m benchmarks.monkey --replay FOLDER/.../script.jsonl

Each seed works on one kind of image after another until a fault is found, which is replayed and cut short, or its time
is over; then a second process does the same and is killed, and what it logged is brought back.
"""

import argparse
import json
import multiprocessing
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.monkey.images import KINDS
from benchmarks.monkey.rules import RULES, STALL_S, Fault
from benchmarks.monkey.script import Start, Step, read_script, shortest, write_script
from benchmarks.monkey.work import ENDING_S, LOGS, PACES, REPORTS, RESULT, SCRIPT, Order, Result, work

STARTING_S = 180.0
"""Seconds that a process may take to begin, on a busy machine."""


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    out = Path(options.out or tempfile.mkdtemp(prefix="monkey-")).absolute()
    out.mkdir(parents=True, exist_ok=True)
    if options.replay:
        start, steps = read_script(Path(options.replay))
        result = run(order(options, start, out / "replay", steps=tuple(steps)))
        tell("replay", start, result)
        if result.fault is not None and not options.no_shrink:
            shrink(options, start, steps, result.fault, out)
        return int(result.fault is not None)
    faults: dict[str, int] = {}
    deeds, seconds = 0, 0.0
    for number in range(options.seed, options.seed + options.seeds):
        kinds = options.image or [list(KINDS)[number % len(KINDS)]]
        for kind in kinds:
            start = Start(kind, number, options.engine, options.more)
            folder = out / f"{number}-{kind}"
            result = run(order(options, start, folder))
            deeds, seconds = deeds + result.deeds, seconds + result.seconds
            tell(folder.name, start, result)
            if result.fault is not None:
                faults[result.fault.kind] = faults.get(result.fault.kind, 0) + 1
                if not options.no_shrink and (folder / SCRIPT).exists():
                    shrink(options, start, read_script(folder / SCRIPT)[1], result.fault, folder)
            elif options.kill:
                fault = kill_and_restore(options, start, out / f"{folder.name}-killed")
                print(f"{folder.name}: killed and brought back{'' if fault is None else ': ' + fault.text}", flush=True)
                if fault is not None:
                    faults[fault.kind] = faults.get(fault.kind, 0) + 1
    print(f"{deeds} deeds in {seconds / 60:.1f} minutes, {sum(faults.values())} faults ({out})")
    for kind, times in faults.items():
        print(f"  {times} x {kind}")
    return int(bool(faults))


def parse(arguments: list[str] | None) -> Any:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.monkey", description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    parser.add_argument("--seeds", type=int, default=1, help="how many")
    parser.add_argument("--minutes", type=float, default=1.0, help="for each")
    parser.add_argument("--deeds", type=int, default=100_000, help="at most, for each")
    parser.add_argument("--image", nargs="+", choices=list(KINDS), help="kinds; else each seed has its own")
    parser.add_argument("--engine", choices=["nano", "fake"], default="nano", help="what computes the masks")
    parser.add_argument("--pace", choices=["mixed", *PACES], default="mixed")
    parser.add_argument("--stall", type=float, default=STALL_S, help="seconds that the event loop may stand still")
    parser.add_argument("--replay", help="a script to do again")
    parser.add_argument("--out", help="folder for scripts and results; else a new one for temporary files")
    parser.add_argument("--more", default="", help="a module with more DEEDS")
    parser.add_argument("--no-shrink", action="store_true", help="leave a script that fails as it is")
    parser.add_argument("--shrink-minutes", type=float, default=5.0)
    parser.add_argument("--kill", action=argparse.BooleanOptionalAction, default=True, help="kill a process at the end")
    parser.add_argument("--lost", type=float, default=3.0, help="seconds that may be lost by a kill")
    return parser.parse_args(arguments)


def order(
    options: Any, start: Start, folder: Path, *, steps: tuple[Step, ...] | None = None, ending: bool = True
) -> Order:
    folder.mkdir(parents=True, exist_ok=True)
    return Order(start, folder, 60 * options.minutes, options.deeds, options.pace, steps, options.stall, ending)


def run(each: Order) -> Result:
    """Have it done by a process of its own; one that dies or hangs is a fault, too."""
    process = begin(each)
    process.join(_longest(each))
    if process.is_alive():
        process.kill()
        process.join()
    if (each.folder / RESULT).exists():
        content = json.loads((each.folder / RESULT).read_text())
        fault = content.pop("fault")
        return Result(**content, fault=None if fault is None else Fault(**fault))
    deeds = len(read_script(each.folder / SCRIPT)[1]) if (each.folder / SCRIPT).exists() else 0
    said = (each.folder / "hangs.txt").read_text() if (each.folder / "hangs.txt").exists() else ""
    return Result(deeds, 0.0, Fault("process", f"ended with {process.exitcode}\n{said}"))


def begin(each: Order) -> Any:
    for name in (RESULT, SCRIPT):
        (each.folder / name).unlink(missing_ok=True)
    context = multiprocessing.get_context("forkserver" if sys.platform.startswith("linux") else "spawn")
    if sys.platform.startswith("linux"):
        context.set_forkserver_preload(["benchmarks.monkey.work"])
    process = context.Process(target=work, args=(each,))
    process.start()
    return process


def _longest(each: Order) -> float:
    return each.seconds + STARTING_S + ENDING_S


def shrink(options: Any, start: Start, steps: list[Step], fault: Fault, folder: Path) -> None:
    """Find a shorter script that fails alike, and write it beside the long one."""
    until = time.monotonic() + 60 * options.shrink_minutes
    tries = 0
    # A rule that fails after a deed needs no ending to be met again.
    ending = fault.rule not in {rule.__name__ for rule in RULES}

    def fails(shorter: list[Step]) -> bool:
        nonlocal tries
        tries += 1
        found = run(order(options, start, folder / f"shorter-{tries}", steps=tuple(shorter), ending=ending)).fault
        return found is not None and found.kind == fault.kind

    if not fails(steps):
        print(f"    it does not fail again when it is replayed ({folder / SCRIPT})", flush=True)
        return
    short = shortest(steps, fails, lambda: time.monotonic() < until)
    write_script(folder / "short.jsonl", start, short)
    print(f"    {len(short)} of {len(steps)} deeds fail alike: {folder / 'short.jsonl'}", flush=True)
    for step in short[-12:]:
        print(f"      {step.deed} {json.dumps(step.args)} {step.wait_ms} ms", flush=True)


def kill_and_restore(options: Any, start: Start, folder: Path) -> Fault | None:
    """Kill a process at a random moment, and bring back what it logged."""
    # Late: napari is nothing for the process that only waits.
    from benchmarks.monkey.ending import brought_back

    process = begin(order(options, start, folder))
    until = time.monotonic() + STARTING_S
    while not (folder / REPORTS).exists() or not (folder / REPORTS).stat().st_size:
        if time.monotonic() > until or not process.is_alive():
            break
        time.sleep(0.05)
    time.sleep(Random(start.seed).uniform(1, min(30, 60 * options.minutes)))
    if not process.is_alive():
        return None
    os.kill(process.pid, signal.SIGKILL)
    killed_at = time.time()
    process.join()
    return brought_back(folder / LOGS, folder / REPORTS, killed_at, options.lost)


def tell(name: str, start: Start, result: Result) -> None:
    print(f"{name} ({start.image}, {start.engine}): {result.deeds} deeds in {result.seconds:.0f} s", flush=True)
    if result.fault is not None:
        print(f"    {result.fault.rule}: {result.fault.text[-1500:]}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
