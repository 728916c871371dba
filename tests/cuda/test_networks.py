"""What a network computes on a graphics card is what it computes on the CPU."""

from dataclasses import replace

import pytest
import torch

from napari_sam.models.advice import measured_speed
from napari_sam.models.device import MOST_AT_ONCE, Precision, fast_in_bfloat16, set_precision
from napari_sam.models.load import load_model
from napari_sam.nn.sam import VIT_B, VIT_T, Sam

# Two of ViT-B's blocks, one of each kind, at its own size.
SHORT_VIT_B = replace(VIT_B, encoder=replace(VIT_B.encoder, depth=2, global_blocks=(1,)))
# float32 sums in another order. bfloat16 rounds on each device what sums in another order gave.
TOLERANCE = {Precision.FLOAT32: 1e-3, Precision.BFLOAT16: 5e-2}


def discs(count=1, side=256):
    """Blurred bright discs of 36 pixels, on grounds of other brightness."""
    row, column = torch.meshgrid(torch.arange(float(side)), torch.arange(float(side)), indexing="ij")
    inside = torch.stack([18 - torch.hypot(row - 120, column - at) for at in (100, 150)]).sigmoid().sum(0)
    return torch.stack([(0.05 + 0.1 * each + 0.6 * inside).expand(3, side, side) for each in range(count)])


def prompts(kind, mask_side, scale):
    """(points, labels, mask, multimask)."""
    click, box = torch.tensor([[[100.0, 120.0]]]), torch.tensor([[[82.0, 102.0], [118.0, 138.0]]])
    if kind == "click":
        return scale * click, torch.tensor([[1]]), None, True
    if kind == "box":
        return scale * box, torch.tensor([[2, 3]]), None, False
    drawn = torch.full((1, 1, mask_side, mask_side), -8.0)
    drawn[..., mask_side // 3 : mask_side // 2, mask_side // 3 : mask_side // 2] = 8
    both = torch.tensor([[[100.0, 120.0], [150.0, 120.0]]])
    return scale * both, torch.tensor([[1, 0]]), drawn, False


def assert_near(found, expected, precision):
    """The difference is small beside the whole: single numbers near zero say nothing."""
    assert found.isfinite().all()
    assert (found.cpu() - expected).norm() <= TOLERANCE[precision] * expected.norm()


def assert_features_near(found, expected, precision):
    assert_near(found.embedding, expected.embedding, precision)
    for one, other in zip(found.high_res, expected.high_res, strict=True):
        assert_near(one, other, precision)
    if expected.maps is not None:
        assert_near(found.maps, expected.maps, precision)


@pytest.mark.parametrize("precision", Precision)
@pytest.mark.parametrize("kind", ["click", "box", "correction"])
def test_nano(card, precision, kind):
    on_card, on_cpu = (load_model("nano", device, precision) for device in (card, "cpu"))
    asked = prompts(kind, 128, 1.0)
    features, expected = on_card.encode(discs()), on_cpu.encode(discs())
    assert features.embedding.device.type == card
    assert_features_near(features, expected, precision)

    found, wanted = on_card.decode(features, *asked), on_cpu.decode(expected, *asked)

    assert_near(found.logits, wanted.logits, precision)
    assert_near(found.iou, wanted.iou, precision)


@pytest.mark.parametrize("precision", Precision)
@pytest.mark.parametrize("config", [SHORT_VIT_B, VIT_T], ids=["ViT-B", "TinyViT"])
def test_published_networks(card, config, precision):
    torch.manual_seed(0)
    network = Sam(config).eval().requires_grad_(False)
    for name, parameter in network.named_parameters():
        # They begin as zeros, which would hide where they are read.
        if "rel_pos" in name or "pos_embed" in name or "attention_biases" in name:
            torch.nn.init.normal_(parameter, 0, 0.02)
    network.fuse()
    set_precision(network, precision)
    images = discs(side=network.window)
    with torch.inference_mode():
        expected = network.encode(images)
        asked = {kind: prompts(kind, 256, 4.0) for kind in ("click", "box", "correction")}
        # From the same embedding, in float32: what the encoder rounds is told by the embedding.
        wanted = {kind: network.decode(expected, *each) for kind, each in asked.items()}
        network.to(card)
        assert_features_near(network.encode(images.to(card)), expected, precision)
        for kind, (points, labels, mask, multimask) in asked.items():
            mask = None if mask is None else mask.to(card)
            found = network.decode(expected.on(torch.device(card)), points.to(card), labels.to(card), mask, multimask)
            assert_near(found.logits, wanted[kind].logits, Precision.FLOAT32)
            assert_near(found.iou, wanted[kind].iou, Precision.FLOAT32)


def test_prompts_on_windows_of_their_own(card):
    on_card, on_cpu = (load_model("nano", device, "float32") for device in (card, "cpu"))
    points = torch.tensor([[[100.0, 120.0]], [[150.0, 120.0]], [[20.0, 20.0]]])
    labels = torch.ones(3, 1, dtype=torch.int64)
    found, wanted = (
        model.decode_each(model.encode(discs(3)).split(), points, labels, None, True) for model in (on_card, on_cpu)
    )
    assert_near(found.logits, wanted.logits, Precision.FLOAT32)
    assert_near(found.iou, wanted.iou, Precision.FLOAT32)


def test_images_together_have_the_features_that_each_has_alone(card):
    model = load_model("nano", card, "float32")
    together = model.encode(discs(5)).split()
    for image, features in zip(discs(5).split(1), together, strict=True):
        assert_features_near(features, model.encode(image).on(torch.device("cpu")), Precision.FLOAT32)


def test_many_prompts_on_one_window_are_those_of_each_alone(card):
    model = load_model("nano", card, "float32")
    features = model.encode(discs())
    points = 256 * torch.rand(64, 1, 2, generator=torch.Generator().manual_seed(0))
    labels = torch.ones(64, 1, dtype=torch.int64)
    together = model.decode(features, points, labels, None, True)
    for at in range(0, 64, 21):
        alone = model.decode(features, points[at : at + 1], labels[at : at + 1], None, True)
        assert_near(together.logits[at : at + 1], alone.logits.cpu(), Precision.FLOAT32)


def test_the_card_is_asked_what_it_holds_and_can(card):
    model = load_model("nano", card)
    assert 1 <= model.images_at_once(1024 * 1024) <= MOST_AT_ONCE
    fast = fast_in_bfloat16(torch.device(card))
    assert model.precision is (Precision.BFLOAT16 if fast else Precision.FLOAT32)


def test_its_speed_is_measured(card):
    speed = measured_speed()
    assert speed.device == card
    assert speed.float32 > 0
