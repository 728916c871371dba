"""MobileSAM in our code against the publishers' code, on identical weights and inputs."""

import pytest
import torch
from torch import nn

from benchmarks.published_mobile_sam import published_mobile_sam
from napari_sam.nn.cancel import Cancelled, CancelToken
from napari_sam.nn.sam import VIT_T, Sam, SamConfig
from napari_sam.nn.tiny_vit import NormalisedConv, TinyVitConfig

TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-4}
UNUSED = ("image_encoder.head.", "image_encoder.norm_head.")


def assert_equal(ours, published):
    tolerance = TOLERANCE[published.dtype]
    torch.testing.assert_close(ours, published, rtol=tolerance, atol=tolerance)


def small(image_side, windows, depths=(1, 2, 1, 1)):
    """As narrow as the publishers' code takes: it knows its last stage by the 320 channels."""
    return SamConfig(TinyVitConfig((8, 12, 16, 320), depths, (3, 2, 4), windows, image_side=image_side))


def published_embedding(encoder, images):
    """What the publishers' code does, for embeddings of any size."""
    x = encoder.patch_embed(images)
    for layer in encoder.layers:
        x = layer(x)
    side = images.shape[-1] // 16
    return encoder.neck(x.transpose(1, 2).unflatten(2, (side, side)))


@pytest.fixture
def pair(fill):
    def build(config, dtype, seed=0):
        published = published_mobile_sam(config).to(dtype)
        fill(published, seed)
        published.eval()
        ours = Sam(config).to(dtype).eval()
        ours.load_state_dict({k: v for k, v in published.state_dict().items() if not k.startswith(UNUSED)})
        return ours.requires_grad_(False), published.requires_grad_(False)

    return build


@pytest.mark.parametrize("fused", [False, True], ids=["as stored", "fused"])
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize(
    "config",
    [small(64, (7, 14, 7)), small(128, (7, 3, 5)), small(128, (16, 8, 8)), small(96, (4, 6, 7), (2, 1, 2, 1))],
    ids=lambda config: f"{config.encoder.image_side} pixels, windows of {config.encoder.windows}",
)
def test_image_embedding(pair, dtype, config, fused):
    ours, published = pair(config, dtype, seed=1)
    if fused:
        ours.fuse()
    images = torch.rand(2, 3, ours.window, ours.window, generator=torch.Generator().manual_seed(2), dtype=dtype)

    embedding = published_embedding(
        published.image_encoder, (255 * images - published.pixel_mean) / published.pixel_std
    )

    assert_equal(ours.encode(images).embedding, embedding)


def test_mobile_sam_as_a_whole(pair):
    ours, published = pair(VIT_T, torch.float32, seed=3)
    ours.fuse()
    images = torch.rand(1, 3, 1024, 1024, generator=torch.Generator().manual_seed(4))
    points, labels = torch.tensor([[[300.0, 511.0], [42.0, 90.0]]]), torch.tensor([[1, 0]])

    embedding = published.image_encoder(published.preprocess(255 * images))
    sparse, dense = published.prompt_encoder((points, labels), None, None)
    logits, iou = published.mask_decoder(embedding, published.prompt_encoder.get_dense_pe(), sparse, dense, True)
    features = ours.encode(images)
    result = ours.decode(features, points, labels, None, True)

    assert features.embedding.shape == (1, 256, 64, 64)
    assert_equal(features.embedding, embedding)
    assert_equal(result.logits, logits)
    assert_equal(result.iou, iou)


def test_state_dict_has_the_published_names_and_shapes():
    published = published_mobile_sam(VIT_T)
    with torch.device("meta"):
        ours = Sam(VIT_T)

    shapes = {k: tuple(v.shape) for k, v in published.state_dict().items() if not k.startswith(UNUSED)}
    assert {key: tuple(tensor.shape) for key, tensor in ours.state_dict().items()} == shapes


def test_statistics_of_the_comparison_differ_from_their_initial_values(pair):
    _, published = pair(small(64, (7, 14, 7)), torch.float32)
    norms = [module for module in published.modules() if isinstance(module, nn.BatchNorm2d)]
    assert len(norms) > 15
    for norm in norms:
        assert not (norm.running_mean == 0).any()
        assert not (norm.running_var == 1).any()
        assert (norm.running_var > 0).all()


def test_fusing_leaves_no_normalisation_behind():
    network = Sam(small(64, (7, 14, 7))).eval()
    network.fuse()
    assert not any(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    convs = [module for module in network.modules() if isinstance(module, NormalisedConv)]
    assert all(conv.c.bias is not None for conv in convs)
    network.fuse()


@pytest.mark.parametrize("during", [0, 1, 2])
def test_cancelling_stops_at_the_next_block(during):
    network = Sam(small(64, (7, 14, 7))).eval()
    blocks = [block for stage in network.image_encoder.layers for block in stage.blocks]
    token = CancelToken()
    ran = []
    for number, block in enumerate(blocks):
        block.register_forward_hook(lambda *_, number=number: ran.append(number))
    blocks[during].register_forward_pre_hook(lambda *_: token.cancel())

    with pytest.raises(Cancelled), torch.inference_mode():
        network.encode(torch.zeros(1, 3, 64, 64), token)

    assert ran == list(range(during + 1))
