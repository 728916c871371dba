"""Objects that are segmented a few at a time are those that are segmented one by one."""

import numpy as np
import pytest
import torch

from napari_sam.errors import UserError
from napari_sam.models.load import load_model
from napari_sam.nn.cancel import Cancelled, CancelToken
from napari_sam.planes.contrast import Contrast, measure_contrast
from napari_sam.planes.geometry import Mask, Plane
from napari_sam.planes.image_source import ImageSource
from napari_sam.prompts.prompt import Box, Point, Prompts, Scribble
from napari_sam.sample import generate_stack
from napari_sam.segment.level import Framing
from napari_sam.segment.segmentation import Segmentation
from napari_sam.segment.segmenter import Segmenter
from napari_sam.testing.fake_network import ThresholdNetwork, threshold_model

PLANE = Plane((1, 2), (10, 0, 0))
FLAT = Plane((0, 1), (0, 0))


def box(row: float, column: float, half: float = 14) -> Prompts:
    return Prompts(box=Box(row - half, column - half, row + half, column + half))


def answers(segmenter: Segmenter, asked, **how) -> list[Segmentation | UserError]:
    return [each for each in segmenter.segment_each(asked, **how) if each is not None]


@pytest.mark.parametrize("size", [None, 24.0])
def test_answers_are_those_of_each_object_by_itself(size):
    source = ImageSource(generate_stack().nuclei[:, :200, :200])
    rough = Mask((55, 60, 75, 82), np.ones((20, 22), bool))
    asked = [
        (PLANE, box(64, 71)),
        (PLANE, Prompts((Point(128, 128),))),
        (PLANE.at(0, 11), box(60, 68, 12)),
        (PLANE, box(128, 128, 25)),
        (PLANE, Prompts(mask=rough)),
        (PLANE, Prompts((Point(64, 71), Point(90, 90, False)))),
        (PLANE, Prompts(scribbles=(Scribble(((60, 68), (68, 74))),))),
        (PLANE, Prompts((Point(64, 71),), box(64, 71).box)),
    ]
    model = load_model("nano")

    def prepared() -> Segmenter:
        segmenter = Segmenter(model, source, measure_contrast(source, (1, 2)))
        for plane in {plane for plane, _ in asked}:
            for level in (None, 24.0):
                list(segmenter.prepare(plane, object_size=level))
        return segmenter

    together = answers(prepared(), asked, object_size=size)
    alone = prepared()
    for (plane, prompts), found in zip(asked, together, strict=True):
        expected = alone.segment(plane, prompts, object_size=size)
        assert isinstance(found, Segmentation)
        assert found.areas == expected.areas
        assert found.chosen == expected.chosen
        for mask, same in zip(found.candidates, expected.candidates, strict=True):
            assert mask.box == same.box
            np.testing.assert_array_equal(mask.pixels, same.pixels)
            np.testing.assert_allclose(mask.logits, same.logits, atol=2e-4)
            assert mask.predicted_iou == pytest.approx(same.predicted_iou, abs=1e-5)


def bright_squares(side: int = 600) -> tuple[ImageSource, list[tuple[int, int]]]:
    pixels, middles = np.zeros((side, side), np.float32), []
    for row in range(60, side, 120):
        for column in range(60, side, 120):
            pixels[row - 20 : row + 20, column - 20 : column + 20] = 1
            middles.append((row, column))
    return ImageSource(pixels), middles


def counting(monkeypatch) -> list[int]:
    """Prompts that are decoded together, call by call."""
    counts: list[int] = []
    decode_each = ThresholdNetwork.decode_each
    monkeypatch.setattr(
        ThresholdNetwork,
        "decode_each",
        lambda self, features, *args: counts.append(len(features)) or decode_each(self, features, *args),
    )
    return counts


def test_boxes_are_decoded_together_and_not_again(monkeypatch):
    source, middles = bright_squares()
    model, counts = threshold_model(256), counting(monkeypatch)
    segmenter = Segmenter(model, source, Contrast(((0.0, 1.0),)))
    assert segmenter.objects_at_once == 8
    asked = [(FLAT, box(*middle, half=22)) for middle in middles[:10]]
    found = answers(segmenter, asked)
    assert counts == [8, 2]
    assert len(model.network.decoded) == 10
    assert [each.mask.area for each in found] == [1600] * 10


