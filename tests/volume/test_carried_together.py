"""Several objects that are carried at once, and the three views that vote."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_sam.embedding.store import EmbeddingStore
from napari_sam.planes.contrast import Contrast
from napari_sam.planes.geometry import Mask, Plane
from napari_sam.planes.image_source import ImageSource
from napari_sam.segment.segmenter import Segmenter
from napari_sam.testing.fake_network import ThresholdNetwork, threshold_model
from napari_sam.volume.carry import settle, without
from napari_sam.volume.evidence import Stop
from napari_sam.volume.propagate import propagate, propagate_each
from napari_sam.volume.views import CERTAIN_VOTE, MAJORITY, Section, View, three_views, vote

PLANE = Plane((1, 2), (0, 0, 0))


def balls(*centers: tuple[int, int, int], radius=(7, 14, 14), shape=(25, 100, 100)) -> np.ndarray:
    """(planes, rows, columns) int labels of ellipsoids, 1 for the first."""
    grid = np.ogrid[tuple(slice(size) for size in shape)]
    labels = np.zeros(shape, int)
    for label, center in enumerate(centers, 1):
        distance = sum(((axis - at) / size) ** 2 for axis, at, size in zip(grid, center, radius, strict=True))
        labels[distance < 1] = label
    return labels


def segmenter_of(labels: np.ndarray, store: EmbeddingStore | None = None, **how) -> Segmenter:
    volume = (labels > 0).astype(np.float32)
    return Segmenter(threshold_model(256), ImageSource(volume, **how), Contrast(((0.0, 1.0),)), store=store)


def key(labels: np.ndarray, label: int, at: int) -> Mask:
    return Mask.from_pixels(labels[at] == label)


def painted(labels: np.ndarray, found, keys: dict[int, dict[int, Mask]]) -> np.ndarray:
    """The objects as they came out; a voxel that two of them have is -1."""
    result = np.zeros(labels.shape, int)
    masks = {(name, at): mask for name, own in keys.items() for at, mask in own.items()}
    for name, each in found:
        masks.pop((name, each.index), None)
        if each.mask is not None:
            masks[name, each.index] = each.mask
    for (name, at), mask in masks.items():
        pixels = mask.painted(labels.shape[1:])
        result[at][pixels] = np.where(result[at][pixels] == 0, name, -1)
    return result


def iou(first: np.ndarray, second: np.ndarray) -> float:
    return (first & second).sum() / (first | second).sum()


TWO = balls((12, 30, 30), (12, 70, 68))


@pytest.mark.parametrize("views", [False, True])
def test_objects_apart_come_out_as_each_by_itself(views):
    keys = {1: {12: key(TWO, 1, 12)}, 2: {10: key(TWO, 2, 10)}}
    together = painted(TWO, propagate_each(segmenter_of(TWO), PLANE, keys, 0, views=views), keys)
    for name, own in keys.items():
        alone = ((name, each) for each in propagate(segmenter_of(TWO), PLANE, own, 0, views=views))
        assert np.array_equal(together == name, painted(TWO, alone, {name: own}) == name)
        assert iou(together == name, name == TWO) > 0.85


@pytest.mark.parametrize("views", [False, True])
@given(order=st.permutations([3, 5, 8]))
@settings(max_examples=6, deadline=None)
def test_the_order_of_objects_and_their_names_change_nothing(views, order):
    labels = balls((12, 30, 30), (12, 70, 68), (12, 30, 72))
    keys = {name: {12: key(labels, label, 12)} for label, name in enumerate(order, 1)}
    found = painted(labels, propagate_each(segmenter_of(labels), PLANE, keys, 0, views=views), keys)
    plain = {label: {12: key(labels, label, 12)} for label in (1, 2, 3)}
    expected = painted(labels, propagate_each(segmenter_of(labels), PLANE, plain, 0, views=views), plain)
    for label, name in enumerate(order, 1):
        assert np.array_equal(found == name, expected == label)


@pytest.mark.parametrize("revision", [2, 3])
def test_an_object_is_measured_where_it_was_found_before_it_is_carried_on(revision):
    # Three key planes of each are compared, and what is carried beyond the last one waits for that.
    keys = {1: {at: key(TWO, 1, at) for at in (9, 11, 13)}, 2: {at: key(TWO, 2, at) for at in (10, 12, 14)}}
    found = painted(TWO, propagate_each(segmenter_of(TWO), PLANE, keys, 0, revision=revision), keys)
    assert iou(found == 1, TWO == 1) > 0.85
    assert iou(found == 2, TWO == 2) > 0.85


def test_key_planes_are_measured_on_the_way_and_not_encoded_for_that():
    keys = {1: {at: key(TWO, 1, at) for at in (9, 11, 13)}, 2: {at: key(TWO, 2, at) for at in (10, 12, 14)}}
    encoded = {}
    for revision in (2, 3):
        # One plane is kept: what is asked for again after another one is encoded again.
        segmenter = segmenter_of(TWO, store=EmbeddingStore(400_000))
        list(propagate_each(segmenter, PLANE, keys, 0, revision=revision))
        encoded[revision] = len(segmenter.model.network.encoded)
    assert encoded[3] < encoded[2]


@pytest.mark.parametrize("views", [False, True])
def test_no_voxel_goes_to_two_objects_that_touch(views):
    # One piece to the network: each would have all of it by itself.
    labels = balls((12, 40, 40), (12, 40, 62))
    assert labels[12, 40, 51] > 0
    keys = {1: {12: key(labels, 1, 12)}, 2: {12: key(labels, 2, 12)}}
    found = painted(labels, propagate_each(segmenter_of(labels), PLANE, keys, 0, views=views), keys)
    assert not (found == -1).any()
    assert (found == 1).any()
    assert (found == 2).any()


def test_the_key_mask_of_another_object_is_not_taken():
    labels = balls((12, 40, 40), (14, 40, 62))
    keys = {1: {12: key(labels, 1, 12)}, 2: {14: key(labels, 2, 14)}}
    found = painted(labels, propagate_each(segmenter_of(labels), PLANE, keys, 0), keys)
    assert (found[14][labels[14] == 2] == 2).all()
    assert (found[12][labels[12] == 1] == 1).all()


def test_what_is_taken_already_is_left():
    blocked = np.zeros(TWO.shape[1:], bool)
    blocked[:, :25] = True
    keys = {1: {12: key(TWO, 1, 12)}}
    found = propagate_each(segmenter_of(TWO), PLANE, keys, 0, views=True, taken=lambda plane: blocked_on(plane))

    def blocked_on(plane: Plane) -> np.ndarray:
        columns = plane.axes[1] == 2
        shape = plane.shape(TWO.shape)
        return np.broadcast_to(np.arange(shape[1]) < 25, shape) if columns else np.full(shape, plane.index[2] < 25)

    result = painted(TWO, found, keys)
    others = [at for at in range(len(TWO)) if at != 12]
    assert not (result[others][:, :, :25] == 1).any()
    assert (result[others][:, :, 25:] == 1).any()


def test_all_objects_of_a_plane_are_decoded_together(monkeypatch):
    counts = []
    decode_each = ThresholdNetwork.decode_each
    monkeypatch.setattr(
        ThresholdNetwork,
        "decode_each",
        lambda self, features, *args: counts.append(len(features)) or decode_each(self, features, *args),
    )
    keys = {1: {12: key(TWO, 1, 12)}, 2: {12: key(TWO, 2, 12)}}
    list(propagate_each(segmenter_of(TWO), PLANE, keys, 0))
    assert counts
    assert set(counts) == {2}


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_sections_lie_where_they_were_cut_and_are_interpolated_between(axis, stride):
    labels = balls((12, 50, 40), radius=(9, 18, 15))
    shape = tuple(size for at, size in enumerate(labels.shape) if at != axis)
    seed = (12, 50, 40)[axis]
    view = View(axis, seed, stride)
    for at in range(seed % stride, labels.shape[axis], stride):
        mask = Mask.from_pixels(labels.take(at, axis) == 1)
        if mask.area:
            view.sections[at] = Section.of(mask, shape)
    low, high = view.bounds()
    part = tuple(int(size) for size in high - low)
    found = np.zeros(labels.shape, bool)
    inside = tuple(slice(max(a, 0), b) for a, b in zip(low, high, strict=True))
    whole = view.probability(tuple(low), part) > 0.5
    found[inside] = whole[tuple(slice(max(-a, 0), None) for a in low)][
        tuple(slice(0, part.stop - part.start) for part in inside)
    ]
    assert iou(found, labels == 1) > (0.999 if stride == 1 else 0.85)


def cut(labels: np.ndarray, axis: int, seed: int) -> View:
    """The view of a ball, seen as it is."""
    view = View(axis, seed)
    shape = tuple(size for at, size in enumerate(labels.shape) if at != axis)
    for at in range(labels.shape[axis]):
        mask = Mask.from_pixels(labels.take(at, axis) == 1)
        if mask.area:
            view.sections[at] = Section.of(mask, shape)
    return view


def test_where_one_view_runs_on_the_two_others_outvote_it():
    labels = balls((15, 50, 50), radius=(8, 16, 16), shape=(40, 100, 100))
    views = [cut(labels, 0, 15), cut(labels, 1, 50), cut(labels, 2, 50)]
    # Along the first axis nothing ended: the key mask again and again.
    for at in range(18, 40):
        views[0].sections[at] = views[0].sections[15]
    votes = vote(views, {15: key(labels, 1, 15)}, labels.shape)
    found = np.zeros(labels.shape, bool)
    found[tuple(slice(low, low + size) for low, size in zip(votes.corner, votes.share.shape, strict=True))] = (
        votes.share >= MAJORITY * CERTAIN_VOTE
    )
    assert iou(found, labels == 1) > 0.95
    assert votes.weights[0] < min(votes.weights[1], votes.weights[2])


def test_something_is_given_for_every_plane_of_the_side_views_so_that_a_click_comes_in_between():
    segments = []
    segmenter = segmenter_of(TWO)
    found = propagate(segmenter, PLANE, {12: key(TWO, 1, 12)}, 0, views=True)
    decode = ThresholdNetwork.decode
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ThresholdNetwork, "decode", lambda *args: segments.append(1) or decode(*args))
        most = 0
        for _ in found:
            most, segments[:] = max(most, len(segments)), []
    # A plane, and the key plane before the first one.
    assert 0 < most <= 3


def test_a_plane_is_given_again_as_the_vote_leaves_it():
    reached = list(propagate(segmenter_of(TWO), PLANE, {12: key(TWO, 1, 12)}, 0, views=True))
    assert [each.index for each in reached].count(11) == 2
    assert all(0 <= each.confidence <= 1 and each.stopped in Stop for each in reached)


@pytest.mark.parametrize(
    ("names", "planes", "model", "expected"),
    [
        (("z", "y", "x"), 20, "nano", True),
        (None, 20, "nano", True),
        (("t", "y", "x"), 20, "nano", False),
        (("z", "y", "x"), 4, "nano", False),
        (("z", "y", "x"), 20, "vit_b", False),
        (("z", "y", "x"), 20, "/home/user/mine.safetensors", False),
    ],
)
def test_three_views_are_chosen_where_they_make_sense(names, planes, model, expected):
    source = ImageSource(np.zeros((planes, 8, 8), np.uint8), axis_labels=names)
    assert three_views(source, model, 0) is expected


MASKS = st.builds(
    lambda row, column, height, width: Mask.from_pixels(np.ones((height, width), bool), (row, column)),
    st.integers(0, 12),
    st.integers(0, 12),
    st.integers(1, 9),
    st.integers(1, 9),
)


@given(masks=st.lists(MASKS, max_size=5))
def test_settled_masks_share_no_pixel_and_lose_none_together(masks):
    def drawn(several):
        return [mask.painted((24, 24)) for mask in several]

    before, after = drawn(masks), drawn(settle(masks))
    assert np.sum(after, axis=0).max(initial=0) <= 1
    assert np.array_equal(np.any(before, axis=0), np.any(after, axis=0)) or not masks
    assert all((kept <= had).all() for kept, had in zip(after, before, strict=True))


@given(first=MASKS, second=MASKS)
def test_without_another_is_what_is_left(first, second):
    shape = (24, 24)
    expected = first.painted(shape) & ~second.painted(shape)
    assert np.array_equal(without(first, second).painted(shape), expected)


@pytest.mark.parametrize("views", [False, True])
@pytest.mark.parametrize("others", [False, True])
@pytest.mark.parametrize("keys", [(8,), (8, 10), (8, 19), (8, 13)])
def test_nothing_is_given_outside_the_range_but_a_key_plane_there_reaches_into_it(keys, others, views):
    labels = balls((12, 30, 30), (12, 70, 68), radius=(11, 14, 14))
    objects = {1: {at: key(labels, 1, at) for at in keys}, **({2: {13: key(labels, 2, 13)}} if others else {})}
    found = list(propagate_each(segmenter_of(labels), PLANE, objects, 0, start=12, stop=16, views=views))
    assert {each.index for _, each in found} <= set(range(12, 17))
    given = {each.index for name, each in found if name == 1 and each.mask is not None}
    assert given == set(range(12, 17)) - set(keys)
    former = propagate(segmenter_of(labels), PLANE, objects[1], 0, start=12, stop=16, revision=1)
    assert {9, 11} & {each.index for each in former}
