"""How fast, and in how much memory, beside the published implementation.

    python -m benchmarks.speed [GROUP ...] [--repeats 5] [--threads 2] [--no-memory] [--json FILE]

Groups: encode, click, batch, plane. The contenders of a group take turns in one process, on the same random weights and
inputs, so that whatever else the machine does meets them alike; medians after one warm-up each. Absolute times belong
to the machine and the moment: quote the ratios. Peak memory is that of a process of its own for every contender.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import torch
from safetensors.torch import save_file

from benchmarks.published_predictor import published_modeling, published_predictor
from napari_sam import api
from napari_sam.models.load import Model, load_model
from napari_sam.nn.network import ImageFeatures
from napari_sam.planes.plane import Plane
from napari_sam.prompts.prompt import Point, Prompts
from napari_sam.segment.reference_frame import ReferencePredictor

Contender = Callable[[], object]
POINTS = 64


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
    Comparison("nano encoder against ViT-B's", "encode", "nano", "segment-anything", None),
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
    Comparison("cold click on a new plane, nano against ViT-B", "plane", "nano", "segment-anything", None),
)


class Bench:
    """The models, made when first asked for: a memory measurement must hold no other than its own."""

    def __init__(self, weights: Path) -> None:
        self.weights = weights
        self.pixels = np.random.default_rng(0).integers(0, 256, (1024, 1024, 3), np.uint8)
        self.image = torch.from_numpy(self.pixels).permute(2, 0, 1)[None].float() / 255
        self.made: dict[str, Any] = {}

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        if name not in self.made:
            self.made[name] = make()
        return self.made[name]

    def model(self, precision: str = "float32") -> Model:
        return self.once(precision, lambda: load_model(self.weights, "cpu", precision))

    def nano(self) -> Model:
        return self.once("nano", lambda: load_model("nano", "cpu"))

    def published(self) -> Any:
        return self.once("published", lambda: read_published(self.weights))

    def embedding(self) -> torch.Tensor:
        return torch.randn(1, 256, 64, 64, generator=torch.Generator().manual_seed(1))


def new_published() -> Any:
    """The publishers' ViT-B."""
    parts = published_modeling()
    encoder = parts.ImageEncoderViT(
        1024,
        16,
        embed_dim=768,
        depth=12,
        num_heads=12,
        out_chans=256,
        use_rel_pos=True,
        window_size=14,
        global_attn_indexes=(2, 5, 8, 11),
        norm_layer=lambda dim: torch.nn.LayerNorm(dim, eps=1e-6),
    )
    decoder = parts.MaskDecoder(transformer_dim=256, transformer=parts.TwoWayTransformer(2, 256, 8, 2048))
    return parts.Sam(encoder, parts.PromptEncoder(256, (64, 64), (1024, 1024), 16), decoder)


def write_weights(path: Path) -> None:
    """Random weights, positions too, which start as zeros."""
    torch.manual_seed(0)
    state = new_published().state_dict()
    for name, tensor in state.items():
        if "rel_pos" in name or "pos_embed" in name:
            tensor.normal_(0, 0.02)
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, path)


def read_published(path: Path) -> Any:
    """The publishers' network with the weights of a file."""
    from safetensors.torch import load_file

    with torch.device("meta"):
        network = new_published()
    network.load_state_dict(load_file(path), assign=True)
    # Not in the file.
    network.pixel_mean = torch.tensor([123.675, 116.28, 103.53]).view(3, 1, 1)
    network.pixel_std = torch.tensor([58.395, 57.12, 57.375]).view(3, 1, 1)
    return network.eval().requires_grad_(False)


def encode(bench: Bench) -> dict[str, Callable[[], Contender]]:
    def published() -> Contender:
        network = bench.published()
        return lambda: network.image_encoder(network.preprocess(255 * bench.image))

    def ours(model: Model) -> Contender:
        return lambda: model.network.encode(bench.image)

    contenders = {
        "segment-anything": published,
        "ours": lambda: ours(bench.model()),
        "ours bfloat16": lambda: ours(bench.model("bfloat16")),
        "nano": lambda: ours(bench.nano()),
    }
    transformers = transformers_encoder(bench)
    return contenders | ({"transformers": transformers} if transformers else {})


