"""Train the bundled network: ``python -m training.train --config FILE --data FOLDER --out FOLDER``.

Interrupt it as you like: started again with the same arguments it continues from its last checkpoint.
"""

import argparse
import dataclasses
import json
import os
import signal
import sys
import time
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from multiprocessing import active_children
from pathlib import Path
from types import FrameType

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from napari_sam.nn.nano import Nano, NanoConfig
from training.average import MovingAverage
from training.batches import Batches
from training.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from training.config import Config, read_config
from training.graphs import GradientSteps
from training.growth import load_released
from training.image import TrainingImage
from training.image_source import FixedImages, FreshImages, ImageSource
from training.optimizers import Optimizers
from training.real_sets import read_set
from training.release import release
from training.schedule import progress, rate_share
from training.synthetic.cache import read_or_generate
from training.validation import validate

ENVIRONMENT = {
    # Large activations are freed and allocated again in every step: keeping them saves the page faults (15 %).
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "100000000000",
    # Threads that spin while they wait for one that another process displaced make both slow.
    "OMP_WAIT_POLICY": "PASSIVE",
}
STOPPING = (signal.SIGTERM, signal.SIGINT)
# A step that took longer was paused from outside; its time does not count as training.
LONGEST_STEP = 10.0


class Stop:
    """Set by the signals that stop a run, which then writes a checkpoint and ends."""

    def __init__(self) -> None:
        self.asked = False

    def __call__(self, _signal: int, _frame: FrameType | None) -> None:
        self.asked = True


class Pace:
    """Keeps the program at most one step ahead of a graphics card, so that it never waits for the program."""

    def __init__(self, device: torch.device) -> None:
        self.marks: deque[torch.cuda.Event] | None = deque() if device.type == "cuda" else None

    def wait(self) -> None:
        """Called after each step."""
        if self.marks is None:
            return
        mark = torch.cuda.Event()
        mark.record()
        self.marks.append(mark)
        if len(self.marks) > 1:
            self.marks.popleft().synchronize()


def train(
    config: Config,
    data: Path,
    out: Path,
    init: Path | None = None,
    sizes: NanoConfig | None = None,
    device: str = "cpu",
    version: str | None = None,
) -> Checkpoint:
    """Train until the schedule ends or the process is asked to stop.

    Parameters
    ----------
    config
        All settings.
    data
        Folder of the real sets.
    out
        Folder of the run: checkpoint, curve, generated images.
    init
        Released weights to start from if there is no checkpoint yet.
    sizes
        Of the network; those of the configuration if None.
    device
        Where the network is.
    version
        Of the weights that are written to the folder with every checkpoint, ready to be released; None writes none.

    Returns
    -------
    The last checkpoint.
    """
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(config.run.threads)
    training, validation = read_images(config, data, out)
    torch.manual_seed(config.run.seed)
    sizes = sizes or NanoConfig(blocks=tuple(config.network.blocks), mixing=config.network.mixing)
    network = Nano(sizes).to(device, memory_format=torch.channels_last)
    for name in config.optimizer.frozen:
        network.get_submodule(name).requires_grad_(False)
    optimizers = Optimizers(network, config.optimizer)
    step, minutes = 0, 0.0
    checkpoint = read_checkpoint(out)
    if checkpoint is not None:
        step, minutes = checkpoint.step, checkpoint.minutes
        network.load_state_dict(checkpoint.network)
        optimizers.load_state_dict(checkpoint.optimizers)
    elif init is not None:
        load_released(network, init)
    average = MovingAverage(network, config.optimizer.ema)
    if checkpoint is not None:
        average.load_state_dict(checkpoint.average)
    if device == "cuda":
        # Only there, where Triton is.
        from training.row_norm import use_row_norms

        use_row_norms(network)
    # Corrective clicks are drawn on the device.
    torch.manual_seed(config.run.seed + step)
    gradient_step = GradientSteps(network, config)
    pace = Pace(torch.device(device))
    stop = Stop()
    previous = {number: signal.signal(number, stop) for number in STOPPING}
    # Ctrl-C, and what ends a batch job, reach workers as well, whose end would be an error in the middle of a step.
    # Blocked here, they are blocked in a worker from its first moment and for good; stopping is the parent's.
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    batches = iter(
        DataLoader(
            Batches(training, config, seed=config.run.seed + step),
            batch_size=None,
            num_workers=config.run.workers,
            prefetch_factor=3 if config.run.workers else None,
            pin_memory=device != "cpu",
        )
    )
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)

    def snapshot() -> Checkpoint:
        return Checkpoint(
            step,
            minutes,
            network.state_dict(),
            average.state_dict(),
            optimizers.state_dict(),
            dataclasses.asdict(config),
            {"init": None if init is None else init.name},
        )

    def save() -> Checkpoint:
        """Write all that the run has come to: whoever is cut off later has that."""
        checkpoint = snapshot()
        write_checkpoint(out, checkpoint)
        if version is not None:
            release(out, out / f"nano-{version}.safetensors", version)
        return checkpoint

    log = Log(out / "curve.jsonl")
    log.write({"started_at_step": step, "minutes": minutes, "config": dataclasses.asdict(config)})
    saved, validated = minutes, minutes if checkpoint is not None else -np.inf
    while not stop.asked:
        done = progress(step, minutes, config.run)
        if minutes - validated >= config.run.validate_minutes or done >= 1:
            log.write({"step": step, "validation": _validate(average, sizes, validation, config)})
            validated = minutes
        if done >= 1:
            break
        began = time.monotonic()
        frozen = done >= config.optimizer.freeze_batch_norm
        _set_mode(network, frozen)
        batch = next(batches)
        waited = time.monotonic() - began
        numbers = gradient_step(batch, frozen)
        share = rate_share(step, done, config.optimizer)
        # What is not finite is left out, without asking the device whether anything is.
        for gradient in gradient_step.gradients:
            gradient.nan_to_num_(nan=0.0, posinf=0.0, neginf=0.0)
        norm = nn.utils.clip_grad_norm_(network.parameters(), config.optimizer.clip)
        optimizers.step(share)
        average.update(network)
        pace.wait()
        step += 1
        seconds = time.monotonic() - began
        minutes += min(seconds, LONGEST_STEP) / 60
        log.add(numbers | {"gradient": norm, "seconds": seconds, "waited": waited})
        if step % config.run.log_steps == 0:
            log.flush({"step": step, "minutes": round(minutes, 2), "progress": round(done, 4), "rate_share": share})
        if minutes - saved >= config.run.checkpoint_minutes:
            save()
            saved = minutes
    last = save()
    # They block the signals that end them, and each is waited for until it has made its batch.
    for worker in active_children():
        worker.kill()
    for number, handler in previous.items():
        signal.signal(number, handler)
    return last


