import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st

from napari_sam.errors import UserError
from napari_sam.labels.paint import Collides, Collision, describe, paint, paint_all
from napari_sam.planes.geometry import Mask, Plane
from napari_sam.testing import strategies

SHAPE = (4, 7, 9)


cases = st.tuples(
    strategies.label_arrays(SHAPE),
    strategies.object_masks(SHAPE),
    st.integers(1, 5),
    strategies.collisions(),
)


def expected(labels, masks, label, collision):
    """The same, written pixel by pixel."""
    result = labels.copy()
    for plane, mask in masks.items():
        painted = mask.painted(plane.shape(SHAPE))
        for row, column in np.ndindex(painted.shape):
            at = tuple(int(c) for c in plane.to_data(row, column))
            if painted[row, column]:
                if collision is Collision.OVERWRITE or labels[at] in (0, label):
                    result[at] = label
            elif labels[at] == label:
                result[at] = 0
    return result


@given(cases)
def test_one_accept_is_one_reversible_edit(case):
    labels, masks, label, collision = case
    untouched = labels.copy()
    edit = paint(labels, masks, label, collision)
    np.testing.assert_array_equal(labels, untouched)
    target = expected(labels, masks, label, collision)
    changed = target != untouched
    edit.apply(labels)
    np.testing.assert_array_equal(labels, target)
    assert labels.dtype == untouched.dtype
    assert edit.changed == np.count_nonzero(changed)
    # The box is tight.
    if edit.changed:
        assert edit.box == tuple(slice(min(at), max(at) + 1) for at in np.nonzero(changed))
    else:
        assert edit.before.size == 0
    edit.revert(labels)
    np.testing.assert_array_equal(labels, untouched)


@given(cases)
def test_other_labels(case):
    labels, masks, label, _ = case
    kept = labels.copy()
    paint(labels, masks, label, Collision.KEEP).apply(kept)
    others = (labels != label) & (labels != 0)
    np.testing.assert_array_equal(kept[others], labels[others])
    overwritten = labels.copy()
    paint(labels, masks, label, Collision.OVERWRITE).apply(overwritten)
    for plane, mask in masks.items():
        other = ({0, 1, 2} - set(plane.axes)).pop()
        view = np.take(overwritten, plane.index[other], axis=other)
        view = view.T if plane.axes[0] > plane.axes[1] else view
        np.testing.assert_array_equal(view == label, mask.painted(view.shape))


@pytest.mark.parametrize("collision", [Collision.KEEP, Collision.OVERWRITE])
def test_zarr_arrays(collision):
    pixels = np.random.default_rng(0).integers(0, 3, (5, 40, 50), np.uint32)
    labels = zarr.array(pixels, chunks=(1, 16, 16))
    masks = {Plane((1, 2), (z, 0, 0)): Mask.from_pixels(np.ones((9, 12), bool), (3 + z, 44)) for z in (1, 2, 3)}
    edit = paint(labels, masks, 2, collision)
    on_numpy = pixels.copy()
    paint(pixels, masks, 2, collision).apply(on_numpy)
    edit.apply(labels)
    np.testing.assert_array_equal(labels[:], on_numpy)
    edit.revert(labels)
    np.testing.assert_array_equal(labels[:], pixels)


def test_memory_is_that_of_the_objects_box():
    labels = np.broadcast_to(np.uint8(0), (10**4, 10**4, 10**4))
    masks = [(Plane((1, 2), (z, 0, 0)), Mask.from_pixels(np.ones((20, 30), bool), (5000, 6000))) for z in (700, 702)]
    edit = paint(labels, masks, 1, Collision.KEEP, replace=False)
    assert edit.box == (slice(700, 703), slice(5000, 5020), slice(6000, 6030))
    assert edit.nbytes == 2 * 3 * 20 * 30
    assert edit.changed == 2 * 20 * 30


