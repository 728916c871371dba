import json
from dataclasses import replace

import pytest
import torch
from safetensors import safe_open

from napari_sam.nn.nano import Nano
from training.checkpoint import read_checkpoint
from training.choice import choose, shown
from training.config import LossConfig
from training.losses import map_loss, mask_loss
from training.release import half_precision, release
from training.schedule import progress, rate_share
from training.train import train


def _lines(folder):
    return [json.loads(line) for line in (folder / "curve.jsonl").read_text().splitlines()]


@pytest.fixture
def trained(tiny_config, tiny_data, tiny_sizes, tmp_path):
    out = tmp_path / "run"
    train(tiny_config, tiny_data, out, sizes=tiny_sizes)
    return out


def test_a_resumed_run_goes_on_counting(trained, tiny_config, tiny_data, tiny_sizes):
    before = read_checkpoint(trained)
    assert before.step == 3
    longer = replace(tiny_config, run=replace(tiny_config.run, steps=5))
    after = train(longer, tiny_data, trained, sizes=tiny_sizes)
    assert after.step == 5
    assert after.minutes > before.minutes
    assert after.average["updates"] == 5
    steps = [line["step"] for line in _lines(trained) if "loss" in line]
    assert steps == [1, 2, 3, 4, 5]
    assert not list(trained.glob("*.partial"))


def test_a_finished_run_has_been_validated(trained):
    scores = [line["validation"]["mean"] for line in _lines(trained) if "validation" in line]
    assert scores
    for name in ("click_1", "click_3", "box", "chosen", "oracle"):
        assert 0 <= scores[-1][name] <= 1
    assert scores[-1]["oracle"] >= scores[-1]["chosen"]


def test_an_encoder_is_pretrained_without_windows(tiny_config, tiny_data, tiny_sizes, tmp_path):
    maps = replace(
        tiny_config,
        window=replace(tiny_config.window, windows=0),
        optimizer=replace(tiny_config.optimizer, frozen=["prompt_encoder", "mask_decoder"]),
        run=replace(tiny_config.run, steps=12),
    )
    torch.manual_seed(maps.run.seed)
    before = Nano(tiny_sizes).state_dict()
    after = train(maps, tiny_data, tmp_path / "maps", sizes=tiny_sizes).network
    losses = [line["maps"] for line in _lines(tmp_path / "maps") if "maps" in line]
    assert losses[-1] < losses[0]
    for name, tensor in before.items():
        if name.startswith(("prompt_encoder.", "mask_decoder.")):
            torch.testing.assert_close(after[name], tensor)
    assert not torch.equal(after["image_encoder.maps.out.weight"], before["image_encoder.maps.out.weight"])


def test_a_run_starts_from_released_weights(trained, tiny_config, tiny_data, tiny_sizes, tmp_path):
    weights = tmp_path / "weights.safetensors"
    release(trained, weights, "test")
    still = replace(tiny_config, run=replace(tiny_config.run, steps=1))
    still = replace(still, optimizer=replace(still.optimizer, learning_rate=0.0))
    started = train(still, tiny_data, tmp_path / "second", init=weights, sizes=tiny_sizes)
    assert started.step == 1
    released = half_precision(read_checkpoint(trained).average["state"])
    for name, tensor in started.network.items():
        if not name.endswith(("running_mean", "running_var", "num_batches_tracked")):
            torch.testing.assert_close(tensor, released[name].float())


def test_released_file_loads_and_says_what_it_is(trained, tiny_sizes, tmp_path):
    weights = tmp_path / "weights.safetensors"
    release(trained, weights, "7")
    with safe_open(weights, "pt") as file:
        about = file.metadata()
        state = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
    assert about["version"] == "7"
    assert about["steps"] == "3"
    assert about["data"] == "discs, stack"
    assert about["licence"] == "BSD-3-Clause"
    Nano(tiny_sizes).load_state_dict(state)


def test_infinite_weights_are_not_released():
    with pytest.raises(ValueError, match="huge"):
        half_precision({"huge": torch.tensor([1e9])})


def test_releasing_needs_a_checkpoint(tmp_path):
    with pytest.raises(FileNotFoundError, match="train"):
        release(tmp_path, tmp_path / "x.safetensors", "1")


