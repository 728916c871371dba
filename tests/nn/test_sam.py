"""What our SAM promises beyond parity with the published one."""

from dataclasses import replace

import pytest
import torch

from napari_sam.nn.cancel import Cancelled, CancelToken
from napari_sam.nn.image_encoder import VitConfig
from napari_sam.nn.network import ImageFeatures
from napari_sam.nn.sam import Sam, SamConfig, sam_vit_b, sam_vit_h, sam_vit_l

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


def test_cancel_stops_encoding_at_the_next_block(tiny):
    token = CancelToken()
    ran = []
    for number, block in enumerate(tiny.image_encoder.blocks):
        block.register_forward_hook(lambda *_, number=number: ran.append(number))
    tiny.image_encoder.blocks[0].register_forward_hook(lambda *_: token.cancel())

    with pytest.raises(Cancelled):
        tiny.encode(torch.rand(1, 3, 64, 64), token)

    assert ran == [0]


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
