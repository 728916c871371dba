"""How fast, and in how much memory, beside the published implementation.

    python -m benchmarks.speed [GROUP ...] [--device cpu] [--repeats 5] [--threads 2] [--only NAME ...] [--no-memory]
                               [--json FILE]

Groups: encode, tiny, together, click, batch, plane. The contenders of a group take turns in one process, on the same
random weights and inputs, so that whatever else the machine does meets them alike. Ratios are of medians after one
warm-up each (three elsewhere than on the CPU), of the fastest turns, which other work disturbs least, and the median of
the ratios turn by turn. Absolute times belong to the machine and the moment: quote the ratios. Peak memory is that of a
process of its own for every contender; on CUDA it is what torch took of the card.

`--device` takes cpu, cuda or mps. A turn then ends when the device has done its work, not when it was told to.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import torch

from benchmarks.contenders import GROUPS, IMAGES, POINTS, Bench, Contender, write_weights


class Comparison(NamedTuple):
    """What is divided by what, and the ratio we want to reach; None where the number only informs."""

    title: str
    group: str
    ours: str
    theirs: str
    target: float | None


COMPARISONS = (
    Comparison("ViT-B encoder, float32", "encode", "ours", "segment-anything", 1.6),
    Comparison("ViT-B encoder, float32", "encode", "ours", "transformers", 1.3),
    Comparison("ViT-B encoder, bfloat16 against float32", "encode", "ours bfloat16", "segment-anything", 3.0),
    Comparison("ViT-B encoder, both in bfloat16", "encode", "ours bfloat16", "segment-anything bfloat16", None),
    Comparison("TinyViT encoder, float32", "tiny", "ours", "MobileSAM", 1.5),
    Comparison("TinyViT encoder, bfloat16 against float32", "tiny", "ours bfloat16", "MobileSAM", None),
    Comparison("nano encoder, bfloat16 against float32", "encode", "nano bfloat16", "nano", None),
    Comparison("nano encoder against ViT-B's", "encode", "nano", "segment-anything", 15.0),
    *(
        Comparison(f"{IMAGES} images, {name}", "together", f"{name} together", f"{name} one by one", None)
        for name in ("nano 256", "nano 512", "nano 1024", "TinyViT 1024")
    ),
    Comparison("first click on an embedded plane, 1024 x 1024", "click", "ours first", "segment-anything first", 2.0),
    Comparison(
        "corrective click with the previous logits",
        "click",
        "ours correction",
        "segment-anything correction",
        1.6,
    ),
    Comparison("first click, nano against ViT-B", "click", "nano first", "segment-anything first", None),
    Comparison(f"{POINTS} points, low-resolution masks", "batch", "ours", "segment-anything", 2.5),
    Comparison(f"{POINTS} points, nano against ViT-B", "batch", "nano", "segment-anything", None),
    Comparison("cold click on a new plane, nano against ViT-B", "plane", "nano", "segment-anything", None),
)


WARM_UPS = 3
"""Turns that do not count elsewhere than on the CPU: libraries choose their ways, and clocks rise (chosen)."""


def timed(
    contenders: dict[str, Callable[[], Contender]], repeats: int, label: str, device: str
) -> dict[str, list[float]]:
    """Seconds of every contender, which take turns."""
    ready = {name: make() for name, make in contenders.items()}
    seconds: dict[str, list[float]] = {name: [] for name in ready}
    for turn in range(0 if device == "cpu" else 1 - WARM_UPS, repeats + 1):
        for name, contender in ready.items():
            print(f"\r{label} {max(turn, 0)}/{repeats} {name:30s}", end="", file=sys.stderr)
            wait_for(device)
            started = time.perf_counter()
            with torch.inference_mode():
                contender()
            wait_for(device)
            if turn > 0:
                seconds[name].append(time.perf_counter() - started)
    print(file=sys.stderr)
    return seconds


def wait_for(device: str) -> None:
    """Wait until a device that works on its own has done what it was told."""
    if device == "cuda":
        torch.cuda.synchronize()
    elif device == "mps":
        torch.mps.synchronize()


def peak_megabytes(group: str, name: str, weights: Path, threads: int, device: str) -> tuple[float, float]:
    """(megabytes before, highest) of a process that runs one contender once."""
    command = [sys.executable, "-m", "benchmarks.speed", "--measure-memory", group, name, str(weights)]
    command += ["--threads", str(threads), "--device", device]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    before, peak = json.loads(done.stdout)
    return before, peak


def measure_memory(group: str, name: str, weights: Path, device: str) -> None:
    before = own_peak(device)
    contender = GROUPS[group](Bench(weights, device))[name]()
    with torch.inference_mode():
        contender()
    print(json.dumps([before, own_peak(device)]))


def own_peak(device: str) -> float:
    """Highest memory that this process has taken, in megabytes: of the card on CUDA, elsewhere resident."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    status = Path("/proc/self/status")
    if not status.exists():
        sys.exit("Peak memory is read from /proc: measure it on Linux, or use --no-memory.")
    # Not getrusage: there a new process starts with the peak of the one that started it.
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return float(line.split()[1]) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("groups", nargs="*", metavar="GROUP")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="only these contenders, such as ours")
    parser.add_argument("--device", choices=("cpu", "cuda", "mps"), default="cpu")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--no-memory", action="store_true", help="time only")
    parser.add_argument("--no-time", action="store_true", help="measure memory only")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--measure-memory", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.measure_memory:
        group, name, weights = arguments.measure_memory
        measure_memory(group, name, Path(weights), arguments.device)
        return
    groups = arguments.groups or list(GROUPS)
    if unknown := set(groups) - set(GROUPS):
        parser.error(f"no group {', '.join(sorted(unknown))}; there are {', '.join(GROUPS)}")
    report: dict[str, Any] = {
        "machine": {
            "processor": processor(),
            "cores": os.cpu_count(),
            "torch": torch.__version__,
            "device": torch.cuda.get_device_name() if arguments.device == "cuda" else arguments.device,
        },
        "threads": arguments.threads,
        "repeats": arguments.repeats,
        "load before": os.getloadavg(),
        "groups": {},
    }
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "vit_b_random.safetensors"
        write_weights(weights)
        for group in groups:
            entry: dict[str, Any] = {}
            contenders = GROUPS[group](Bench(weights, arguments.device))
            if arguments.only:
                contenders = {name: contenders[name] for name in contenders if name in arguments.only}
            if not arguments.no_time:
                entry["seconds"] = timed(contenders, arguments.repeats, group, arguments.device)
            if not arguments.no_memory:
                memory = {
                    name: peak_megabytes(group, name, weights, arguments.threads, arguments.device)
                    for name in contenders
                }
                entry["megabytes"] = {name: {"before": low, "peak": high} for name, (low, high) in memory.items()}
            report["groups"][group] = entry
    report["load after"] = os.getloadavg()
    print_report(report)
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1))


