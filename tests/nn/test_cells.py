"""Grouping pixels by cell, and convolutions on grouped pixels."""

import pytest
import torch
from torch import nn

from napari_sam.nn import cells


def numbered(*shape: int) -> torch.Tensor:
    return torch.arange(float(torch.Size(shape).numel())).view(shape)


def test_pixels_of_a_cell_are_quarters_of_quarters():
    rows = torch.tensor([[0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15]], dtype=torch.float32)

    grouped = cells.group(rows[None, None].repeat(1, 2, 1, 3), 4)

    assert grouped.shape == (1, 3, 4, 4, 2)
    assert grouped[0, :, :, :, 0].flatten(1).tolist() == [list(range(16))] * 3


@pytest.mark.parametrize("channels_last", [False, True])
def test_ungrouping_undoes_grouping(channels_last):
    maps = numbered(2, 3, 8, 12)
    if channels_last:
        maps = maps.contiguous(memory_format=torch.channels_last)

    grouped = cells.group(maps, 4)

    assert torch.equal(cells.ungroup(grouped.flatten(1, 3).transpose(1, 2), (2, 3)), maps)


@pytest.mark.parametrize("side", [1, 2, 4])
def test_gradients_come_back_to_their_pixels(side):
    maps = numbered(2, 3, 8, 12).requires_grad_()

    cells.group(maps, side).square().sum().backward()

    assert torch.equal(maps.grad, 2 * maps)


def test_gradients_of_ungrouped_maps_come_back_to_their_pixels():
    grouped = numbered(2, 3, 6 * 16).requires_grad_()

    cells.ungroup(grouped, (2, 3)).square().sum().backward()

    assert torch.equal(grouped.grad, 2 * grouped)


def test_convolutions_on_grouped_pixels_are_those_on_maps():
    maps = torch.rand(2, 3, 8, 12, dtype=torch.float64)
    halve, again, pointwise = (cells.Halve(3, 5), cells.Halve(5, 4), cells.Pointwise(4, 2))
    double, twice = cells.Double(2, 3), cells.Double(3, 6)
    grouped = nn.Sequential(halve, again, pointwise, double, twice).double()

    ours = cells.ungroup(grouped(cells.group(maps, 4)).flatten(1, 3).transpose(1, 2), (2, 3))

    plain = maps
    for layer, form in (
        (halve, nn.Conv2d),
        (again, nn.Conv2d),
        (pointwise, nn.Conv2d),
        (double, nn.ConvTranspose2d),
        (twice, nn.ConvTranspose2d),
    ):
        side = layer.kernel_size[0]
        reference = form(layer.in_channels, layer.out_channels, kernel_size=side, stride=side).double()
        reference.load_state_dict(layer.state_dict())
        plain = reference(plain)
    torch.testing.assert_close(ours, plain, rtol=1e-12, atol=1e-12)
