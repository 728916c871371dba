"""Clicks, corrections and boxes are answered on a graphics card as on the CPU."""

import warnings

import numpy as np
import pytest
import torch

from napari_sam.errors import UserNotice
from napari_sam.models.load import load_model
from napari_sam.planes.contrast import Contrast
from napari_sam.planes.geometry import Plane, overlap
from napari_sam.planes.image_source import ImageSource
from napari_sam.prompts.prompt import Box, Point, Prompts
from napari_sam.sample import generate_stack
from napari_sam.segment.segmenter import Segmenter


@pytest.fixture(scope="module")
def stack():
    return generate_stack(seed=1)


@pytest.fixture(scope="module")
def plane(stack):
    return Plane((1, 2), (len(stack.nuclei) // 2, 0, 0))


@pytest.fixture(scope="module")
def objects(stack, plane):
    """Pixels of four nuclei, largest first."""
    labels = stack.nucleus_labels[plane.index[0]]
    areas = np.bincount(labels.ravel())
    areas[0] = 0
    return [np.argwhere(labels == label) for label in np.argsort(areas)[::-1][:4]]


def middle(pixels):
    """The pixel nearest to the others' mean."""
    return pixels[np.hypot(*(pixels - pixels.mean(0)).T).argmin()]


def click(pixels):
    return Point(*map(float, middle(pixels)))


def box(pixels):
    return Box(*map(float, (*pixels.min(0), *pixels.max(0))))


def segmenter_on(device, precision, stack):
    contrast = Contrast(((float(stack.nuclei.min()), float(stack.nuclei.max())),))
    return Segmenter(load_model("nano", device, precision), ImageSource(stack.nuclei), contrast)


def session(segmenter, plane, objects):
    """The masks of a click, of the same corrected by a negative click on another object, and of boxes."""
    first, *others = objects
    clicked = segmenter.segment(plane, Prompts((click(first),)))
    corrected = segmenter.segment(
        plane,
        Prompts((click(first), Point(*map(float, middle(others[0])), positive=False))),
        previous=clicked.mask,
    )
    boxed = [segmenter.segment(plane, Prompts(box=box(each))) for each in objects]
    return [each.mask for each in (clicked, corrected, *boxed)]


@pytest.fixture(scope="module")
def expected(stack, plane, objects):
    return session(segmenter_on("cpu", "float32", stack), plane, objects)


@pytest.mark.parametrize(
    ("precision", "rounded", "least"),
    [("float32", False, 0.98), ("float32", True, 0.98), ("bfloat16", True, 0.95), ("auto", True, 0.95)],
)
def test_a_session(card, stack, plane, objects, expected, precision, rounded, least, monkeypatch):
    # As torch has it unless told otherwise.
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", rounded)
    segmenter = segmenter_on(card, precision, stack)
    found = session(segmenter, plane, objects)
    assert segmenter.setup.device == card
    assert not segmenter.fell_back
    assert all(each.area for each in expected)
    assert min(overlap(one, other) for one, other in zip(found, expected, strict=True)) > least


def test_boxes_of_a_batch(card, stack, plane, objects, expected):
    segmenter = segmenter_on(card, "float32", stack)
    asked = [(plane, Prompts(box=box(each))) for each in objects]
    found = [each for each in segmenter.segment_each(asked) if each is not None]
    assert min(overlap(one.mask, other) for one, other in zip(found, expected[2:], strict=True)) > 0.98


def test_a_session_goes_on_when_the_card_is_full(card, full_card, stack, plane, objects, expected):
    segmenter = segmenter_on(card, "float32", stack)
    asked = Prompts((click(objects[0]),))
    before = segmenter.segment(plane, asked)
    assert segmenter.setup.device == card

    segmenter.embedder.forget()
    with full_card(), pytest.warns(UserNotice, match="it goes on on the CPU, which is slower"):
        after = segmenter.segment(plane, asked)

    assert segmenter.setup.device == "cpu"
    assert "CUDA" in segmenter.fell_back
    assert overlap(after.mask, before.mask) > 0.98
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserNotice)
        following = session(segmenter, plane, objects)
    assert min(overlap(one, other) for one, other in zip(following, expected, strict=True)) > 0.98


def test_what_the_card_encoded_serves_the_cpu(card, full_card, stack, plane, objects):
    segmenter = segmenter_on(card, "float32", stack)
    first = segmenter.segment(plane, Prompts((click(objects[0]),)))

    # What is at hand stays on the card; the prompt finds no room there.
    with full_card(), pytest.warns(UserNotice):
        again = segmenter.segment(plane, Prompts((click(objects[0]),)))

    assert segmenter.setup.device == "cpu"
    assert overlap(again.mask, first.mask) > 0.98
