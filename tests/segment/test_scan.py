"""A first click on an object of unknown size: several levels at once, with the answers that they give one by one."""

import numpy as np
import pytest
import torch

from napari_sam.embedding.embedder import Embedder
from napari_sam.models.device import fast_in_bfloat16
from napari_sam.models.load import load_model
from napari_sam.planes.contrast import Contrast, measure_contrast
from napari_sam.planes.geometry import Plane, overlap
from napari_sam.planes.image_source import ImageSource
from napari_sam.prompts.prompt import Point, Prompts
from napari_sam.sample import generate_stack
from napari_sam.segment import decoding, fit_level
from napari_sam.segment.decoding import decode_window
from napari_sam.segment.level import prepared_levels, scanned_levels
from napari_sam.segment.segmenter import Segmenter
from napari_sam.testing.fake_network import ThresholdNetwork, threshold_model

PLANE = Plane((1, 2), (10, 0, 0))
PLACES = [(60, 300), (128, 128), (33, 70), (200, 410), (5, 5), (180, 260)]


@pytest.fixture(scope="module", params=["float32", "bfloat16"])
def model(request):
    return load_model("nano", precision=request.param)


@pytest.fixture(scope="module")
def source(model) -> ImageSource:
    # Where bfloat16 is emulated it takes seven times as long: there is less of it.
    return ImageSource(np.concatenate([generate_stack().nuclei] * (3 if model.precision == "float32" else 1), axis=2))


def segmenter_of(model, source) -> Segmenter:
    return Segmenter(model, source, measure_contrast(source, (1, 2)))


def one_by_one(monkeypatch) -> None:
    """Encode and decode every level by itself."""
    at_each = Embedder.at_each

    def singly(self, plane, steps, center, cancel=None, *, tight=False, window=None, areas=()):
        given = areas or [None] * len(steps)
        return [
            at_each(self, plane, [step], center, cancel, tight=tight, window=window, areas=[area])[0]
            for step, area in zip(steps, given, strict=True)
        ]

    def decoded(model, embedded, prompts, shape, *, multimask, cancel):
        return [
            decode_window(model, each, said, shape, previous=None, multimask=multimask)
            for each, said in zip(embedded, prompts, strict=True)
        ]

    monkeypatch.setattr(Embedder, "at_each", singly)
    monkeypatch.setattr(fit_level, "decode_windows", decoded)


@pytest.mark.parametrize("prepared", [False, True])
def test_levels_tried_together_give_the_answers_that_they_give_one_by_one(model, source, prepared, monkeypatch):
    if prepared and model.precision == "bfloat16" and not fast_in_bfloat16(torch.device("cpu")):
        pytest.skip("emulated here, which takes minutes, and chosen by nobody")

    def answers():
        segmenter = segmenter_of(model, source)
        if prepared:
            list(segmenter.prepare(PLANE))
        places = PLACES if model.precision == "float32" else PLACES[1:2]
        return [segmenter.segment(PLANE, Prompts((Point(*place),))) for place in places]

    together = answers()
    one_by_one(monkeypatch)
    for found, expected in zip(together, answers(), strict=True):
        assert found.areas == expected.areas
        assert found.chosen == expected.chosen
        for mask, same in zip(found.candidates, expected.candidates, strict=True):
            assert mask.window == same.window
            np.testing.assert_allclose(mask.logits, same.logits, atol=1e-3)
            assert mask.predicted_iou == pytest.approx(same.predicted_iou, abs=1e-4)
            assert mask.area == same.area == 0 or overlap(mask, same) > 0.998


def test_an_answer_from_the_areas_of_another_is_the_same(model, source):
    prompts = Prompts((Point(*PLACES[1]),))
    prepared = segmenter_of(model, source)
    list(prepared.prepare(PLANE))
    first = prepared.segment(PLANE, prompts)
    again = segmenter_of(model, source).segment(PLANE, prompts, areas=first.areas)
    assert again.areas == first.areas
    assert again.mask.box == first.mask.box
    np.testing.assert_array_equal(again.mask.logits, first.mask.logits)


def test_in_bfloat16_small_images_are_encoded_together_and_come_out_as_if_alone():
    model = load_model("nano", precision="bfloat16")
    images = torch.rand(4, 3, 256, 256, generator=torch.Generator().manual_seed(0))
    assert model.images_at_once(256 * 256) == 4
    assert model.images_at_once(1024 * 1024) == 1
    for together, image in zip(model.encode(images).split(), images.split(1), strict=True):
        alone = model.encode(image)
        assert torch.equal(together.embedding, alone.embedding)
        assert all(map(torch.equal, together.high_res, alone.high_res))
    assert load_model("nano", precision="float32").images_at_once(256 * 256) == 1


def counting(monkeypatch) -> list[int]:
    """Windows that are decoded together, call by call."""
    counts: list[int] = []
    decode_each = ThresholdNetwork.decode_each

    def counted(self, features, *args):
        counts.append(len(features))
        return decode_each(self, features, *args)

    monkeypatch.setattr(ThresholdNetwork, "decode_each", counted)
    return counts


def disc(side: int, radius: float) -> np.ndarray:
    rows, columns = np.ogrid[:side, :side]
    return np.clip(radius - np.hypot(rows - side / 2, columns - side / 2) + 0.5, 0, 1).astype(np.float32)


def test_all_levels_are_decoded_at_once_and_the_chosen_one_not_again(monkeypatch):
    counts, made = counting(monkeypatch), []
    from_logits = decoding.mask_from_logits
    monkeypatch.setattr(decoding, "mask_from_logits", lambda *args: made.append(args) or from_logits(*args))
    model = threshold_model(256)
    segmenter = Segmenter(model, ImageSource(disc(2048, 40)), Contrast(((0.0, 1.0),)))

    found = segmenter.segment(Plane((0, 1), (0, 0)), Prompts((Point(1024, 1024),)))

    assert counts == [7]
    assert len(model.network.decoded) == 7
    # Only the best candidate of every level, and all of the chosen level's, at the image's resolution.
    assert len(made) == 7 + 2
    assert overlap(found.mask, found.candidates[1]) == 1


def test_what_a_click_needs_at_its_own_and_coarser_levels_is_embedded_ahead():
    model = threshold_model(256)
    segmenter = Segmenter(model, ImageSource(disc(2048, 40)), Contrast(((0.0, 1.0),)))
    plane = Plane((0, 1), (0, 0))
    progress = list(segmenter.prepare(plane))
    assert progress[-1][0] == progress[-1][1] == len(model.network.encoded)
    before = len(model.network.encoded)

    for at, place in enumerate([(1024, 1024), (60, 1900)]):
        segmenter.segment(plane, Prompts((Point(*place),)))
        assert model.network.encoded[before:] == [(256, 256)] * 2 * (at + 1)


@pytest.mark.parametrize(
    ("side", "expected"),
    [
        (4096, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]),
        (2048, [0.0, 1.0, 2.0, 3.0, 4.0]),
        (512, [0.0, 1.0, 2.0, -1.0]),
        (256, [0.0, 1.0, -1.0, -2.0]),
        (60, [0.0, -1.0, -2.0]),
    ],
)
def test_levels_that_are_cheap_for_a_plane_are_embedded_ahead(side, expected):
    assert prepared_levels((side, side), (1.0, 1.0), 256, 0.0) == expected


def test_no_level_is_tried_at_which_nothing_could_be_seen():
    assert scanned_levels(4.0) == [-2, -1, 0, 1, 2, 3, 4]
    assert scanned_levels(1.5) == [-2, -1, 0, 1, 1.5]
    assert scanned_levels(-1.5) == [-2, -1.5]
