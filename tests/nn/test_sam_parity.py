"""The published SAM in our code against the publishers' code, on identical weights and inputs."""

from dataclasses import replace

import pytest
import torch

from napari_sam.nn.image_encoder import VitConfig
from napari_sam.nn.network import ImageFeatures
from napari_sam.nn.sam import VIT_B, VIT_H, VIT_L, Sam, SamConfig

# Without gradients the same is computed in parts and in place.
MODES = (torch.enable_grad, torch.no_grad, torch.inference_mode)
TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-4}


def tiny(side=4, attention_window=3, depth=3, global_blocks=(1,), dim=16, heads=2) -> SamConfig:
    encoder = VitConfig(dim, depth, heads, global_blocks, image_side=16 * side, attention_window=attention_window)
    return SamConfig(encoder, dim=16, mask_channels=(2, 8), depth=2, heads=2, mlp_dim=24)


def assert_equal(ours, published):
    tolerance = TOLERANCE[published.dtype]
    torch.testing.assert_close(ours, published, rtol=tolerance, atol=tolerance)


@pytest.fixture
def pair(published_sam, fill):
    def build(config, dtype, seed=0):
        published = published_sam(config).to(dtype).eval()
        fill(published, seed)
        ours = Sam(config).to(dtype).eval()
        ours.load_state_dict(published.state_dict())
        return ours.requires_grad_(False), published.requires_grad_(False)

    return build


# name: (points, labels of points, whether boxes, whether masks), for N prompts of each
PROMPTS = {
    "one positive point": ([1], False, False),
    "one negative point": ([0], False, False),
    "points of both signs": ([1, 0, 1, 1, 0], False, False),
    "points and padding": ([1, -1, 0, -1], False, False),
    "box": ([], True, False),
    "point and box": ([1], True, False),
    "points of both signs and box": ([0, 1, 0], True, False),
    "mask": ([], False, True),
    "mask and box": ([], True, True),
    "mask and point": ([1], False, True),
    "mask, points and box": ([1, 0], True, True),
}


@pytest.mark.parametrize("multimask", [True, False], ids=["three masks", "one mask"])
@pytest.mark.parametrize("count", [1, 3], ids=["one prompt", "batch"])
@pytest.mark.parametrize("prompt", PROMPTS)
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_masks_of_every_kind_of_prompt(pair, dtype, prompt, count, multimask):
    ours, published = pair(tiny(), dtype, seed=1)
    generator = torch.Generator().manual_seed(2)
    signs, boxed, masked = PROMPTS[prompt]
    side = ours.window
    # Quarters of pixels, so that the publishers' float32 coordinates are exact.
    points = torch.randint(0, 4 * side, (count, len(signs), 2), generator=generator).to(dtype) / 4
    labels = torch.tensor(signs, dtype=torch.int64).expand(count, -1)
    boxes = torch.randint(0, 4 * side, (count, 4), generator=generator).to(dtype) / 4 if boxed else None
    mask = torch.randn(count, 1, side // 4, side // 4, generator=generator, dtype=dtype) * 5 if masked else None
    embedding = torch.randn(1, 16, side // 16, side // 16, generator=generator, dtype=dtype)

    sparse, dense = published.prompt_encoder((points, labels) if signs else None, boxes, mask)
    logits, iou = published.mask_decoder(
        embedding, published.prompt_encoder.get_dense_pe().to(dtype), sparse.to(dtype), dense, multimask
    )
    if boxes is not None:
        points = torch.cat([points, boxes.view(count, 2, 2)], dim=1)
        labels = torch.cat([labels, torch.tensor([[2, 3]]).expand(count, -1)], dim=1)

    for mode in MODES:
        with mode():
            result = ours.decode(ImageFeatures(embedding), points, labels, mask, multimask)
            assert result.logits.shape == (count, 3 if multimask else 1, side // 4, side // 4)
            assert_equal(result.logits, logits)
            assert_equal(result.iou, iou)


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize(
    "config",
    [
        tiny(),
        tiny(side=4, attention_window=2),
        tiny(side=4, attention_window=5),
        tiny(side=8, attention_window=7, depth=2),
        tiny(side=8, attention_window=3, global_blocks=(0, 2), dim=24, heads=3),
        tiny(side=32, attention_window=14, depth=2, dim=8),
    ],
    ids=lambda config: f"{config.encoder.side} tokens, windows of {config.encoder.attention_window}",
)
def test_image_embedding(pair, dtype, config):
    ours, published = pair(config, dtype, seed=3)
    images = torch.rand(2, 3, ours.window, ours.window, generator=torch.Generator().manual_seed(4), dtype=dtype)

    embedding = published.image_encoder(published.preprocess(255 * images))

    for mode in MODES:
        with mode():
            assert_equal(ours.encode(images).embedding, embedding)


def test_image_embedding_of_vit_b_with_two_blocks(pair):
    config = replace(VIT_B, encoder=replace(VIT_B.encoder, depth=2, global_blocks=(1,), image_side=512))
    ours, published = pair(config, torch.float32)
    images = torch.rand(1, 3, 512, 512, generator=torch.Generator().manual_seed(5))
    points = torch.tensor([[[300.0, 511.0], [42.0, 90.0]]])
    labels = torch.tensor([[1, 0]])

    embedding = published.image_encoder(published.preprocess(255 * images))
    sparse, dense = published.prompt_encoder((points, labels), None, None)
    logits, iou = published.mask_decoder(embedding, published.prompt_encoder.get_dense_pe(), sparse, dense, True)
    with torch.inference_mode():
        features = ours.encode(images)
    result = ours.decode(features, points, labels, None, True)

    assert features.embedding.shape == (1, 256, 32, 32)
    assert_equal(features.embedding, embedding)
    assert_equal(result.logits, logits)
    assert_equal(result.iou, iou)


@pytest.mark.parametrize("config", [VIT_B, VIT_L, VIT_H, tiny()], ids=["vit_b", "vit_l", "vit_h", "tiny"])
def test_state_dict_has_the_published_names_and_shapes(published_sam, config):
    with torch.device("meta"):
        ours, published = Sam(config), published_sam(config)

    shapes = {key: tuple(tensor.shape) for key, tensor in published.state_dict().items()}
    assert {key: tuple(tensor.shape) for key, tensor in ours.state_dict().items()} == shapes


def test_every_weight_of_the_comparison_differs_from_its_initial_value(published_sam, fill):
    network = published_sam(tiny())
    fill(network, 0)

    for name, tensor in network.state_dict().items():
        assert tensor.numel() < 4 or len(tensor.unique()) > tensor.numel() / 2, name
        assert not (tensor == 0).any(), name
