"""An experiment: ViT-B's linear layers in 8-bit integers, beside float32 and bfloat16.

    python -m benchmarks.int8 [--repeats 3] [--threads 2]

PyTorch's dynamic quantisation of the MLPs and of the attention's output (three quarters of the encoder's operations in
linear layers): weights per layer, features per call. Random weights: what is told is the speed, how far the embedding
moves, and how far the masks of one click agree with those in float32. Nothing of the package uses it.
"""

import argparse
import copy
import tempfile
import time
import warnings
from pathlib import Path
from statistics import median

import torch
from torch import nn

from benchmarks.clicks import iou
from benchmarks.contenders import Bench, write_weights
from napari_sam.nn.network import ImageFeatures
from napari_sam.nn.sam import Sam

QUANTISED = ("mlp.lin1", "mlp.lin2", "attn.proj")
CLICKS = 20


def in_int8(network: Sam) -> Sam:
    """A copy of a network with quantised linear layers."""
    quantised = copy.deepcopy(network)
    with warnings.catch_warnings():
        # PyTorch wants to move it to another package some day.
        warnings.simplefilter("ignore")
        for block in quantised.image_encoder.blocks:
            torch.ao.quantization.quantize_dynamic(
                block, dict.fromkeys(QUANTISED, torch.ao.quantization.default_dynamic_qconfig), inplace=True
            )
            assert not isinstance(block.mlp.lin1, nn.Linear)
    return quantised


def agreement(network: Sam, features: ImageFeatures, exact: ImageFeatures) -> float:
    """Mean IoU of the masks of single clicks on two embeddings."""
    points = 1024 * torch.rand(CLICKS, 1, 2, generator=torch.Generator().manual_seed(4))
    labels = torch.ones(CLICKS, 1, dtype=torch.int64)
    masks, expected = (
        (network.decode(each, points, labels, None, False).logits > 0).numpy() for each in (features, exact)
    )
    return sum(map(iou, expected, masks)) / CLICKS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        weights = Path(folder) / "vit_b_random.safetensors"
        write_weights(weights)
        bench = Bench(weights)
        networks = {"float32": bench.model().network, "bfloat16": bench.model("bfloat16").network}
        networks["int8"] = in_int8(networks["float32"])
        seconds: dict[str, list[float]] = {name: [] for name in networks}
        features = {}
        for _ in range(arguments.repeats + 1):
            for name, network in networks.items():
                started = time.perf_counter()
                features[name] = network.encode(bench.image)
                seconds[name].append(time.perf_counter() - started)
        exact = features["float32"].embedding
        for name in networks:
            moved = ((features[name].embedding - exact).norm() / exact.norm()).item()
            same = agreement(networks["float32"], features[name], features["float32"])
            middle, fastest = median(seconds[name][1:]), min(seconds[name][1:])
            print(
                f"{name:9s} {middle:6.2f} s (fastest {fastest:.2f}), "
                f"embedding moved by {moved:.4f}, masks agree to {same:.3f}"
            )


if __name__ == "__main__":
    main()
