"""The published SAM in our code against transformers', on identical weights and inputs."""

import pytest
import torch

from benchmarks.published_transformers import transformers_installed, transformers_sam, with_transformers_names
from napari_sam.nn.image_encoder import VitConfig
from napari_sam.nn.network import ImageFeatures
from napari_sam.nn.sam import VIT_B, VIT_H, VIT_L, Sam, SamConfig

pytestmark = pytest.mark.skipif(not transformers_installed(), reason="transformers is not installed")

TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-4}


def tiny(side=4, attention_window=3, depth=3, global_blocks=(1,)) -> SamConfig:
    encoder = VitConfig(16, depth, 2, global_blocks, image_side=16 * side, attention_window=attention_window)
    return SamConfig(encoder, dim=16, mask_channels=(2, 8), depth=2, heads=2, mlp_dim=24)


def assert_equal(ours, theirs):
    tolerance = TOLERANCE[theirs.dtype]
    torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance)


@pytest.fixture
def pair(fill):
    def build(config, dtype, seed=0):
        ours = Sam(config).to(dtype).eval()
        fill(ours, seed)
        theirs = transformers_sam(config).to(dtype)
        theirs.load_state_dict(with_transformers_names(ours.state_dict()))
        return ours.requires_grad_(False), theirs.requires_grad_(False)

    return build


@pytest.mark.parametrize("multimask", [True, False], ids=["three masks", "one mask"])
@pytest.mark.parametrize("count", [1, 3], ids=["one prompt", "batch"])
@pytest.mark.parametrize(
    ("signs", "boxed", "masked"),
    [([1], False, False), ([1, 0, 1], False, False), ([], True, False), ([0, 1], True, False), ([1], False, True)],
    ids=["point", "points of both signs", "box", "points and box", "mask and point"],
)
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_masks(pair, dtype, signs, boxed, masked, count, multimask):
    ours, theirs = pair(tiny(), dtype, seed=1)
    generator = torch.Generator().manual_seed(2)
    side = ours.window
    points = torch.randint(0, 4 * side, (count, len(signs), 2), generator=generator).to(dtype) / 4
    labels = torch.tensor(signs, dtype=torch.int64).expand(count, -1)
    boxes = torch.randint(0, 4 * side, (count, 4), generator=generator).to(dtype) / 4
    # transformers takes one mask for all prompts on an image.
    mask = torch.randn(1, 1, side // 4, side // 4, generator=generator, dtype=dtype) * 5
    embedding = torch.randn(1, 16, side // 16, side // 16, generator=generator, dtype=dtype)

    expected = theirs(
        image_embeddings=embedding,
        input_points=points[None] if signs else None,
        input_labels=labels[None] if signs else None,
        input_boxes=boxes[None] if boxed else None,
        input_masks=mask if masked else None,
        multimask_output=multimask,
    )
    if boxed:
        points = torch.cat([points, boxes.view(count, 2, 2)], dim=1)
        labels = torch.cat([labels, torch.tensor([[2, 3]]).expand(count, -1)], dim=1)
    given = mask.expand(count, -1, -1, -1) if masked else None
    result = ours.decode(ImageFeatures(embedding), points, labels, given, multimask)

    assert_equal(result.logits, expected.pred_masks[0])
    assert_equal(result.iou, expected.iou_scores[0])


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize(
    "config",
    [tiny(), tiny(side=8, attention_window=7, depth=2), tiny(side=32, attention_window=14, depth=4)],
    ids=lambda config: f"{config.encoder.side} tokens, windows of {config.encoder.attention_window}",
)
def test_image_embedding(pair, dtype, config):
    ours, theirs = pair(config, dtype, seed=3)
    images = torch.rand(2, 3, ours.window, ours.window, generator=torch.Generator().manual_seed(4), dtype=dtype)
    mean, std = torch.tensor([123.675, 116.28, 103.53]).view(3, 1, 1), torch.tensor([58.395, 57.12, 57.375])

    expected = theirs.get_image_embeddings((255 * images - mean) / std.view(3, 1, 1))

    with torch.inference_mode():
        assert_equal(ours.encode(images).embedding, expected)


@pytest.mark.parametrize("config", [VIT_B, VIT_L, VIT_H], ids=["vit_b", "vit_l", "vit_h"])
def test_every_parameter_has_a_name_in_transformers(config):
    with torch.device("meta"):
        ours, theirs = Sam(config), transformers_sam(config)

    shapes = {key: tensor.shape for key, tensor in theirs.state_dict().items()}
    assert {key: tensor.shape for key, tensor in with_transformers_names(ours.state_dict()).items()} == shapes
