"""Answers that are begun where the pointer rests are those that are given without."""

import numpy as np
import pytest
import torch

from napari_sam.embedding.store import EmbeddingStore
from napari_sam.models.device import fast_in_bfloat16
from napari_sam.models.load import load_model
from napari_sam.planes.contrast import Contrast, measure_contrast
from napari_sam.planes.geometry import Plane
from napari_sam.planes.image_source import ImageSource
from napari_sam.prompts.prompt import Point, Prompts
from napari_sam.sample import generate_stack
from napari_sam.segment.segmentation import Segmentation
from napari_sam.segment.segmenter import Segmenter
from napari_sam.testing.fake_network import ThresholdNetwork, threshold_model

PLANE = Plane((1, 2), (10, 0, 0))
PLACES = [(60, 300), (128, 128), (135, 140), (33, 70), (200, 1410), (180, 260), (183, 255)]


def same(first: Segmentation, second: Segmentation) -> bool:
    return (
        first.chosen == second.chosen
        and first.areas == second.areas
        and all(
            np.array_equal(one.pixels, other.pixels) and np.array_equal(one.logits, other.logits)
            for one, other in zip(first.candidates, second.candidates, strict=True)
        )
    )


def clicked(model, source, hovering: str) -> tuple[list[Segmentation], int]:
    """Answers to a first click, a second and a correction at each place, and the bytes that are kept then."""
    store = EmbeddingStore()
    segmenter = Segmenter(model, source, measure_contrast(source, (1, 2)), store=store)
    list(segmenter.prepare(PLANE))
    answers = []
    for row, column in PLACES:
        prompts = Prompts((Point(row, column),))
        if hovering == "elsewhere":
            segmenter.rehearse(PLANE, Prompts((Point(row + 20, column - 9),)))
            segmenter.rehearse(PLANE, Prompts((Point(row + 3, column + 2),)))
        supposed = segmenter.rehearse(PLANE, prompts) if hovering == "exactly" else None
        if supposed is None:
            answers.append(segmenter.segment(PLANE, prompts))
        else:
            segmenter.take_in(PLANE, supposed)
            answers.append(supposed)
        corrected = prompts.with_point(Point(row + 4, column + 3, False))
        answers.append(segmenter.segment(PLANE, corrected, previous=answers[-1].mask))
    return answers, store.bytes


@pytest.mark.parametrize(
    "precision",
    [
        "float32",
        pytest.param(
            "bfloat16",
            marks=pytest.mark.skipif(
                not fast_in_bfloat16(torch.device("cpu")),
                reason="emulated here, which takes minutes, and chosen by nobody",
            ),
        ),
    ],
)
def test_rehearsed_answers_and_all_that_follow_them_are_those_without(precision):
    model = load_model("nano", precision=precision)
    # So large that the finer levels are not embedded with the plane.
    source = ImageSource(np.tile(generate_stack().nuclei, (1, 3, 6)))
    expected, kept = clicked(model, source, "nowhere")
    for hovering in ("exactly", "elsewhere"):
        answers, bytes_kept = clicked(model, source, hovering)
        assert all(map(same, answers, expected))
        assert bytes_kept == kept


def test_a_click_after_its_rehearsal_encodes_nothing_and_one_nearby_little():
    rows, columns = np.ogrid[:2048, :2048]
    disc = np.clip(40.5 - np.hypot(rows - 1024, columns - 1024), 0, 1).astype(np.float32)
    model = threshold_model(256)
    assert isinstance(model.network, ThresholdNetwork)
    segmenter = Segmenter(model, ImageSource(disc), Contrast(((0.0, 1.0),)))
    plane = Plane((0, 1), (0, 0))
    list(segmenter.prepare(plane))

    before = len(model.network.encoded)
    supposed = segmenter.rehearse(plane, Prompts((Point(1024, 1024),)))
    assert supposed is not None
    assert len(model.network.encoded) == before + 2
    segmenter.segment(plane, Prompts((Point(1026, 1023),)))
    assert len(model.network.encoded) == before + 2


def test_a_model_whose_windows_take_long_rehearses_nothing(monkeypatch):
    model = threshold_model(256)
    monkeypatch.setattr(ThresholdNetwork, "fully_convolutional", False)
    segmenter = Segmenter(model, ImageSource(np.zeros((300, 300), np.float32)), Contrast(((0.0, 1.0),)))
    assert segmenter.rehearse(Plane((0, 1), (0, 0)), Prompts((Point(100, 100),))) is None
    assert not model.network.encoded
