import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_sam.errors import UserError
from napari_sam.nn.cancel import Cancelled, CancelToken
from napari_sam.planes.contrast import Contrast
from napari_sam.planes.geometry import Mask, Plane, overlap
from napari_sam.planes.image_source import ImageSource
from napari_sam.prompts.prompt import Box, Point, Prompts, Scribble
from napari_sam.segment.segmenter import Segmenter
from napari_sam.testing.fake_network import ThresholdNetwork, threshold_model

PLANE = Plane((0, 1), (0, 0))


def blobs(shape: tuple[int, int], *discs: tuple[float, float, float]) -> np.ndarray:
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    image = np.zeros(shape, np.float32)
    for row, column, radius in discs:
        image = np.maximum(image, np.clip(radius - np.hypot(rows - row, columns - column) + 0.5, 0, 1))
    return image


def segmenter_of(image: np.ndarray, window: int = 256, **kwargs) -> Segmenter:
    return Segmenter(threshold_model(window), ImageSource(image, **kwargs), Contrast(((0.0, 1.0),)))


def network_of(segmenter: Segmenter) -> ThresholdNetwork:
    network = segmenter.model.network
    assert isinstance(network, ThresholdNetwork)
    return network


@pytest.mark.parametrize("radius", [6, 20, 60, 150])
@pytest.mark.parametrize("sized", [True, False])
def test_a_click_finds_an_object_of_any_size(radius, sized):
    image = blobs((800, 700), (300, 350, radius))
    found = segmenter_of(image).segment(PLANE, Prompts((Point(300, 350),)), object_size=2 * radius if sized else None)
    assert len(found.candidates) == 3
    assert found.chosen == 1
    assert overlap(found.mask, Mask.from_pixels(image > 0.5)) > 0.93


@settings(max_examples=25, deadline=None)
@given(st.floats(0, 399), st.floats(0, 299), st.floats(5, 60))
def test_a_wrong_object_size_is_put_right(row, column, size):
    image = blobs((400, 300), (row, column, 30))
    found = segmenter_of(image).segment(PLANE, Prompts((Point(row, column),)), object_size=size)
    assert overlap(found.mask, Mask.from_pixels(image > 0.5)) > 0.9


def test_an_object_across_the_window_s_border_is_not_cut():
    image = np.zeros((600, 600), np.float32)
    image[290:310, 50:550] = 1
    found = segmenter_of(image).segment(PLANE, Prompts((Point(300, 300),)), object_size=20)
    assert found.mask.box[1] <= 52
    assert found.mask.box[3] >= 548


def test_anisotropic_planes_are_shown_undistorted():
    image = blobs((120, 400), (0, 0, 0))
    rows, columns = np.ogrid[:120, :400]
    image = (np.hypot((rows - 60) * 4, columns - 200) < 60).astype(np.float32)
    segmenter = segmenter_of(image, scale=(4.0, 1.0))
    mask = segmenter.segment(PLANE, Prompts((Point(60, 200),)), object_size=120).mask
    assert mask.window is not None
    assert mask.window.step[1] == 4 * mask.window.step[0]
    assert overlap(mask, Mask.from_pixels(image > 0.5)) > 0.9


def test_a_box_sets_the_level_and_gives_one_mask():
    image = blobs((500, 500), (250, 250, 90))
    found = segmenter_of(image).segment(PLANE, Prompts(box=Box(160, 160, 340, 340)))
    assert len(found.candidates) == 1
    assert overlap(found.mask, Mask.from_pixels(image > 0.5)) > 0.95


def test_a_boxed_object_is_shown_larger_than_a_clicked_one():
    segmenter = segmenter_of(blobs((500, 500), (250, 250, 90)))
    clicked = segmenter.segment(PLANE, Prompts((Point(250, 250),)), object_size=180).mask
    boxed = segmenter.segment(PLANE, Prompts(box=Box(160, 160, 339, 339))).mask
    assert clicked.window is not None
    assert boxed.window is not None
    assert boxed.window.step[0] < clicked.window.step[0]


