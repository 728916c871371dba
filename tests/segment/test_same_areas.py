"""The same areas give the same answers, whatever else was embedded."""

import numpy as np
import pytest

from napari_sam.models.load import load_model
from napari_sam.planes.contrast import measure_contrast
from napari_sam.planes.geometry import Plane
from napari_sam.planes.image_source import ImageSource
from napari_sam.prompts.prompt import Point, Prompts
from napari_sam.sample import generate_stack
from napari_sam.segment.segmenter import Segmenter
from napari_sam.volume.propagate import propagate


@pytest.fixture(scope="module")
def source() -> ImageSource:
    return ImageSource(np.concatenate([generate_stack().nuclei[8:14]] * 3, axis=2))


@pytest.fixture(scope="module")
def model():
    return load_model("nano")


def segmenter_of(model, source) -> Segmenter:
    return Segmenter(model, source, measure_contrast(source, (1, 2)))


def planes(source) -> Plane:
    return Plane((1, 2), (0, 0, 0))


def same(first, second) -> bool:
    return (
        first.box == second.box
        and np.array_equal(first.pixels, second.pixels)
        and np.array_equal(first.logits, second.logits)
    )


def test_an_answer_from_the_areas_of_another_is_the_same(model, source):
    plane = planes(source).at(0, 3)
    prompts = Prompts((Point(60, 300),))
    prepared = segmenter_of(model, source)
    list(prepared.prepare(plane, object_size=24))
    first = prepared.segment(plane, prompts, object_size=24)
    fresh = segmenter_of(model, source)
    again = fresh.segment(plane, prompts, object_size=24, areas=first.areas)
    assert again.areas == first.areas
    assert same(again.mask, first.mask)
    alone = segmenter_of(model, source).segment(plane, prompts, object_size=24)
    assert alone.areas != first.areas  # or this would show nothing


def test_a_propagation_from_the_areas_of_another_is_the_same(model, source):
    plane = planes(source)
    warm = segmenter_of(model, source)
    for position in range(6):
        list(warm.prepare(plane.at(0, position), object_size=24))
    key = warm.segment(plane.at(0, 3), Prompts((Point(60, 300),)), object_size=24).mask
    first = list(propagate(warm, plane, {3: key}, 0))
    areas = [area for each in first for area in each.areas]
    again = list(propagate(segmenter_of(model, source), plane, {3: key}, 0, areas=areas))
    assert [each.areas for each in again] == [each.areas for each in first]
    assert [each.index for each in again] == [each.index for each in first]
    for one, other in zip(first, again, strict=True):
        assert (one.mask is None) == (other.mask is None)
        assert one.mask is None or same(one.mask, other.mask)
