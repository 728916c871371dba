"""`ReferencePredictor` against the publishers' own predictor, on identical weights, images and prompts."""

import numpy as np
import pytest
import torch

from benchmarks.published_predictor import published_predictor
from napari_sam.errors import UserError
from napari_sam.models.model import LocalModel
from napari_sam.models.registry import REGISTRY
from napari_sam.nn.cancel import Cancelled, CancelToken
from napari_sam.nn.image_encoder import VitConfig
from napari_sam.nn.sam import Sam, SamConfig
from napari_sam.segment.reference_frame import ReferencePredictor
from napari_sam.testing.fake_network import threshold_model

CONFIG = SamConfig(VitConfig(dim=8, depth=1, heads=1, global_blocks=()), dim=16, mask_channels=(2, 8), heads=2)
SHAPES = {"square": (1024, 1024), "wide": (97, 301), "tall": (1301, 400), "tiny": (5, 7), "one pixel": (1, 1)}
# points as parts of the image's (width, height), their labels, box as parts, whether with a mask
PROMPTS = {
    "one point": ([(0.5, 0.4)], [1], None, False),
    "points of both signs": ([(0.1, 0.2), (0.8, 0.9), (0.99, 0.0)], [1, 0, 1], None, False),
    "box": (None, None, (0.1, 0.2, 0.7, 0.9), False),
    "point and box": ([(0.3, 0.3)], [0], (0.1, 0.2, 0.7, 0.9), False),
    "mask": (None, None, None, True),
    "mask and point": ([(0.6, 0.6)], [1], None, True),
    "mask, point and box": ([(0.6, 0.6)], [1], (0.1, 0.2, 0.7, 0.9), True),
}


@pytest.fixture(scope="module")
def networks(published_sam, fill):
    published = published_sam(CONFIG).eval()
    fill(published, 7)
    ours = Sam(CONFIG).eval()
    ours.load_state_dict(published.state_dict())
    return ours.requires_grad_(False), published.requires_grad_(False)


@pytest.fixture(scope="module", params=SHAPES)
def predictors(networks, request):
    rows, columns = SHAPES[request.param]
    image = np.random.default_rng(8).integers(0, 256, (rows, columns, 3), np.uint8)
    ours, published = networks
    theirs = published_predictor(published)
    theirs.set_image(image)
    return ReferencePredictor(_model(ours), image), theirs, (rows, columns)


def _model(network):
    return LocalModel("tiny", network, torch.device("cpu"), "", REGISTRY["vit_b"])


@pytest.mark.parametrize("multimask", [True, False], ids=["three masks", "one mask"])
@pytest.mark.parametrize("prompt", PROMPTS)
def test_same_masks_and_scores(predictors, prompt, multimask):
    ours, theirs, (rows, columns) = predictors
    places, labels, box, masked = PROMPTS[prompt]
    points = None if places is None else np.array(places) * (columns, rows)
    labels = None if labels is None else np.array(labels)
    box = None if box is None else np.array(box) * (columns, rows, columns, rows)
    mask = np.random.default_rng(9).normal(0, 5, (1, 256, 256)).astype(np.float32) if masked else None

    wanted, iou, logits = theirs.predict(points, labels, box, mask, multimask, return_logits=True)
    found = ours.predict(points, labels, box, mask, multimask)

    assert found.masks.shape == (3 if multimask else 1, rows, columns)
    np.testing.assert_allclose(found.iou, iou, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found.logits, logits, rtol=1e-4, atol=1e-4)
    # Equal wherever float32 can tell which side of the threshold a pixel is on.
    clear = np.abs(wanted) > 1e-4
    assert clear.mean() > 0.99
    np.testing.assert_array_equal(found.masks[clear], wanted[clear] > 0)


def test_the_comparison_sees_both_sides_of_the_threshold(predictors):
    ours, _, (rows, columns) = predictors
    masks = ours.predict([(columns / 2, rows / 2)], [1]).masks
    if rows * columns > 1:
        assert 0 < masks.mean() < 1


def test_corrections_feed_logits_back(predictors):
    ours, theirs, (rows, columns) = predictors
    point, correction = (columns * 0.3, rows * 0.6), (columns * 0.9, rows * 0.1)
    first = theirs.predict(np.array([point]), np.array([1]))[2][:1]

    _, iou, logits = theirs.predict(np.array([point, correction]), np.array([1, 0]), None, first, False)
    mine = ours.predict([point], [1]).logits[:1]
    found = ours.predict([point, correction], [1, 0], None, mine, False)

    np.testing.assert_allclose(found.iou, iou, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found.logits, logits, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((8, 8), np.uint8),
        np.zeros((8, 8, 4), np.uint8),
        np.zeros((8, 8, 3), np.uint16),
        np.zeros((0, 8, 3), np.uint8),
    ],
    ids=["gray", "rgba", "16 bits", "empty"],
)
def test_other_images_are_refused(networks, image):
    with pytest.raises(UserError, match="8 bits"):
        ReferencePredictor(_model(networks[0]), image)


def test_as_many_labels_as_points(predictors):
    with pytest.raises(UserError, match="2 points but 1 labels"):
        predictors[0].predict([(0, 0), (1, 1)], [1])


def test_the_bundled_kind_of_model_has_no_published_predictor():
    with pytest.raises(UserError, match="no published predictor"):
        ReferencePredictor(threshold_model(), np.zeros((8, 8, 3), np.uint8))


def test_encoding_can_be_cancelled(networks):
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        ReferencePredictor(_model(networks[0]), np.zeros((8, 8, 3), np.uint8), token)