def read_held_out(config: Config, data: Path) -> dict[str, list[TrainingImage]]:
    """The validation images by set."""
    return {name: _read_set(name, config, data)[1] for name in config.data.sets}


def _read_set(name: str, config: Config, data: Path) -> tuple[list[TrainingImage], list[TrainingImage]]:
    settings = config.data
    return read_set(
        data / name,
        settings.held_out.get(name, settings.validation_fraction),
        complete=name not in settings.partial,
        isotropic=name in settings.isotropic,
    )


def read_images(
    config: Config, data: Path, out: Path
) -> tuple[list[tuple[float, ImageSource]], dict[str, list[TrainingImage]]]:
    """Training images with weights, and validation images by set."""
    settings = config.data
    training: list[tuple[float, ImageSource]] = []
    validation: dict[str, list[TrainingImage]] = {}
    share = settings.synthetic_share if settings.synthetic_kinds else 0.0
    source: ImageSource
    for parts, total in ((settings.sets, 1 - share), (settings.synthetic_kinds, share)):
        for name, weight in parts.items():
            if parts is settings.sets:
                images, validation[name] = _read_set(name, config, data)
                source = FixedImages(images)
            elif settings.synthetic_refresh:
                source = FreshImages(
                    name, settings.synthetic_side, settings.synthetic_images, settings.synthetic_refresh
                )
            else:
                source = FixedImages(read_or_generate(name, settings, out / "synthetic", config.run.seed))
            training.append((total * weight / sum(parts.values()), source))
    return training, validation


class Log:
    """Lines of JSON: means over some steps, and whatever else is written; echoed to standard output."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.sums: dict[str, list[float | Tensor]] = defaultdict(list)

    def add(self, numbers: Mapping[str, float | Tensor]) -> None:
        """Remember the numbers of one step."""
        for name, number in numbers.items():
            self.sums[name].append(number)

    def flush(self, head: dict[str, float]) -> None:
        """Write the means of the numbers remembered, and forget them."""
        means = {name: float(np.mean([float(number) for number in kept])) for name, kept in sorted(self.sums.items())}
        self.write(head | {name: round(mean, 4) for name, mean in means.items()})
        self.sums.clear()

    def write(self, line: dict[str, object]) -> None:
        """Append one line."""
        text = json.dumps(line)
        with self.path.open("a") as file:
            file.write(text + "\n")
        if "config" not in line:
            print(text, flush=True)


def _validate(
    average: MovingAverage,
    sizes: NanoConfig | None,
    images: dict[str, list[TrainingImage]],
    config: Config,
) -> dict[str, dict[str, float]]:
    device = next(iter(average.state.values())).device
    averaged = Nano(sizes).to(device, memory_format=torch.channels_last).eval()
    averaged.load_state_dict(average.state)
    return validate(averaged, images, config, config.run.validation_objects)


def _set_mode(network: nn.Module, frozen: bool) -> None:
    network.train()
    if frozen:
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m training.train", description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--init", type=Path, help="released weights to start from if there is no checkpoint in OUT")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or mps")
    parser.add_argument("--minutes", type=float, help="length of the schedule, instead of the configuration's")
    parser.add_argument("--release", metavar="VERSION", help="write OUT/nano-VERSION.safetensors with every checkpoint")
    given = parser.parse_args(arguments)
    if any(os.environ.get(name) != value for name, value in ENVIRONMENT.items()):
        # The libraries read these when a process starts.
        os.environ.update(ENVIRONMENT)
        os.execv(sys.executable, [sys.executable, "-m", "training.train", *(arguments or sys.argv[1:])])
    config = read_config(given.config)
    if given.minutes is not None:
        config = dataclasses.replace(config, run=dataclasses.replace(config.run, minutes=given.minutes, steps=0))
    train(config, given.data, given.out, given.init, device=given.device, version=given.release)


if __name__ == "__main__":
    main()