def transformers_encoder(bench: Bench) -> Callable[[], Contender] | None:
    """The same sizes in transformers, if that is installed; random weights of its own, which cost the same time."""
    try:
        from transformers import SamVisionConfig
        from transformers.models.sam.modeling_sam import SamVisionEncoder
    except ImportError:
        print("transformers is not installed: left out", file=sys.stderr)
        return None

    def make() -> Contender:
        network = SamVisionEncoder(SamVisionConfig()).eval()
        return lambda: network(bench.image)

    return make


def click(bench: Bench) -> dict[str, Callable[[], Contender]]:
    first = np.array([[400.0, 300.0]])
    both = np.array([[400.0, 300.0], [700.0, 650.0]])
    logits = np.random.default_rng(2).normal(0, 5, (1, 256, 256)).astype(np.float32)

    def published() -> Any:
        predictor = published_predictor(bench.published())
        predictor.original_size = predictor.input_size = (1024, 1024)
        predictor.features, predictor.is_image_set = bench.embedding(), True
        return predictor

    def ours() -> ReferencePredictor:
        return ReferencePredictor(bench.model(), bench.pixels, features=ImageFeatures(bench.embedding()))

    def published_first() -> Contender:
        predictor = published()
        return lambda: predictor.predict(first, np.array([1]))

    def ours_first() -> Contender:
        predictor = ours()
        return lambda: predictor.predict(first, [1])

    def published_correction() -> Contender:
        predictor = published()
        return lambda: predictor.predict(both, np.array([1, 0]), None, logits, False)

    def ours_correction() -> Contender:
        predictor = ours()
        return lambda: predictor.predict(both, [1, 0], None, logits, False)

    def nano() -> Contender:
        network = bench.nano().network
        with torch.inference_mode():
            features = network.encode(bench.image[..., :256, :256])
        point = torch.tensor([[[120.0, 130.0]]])
        return lambda: network.decode(features, point, torch.ones(1, 1, dtype=torch.int64), None, True)

    return {
        "segment-anything first": published_first,
        "ours first": ours_first,
        "segment-anything correction": published_correction,
        "ours correction": ours_correction,
        "nano first": nano,
    }


def batch(bench: Bench) -> dict[str, Callable[[], Contender]]:
    points = 1024 * torch.rand(POINTS, 1, 2, generator=torch.Generator().manual_seed(3))
    labels = torch.ones(POINTS, 1, dtype=torch.int64)

    def published() -> Contender:
        network, embedding = bench.published(), bench.embedding()

        def decode() -> object:
            sparse, dense = network.prompt_encoder((points, labels), None, None)
            return network.mask_decoder(embedding, network.prompt_encoder.get_dense_pe(), sparse, dense, True)

        return decode

    def ours() -> Contender:
        network, features = bench.model().network, ImageFeatures(bench.embedding())
        return lambda: network.decode(features, points, labels, None, True)

    return {"segment-anything": published, "ours": ours}


def plane(bench: Bench) -> dict[str, Callable[[], Contender]]:
    def published() -> Contender:
        predictor = published_predictor(bench.published())

        def cold() -> object:
            predictor.set_image(bench.pixels)
            return predictor.predict(np.array([[400.0, 300.0]]), np.array([1]))

        return cold

    def nano() -> Contender:
        stack = api.open_stack(bench.pixels[..., 0], model=bench.nano())

        def cold() -> object:
            stack.embedder.forget()
            return stack.segment(Plane((0, 1), (0, 0)), Prompts((Point(300.0, 400.0, positive=True),)))

        return cold

    return {"segment-anything": published, "nano": nano}


