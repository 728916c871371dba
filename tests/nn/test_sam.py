"""What our SAM promises beyond parity with the published one."""

from dataclasses import replace

import pytest
import torch

from napari_sam.nn import image_encoder
from napari_sam.nn.cancel import Cancelled, CancelToken
from napari_sam.nn.image_encoder import VitConfig
from napari_sam.nn.network import ImageFeatures
from napari_sam.nn.sam import VIT_B, VIT_H, VIT_L, Sam, SamConfig, sam_vit_b, sam_vit_h, sam_vit_l

TINY = SamConfig(
    VitConfig(dim=8, depth=3, heads=2, global_blocks=(1,), image_side=64, attention_window=3),
    dim=16,
    mask_channels=(2, 4),
    heads=2,
    mlp_dim=12,
)


@pytest.fixture
def tiny():
    torch.manual_seed(0)
    network = Sam(TINY)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(0, 0.3)
    return network.eval()


@pytest.mark.parametrize(("build", "millions"), [(sam_vit_b, 93.7), (sam_vit_l, 312.3), (sam_vit_h, 641.1)])
def test_published_networks_have_their_published_size(build, millions):
    with torch.device("meta"):
        network = build()

    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(millions, abs=0.1)
    assert (network.window, network.stride, network.mask_stride, network.encode_multiple) == (1024, 16, 4, 1024)


@pytest.mark.parametrize("config", [VIT_B, VIT_L, VIT_H], ids=["vit_b", "vit_l", "vit_h"])
@pytest.mark.parametrize("during", [0, 7, 10])
def test_cancel_stops_encoding_at_the_next_block(config, during):
    # As deep as published, and narrow.
    network = Sam(replace(config, encoder=replace(config.encoder, dim=16, heads=2, image_side=64, attention_window=3)))
    token = CancelToken()
    ran = []
    for number, block in enumerate(network.image_encoder.blocks):
        block.register_forward_hook(lambda *_, number=number: ran.append(number))
    network.image_encoder.blocks[during].register_forward_pre_hook(lambda *_: token.cancel())

    with pytest.raises(Cancelled), torch.inference_mode():
        network.encode(torch.rand(1, 3, 64, 64), token)

    assert ran == list(range(during + 1))


def test_gradients_reach_every_parameter():
    torch.manual_seed(0)
    network = Sam(replace(TINY, encoder=replace(TINY.encoder, depth=2)))
    images = torch.rand(1, 3, 64, 64)
    boxed = torch.tensor([[2, 3]])
    points, signs = torch.rand(1, 2, 2) * 64, torch.tensor([[1, 0]])

    loss = torch.zeros(())
    for labels, mask in ((boxed, torch.randn(1, 1, 16, 16)), (signs, None)):
        for multimask in (True, False):
            result = network.decode(network.encode(images), points, labels, mask, multimask)
            loss = loss + result.logits.square().mean() + result.iou.square().mean()
    loss.backward()

    for name, parameter in network.named_parameters():
        # A bias shared by all keys shifts all scores alike, which the softmax forgets.
        if not name.endswith("k_proj.bias"):
            assert parameter.grad is not None, name
            assert parameter.grad.abs().max() > 1e-12, name


def test_prompts_with_and_without_a_box_share_a_batch_if_padded(tiny):
    features = ImageFeatures(torch.randn(1, 16, 4, 4))
    points = torch.rand(2, 3, 2) * 64
    labels = torch.tensor([[1, 2, 3], [1, 0, -1]])

    together = tiny.decode(features, points, labels, None, True)

    boxed = tiny.decode(features, points[:1], labels[:1], None, True)
    plain = tiny.decode(features, points[1:, :2], labels[1:, :2], None, True)
    torch.testing.assert_close(together.logits, torch.cat([boxed.logits, plain.logits]), rtol=1e-4, atol=1e-5)


def test_prompts_with_and_without_a_box_do_not_share_a_batch_unpadded(tiny):
    features = ImageFeatures(torch.randn(1, 16, 4, 4))

    with pytest.raises(ValueError, match="padding point"):
        tiny.decode(features, torch.rand(2, 2, 2), torch.tensor([[2, 3], [1, 0]]), None, True)


def test_a_bfloat16_encoder_gives_nearly_the_same_embedding_in_float32(tiny):
    images = torch.rand(1, 3, 64, 64)
    exact = tiny.encode(images).embedding

    tiny.image_encoder.to(torch.bfloat16)
    rounded = tiny.encode(images).embedding

    assert rounded.dtype == torch.float32
    assert (rounded - exact).abs().max() > 0
    assert torch.corrcoef(torch.stack([rounded.flatten(), exact.flatten()]))[0, 1] > 0.999


def test_what_is_kept_of_an_embedding_is_not_used_for_another_or_with_other_weights(tiny):
    def decode(features, mask=None):
        with torch.inference_mode():
            return tiny.decode(features, torch.full((1, 1, 2), 20.0), torch.ones(1, 1, dtype=torch.int64), mask, True)

    with torch.inference_mode():
        one, other = (ImageFeatures(torch.randn(1, 16, 4, 4)) for _ in range(2))
    mask = torch.randn(1, 1, 16, 16)
    first, first_masked = decode(one).logits, decode(one, mask).logits
    second = decode(other).logits

    assert torch.equal(decode(one, mask).logits, first_masked)
    assert torch.equal(decode(one).logits, first)
    assert torch.equal(decode(ImageFeatures(other.embedding.clone())).logits, second)
    tiny.load_state_dict({name: 1.1 * tensor for name, tensor in tiny.state_dict().items()})
    fresh = decode(ImageFeatures(one.embedding.clone())).logits
    assert not torch.equal(fresh, first)
    assert torch.equal(decode(one).logits, fresh)


@pytest.mark.parametrize("tokens_at_once", [1, 5, 8, 1024])
def test_without_gradients_encoding_in_parts_gives_the_same(tiny, monkeypatch, tokens_at_once):
    monkeypatch.setattr(image_encoder, "TOKENS_AT_ONCE", tokens_at_once)
    images = torch.rand(2, 3, 64, 64, dtype=torch.float64)
    tiny.double()

    whole = tiny.encode(images).embedding
    with torch.inference_mode():
        in_parts = tiny.encode(images).embedding

    assert whole.requires_grad
    torch.testing.assert_close(in_parts, whole.detach(), rtol=1e-10, atol=1e-10)


def test_encoding_leaves_its_input_and_the_weights_as_they_are(tiny):
    images = torch.rand(1, 3, 64, 64)
    before, weights = images.clone(), {name: tensor.clone() for name, tensor in tiny.state_dict().items()}

    with torch.inference_mode():
        tiny.encode(images)

    assert torch.equal(images, before)
    assert all(torch.equal(tensor, weights[name]) for name, tensor in tiny.state_dict().items())
