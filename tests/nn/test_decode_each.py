"""Prompts decoded together, each on a window of its own, and the short cuts of decoding without gradients."""

import pytest
import torch

from napari_sam.nn import cells, mask_decoder
from napari_sam.nn.image_encoder import VitConfig
from napari_sam.nn.nano import Nano, NanoConfig
from napari_sam.nn.network import ImageFeatures
from napari_sam.nn.prompt_encoder import DRAWN_CHANNELS, draw_prompts
from napari_sam.nn.sam import Sam, SamConfig

NANO = NanoConfig(
    widths=(4, 6, 8, 8, 8), blocks=(1, 0, 1, 1, 1), dim=16, map_channels=4, mask_channels=(3, 5), heads=2, mlp_dim=12
)
SAM = SamConfig(
    VitConfig(dim=8, depth=2, heads=2, global_blocks=(1,), image_side=64, attention_window=3),
    dim=16,
    mask_channels=(2, 4),
    heads=2,
    mlp_dim=12,
)


@pytest.fixture(params=["nano", "sam"])
def network(request):
    torch.manual_seed(0)
    network = (Nano(NANO) if request.param == "nano" else Sam(SAM)).double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(0, 0.3)
    return network.eval()


def windows(network, count: int) -> list[ImageFeatures]:
    """Windows, the nano network's cut out of larger areas, as they come from an embedder."""
    encoded = [network.encode(torch.rand(1, 3, 64, 64, dtype=torch.float64)) for _ in range(count)]
    if isinstance(network, Sam):
        return encoded
    wide = [network.encode(torch.rand(1, 3, 96, 128, dtype=torch.float64)) for _ in range(count)]
    return [
        ImageFeatures(
            each.embedding[..., 2:10, 4:12], (each.high_res[0][..., 4:20, 8:24], each.high_res[1][..., 8:40, 16:48])
        )
        for each in wide
    ]


def prompts(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.rand(count, 2, 2, dtype=torch.float64) * 60, torch.tensor([[1, 0]] * count)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("multimask", [False, True])
def test_prompts_on_windows_of_their_own_are_decoded_as_if_alone(network, multimask, masked):
    side = 64 // network.mask_stride
    mask = torch.randn(5, 1, side, side, dtype=torch.float64) if masked else None
    with torch.inference_mode():
        features, (points, labels) = windows(network, 5), prompts(5)

        together = network.decode_each(features, points, labels, mask, multimask)

        for at, window in enumerate(features):
            own = None if mask is None else mask[at : at + 1]
            alone = network.decode(window, points[at : at + 1], labels[at : at + 1], own, multimask)
            torch.testing.assert_close(together.logits[at], alone.logits[0], rtol=1e-10, atol=1e-10)
            torch.testing.assert_close(together.iou[at], alone.iou[0], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("at_once", [1, 3, 100])
@pytest.mark.parametrize("kind", ["point", "box", "mask", "nothing"])
def test_without_gradients_the_same_is_computed_in_fewer_steps(network, kind, at_once, monkeypatch):
    points, labels = prompts(4)
    if kind == "box":
        labels = torch.tensor([[2, 3]] * 4)
    if kind == "nothing":
        points, labels = points[:, :0], labels[:, :0]
    side = 64 // network.mask_stride
    mask = torch.randn(4, 1, side, side, dtype=torch.float64) if kind == "mask" else None
    features = windows(network, 1)[0]
    plain = network.decode(features, points, labels, mask, True)
    monkeypatch.setattr(mask_decoder, "UPSCALED_AT_ONCE", at_once * 2 * features.embedding.numel())

    with torch.inference_mode():
        quick = network.decode(features, points, labels, mask, True)

    torch.testing.assert_close(quick.logits, plain.logits.detach(), rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(quick.iou, plain.iou.detach(), rtol=1e-10, atol=1e-10)


def test_decoding_leaves_the_features_as_they_are(network):
    with torch.inference_mode():
        features, (points, labels) = windows(network, 3), prompts(3)
        before = [[tensor.clone() for tensor in (each.embedding, *each.high_res)] for each in features]

        network.decode_each(features, points, labels, None, True)
        network.decode(features[0], points, labels, None, True)

    for each, expected in zip(features, before, strict=True):
        assert all(map(torch.equal, (each.embedding, *each.high_res), expected))


@pytest.mark.parametrize("side", [1, 2, 4])
@pytest.mark.parametrize("channels_last", [False, True])
def test_grouping_is_the_same_with_and_without_gradients_and_in_memory_of_its_own(side, channels_last):
    maps = torch.rand(3, 5, 8, 4 if side == 4 else 12)
    if channels_last:
        maps = maps.contiguous(memory_format=torch.channels_last)

    with torch.no_grad():
        quick = cells.group(maps, side)
        singly = cells.group(tuple(maps.split(1)), side)

    assert torch.equal(quick, cells.group(maps, side))
    assert torch.equal(singly, quick)
    if side > 1:
        assert quick.untyped_storage().data_ptr() != maps.untyped_storage().data_ptr()


def test_what_is_blank_is_not_drawn():
    points = torch.tensor([[[10.0, 12.0]], [[3.0, 5.0]]])

    clicked = draw_prompts(points, torch.tensor([[1], [1]]), None, (32, 32), 2)
    mixed = draw_prompts(points, torch.tensor([[1], [0]]), torch.zeros(2, 1, 32, 32), (32, 32), 2)
    nothing = draw_prompts(points[:, :0], torch.zeros(2, 0, dtype=torch.int64), None, (32, 32), 2)

    assert clicked.channels == (0,)
    assert mixed.channels == (0, 1, 3, 4)
    assert mixed.maps[:, 0].amax((1, 2)).tolist() == [clicked.maps[0].max().item(), 0]
    assert nothing.maps.shape == (2, 1, 32, 32)
    assert not nothing.maps.any()


def test_drawing_does_not_wait_for_a_device():
    # Whether a channel is blank cannot be asked of tensors that hold nothing: off the CPU none may be looked at.
    points = torch.zeros(2, 1, 2, device="meta")
    drawn = draw_prompts(points, torch.ones(2, 1, dtype=torch.int64, device="meta"), None, (32, 32), 2)
    assert drawn.channels == (0, 1, 2)
    assert drawn.maps.shape == (2, 3, 32, 32)


def test_blank_channels_change_nothing():
    torch.manual_seed(0)
    halve = cells.Halve(DRAWN_CHANNELS, 4)
    drawn = cells.group(draw_prompts(torch.full((1, 1, 2), 9.0), torch.ones(1, 1), None, (32, 32), 2).maps, 4)
    assert drawn.shape[-1] == 1
    padded = torch.cat([drawn, torch.zeros_like(drawn), torch.zeros_like(drawn)], -1)
    torch.testing.assert_close(halve(drawn, (0,)), halve(padded, (0, 1, 2)))