def processor() -> str:
    """The processor's name, as far as the system tells."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if "model name" in line]
        if names:
            return names[0]
    return platform.processor()


def print_report(report: dict[str, Any]) -> None:
    machine = report["machine"]
    print(f"{machine['processor']}, {machine['cores']} cores, torch {machine['torch']}, {report['threads']} threads")
    print(f"device: {machine['device']}")
    loads = ", ".join(f"{report[key][0]:.1f} {key.split()[1]}" for key in ("load before", "load after"))
    print(f"load average over a minute: {loads}\n")
    for group, entry in report["groups"].items():
        seconds, memory = entry.get("seconds", {}), entry.get("megabytes", {})
        for name in seconds or memory:
            cells = [f"{group:7s} {name:28s}"]
            if name in seconds:
                cells.append(f"{1000 * median(seconds[name]):9.2f} ms  {spread(seconds[name])}")
            if name in memory:
                cells.append(f"peak {memory[name]['peak']:6.0f} MB ({memory[name]['before']:.0f} before)")
            print("  ".join(cells))
    print()
    for each in COMPARISONS:
        entry = report["groups"].get(each.group, {})
        seconds, memory = entry.get("seconds", {}), entry.get("megabytes", {})
        cells = [f"{each.title}, against {each.theirs}:"]
        if each.ours in seconds and each.theirs in seconds:
            theirs, ours = seconds[each.theirs], seconds[each.ours]
            by_turn = median(their / our for their, our in zip(theirs, ours, strict=True))
            cells.append(f"{median(theirs) / median(ours):.2f} x as fast, {min(theirs) / min(ours):.2f} at best,")
            cells.append(f"{by_turn:.2f} turn by turn")
            if each.target is not None:
                cells.append(f"(wanted {each.target:g})")
        if each.ours in memory and each.theirs in memory:
            cells.append(f"{memory[each.ours]['peak'] / memory[each.theirs]['peak']:.2f} of the peak memory")
        if len(cells) > 1:
            print(" ".join(cells))


def spread(seconds: list[float]) -> str:
    """The fastest and the slowest turn, in milliseconds."""
    return f"[{1000 * min(seconds):.2f}, {1000 * max(seconds):.2f}]"


if __name__ == "__main__":
    main()
