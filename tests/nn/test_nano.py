"""The nano network: against the prototype that its weights come from, and its own promises."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from napari_sam.nn.cancel import Cancelled, CancelToken
from napari_sam.nn.mask_decoder import LocalMixing
from napari_sam.nn.nano import Nano, NanoConfig, with_best_blended
from napari_sam.nn.network import ImageFeatures, MaskPrediction

# What the prototype gives for `waves` as weights and inputs, computed in float64 with its own code.
PROTOTYPE_OUTPUTS = Path(__file__).parent / "nano_prototype_outputs.safetensors"
PROTOTYPE = NanoConfig(blocks=(1, 2, 3, 3, 2), mixing=0)
TINY = NanoConfig(
    widths=(4, 6, 8, 8, 8),
    blocks=(1, 0, 1, 1, 1),
    dim=16,
    map_channels=4,
    mask_channels=(3, 5),
    heads=2,
    mlp_dim=12,
    mixing=0,
)
MIXING = replace(TINY, mixing=4)


def waves(shape: tuple[int, ...], phase: float) -> torch.Tensor:
    """Numbers in -1..1 that are the same everywhere and follow no pattern that a network could be blind to."""
    count = torch.Size(shape).numel()
    return torch.sin(torch.arange(count, dtype=torch.float64) ** 1.5 * 0.37 + phase).view(shape)


def wave_state(network: Nano) -> dict[str, torch.Tensor]:
    state = {}
    for index, (name, tensor) in enumerate(sorted(network.state_dict().items())):
        values = waves(tuple(tensor.shape), 0.1 * index)
        if name.endswith("running_var"):
            values = 1 + 0.5 * values
        elif name.endswith("num_batches_tracked"):
            values = torch.zeros_like(tensor)
        elif "norm" in name and name.endswith("weight"):
            values = 1 + 0.3 * values
        elif tensor.ndim > 1 and not name.endswith(("token.weight", "tokens.weight", "embed.weight", "matrix")):
            values = values * tensor[0].numel() ** -0.5
        state[name] = values
    return state


def wave_images() -> torch.Tensor:
    return 0.5 + 0.6 * waves((2, 3, 64, 96), 0.3)


def wave_prompts() -> dict[str, tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]]:
    """Prompts for two images, two for each: coordinates, labels, mask."""
    points = 32 + 20 * waves((4, 3, 2), 0.7)
    points[:, 1] = points[:, 0] + 11.25
    mask = 5 * waves((4, 1, 32, 48), 0.9)
    boxes = torch.tensor([[2, 3, -1], [2, 3, 1], [2, 3, 0], [2, 3, -1]])
    mixed = torch.tensor([[1, 0, -1], [2, 3, 1], [1, 1, 0], [-1, 0, 0]])
    return {
        "one point": (points[:, :1], torch.tensor([[1], [0], [1], [1]]), None),
        "boxes": (points, boxes, None),
        "mixed with masks": (points, mixed, mask),
    }


def wave_offset() -> torch.Tensor:
    return 128 + 100 * waves((2, 2), 1.3)


@pytest.fixture(scope="module")
def wave_nano():
    network = Nano(PROTOTYPE).double().eval().requires_grad_(False)
    network.load_state_dict(wave_state(network))
    return network


@pytest.fixture
def tiny():
    torch.manual_seed(0)
    return Nano(TINY).eval()


def test_features_are_those_of_the_prototype(wave_nano):
    expected = load_file(PROTOTYPE_OUTPUTS)

    features = wave_nano.encode_logits(wave_images())

    for name, ours in zip(
        ("embedding", "high_res.0", "high_res.1", "maps"),
        (features.embedding, *features.high_res, features.maps),
        strict=True,
    ):
        torch.testing.assert_close(ours[..., ::4, ::4], expected[name], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("prompts", wave_prompts())
def test_masks_are_those_of_the_prototype(wave_nano, prompts):
    expected = load_file(PROTOTYPE_OUTPUTS)
    points, labels, mask = wave_prompts()[prompts]

    features = wave_nano.encode_logits(wave_images())
    result = wave_nano.decode_all(features, points, labels, mask, wave_offset())

    torch.testing.assert_close(result.logits[..., ::4, ::4], expected[f"{prompts}.logits"], rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(result.iou, expected[f"{prompts}.iou"], rtol=1e-9, atol=1e-9)


def test_published_interface_gives_maps_as_probabilities_and_a_choice_of_masks(tiny):
    images = torch.rand(1, 3, 64, 96)
    points, labels = torch.rand(5, 2, 2) * 60, torch.tensor([[2, 3]]).expand(5, -1)

    features = tiny.encode(images)

    assert features.embedding.shape == (1, 16, 8, 12)
    assert [x.shape for x in features.high_res] == [(1, 4, 16, 24), (1, 2, 32, 48)]
    assert features.maps.shape == (1, 3, 16, 24)
    torch.testing.assert_close(features.maps, tiny.encode_logits(images).maps.sigmoid())
    every = tiny.decode_all(features, points, labels)
    one = tiny.decode(features, points, labels, None, multimask=False)
    three = tiny.decode(features, points, labels, None, multimask=True)
    assert one.logits.shape == (5, 1, 32, 48)
    blended = with_best_blended(MaskPrediction(every.logits[:, 1:], every.iou[:, 1:]))
    torch.testing.assert_close(one.logits, every.logits[:, :1])
    torch.testing.assert_close(three.logits, blended.logits)
    torch.testing.assert_close(torch.cat([one.iou, three.iou], 1), every.iou)
    tiny.blends = False
    own = tiny.decode(features, points, labels, None, multimask=True)
    torch.testing.assert_close(torch.cat([one.logits, own.logits], 1), every.logits)


def test_values_far_beyond_the_contrast_limits_are_clamped(tiny):
    images = torch.tensor([-1e6, 1e6, 0.5]).view(1, 3, 1, 1).expand(1, 3, 32, 32)
    clamped = torch.tensor([-0.5, 1.5, 0.5]).view(1, 3, 1, 1).expand(1, 3, 32, 32)

    torch.testing.assert_close(tiny.encode(images).embedding, tiny.encode(clamped).embedding, rtol=0, atol=0)


@pytest.mark.parametrize("masked", [False, True])
def test_prompts_of_one_batch_do_not_influence_each_other(tiny, masked):
    features = tiny.encode(torch.rand(1, 3, 64, 64))
    points = torch.rand(4, 3, 2) * 64
    labels = torch.tensor([[1, 0, -1], [2, 3, 1], [0, 0, 0], [2, 3, -1]])
    mask = torch.randn(4, 1, 32, 32) if masked else None

    together = tiny.decode(features, points, labels, mask, True)

    for i in range(4):
        alone = tiny.decode(features, points[i : i + 1], labels[i : i + 1], mask[i : i + 1] if masked else None, True)
        torch.testing.assert_close(together.logits[i], alone.logits[0], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(together.iou[i], alone.iou[0], rtol=1e-4, atol=1e-5)


def test_prompts_of_several_images_read_their_own(tiny):
    images = torch.rand(2, 3, 64, 64)
    points, labels = torch.rand(6, 1, 2) * 64, torch.ones(6, 1, dtype=torch.int64)
    offset = torch.rand(6, 2) * 256

    together = tiny.decode_all(tiny.encode(images), points, labels, None, offset)

    for image in range(2):
        own = slice(3 * image, 3 * image + 3)
        features = tiny.encode(images[image : image + 1])
        alone = tiny.decode_all(features, points[own], labels[own], None, offset[own])
        torch.testing.assert_close(together.logits[own], alone.logits, rtol=1e-4, atol=1e-5)


def test_run_time_windows_lie_mid_frame(tiny):
    features = tiny.encode(torch.rand(1, 3, 256, 256))
    points, labels = torch.tensor([[[100.0, 30.0]]]), torch.tensor([[1]])

    explicit = tiny.decode_all(features, points, labels, None, torch.tensor([[128.0, 128.0]]))

    torch.testing.assert_close(tiny.decode(features, points, labels, None, False).logits, explicit.logits[:, :1])
    tiny.blends = False
    torch.testing.assert_close(tiny.decode(features, points, labels, None, True).logits, explicit.logits[:, 1:])


def test_without_points_a_mask_is_enough(tiny):
    features = tiny.encode(torch.rand(1, 3, 32, 32))

    result = tiny.decode(
        features, torch.zeros(2, 0, 2), torch.zeros(2, 0, dtype=torch.int64), torch.randn(2, 1, 16, 16), True
    )

    assert result.logits.shape == (2, 3, 16, 16)
    assert not torch.equal(result.logits[0], result.logits[1])


def test_a_window_may_be_cut_out_of_a_larger_embedding(tiny):
    features = tiny.encode(torch.rand(1, 3, 96, 128))
    points, labels = torch.tensor([[[20.0, 33.0]]]), torch.tensor([[1]])
    cut = ImageFeatures(
        features.embedding[..., 2:10, 4:12],
        (features.high_res[0][..., 4:20, 8:24], features.high_res[1][..., 8:40, 16:48]),
    )

    result = tiny.decode(cut, points, labels, None, True)
    copied = tiny.decode(
        ImageFeatures(cut.embedding.contiguous(), tuple(x.contiguous() for x in cut.high_res)),
        points,
        labels,
        None,
        True,
    )

    assert result.logits.shape == (1, 3, 32, 32)
    torch.testing.assert_close(result.logits, copied.logits, rtol=1e-4, atol=1e-5)


def test_gradients_reach_every_parameter():
    torch.manual_seed(1)
    network = Nano(MIXING)
    for mixing in (network.mask_decoder.mix_before, network.mask_decoder.mix_after):
        # It starts as the identity, of which nothing in front of its last layer has a gradient.
        torch.nn.init.normal_(mixing.widen.weight)
    points = torch.rand(4, 3, 2) * 64
    labels = torch.tensor([[1, 0, -1], [2, 3, 1], [1, 1, 0], [2, 3, -1]])

    features = network.encode_logits(torch.rand(2, 3, 64, 64))
    result = network.decode_all(features, points, labels, torch.randn(4, 1, 32, 32), torch.rand(2, 2) * 256)
    (result.logits.square().mean() + result.iou.square().mean() + features.maps.square().mean()).backward()

    for name, parameter in network.named_parameters():
        # A bias shared by all keys shifts all scores alike, which the softmax forgets.
        if not name.endswith("k_proj.bias"):
            assert parameter.grad is not None, name
            assert parameter.grad.abs().max() > 1e-12, name


def test_local_mixing_begins_as_the_identity(tiny):
    torch.manual_seed(0)
    mixing = Nano(MIXING).eval()
    mixing.load_state_dict(tiny.state_dict(), strict=False)
    features, points, labels = (
        tiny.encode(torch.rand(1, 3, 64, 64)),
        torch.rand(3, 2, 2) * 64,
        torch.ones(3, 2, dtype=torch.long),
    )

    with torch.inference_mode():
        expected, found = (network.decode(features, points, labels, None, False) for network in (tiny, mixing))

    torch.testing.assert_close(found.logits, expected.logits, rtol=0, atol=0)
    torch.testing.assert_close(found.iou, expected.iou, rtol=0, atol=0)


def test_local_mixing_reaches_three_cells_in_their_own_rows_and_columns():
    mixing = LocalMixing(8, 4).double()
    torch.nn.init.normal_(mixing.widen.weight)
    cells = waves((1, 9 * 11, 8), 0.2)
    touched = cells.clone()
    touched[0, 4 * 11 + 5, 0] += 1

    changed = (mixing(touched, (9, 11)) - mixing(cells, (9, 11))).abs().amax(-1)[0].view(9, 11) > 0

    rows, columns = torch.nonzero(changed, as_tuple=True)
    assert [int(each) for each in (rows.min(), rows.max(), columns.min(), columns.max())] == [1, 7, 2, 8]


def test_cancel_stops_encoding_at_the_next_stage(tiny):
    token = CancelToken()
    ran = []
    for number, stage in enumerate(tiny.image_encoder.stages):
        stage.register_forward_hook(lambda *_, number=number: ran.append(number))
    tiny.image_encoder.stages[1].register_forward_hook(lambda *_: token.cancel())

    with pytest.raises(Cancelled):
        tiny.encode(torch.rand(1, 3, 32, 32), token)

    assert ran == [0, 1]


def test_bfloat16_autocast_keeps_positions_precise(tiny):
    positions = tiny.prompt_encoder.image_positions((4, 4), torch.zeros(1, 2))

    with torch.autocast("cpu", torch.bfloat16):
        inside = tiny.prompt_encoder.image_positions((4, 4), torch.zeros(1, 2))

    torch.testing.assert_close(inside, positions, rtol=0, atol=0)


def test_fused_normalisation_changes_nothing(wave_nano):
    fused = Nano(PROTOTYPE).double().eval()
    fused.load_state_dict(wave_nano.state_dict())
    fused.fuse()

    ours, expected = fused.encode(wave_images()), wave_nano.encode(wave_images())

    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in fused.modules())
    for fused_map, plain_map in zip(
        (ours.embedding, *ours.high_res, ours.maps),
        (expected.embedding, *expected.high_res, expected.maps),
        strict=True,
    ):
        torch.testing.assert_close(fused_map, plain_map, rtol=1e-9, atol=1e-9)
