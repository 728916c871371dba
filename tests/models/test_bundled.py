"""The bundled model does on a plain picture what it is for."""

import pytest
import torch

from napari_sam.models.load import load_model


@pytest.fixture(scope="module")
def network():
    return load_model("nano", "cpu").network


@pytest.fixture(scope="module")
def discs():
    """Two blurred bright discs of 36 pixels on a dark ground, and where they are."""
    row, column = torch.meshgrid(torch.arange(256.0), torch.arange(256.0), indexing="ij")
    inside = torch.stack([18 - torch.hypot(row - 120, column - at) for at in (100, 150)])
    return (0.1 + 0.7 * inside.sigmoid().sum(0)).expand(1, 3, 256, 256), inside > 0


def overlap_with_best(prediction, truth):
    mask = prediction.logits[0, prediction.iou[0].argmax()].repeat_interleave(2, 0).repeat_interleave(2, 1) > 0
    return float((mask & truth).sum() / (mask | truth).sum())


@pytest.mark.parametrize("disc", [0, 1])
def test_a_click_selects_the_disc_under_it(network, discs, disc):
    images, truth = discs
    points = torch.tensor([[[(100.0, 150.0)[disc], 120.0]]])

    prediction = network.decode(network.encode(images), points, torch.tensor([[1]]), None, True)

    assert overlap_with_best(prediction, truth[disc]) > 0.7


def test_a_box_selects_the_disc_in_it(network, discs):
    images, truth = discs
    corners = torch.tensor([[[82.0, 102.0], [118.0, 138.0]]])

    prediction = network.decode(network.encode(images), corners, torch.tensor([[2, 3]]), None, False)

    assert overlap_with_best(prediction, truth[0]) > 0.8


def test_maps_tell_the_discs_from_the_ground(network, discs):
    images, truth = discs

    foreground = network.encode(images).maps[0, 0].repeat_interleave(4, 0).repeat_interleave(4, 1)

    assert foreground[truth.any(0)].mean() > foreground[~truth.any(0)].mean() + 0.3