def test_a_small_boxed_object_is_magnified_no_more_than_a_clicked_one():
    segmenter = segmenter_of(blobs((500, 500), (250, 250, 9)))
    clicked = segmenter.segment(PLANE, Prompts((Point(250, 250),)), object_size=18).mask
    boxed = segmenter.segment(PLANE, Prompts(box=Box(241, 241, 258, 258))).mask
    assert clicked.window is not None
    assert boxed.window is not None
    assert boxed.window.step == clicked.window.step


def test_a_correction_feeds_the_previous_logits_back_on_the_same_window():
    segmenter = segmenter_of(blobs((500, 500), (250, 250, 20)))
    first = segmenter.segment(PLANE, Prompts((Point(250, 250),)), object_size=40)
    prompts = Prompts((Point(250, 250), Point(280, 250, positive=False)))
    second = segmenter.segment(PLANE, prompts, previous=first.mask)
    assert second.mask.window == first.mask.window
    fed = network_of(segmenter).decoded[-1]["mask"]
    assert fed is not None
    np.testing.assert_array_equal(fed[0, 0].numpy(), np.clip(first.mask.logits, -16, 16))
    assert len(second.candidates) == 1
    assert len(network_of(segmenter).encoded) == 1


def test_a_label_is_refined():
    image = blobs((500, 500), (250, 250, 40))
    rough = Mask.from_pixels(blobs((500, 500), (255, 246, 36)) > 0.5)
    segmenter = segmenter_of(image)
    found = segmenter.segment(PLANE, Prompts(mask=rough))
    assert overlap(found.mask, Mask.from_pixels(image > 0.5)) > 0.95
    assert network_of(segmenter).decoded[-1]["mask"] is not None


def test_a_plane_prepared_ahead_answers_without_encoding():
    segmenter = segmenter_of(blobs((500, 500), (250, 250, 20)))
    assert list(segmenter.prepare(PLANE, object_size=40)) == [(1, 1)]
    before = len(network_of(segmenter).encoded)
    segmenter.segment(PLANE, Prompts((Point(250, 250),)), object_size=40)
    assert len(network_of(segmenter).encoded) == before


@pytest.mark.parametrize(
    "prompts",
    [
        Prompts(),
        Prompts((Point(-1, 5),)),
        Prompts((Point(5, 100),)),
        Prompts(box=Box(0, 0, 50, 101)),
        Prompts(mask=Mask((90, 90, 110, 95), np.ones((20, 5), bool))),
    ],
)
def test_prompts_that_cannot_be_used_are_named(prompts):
    with pytest.raises(UserError):
        segmenter_of(blobs((100, 100), (50, 50, 10))).segment(PLANE, prompts)


def test_an_empty_image_gives_an_empty_mask():
    found = segmenter_of(np.zeros((100, 100), np.float32)).segment(PLANE, Prompts((Point(50, 50),)))
    assert found.mask.area == 0


def test_cancelling_stops():
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        segmenter_of(blobs((100, 100), (50, 50, 10))).segment(PLANE, Prompts((Point(50, 50),)), cancel=cancel)


@pytest.mark.parametrize("radius", [6, 30, 120])
def test_a_scribble_across_an_object_finds_it_at_its_size(radius):
    image = blobs((600, 600), (300, 280, radius))
    stroke = Scribble(((300, 280 - 0.8 * radius), (300, 280 + 0.8 * radius)))
    segmenter = segmenter_of(image)
    found = segmenter.segment(PLANE, Prompts(scribbles=(stroke,)))
    assert len(found.candidates) == 1
    assert overlap(found.mask, Mask.from_pixels(image > 0.5)) > 0.9
    assert len(network_of(segmenter).decoded) <= 3


def test_a_scribble_outside_the_plane_is_refused():
    with pytest.raises(UserError, match="outside the image"):
        segmenter_of(blobs((100, 100), (50, 50, 20))).segment(
            PLANE, Prompts(scribbles=(Scribble(((50, 50), (50, 130))),))
        )
