import numpy as np
import pytest

from napari_sam.errors import UserError
from napari_sam.nn.cancel import Cancelled, CancelToken
from napari_sam.planes.contrast import Contrast
from napari_sam.planes.geometry import Mask, Plane, overlap
from napari_sam.planes.image_source import ImageSource
from napari_sam.segment.segmenter import Segmenter
from napari_sam.testing.fake_network import threshold_model
from napari_sam.volume.carry import blend
from napari_sam.volume.evidence import Stop
from napari_sam.volume.propagate import propagate

PLANE = Plane((1, 2), (10, 0, 0))


def ball(shape=(21, 120, 120), center=(10, 60, 60), radius=(6, 24, 24)) -> np.ndarray:
    grid = np.ogrid[tuple(slice(size) for size in shape)]
    distance = sum(((axis - at) / size) ** 2 for axis, at, size in zip(grid, center, radius, strict=True))
    return (distance < 1).astype(np.float32)


def segmenter_of(volume: np.ndarray) -> Segmenter:
    return Segmenter(threshold_model(256), ImageSource(volume), Contrast(((0.0, 1.0),)))


def key_mask(volume: np.ndarray, at: int) -> Mask:
    return Mask.from_pixels(volume[at] > 0.5)


def test_a_ball_is_carried_both_ways_and_ends_where_it_ends():
    # The last plane is a small cap, which a ball of whole planes has not.
    volume = ball(radius=(6.5, 24, 24))
    reached = list(propagate(segmenter_of(volume), PLANE, {10: key_mask(volume, 10)}, 0))
    found = {each.index: each.mask for each in reached if each.mask is not None}
    true_planes = set(np.flatnonzero(volume.any(axis=(1, 2)))) - {10}
    assert set(found) <= true_planes
    assert len(true_planes - set(found)) <= 2
    for index, mask in found.items():
        assert overlap(mask, key_mask(volume, index)) > 0.85
    assert all(0 < each.confidence <= 1 for each in reached if each.mask is not None)
    ends = [each for each in reached if each.mask is None]
    assert len(ends) == 2
    assert all(each.stopped in (Stop.EMPTY, Stop.JUMP) for each in ends)


def test_planes_come_outwards_from_the_key_plane():
    volume = ball()
    order = [each.index for each in propagate(segmenter_of(volume), PLANE, {10: key_mask(volume, 10)}, 0)]
    assert order[:4] == [11, 9, 12, 8]


def test_it_keeps_to_the_range():
    volume = ball()
    found = propagate(segmenter_of(volume), PLANE, {10: key_mask(volume, 10)}, 0, start=9, stop=12)
    assert sorted(each.index for each in found) == [9, 11, 12]


def test_an_object_that_swells_suddenly_ends():
    volume = ball()
    volume[13:] = 0
    volume[13:, 10:110, 10:110] = 1
    reached = {each.index: each for each in propagate(segmenter_of(volume), PLANE, {10: key_mask(volume, 10)}, 0)}
    assert reached[13].mask is None
    assert reached[13].stopped == Stop.JUMP
    assert max(reached) == 13


def test_between_key_planes_both_sides_are_blended():
    volume = np.zeros((11, 120, 120), np.float32)
    for at in range(11):
        volume[at, 40:80, 30 + 4 * at : 60 + 4 * at] = 1
    keys = {0: key_mask(volume, 0), 10: key_mask(volume, 10)}
    reached = {each.index: each for each in propagate(segmenter_of(volume), PLANE, keys, 0)}
    assert sorted(reached) == list(range(1, 10))
    for index, each in reached.items():
        assert each.mask is not None
        assert overlap(each.mask, key_mask(volume, index)) > 0.9


def test_other_axes_are_propagated_along():
    volume = np.moveaxis(ball(), 0, 2)
    plane = Plane((0, 1), (0, 0, 10))
    found = list(propagate(segmenter_of(volume), plane, {10: Mask.from_pixels(volume[..., 10] > 0.5)}, 2))
    assert {each.index for each in found if each.mask is not None} >= set(range(6, 15)) - {10}


@pytest.mark.parametrize(
    ("keys", "axis", "limits"),
    [
        ({}, 0, {}),
        ({10: Mask((0, 0, 0, 0), np.zeros((0, 0), bool))}, 0, {}),
        ({10: key_mask(ball(), 10)}, 1, {}),
        ({10: key_mask(ball(), 10)}, 3, {}),
        ({10: key_mask(ball(), 10)}, 0, {"stop": 21}),
        ({10: key_mask(ball(), 10)}, 0, {"start": -1}),
    ],
)
def test_what_cannot_be_done_is_said(keys, axis, limits):
    with pytest.raises(UserError):
        list(propagate(segmenter_of(ball()), PLANE, keys, axis, **limits))


def test_cancelling_midway_keeps_what_was_reached():
    volume, cancel = ball(), CancelToken()
    running = propagate(segmenter_of(volume), PLANE, {10: key_mask(volume, 10)}, 0, cancel=cancel)
    first = next(running)
    cancel.cancel()
    assert first.mask is not None
    with pytest.raises(Cancelled):
        next(running)


@pytest.mark.parametrize("weight", [0.0, 0.25, 0.5, 1.0])
def test_a_blend_lies_between(weight):
    small, large = ball()[10] > 0.5, ball(radius=(6, 40, 40))[10] > 0.5
    first, second = Mask.from_pixels(small), Mask.from_pixels(large)
    first, second = (Mask(each.box, each.pixels, trust) for each, trust in ((first, 0.4), (second, 0.8)))
    between = blend(first, second, weight)
    radius = np.sqrt(between.area / np.pi)
    assert radius == pytest.approx(24 + 16 * weight, abs=0.7)
    assert between.predicted_iou == pytest.approx(0.4 + 0.4 * weight)
