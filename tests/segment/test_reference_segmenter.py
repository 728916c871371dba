"""`frame="reference"` against `ReferencePredictor`, which is held to the publishers' own predictor elsewhere."""

import numpy as np
import pytest
import torch

import napari_sam
from napari_sam.errors import UserError
from napari_sam.models.model import LocalModel, Model
from napari_sam.models.registry import REGISTRY
from napari_sam.nn.image_encoder import VitConfig
from napari_sam.nn.sam import Sam, SamConfig
from napari_sam.planes.image_source import ImageSource
from napari_sam.segment.reference_frame import ReferencePredictor
from napari_sam.testing.fake_network import threshold_model


@pytest.fixture(scope="module")
def model() -> Model:
    torch.manual_seed(3)
    vit = VitConfig(dim=8, depth=1, heads=1, global_blocks=())
    network = Sam(SamConfig(vit, dim=16, mask_channels=(2, 8), heads=2)).eval().requires_grad_(False)
    return LocalModel("tiny", network, torch.device("cpu"), "", REGISTRY["vit_b"])


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(8).integers(0, 256, (60, 90, 3), np.uint8)


def test_it_is_the_published_predictor_with_rows_before_columns(model, image):
    stack = napari_sam.open_stack(ImageSource(image, rgb=True), model=model)
    wanted = ReferencePredictor(model, image)
    first = napari_sam.segment_object(stack, points=[(20, 70)], frame="reference")
    found = wanted.predict([(70, 20)], [1])
    best = int(found.iou.argmax())
    np.testing.assert_array_equal(first.painted((60, 90)), found.masks[best])
    assert first.predicted_iou == pytest.approx(found.iou[best])

    again = napari_sam.segment_object(stack, points=[(20, 70)], negative=[(5, 5)], previous=first, frame="reference")
    found = wanted.predict([(70, 20), (5, 5)], [1, 0], None, found.logits[best : best + 1], False)
    np.testing.assert_array_equal(again.painted((60, 90)), found.masks[0])

    boxed = napari_sam.segment_object(stack, box=(10, 30, 40, 80), frame="reference")
    np.testing.assert_array_equal(
        boxed.painted((60, 90)), wanted.predict(box=(30, 10, 80, 40), multimask=False).masks[0]
    )


def test_gray_planes_of_a_stack_are_shown_in_three_channels(model, image):
    stack = napari_sam.open_stack(np.ascontiguousarray(image.transpose(2, 0, 1)), model=model)
    mask = napari_sam.segment_object(stack, plane=1, points=[(20, 70)], frame="reference")
    found = ReferencePredictor(model, np.repeat(image[..., 1:2], 3, -1)).predict([(70, 20)], [1])
    np.testing.assert_array_equal(mask.painted((60, 90)), found.masks[found.iou.argmax()])


def test_logits_lie_on_the_plane(model, image):
    mask = napari_sam.segment_object(
        napari_sam.open_stack(ImageSource(image, rgb=True), model=model), points=[(20, 70)], frame="reference"
    )
    assert mask.window is not None
    assert mask.window.bounds == pytest.approx((-0.5, -0.5, 89.5, 89.5))


def test_what_the_published_predictor_does_not_know_is_refused(model, image):
    sixteen = napari_sam.open_stack(image[..., 0].astype(np.uint16), model=model)
    with pytest.raises(UserError, match="8 bits"):
        napari_sam.segment_object(sixteen, points=[(20, 70)], frame="reference")
    stack = napari_sam.open_stack(ImageSource(image, rgb=True), model=model)
    with pytest.raises(UserError, match="masks and scribbles"):
        napari_sam.segment_object(stack, mask=np.ones((60, 90), bool), frame="reference")
    bundled = napari_sam.open_stack(ImageSource(image, rgb=True), model=threshold_model())
    with pytest.raises(UserError, match="no published predictor"):
        napari_sam.segment_object(bundled, points=[(20, 70)], frame="reference")