def test_what_several_batches_lie_on_is_encoded_once():
    source, middles = bright_squares()
    model = threshold_model(256)
    segmenter = Segmenter(model, source, Contrast(((0.0, 1.0),)))
    asked = [(FLAT, box(*middle, half=22)) for middle in middles]
    found = answers(segmenter, asked, framing=Framing(tight=True))
    assert len(asked) > 2 * segmenter.objects_at_once
    assert len(model.network.encoded) == 1
    assert [each.mask.area for each in found] == [1600] * len(asked)


@pytest.mark.parametrize(("half", "side"), [(22, 160), (42, 256)])
def test_a_small_object_is_decoded_on_a_small_window_and_a_large_one_on_the_networks_own(half, side):
    pixels = np.zeros((600, 600), np.float32)
    pixels[300 - half : 300 + half, 300 - half : 300 + half] = 1
    segmenter = Segmenter(threshold_model(256), ImageSource(pixels), Contrast(((0.0, 1.0),)))
    asked = [(FLAT, Prompts(mask=Mask.from_pixels(pixels > 0)))]
    (found,) = answers(segmenter, asked, framing=Framing(tight=True, window=160, whole_levels=True))
    assert found.mask.area == (2 * half) ** 2
    assert found.areas[-1].shape == (side, side)
    assert found.mask.window.step == (2, 2)
    alone = segmenter.segment(*asked[0], framing=Framing(tight=True, window=160, whole_levels=True))
    assert alone.areas == found.areas


def test_what_outgrows_a_small_window_is_decoded_on_a_larger_one():
    pixels = np.zeros((600, 600), np.float32)
    pixels[250:350, 245:355] = 1
    segmenter = Segmenter(threshold_model(256), ImageSource(pixels), Contrast(((0.0, 1.0),)))
    told = Mask((270, 270, 330, 330), np.ones((60, 60), bool))
    found = segmenter.segment(FLAT, Prompts(mask=told), framing=Framing(tight=True, window=160))
    assert found.areas[0].shape == (160, 160)
    assert found.areas[-1].shape == (256, 256)
    assert found.mask.box == (250, 245, 350, 355)


def test_others_may_come_in_between_wherever_something_is_encoded():
    source, middles = bright_squares(1600)
    model = threshold_model(64)
    segmenter = Segmenter(model, source, Contrast(((0.0, 1.0),)))
    asked = [(FLAT, box(*middle, half=22)) for middle in middles]
    before, worked = 0, []
    for each in segmenter.segment_each(asked):
        worked.append(len(model.network.encoded) - before)
        before = len(model.network.encoded)
        if sum(worked) and each is not None:
            break
    assert sum(worked) > 1
    assert max(worked) == 1


def test_what_cannot_be_answered_is_told_in_its_place():
    source, middles = bright_squares()
    segmenter = Segmenter(threshold_model(256), source, Contrast(((0.0, 1.0),)))
    asked = [(FLAT, box(*middles[0])), (FLAT, box(900, 10)), (FLAT, Prompts()), (FLAT, box(*middles[1]))]
    found = answers(segmenter, asked)
    assert [isinstance(each, UserError) for each in found] == [False, True, True, False]
    assert "outside" in str(found[1])


def test_it_stops_when_it_is_cancelled():
    source, middles = bright_squares()
    segmenter = Segmenter(threshold_model(256), source, Contrast(((0.0, 1.0),)))
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        answers(segmenter, [(FLAT, box(*middles[0]))], cancel=cancel)


def test_where_windows_are_large_a_cpu_decodes_one_by_one_and_a_gpu_does_not(monkeypatch):
    model = threshold_model(1024)
    assert model.prompts_at_once == 1
    monkeypatch.setattr(model, "device", torch.device("cuda"))
    assert model.prompts_at_once > 1