GROUPS: Mapping[str, Callable[[Bench], dict[str, Callable[[], Contender]]]] = {
    "encode": encode,
    "click": click,
    "batch": batch,
    "plane": plane,
}


def timed(contenders: dict[str, Callable[[], Contender]], repeats: int, label: str) -> dict[str, list[float]]:
    """Seconds of every contender, which take turns."""
    ready = {name: make() for name, make in contenders.items()}
    seconds: dict[str, list[float]] = {name: [] for name in ready}
    for turn in range(repeats + 1):
        for name, contender in ready.items():
            print(f"\r{label} {turn}/{repeats} {name:30s}", end="", file=sys.stderr)
            started = time.perf_counter()
            with torch.inference_mode():
                contender()
            if turn:
                seconds[name].append(time.perf_counter() - started)
    print(file=sys.stderr)
    return seconds


def peak_megabytes(group: str, name: str, weights: Path, threads: int) -> tuple[float, float]:
    """(megabytes before, highest) of a process that runs one contender once."""
    command = [sys.executable, "-m", "benchmarks.speed", "--measure-memory", group, name, str(weights)]
    command += ["--threads", str(threads)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    before, peak = json.loads(done.stdout)
    return before, peak


def measure_memory(group: str, name: str, weights: Path) -> None:
    before = own_peak()
    contender = GROUPS[group](Bench(weights))[name]()
    with torch.inference_mode():
        contender()
    print(json.dumps([before, own_peak()]))


def own_peak() -> float:
    """Highest resident memory of this process, in megabytes."""
    status = Path("/proc/self/status")
    if not status.exists():
        sys.exit("Peak memory is read from /proc: measure it on Linux, or use --no-memory.")
    # Not getrusage: there a new process starts with the peak of the one that started it.
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return float(line.split()[1]) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("groups", nargs="*", metavar="GROUP")
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
        measure_memory(group, name, Path(weights))
        return
    groups = arguments.groups or list(GROUPS)
    if unknown := set(groups) - set(GROUPS):
        parser.error(f"no group {', '.join(sorted(unknown))}; there are {', '.join(GROUPS)}")
    report: dict[str, Any] = {
        "machine": {"processor": processor(), "cores": os.cpu_count(), "torch": torch.__version__},
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
            contenders = GROUPS[group](Bench(weights))
            if not arguments.no_time:
                entry["seconds"] = timed(contenders, arguments.repeats, group)
            if not arguments.no_memory:
                memory = {name: peak_megabytes(group, name, weights, arguments.threads) for name in contenders}
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
    loads = ", ".join(f"{report[key][0]:.1f} {key.split()[1]}" for key in ("load before", "load after"))
    print(f"load average over a minute: {loads}\n")
    for group, entry in report["groups"].items():
        seconds, memory = entry.get("seconds", {}), entry.get("megabytes", {})
        for name in seconds or memory:
            cells = [f"{group:7s} {name:28s}"]
            if name in seconds:
                cells.append(f"{median(seconds[name]):8.3f} s  [{min(seconds[name]):.3f}, {max(seconds[name]):.3f}]")
            if name in memory:
                cells.append(f"peak {memory[name]['peak']:6.0f} MB ({memory[name]['before']:.0f} before)")
            print("  ".join(cells))
    print()
    for each in COMPARISONS:
        entry = report["groups"].get(each.group, {})
        seconds, memory = entry.get("seconds", {}), entry.get("megabytes", {})
        cells = [f"{each.title}, against {each.theirs.split()[0]}:"]
        if each.ours in seconds and each.theirs in seconds:
            cells.append(f"{median(seconds[each.theirs]) / median(seconds[each.ours]):.2f} x as fast")
            if each.target is not None:
                cells.append(f"(wanted {each.target:g})")
        if each.ours in memory and each.theirs in memory:
            cells.append(f"{memory[each.ours]['peak'] / memory[each.theirs]['peak']:.2f} of the peak memory")
        if len(cells) > 1:
            print(" ".join(cells))


if __name__ == "__main__":
    main()