def test_a_known_earlier_box_bounds_the_search():
    labels = np.zeros((100, 100), np.uint8)
    labels[10:20, 10:20] = 1
    labels[50, 50] = 1
    plane = Plane((0, 1), (0, 0))
    mask = Mask.from_pixels(np.ones((5, 5), bool), (12, 12))
    edit = paint(labels, {plane: mask}, 1, Collision.KEEP, earlier=(slice(0, 30), slice(0, 30)))
    edit.apply(labels)
    assert labels.sum() == 26


def test_an_empty_mask_removes_the_object_from_the_plane():
    labels = np.full((3, 4, 5), 7, np.uint8)
    empty = Mask.from_pixels(np.zeros((2, 2), bool), (1, 1))
    paint(labels, {Plane((1, 2), (1, 0, 0)): empty}, 7, Collision.KEEP).apply(labels)
    assert not labels[1].any()
    assert (labels[[0, 2]] == 7).all()


def test_bad_input():
    mask = Mask.from_pixels(np.ones((2, 2), bool))
    labels = np.zeros((3, 8, 8), np.uint8)
    with pytest.raises(UserError, match="Label 256 does not fit"):
        paint(labels, {Plane((1, 2), (0, 0, 0)): mask}, 256, Collision.KEEP)
    with pytest.raises(UserError, match="no position 3"):
        paint(labels, {Plane((1, 2), (3, 0, 0)): mask}, 1, Collision.KEEP)
    with pytest.raises(UserError, match="2 axes but the labels have 3"):
        paint(labels, {Plane((0, 1), (0, 0)): mask}, 1, Collision.KEEP)
    with pytest.raises(UserError, match="must be integers"):
        paint(labels.astype(float), {Plane((1, 2), (0, 0, 0)): mask}, 1, Collision.KEEP)
    with pytest.raises(ValueError, match="at least 1"):
        paint(labels, {}, 0, Collision.KEEP)


def test_asking_writes_nothing_and_says_how_many_pixels_of_which_labels_are_met():
    labels = np.zeros((20, 20), np.uint8)
    labels[0:4, 0:4], labels[8:10, 0:10] = 3, 5
    masks = {Plane((0, 1), (0, 0)): Mask((2, 2, 10, 10), np.ones((8, 8), bool))}
    with pytest.raises(Collides, match="16 pixels of label 5 and 4 of label 3") as raised:
        paint(labels, masks, 9, Collision.ASK)
    assert raised.value.pixels == {3: 4, 5: 16}
    assert not (labels == 9).any()
    free = {Plane((0, 1), (0, 0)): Mask((12, 2, 15, 10), np.ones((3, 8), bool))}
    assert paint(labels, free, 9, Collision.ASK).changed == 24


def test_many_labels_that_are_met_are_summed_up():
    assert describe({1: 1}) == "1 pixel of label 1"
    assert describe({1: 9, 2: 8, 3: 7, 4: 2, 5: 1}) == "9 pixels of label 1, 8 of label 2, 7 of label 3 and 3 of 2 more"


@pytest.mark.parametrize("collision", [Collision.KEEP, Collision.OVERWRITE])
def test_objects_painted_together_share_no_pixel_and_the_first_has_it(collision):
    labels = np.zeros((4, 20, 20), np.uint8)
    labels[2, 0:4, 0:4], labels[2, 10:14, 10:14] = 3, 8
    first, second = Mask((1, 1, 6, 6), np.ones((5, 5), bool)), Mask((5, 5, 12, 12), np.ones((7, 7), bool))
    plane = Plane((1, 2), (2, 0, 0))
    former = {3: Mask((0, 0, 4, 4), np.ones((4, 4), bool))}
    paint_all(labels, plane, [(3, first), (4, second)], collision, former=former).apply(labels)
    assert (labels == 3).sum() == 25
    assert labels[2, 0, 0] == 0
    assert labels[2, 5, 5] == 3
    assert labels[2, 11, 11] == (8 if collision is Collision.KEEP else 4)
    assert (labels == 4).sum() == 49 - 1 - (4 if collision is Collision.KEEP else 0)
    with pytest.raises(Collides):
        paint_all(labels, plane, [(9, second)], Collision.ASK)