def test_loss_is_that_of_the_best_candidate():
    target = torch.zeros(1, 8, 8)
    target[:, 2:6, 2:6] = 1
    right = (target * 2 - 1) * 20
    wrong = -right
    config = LossConfig(other_mode=0.0, other_candidates=0.0)
    good = mask_loss(torch.stack([wrong, wrong, right, wrong], 1), torch.zeros(1, 4), target, True, config)
    assert good.mask.item() == pytest.approx(0, abs=1e-3)
    torch.testing.assert_close(good.true_iou, torch.tensor([[0.0, 0, 1, 0]]))
    assert good.iou.item() == pytest.approx(0.25)
    single = mask_loss(torch.stack([wrong, wrong, right, wrong], 1), torch.zeros(1, 4), target, False, config)
    assert single.mask.item() > 1
    assert single.regret.item() == 0


def test_a_correction_that_does_harm_costs_more():
    target = torch.zeros(2, 8, 8)
    target[:, 2:6, 2:6] = 1
    # The first mask lacks half of the object, the second nothing.
    logits = (target * 2 - 1) * 20
    logits[0, 2:6, 2:4] = -20
    logits = torch.stack([logits] * 4, 1)
    config = LossConfig(hurt=3.0)
    plain = mask_loss(logits, torch.zeros(2, 4), target, False, config)
    worse = mask_loss(logits, torch.zeros(2, 4), target, False, config, torch.tensor([0.1, 0.1]))
    better = mask_loss(logits, torch.zeros(2, 4), target, False, config, torch.tensor([0.9, 0.9]))
    torch.testing.assert_close(better.mask, plain.mask)
    torch.testing.assert_close(worse.mask - plain.mask, torch.tensor([3 * (plain.shown_dice[0].item() - 0.1), 0.0]))


def test_regret_teaches_to_choose_the_best_candidate():
    target = torch.zeros(1, 8, 8)
    target[:, 2:6, 2:6] = 1
    right = (target * 2 - 1) * 20
    logits = torch.stack([right, -right, right, -right], 1)
    predicted = torch.tensor([[0.5, 0.6, 0.5, 0.6]], requires_grad=True)
    losses = mask_loss(logits, predicted, target, True, LossConfig())
    assert losses.regret.item() > 0.9
    losses.regret.sum().backward()
    assert predicted.grad is not None
    assert predicted.grad[0, 2] < 0
    assert (predicted.grad[0, [1, 3]] > 0).all()
    assert predicted.grad[0, 0] == 0
    certain = torch.tensor([[0.0, 0.1, 0.9, 0.1]])
    assert mask_loss(logits, certain, target, True, LossConfig()).regret.item() < 0.01


def test_the_shown_candidate_is_trained_beside_the_best_one():
    target = torch.zeros(1, 8, 8)
    target[:, 2:6, 2:6] = 1
    right = (target * 2 - 1) * 5
    logits = torch.stack([right, -right, right, -right], 1).requires_grad_()
    predicted = torch.tensor([[0.0, 0.9, 0.5, 0.1]])
    config = LossConfig(other_mode=0.0, other_candidates=0.0, shown_candidate=0.5)
    mask_loss(logits, predicted, target, True, config).mask.sum().backward()
    assert logits.grad is not None
    moved = logits.grad.abs().amax((0, 2, 3)) > 0
    assert moved.tolist() == [False, True, True, False]
    # Towards the target: the gradient is positive where there is no object.
    assert (logits.grad[0, 1] * (target[0] * 2 - 1) < 0).all()
    half = mask_loss(logits, predicted, target, True, config).mask
    best = mask_loss(logits, predicted, target, True, replace(config, shown_candidate=0.0)).mask
    shown = mask_loss(logits, predicted, target, True, replace(config, shown_candidate=1.0)).mask
    torch.testing.assert_close(half, (best + shown) / 2)


