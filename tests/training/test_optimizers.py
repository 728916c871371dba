from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from napari_sam.nn.nano import Nano
from training.config import OptimizerConfig
from training.muon import LIKE_ADAMW, Muon, orthogonalised
from training.optimizers import Optimizers


@given(st.integers(2, 40), st.integers(2, 40), st.integers(0, 1000))
@settings(deadline=None)
def test_an_orthogonalised_matrix_keeps_its_singular_vectors(rows, columns, seed):
    matrix = torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))
    found = orthogonalised(matrix[None])[0].float()
    assert found.shape == matrix.shape
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    inner = left.T @ found @ right.T
    # Directions that hardly count come nearer to 1 only slowly.
    counted = torch.diag(inner)[values > 0.1 * values.max()]
    assert counted.min() > 0.6
    assert counted.max() < 1.3
    assert (inner - torch.diag(torch.diag(inner))).abs().max() < 0.15


def test_a_first_update_is_orthogonal_and_as_large_as_one_of_adamw():
    torch.manual_seed(0)
    kernel = nn.Parameter(torch.zeros(32, 8, 3, 3).to(memory_format=torch.channels_last))
    kernel.grad = torch.randn(32, 8, 3, 3).to(memory_format=torch.channels_last)
    Muon([kernel], lr=0.1).step()
    change = -kernel.detach().flatten(1)
    spread = torch.linalg.svdvals(change) / (0.1 * LIKE_ADAMW * 72**0.5)
    assert spread.min() > 0.6
    assert spread.max() < 1.3
    assert (change * kernel.grad.flatten(1)).sum() > 0


def test_muon_reaches_the_minimum_of_a_quadratic():
    torch.manual_seed(0)
    target = torch.randn(8, 6)
    matrix = nn.Parameter(torch.zeros(8, 6))
    optimizer = Muon([matrix], lr=0.1)
    first = (matrix - target).square().sum().item()
    for step in range(200):
        matrix.grad = 2 * (matrix.detach() - target)
        optimizer.param_groups[0]["lr"] = 0.1 * (1 - step / 200)
        optimizer.step()
    assert (matrix - target).square().sum().item() < 0.01 * first


@pytest.mark.parametrize("muon", [False, True])
def test_every_parameter_is_moved_by_just_one_optimizer(muon):
    network = Nano()
    optimizers = Optimizers(network, OptimizerConfig(muon=muon))
    moved = [
        parameter for part in optimizers.parts.values() for group in part.param_groups for parameter in group["params"]
    ]
    assert sorted(map(id, moved)) == sorted(map(id, network.parameters()))
    assert ("muon" in optimizers.parts) is muon


def test_muon_leaves_embeddings_norms_and_outputs_alone():
    network = Nano()
    muon = {
        id(each) for each in Optimizers(network, OptimizerConfig(muon=True)).parts["muon"].param_groups[0]["params"]
    }
    taken = {name for name, parameter in network.named_parameters() if id(parameter) in muon}
    assert "image_encoder.stages.4.1.first.conv.weight" in taken
    assert "mask_decoder.transformer.layers.0.mlp.lin1.weight" in taken
    for name in ("mask_tokens.weight", "iou_token.weight", "iou_prediction_head.layers.2.weight"):
        assert f"mask_decoder.{name}" not in taken
    assert "image_encoder.stages.0.0.conv.weight" not in taken
    assert "image_encoder.maps.out.weight" not in taken


def test_a_share_of_the_rates_reaches_both(tiny_sizes):
    network = Nano(replace(tiny_sizes, dim=32))
    optimizers = Optimizers(network, OptimizerConfig(learning_rate=0.3, muon=True, muon_rate=0.1))
    optimizers.step(0.5)
    assert {group["lr"] for group in optimizers.parts["adamw"].param_groups} == {0.15}
    assert {group["lr"] for group in optimizers.parts["muon"].param_groups} == {0.05}


def test_the_state_comes_back(tiny_sizes):
    def one_step(network, optimizers):
        network.zero_grad()
        sum(parameter.square().sum() for parameter in network.parameters()).backward()
        optimizers.step(1.0)

    config = OptimizerConfig(muon=True)
    torch.manual_seed(0)
    first = Nano(replace(tiny_sizes, dim=32))
    optimizers = Optimizers(first, config)
    one_step(first, optimizers)
    second = Nano(replace(tiny_sizes, dim=32))
    second.load_state_dict(first.state_dict())
    again = Optimizers(second, config)
    again.load_state_dict(deepcopy(optimizers.state_dict()))
    one_step(first, optimizers)
    one_step(second, again)
    for ours, theirs in zip(first.parameters(), second.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_parts_of_the_network_may_have_slower_rates(tiny_sizes):
    network = Nano(replace(tiny_sizes, dim=32))
    config = OptimizerConfig(learning_rate=0.4, muon=True, muon_rate=0.2, slower={"image_encoder": 0.5})
    optimizers = Optimizers(network, config)
    optimizers.step(0.5)
    rates = {
        id(parameter): (name, group["lr"])
        for name, part in optimizers.parts.items()
        for group in part.param_groups
        for parameter in group["params"]
    }
    full = {"adamw": 0.2, "muon": 0.1}
    for name, parameter in network.named_parameters():
        part, rate = rates[id(parameter)]
        assert rate == pytest.approx(full[part] * (0.5 if name.startswith("image_encoder.") else 1))
