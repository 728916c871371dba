"""Gradients of steps that a graphics card starts by itself are those of steps that Python starts."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_sam.nn.nano import Nano
from training.batches import Batches
from training.checkpoint import read_checkpoint
from training.graphs import GradientSteps
from training.step import training_step
from training.train import read_images, train

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
DEVICES = ["cpu", pytest.param("cuda", marks=needs_cuda)]


@pytest.fixture
def draw(tiny_config, tiny_data, tmp_path):
    """Draw batches of one kind: each a graph of the first serves."""
    config = replace(
        tiny_config,
        window=replace(tiny_config.window, layouts={"2x64": 1.0}),
        prompt=replace(tiny_config.prompt, kinds=1, point=1.0, box=0.0, box_and_point=0.0, scribble=0.0, mask=0.0),
    )
    sources, _ = read_images(config, tiny_data, tmp_path)
    batches, rng = Batches(sources, config, seed=0), np.random.default_rng(0)
    return config, lambda: batches.draw(rng)


def network_on(device, sizes):
    torch.manual_seed(0)
    return Nano(sizes).to(device, memory_format=torch.channels_last).train()


def plain(network, batch, config):
    """The gradients, and the numbers to log, as autograd gives them."""
    network.zero_grad()
    result = training_step(network, batch.to(next(network.parameters()).device), config)
    result.loss.backward()
    return [torch.zeros_like(each) if each.grad is None else each.grad for each in network.parameters()], result.numbers


def assert_near(found, expected):
    """Gradients are sums in no particular order, of numbers that autocast rounds."""
    ours, theirs = (torch.cat([each.float().flatten() for each in tensors]) for tensors in (found, expected))
    assert ours.isfinite().all()
    assert theirs.norm() > 0
    assert (ours - theirs).norm() < 0.02 * theirs.norm()


@pytest.mark.parametrize("rounds", [1, 3])
@pytest.mark.parametrize("device", DEVICES)
def test_each_step_has_the_gradients_of_its_batch(device, rounds, draw, tiny_sizes):
    config, drawn = draw
    config = replace(config, prompt=replace(config.prompt, rounds=rounds))
    reference, network = network_on(device, tiny_sizes), network_on(device, tiny_sizes)
    steps = GradientSteps(network, config)
    # The first step is started by Python, the second captured, the others replay what was captured.
    for turn in range(5):
        batch = drawn()
        # Corrective clicks are drawn by the device.
        torch.manual_seed(turn)
        gradients, numbers = plain(reference, batch, config)
        torch.manual_seed(turn)
        found = steps(batch, frozen=False)
        assert_near(steps.gradients, gradients)
        assert found.keys() == numbers.keys()
        torch.testing.assert_close(found["loss"], numbers["loss"], rtol=0.02, atol=0.02)
    assert len(steps.captured) == (device == "cuda")


@pytest.mark.parametrize("device", DEVICES[1:])
def test_numbers_of_a_step_stay_when_others_follow(device, draw, tiny_sizes):
    config, drawn = draw
    steps = GradientSteps(network_on(device, tiny_sizes), config)
    steps(drawn(), frozen=False)
    first = steps(drawn(), frozen=False)
    kept = {name: float(number) for name, number in first.items()}
    for frozen in (True, True, False):
        steps(drawn(), frozen=frozen)
    assert len(steps.captured) == 2
    assert {name: float(number) for name, number in first.items()} == kept


@needs_cuda
def test_a_run_on_a_card_goes_on_from_its_checkpoint(tiny_config, tiny_data, tiny_sizes, tmp_path):
    pytest.importorskip("triton")
    config = replace(tiny_config, run=replace(tiny_config.run, steps=6))
    train(config, tiny_data, tmp_path / "run", sizes=tiny_sizes, device="cuda")
    assert read_checkpoint(tmp_path / "run").step == 6
    longer = replace(config, run=replace(config.run, steps=8))
    after = train(longer, tiny_data, tmp_path / "run", sizes=tiny_sizes, device="cuda")
    assert after.step == 8
    assert all(tensor.isfinite().all() for tensor in after.network.values())
