import pytest
import torch
from torch import nn

from napari_sam.nn import layers


def convolutions(stride):
    """What `by_bands` takes for each stride, its result far from zero at the borders."""
    if stride == 4:
        return nn.Sequential(
            nn.Conv2d(3, 5, 3, stride=2, padding=1), nn.GELU(), nn.Conv2d(5, 4, 3, stride=2, padding=1)
        )
    return nn.Sequential(nn.Conv2d(3, 5, 1), nn.GELU(), nn.Conv2d(5, 4, 3, stride=stride, padding=1))


@pytest.mark.parametrize("stride", [1, 2, 4])
@pytest.mark.parametrize("height", [4, 12, 31, 33, 37])
@pytest.mark.parametrize("rows_at_once", [1, 4, 7, 16])
def test_bands_together_are_the_whole(stride, height, rows_at_once, monkeypatch):
    torch.manual_seed(height)
    network = convolutions(stride).double()
    images = torch.rand(2, 3, height, 9, dtype=torch.float64)
    seen = []

    def observed(part):
        seen.append(part.shape[2])
        return network(part)

    monkeypatch.setattr(layers, "FEATURES_AT_ONCE", rows_at_once * 2 * 5 * 9)
    with torch.no_grad():
        banded = layers.by_bands(observed, images, 5, stride)
        whole = network(images)

    torch.testing.assert_close(banded, whole, rtol=1e-12, atol=1e-12)
    assert len(seen) == 1 or max(seen) <= max(rows_at_once, stride) + 2 * stride


def test_with_gradients_the_whole_is_taken_at_once(monkeypatch):
    monkeypatch.setattr(layers, "FEATURES_AT_ONCE", 1)
    seen = []
    layers.by_bands(lambda part: seen.append(part.shape) or part, torch.rand(1, 3, 8, 8, requires_grad=True), 3)
    assert seen == [(1, 3, 8, 8)]
