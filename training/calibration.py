"""Make predicted IoUs true on average: ``python -m training.calibration WEIGHTS --data FOLDER -o FILE``.

On images that were not trained on: what was held out of every set, and newly generated ones.
"""

import argparse
import dataclasses
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from safetensors import safe_open
from torch import Tensor, nn

from napari_sam.models.load import nano_config
from napari_sam.nn.nano import Nano
from training.batches import Batch, Batches
from training.choice import choose, shown
from training.config import Config, config_from_dict
from training.growth import load_released
from training.image_source import FixedImages
from training.losses import mask_iou
from training.release import write_weights
from training.step import corrected, first_groups
from training.train import read_images

BATCHES = 150
ON_A_PROCESSOR = {"windows": 8, "layouts": {"8x256": 1.0}}
"""Batches that a processor can hold, of the product's windows."""
SEED = 1_000_000
"""Far from those of workers."""


@dataclass(frozen=True)
class Scales:
    """What predicted IoUs are to be multiplied by.

    A factor, so that no choice among candidates or levels changes.

    Attributes
    ----------
    single
        The single mask's, of clear prompts.
    candidates
        The three candidates', of a first click.
    """

    single: float
    candidates: float


def measure_scales(network: Nano, batches: Iterator[Batch], count: int, config: Config) -> Scales:
    """Mean true IoU by mean predicted IoU of the masks that the product shows, over `count` batches.

    Parameters
    ----------
    network
        In evaluation mode.
    batches
        Of images that the network was not trained on.
    count
        How many batches.
    config
        Of the run; every prompt is corrected in as many rounds.
    """
    sums: dict[bool, list[Tensor]] = defaultdict(lambda: [torch.zeros(()), torch.zeros(())])
    with torch.inference_mode():
        for _ in range(count):
            batch = next(batches)
            groups = first_groups(network.encode_logits(batch.images), batch.windows)
            for _ in range(config.prompt.rounds):
                following = []
                for group in groups:
                    prediction = network.decode_all(
                        group.features, group.points, group.labels, group.masks, group.offsets
                    )
                    logits = shown(prediction.logits, prediction.iou, group.ambiguous)
                    chosen = choose(prediction.iou, group.ambiguous)
                    sums[group.ambiguous][0] += mask_iou(logits[:, None], group.targets).sum()
                    sums[group.ambiguous][1] += prediction.iou.gather(1, chosen[:, None]).sum()
                    following.append(corrected(group, logits))
                groups = following
    single, candidates = (float(true / predicted) for true, predicted in (sums[False], sums[True]))
    return Scales(single, candidates)


def apply_scales(network: Nano, scales: Scales) -> None:
    """Multiply predicted IoUs, by way of the last layer that gives them."""
    last = [layer for layer in network.mask_decoder.iou_prediction_head.modules() if isinstance(layer, nn.Linear)][-1]
    factors = torch.tensor([scales.single, *[scales.candidates] * 3])
    with torch.no_grad():
        last.weight *= factors[:, None]
        last.bias *= factors


def calibrate(weights: Path, data: Path, out: Path, batches: int = BATCHES) -> Scales:
    """Write a released file again with predicted IoUs that are true on average.

    Parameters
    ----------
    weights
        A released file.
    data
        Folder of the real sets.
    out
        File to write, in one go.
    batches
        How many batches of eight windows to measure with.

    Raises
    ------
    ValueError
        If the file was calibrated already.
    """
    with safe_open(weights, "pt") as file:
        metadata = file.metadata()
        sizes = nano_config({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
    if "calibrated" in metadata:
        raise ValueError(f"{weights} is calibrated already.")
    config = config_from_dict(json.loads(metadata["config"]))
    network = Nano(sizes).eval()
    load_released(network, weights)
    scales = measure_scales(network, _unseen(config, data), batches, config)
    apply_scales(network, scales)
    write_weights(network.state_dict(), out, metadata | {"calibrated": json.dumps(dataclasses.asdict(scales))})
    return scales


def _unseen(config: Config, data: Path) -> Iterator[Batch]:
    """Batches of held-out and of newly generated images, by the shares of the run."""
    with TemporaryDirectory() as folder:
        training, held_out = read_images(config, data, Path(folder))
    sources = [
        (share, FixedImages(held_out[name]) if name in held_out else source)
        for (share, source), name in zip(training, [*config.data.sets, *config.data.synthetic_kinds], strict=True)
        if held_out.get(name, [name])
    ]
    window = replace(config.window, **ON_A_PROCESSOR, sides={str(config.window.side): 1.0})
    return iter(Batches(sources, replace(config, window=window), SEED))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m training.calibration", description=__doc__)
    parser.add_argument("weights", type=Path, help="a released file")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("-o", "--out", type=Path, required=True, help="file of weights to write")
    parser.add_argument("--batches", type=int, default=BATCHES, help="of eight windows, to measure with")
    given = parser.parse_args(arguments)
    print(calibrate(given.weights, given.data, given.out, given.batches))


if __name__ == "__main__":
    main()