def test_the_candidates_are_trained_as_they_are_shown():
    target = torch.zeros(1, 8, 8)
    target[:, 2:6, 2:6] = 1
    logits = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0)).requires_grad_()
    predicted = torch.tensor([[0.9, 0.6, 0.5, 0.4]], requires_grad=True)
    config = LossConfig(other_mode=0.0, other_candidates=0.0, blend=1.0)
    loss = mask_loss(logits, predicted, target, True, config).mask
    # The same as of a single mask, if that were what is shown.
    as_one = torch.stack([shown(logits, predicted, True)] * 4, 1)
    torch.testing.assert_close(loss, mask_loss(as_one, predicted, target, False, config).mask)
    loss.sum().backward()
    assert logits.grad is not None
    assert (logits.grad.abs().amax((0, 2, 3)) > 0).tolist() == [False, True, True, True]
    # Which of them counts how much is for the predicted IoUs' own losses to teach.
    assert predicted.grad is None


def test_what_is_shown_is_the_single_mask_or_the_candidates_blended():
    logits = torch.tensor([1.0, 2.0, 4.0, 9.0]).view(1, 4, 1, 1)
    alike = torch.tensor([[0.9, 0.5, 0.5, 0.5]])
    assert shown(logits, alike, False).item() == 1
    assert shown(logits, alike, True).item() == pytest.approx(5)
    assert choose(alike, False).item() == 0
    assert choose(torch.tensor([[0.9, 0.5, 0.7, 0.5]]), True).item() == 2


def test_frozen_modules_stay_as_they_are(trained, tiny_config, tiny_data, tiny_sizes, tmp_path):
    weights = tmp_path / "weights.safetensors"
    release(trained, weights, "test")
    optimizer = replace(tiny_config.optimizer, frozen=["image_encoder"], freeze_batch_norm=0.0, muon=True)
    config = replace(tiny_config, optimizer=optimizer)
    after = train(config, tiny_data, tmp_path / "second", init=weights, sizes=tiny_sizes).network
    before = half_precision(read_checkpoint(trained).average["state"])
    changed = {name for name, tensor in after.items() if not torch.equal(tensor, before[name].to(tensor.dtype))}
    assert changed
    assert not [name for name in changed if name.startswith("image_encoder.")]


def test_an_absent_object_has_no_iou():
    logits = torch.full((1, 4, 8, 8), -5.0)
    losses = mask_loss(logits, torch.zeros(1, 4), torch.zeros(1, 8, 8), False, LossConfig())
    assert losses.true_iou.max() == 0
    assert losses.mask.item() < 0.2


def test_schedule_warms_up_and_ends_low(tiny_config):
    run = replace(tiny_config.run, steps=100, minutes=10)
    assert progress(50, 1, run) == 0.5
    assert progress(50, 8, run) == 0.8
    assert progress(300, 1, run) == 1
    optimizer = replace(tiny_config.optimizer, warm_up_steps=10)
    rates = [rate_share(step, step / 100, optimizer) for step in range(101)]
    assert rates[0] < rates[9] > rates[100] > 0
    assert rates[10] == pytest.approx(1, abs=0.05)
    assert rates[100] == pytest.approx(optimizer.final_learning_rate)


def test_a_run_with_muon_is_resumed_too(tiny_config, tiny_data, tiny_sizes, tmp_path):
    sizes = replace(tiny_sizes, dim=32)
    config = replace(tiny_config, optimizer=replace(tiny_config.optimizer, muon=True))
    first = train(config, tiny_data, tmp_path / "run", sizes=sizes)
    assert set(first.optimizers) == {"adamw", "muon"}
    after = train(replace(config, run=replace(config.run, steps=4)), tiny_data, tmp_path / "run", sizes=sizes)
    assert after.step == 4


def test_maps_are_not_trained_where_nothing_is_known():
    torch.manual_seed(0)
    logits, target = torch.randn(2, 3, 8, 8, requires_grad=True), torch.rand(2, 3, 8, 8)
    whole = map_loss(logits, target, LossConfig())
    half = map_loss(logits[..., :4], target[..., :4], LossConfig())
    partly = target.clone()
    partly[..., 4:] = torch.nan
    found = map_loss(logits, partly, LossConfig())
    found.backward()
    torch.testing.assert_close(found, half)
    assert whole != found
    assert (logits.grad[..., 4:] == 0).all()
    assert (logits.grad[..., :4] != 0).all()
    assert map_loss(logits, torch.full_like(target, torch.nan), LossConfig()) == 0
