"""Objects merged, split, filled, smoothed, grown and shrunk in an array of labels."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_sam import (
    UserError,
    fill_holes,
    grow_objects,
    keep_largest_part,
    merge_objects,
    smooth_objects,
    split_object,
)
from napari_sam.labels.label_array import label_boxes
from napari_sam.labels.morphology import Reshaping, Treatment
from napari_sam.labels.object_edits import Space, known_parts, reshape_change
from napari_sam.planes.geometry import Mask, Plane, Window
from napari_sam.prompts.prompt import Point
from napari_sam.segment.segmentation import Segmentation


@st.composite
def scenes(draw: st.DrawFn, ndim: int = 2) -> np.ndarray:
    """A few boxes of labels 1 to 4 that may meet, with noise."""
    shape = draw(st.tuples(*[st.integers(5, 14 if ndim == 2 else 8)] * ndim))
    labels = np.zeros(shape, np.uint16)
    for label in range(1, draw(st.integers(1, 4)) + 1):
        box = []
        for size in shape:
            start = draw(st.integers(0, size - 2))
            box.append(slice(start, draw(st.integers(start + 1, size))))
        labels[tuple(box)] = label
    labels[draw(arrays(bool, shape, elements=st.booleans(), fill=st.just(False)))] = 0
    return labels


FEW = settings(max_examples=30, deadline=None)
DISTANCES = st.sampled_from([0.5, 1.0, 1.4, 2.0, 3.3])
TREATMENTS = {
    "fill": lambda labels, ids, distance, **how: fill_holes(labels, ids, **how),
    "largest": lambda labels, ids, distance, **how: keep_largest_part(labels, ids, **how),
    "smooth": lambda labels, ids, distance, **how: smooth_objects(labels, distance, ids, **how),
    "grow": lambda labels, ids, distance, **how: grow_objects(labels, distance, ids, **how),
    "shrink": lambda labels, ids, distance, **how: grow_objects(labels, -distance, ids, **how),
}
treatments = st.sampled_from(sorted(TREATMENTS))


@FEW
@given(scenes(), treatments, DISTANCES)
def test_other_labels_keep_their_pixels_and_no_object_goes(labels, name, distance) -> None:
    before = labels.copy()
    ids = np.unique(labels[labels > 0]).tolist()
    for label in ids[:1]:
        after = TREATMENTS[name](labels, [label], distance)
        np.testing.assert_array_equal(labels, before)
        assert after.dtype == labels.dtype
        others = (labels != label) & (labels > 0)
        np.testing.assert_array_equal(after[others], labels[others])
        assert set(np.unique(after[~others])) <= {0, label}
        assert (after == label).any()
    everything = TREATMENTS[name](labels, None, distance)
    assert np.unique(everything[everything > 0]).tolist() == ids
    grown = (everything != labels) & (labels > 0)
    assert not everything[grown].any(), "what an object loses nobody else gets"


@FEW
@given(scenes(), DISTANCES)
def test_grown_then_shrunk_an_object_has_lost_nothing(labels, distance) -> None:
    alone = np.where(labels == 1, 1, 0).astype(np.uint16)
    if alone.any():
        grown = grow_objects(np.pad(alone, 5), distance)
        shrunk = grow_objects(grown, -distance)
        assert (shrunk[np.pad(alone, 5) > 0] == 1).all()


@FEW
@given(scenes(), DISTANCES)
def test_what_grows_together_is_shared_by_nearness(labels, distance) -> None:
    after = grow_objects(labels, distance)
    grid = np.indices(labels.shape)[:, :, :, None]
    away = {
        label: np.sqrt(((grid - np.argwhere(labels == label).T[:, None, None]) ** 2).sum(0).min(-1))
        for label in np.unique(labels[labels > 0])
    }
    for label, mine in away.items():
        new = (after == label) & (labels == 0)
        assert (mine[new] <= distance + 1e-6).all()
        for other, theirs in away.items():
            if other != label:
                assert ((mine <= theirs + 1e-9) if label < other else (mine < theirs))[new].all()


@FEW
@given(scenes(), treatments, DISTANCES, st.integers(0, 4), st.integers(0, 4))
def test_where_objects_lie_makes_no_difference(labels, name, distance, down, right) -> None:
    room = 16
    first = np.pad(labels, room)
    moved = np.pad(labels, ((room + down, room), (room + right, room)))
    after = TREATMENTS[name](first, None, distance)
    np.testing.assert_array_equal(np.pad(after, ((down, 0), (right, 0))), TREATMENTS[name](moved, None, distance))


@FEW
@given(scenes(), treatments, DISTANCES)
def test_a_volume_of_one_plane_is_a_plane(labels, name, distance) -> None:
    flat = TREATMENTS[name](labels, None, distance)
    np.testing.assert_array_equal(TREATMENTS[name](labels[None], None, distance)[0], flat)
    np.testing.assert_array_equal(TREATMENTS[name](labels[None], None, distance, spatial=2)[0], flat)


@FEW
@given(scenes(3), treatments, DISTANCES)
def test_nothing_is_mixed_along_time(labels, name, distance) -> None:
    after = TREATMENTS[name](labels, None, distance, spatial=2)
    for plane, result in zip(labels, after, strict=True):
        np.testing.assert_array_equal(TREATMENTS[name](plane, None, distance), result)
    series = np.stack([labels, np.where(labels == 1, 0, labels), labels])
    for volume, result in zip(series, TREATMENTS[name](series, None, distance), strict=True):
        np.testing.assert_array_equal(TREATMENTS[name](volume, None, distance), result)


def test_a_hole_is_filled_and_what_is_in_it_stays() -> None:
    labels = np.zeros((9, 9), np.uint8)
    labels[1:8, 1:8] = 4
    labels[2:7, 2:7] = 0
    labels[4, 4] = 9
    after = fill_holes(labels)
    assert after[4, 4] == 9
    assert (after == 4).sum() == 48
    # Open at a corner of a pixel: no way over faces.
    labels[1, 1] = 0
    assert (fill_holes(labels) == 4).sum() == 47
    labels[1, 2] = labels[2, 1] = 0
    labels[2, 2] = 0
    assert (fill_holes(labels) == 4).sum() == (labels == 4).sum() == 21


def test_the_largest_part_stays() -> None:
    labels = np.array([[1, 0, 0, 1, 1], [0, 1, 0, 0, 1], [0, 0, 0, 0, 2]])
    np.testing.assert_array_equal(keep_largest_part(labels), [[0, 0, 0, 1, 1], [0, 0, 0, 0, 1], [0, 0, 0, 0, 2]])
    assert (keep_largest_part(labels, [2]) == labels).all()


def test_distances_are_physical() -> None:
    labels = np.zeros((9, 9, 12), np.uint8)
    labels[4:6, 4:6, 4:6] = 1
    after = grow_objects(labels, 2.0, scale=(2.0, 1.0, 0.5))
    ends = [np.flatnonzero(after.any(axis=others)) for others in ((1, 2), (0, 2), (0, 1))]
    assert [(each[0], each[-1]) for each in ends] == [(3, 6), (2, 7), (0, 9)]
    assert (grow_objects(after, -2.0, scale=(2.0, 1.0, 0.5)) == 1).sum() >= 1


@pytest.mark.parametrize("name", sorted(TREATMENTS))
def test_an_object_on_one_plane_of_a_volume_stays_on_it(name) -> None:
    flat = np.zeros((12, 12), np.uint16)
    flat[2:9, 2:9], flat[5, 5], flat[11, 0] = 1, 0, 1
    volume = np.zeros((5, 12, 12), np.uint16)
    volume[2] = flat
    after = TREATMENTS[name](volume, None, 2.0)
    np.testing.assert_array_equal(after[2], TREATMENTS[name](flat, None, 2.0))
    assert not np.delete(after, 2, axis=0).any()


def test_nothing_grows_through_a_wall() -> None:
    labels = np.zeros((5, 9), np.uint8)
    labels[:, 2], labels[:, 4] = 1, 2
    after = grow_objects(labels, 5, [1])
    assert (after[:, :4] == 1).all()
    assert not after[:, 5:].any()


def test_smoothing_leaves_no_gap_between_objects_that_touch() -> None:
    labels = np.ones((12, 12), np.uint8)
    labels[:, 6:] = 2
    labels[5, 5], labels[8, 6] = 2, 1
    np.testing.assert_array_equal(smooth_objects(labels, 2.0), labels)


@FEW
@given(st.lists(st.integers(1, 6), min_size=2, max_size=4, unique=True))
def test_merged_objects_have_the_smallest_id(ids) -> None:
    labels = np.arange(1, 7).repeat(2).reshape(3, 4)
    after = merge_objects(labels, ids)
    np.testing.assert_array_equal(after == min(ids), np.isin(labels, ids))
    rest = ~np.isin(labels, ids)
    np.testing.assert_array_equal(after[rest], labels[rest])


@FEW
@given(scenes(3), st.integers(2, 3), st.integers(0, 10**6))
def test_what_is_split_and_merged_is_as_it_was(labels, count, seed) -> None:
    pixels = np.argwhere(labels == 1)
    if len(pixels) < count:
        return
    points = pixels[np.random.default_rng(seed).choice(len(pixels), count, replace=False)]
    after = split_object(labels, 1, points, scale=(2, 1, 1))
    new = [1, *range(labels.max() + 1, labels.max() + count)]
    assert [after[tuple(point)] for point in points] == new
    np.testing.assert_array_equal(after[labels != 1], labels[labels != 1])
    assert np.isin(after[labels == 1], new).all()
    np.testing.assert_array_equal(merge_objects(after, new), labels)


def test_objects_part_at_their_neck_and_the_size_of_a_voxel_counts() -> None:
    rows, columns = np.indices((31, 61))
    near = ((rows - 15) ** 2 + (columns - 15) ** 2 < 14**2) | ((rows - 15) ** 2 + (columns - 40) ** 2 < 14**2)
    # Beside the middles, and not alike.
    after = split_object(near.astype(np.uint8), 1, [(15, 9), (12, 36)])
    wrong = near & ((after == 2) != (columns > 27))
    assert wrong.sum() < 0.05 * near.sum()
    bar = np.ones((7, 3, 9), np.uint8)
    assert (split_object(bar, 1, [(0, 1, 4), (6, 1, 4)], scale=(0.1, 1, 1))[:, 1, 4] == [1, 1, 1, 1, 2, 2, 2]).all()


class _Halves:
    """A segmenter that says that everything left of a border belongs to the left click, whatever its shape."""

    def __init__(self, border: float) -> None:
        self.border = border
        self.asked = []

    def segment(self, plane, prompts, *, object_size=None, cancel=None):
        self.asked.append((plane, prompts))
        columns = np.arange(40, dtype=np.float32)[None].repeat(20, 0)
        left = prompts.points[0].column < self.border
        logits = (self.border - columns) if left else (columns - self.border)
        mask = Mask.from_pixels(logits > 0)
        return Segmentation((Mask(mask.box, mask.pixels, 0.9, logits, Window((0, 0), (1, 1), (20, 40))),), 0)


def test_the_model_has_the_word_where_it_is_asked() -> None:
    labels = np.zeros((3, 20, 40), np.uint8)
    labels[:, 5:15, 5:35] = 7
    model = _Halves(12.5)
    after = split_object(labels, 7, [(1, 10, 8), (1, 10, 30)], stack=model)
    assert [(prompts.points[0].positive, prompts.points[1].positive) for _, prompts in model.asked] == [
        (True, False)
    ] * 2
    assert {plane for plane, _ in model.asked} == {Plane((1, 2), (1, 0, 0))}
    assert (after[1, 5:15, 5:13] == 7).all()
    assert (after[1, 5:15, 13:35] == 8).all()
    # Planes that were not asked follow it.
    assert (after == 7)[0].sum() == pytest.approx(80, abs=12)
    # Without several clicks on a plane nothing is asked.
    model.asked.clear()
    split_object(labels, 7, [(0, 10, 8), (2, 10, 30)], stack=model)
    assert not model.asked


def test_parts_are_found_on_planes_that_lie_otherwise() -> None:
    labels = np.zeros((20, 2, 40), np.uint8)
    labels[5:15, 1, 5:35] = 7
    space, box = Space((0, 2), (0, 1, 0)), (slice(5, 15), slice(1, 2), slice(5, 35))
    for axes, clicks in (((0, 2), [(10, 8), (10, 30)]), ((2, 0), [(8, 10), (30, 10)])):
        plane = Plane(axes, (0, 1, 0))

        class Turned(_Halves):
            def segment(self, plane, prompts, **how):
                if plane.axes == (0, 2):
                    return super().segment(plane, prompts, **how)
                points = tuple(Point(each.column, each.row, each.positive) for each in prompts.points)
                found = super().segment(plane, type(prompts)(points), **how).mask
                window = Window((0, 0), (1, 1), (40, 20))
                row0, column0, row1, column1 = found.box
                turned = Mask((column0, row0, column1, row1), found.pixels.T, 0.9, found.logits.T, window)
                return Segmentation((turned,), 0)

        asked = {part: (plane, Point(*at)) for part, at in enumerate(clicks, 1)}
        known = known_parts(Turned(12.5), labels, space, box, 7, asked)
        assert (known[:, :8] == 1).all()
        assert (known[:, 8:] == 2).all()


@pytest.mark.parametrize(
    ("deed", "says"),
    [
        (lambda labels: merge_objects(labels, [3]), "two objects at least"),
        (lambda labels: merge_objects(labels, [3, 5]), "no object 5"),
        (lambda labels: grow_objects(labels, 0), "distance above 0"),
        (lambda labels: grow_objects(labels, float("nan")), "distance above 0"),
        (lambda labels: smooth_objects(labels, -1), "distance above 0"),
        (lambda labels: grow_objects(labels, 1, scale=(1, 1)), "scale has 2"),
        (lambda labels: grow_objects(labels, 1, scale=(1, 0, 1)), "size above 0"),
        (lambda labels: fill_holes(labels, [0]), "no object 0"),
        (lambda labels: fill_holes(labels, spatial=4), "spatial is 2"),
        (lambda labels: fill_holes(labels.astype(float)), "whole numbers"),
        (lambda labels: split_object(labels, 3, [(0, 0, 0)]), "two parts"),
        (lambda labels: split_object(labels, 3, [(0, 0, 0), (0, 0, 0)]), "same pixel"),
        (lambda labels: split_object(labels, 3, [(0, 0, 0), (2, 3, 3)]), "not on object 3"),
        (lambda labels: split_object(labels, 3, [(0, 0), (2, 3)]), "3 axes"),
    ],
)
def test_what_makes_no_sense_is_refused(deed, says) -> None:
    labels = np.zeros((3, 4, 4), np.uint8)
    labels[0, :2] = 3
    with pytest.raises(UserError, match=says):
        deed(labels)


def test_ids_never_wrap() -> None:
    labels = np.full((2, 2), 255, np.uint8)
    with pytest.raises(UserError, match="does not fit"):
        split_object(labels, 255, [(0, 0), (1, 1)])


def test_boxes_are_found_block_by_block_whatever_the_ids() -> None:
    labels = np.zeros((3, 50, 60), np.int64)
    labels[1, 3:9, 5:7], labels[0:3, 40, 2], labels[2, 1, 1] = 10**12, 4, -3
    boxes = {4: (slice(0, 3), slice(40, 41), slice(2, 3)), 10**12: (slice(1, 2), slice(3, 9), slice(5, 7))}
    assert label_boxes(labels) == boxes
    assert label_boxes(labels, wanted=[10**12, 99]) == {10**12: boxes[10**12]}
    assert list(label_boxes(labels, (slice(1, 2), slice(0, 50), slice(0, 60)))) == [4, 10**12]


def test_only_the_box_of_an_object_is_read() -> None:
    class Watched:
        shape, dtype = (60, 2048, 2048), np.dtype(np.uint16)
        read = 0

        def __getitem__(self, box):
            shape = [part.stop - part.start for part in box]
            Watched.read += int(np.prod(shape))
            region = np.zeros(shape, np.uint16)
            region[(slice(8, -8),) * 3] = 5
            return region

    box = (slice(20, 40), slice(500, 560), slice(700, 780))
    tracemalloc.start()
    change, gone = reshape_change(
        Watched(), Space((0, 1, 2), (0, 0, 0)), box, 5, Reshaping(Treatment.GROW, 3.0), (1.0, 1.0, 1.0), np.array([5])
    )
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert change is not None
    assert not gone
    assert Watched.read == 34 * 74 * 94
    assert peak < 60 * 2**20
