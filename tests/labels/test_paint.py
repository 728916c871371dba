import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_sam.errors import UserError
from napari_sam.labels.collision import Collision
from napari_sam.labels.paint import paint
from napari_sam.planes.mask import Mask
from napari_sam.planes.plane import Plane

SHAPE = (4, 7, 9)


@st.composite
def cases(draw):
    labels = draw(arrays(draw(st.sampled_from([np.uint8, np.int32, np.uint16])), SHAPE, elements=st.integers(0, 4)))
    axes = draw(st.sampled_from([(1, 2), (2, 1), (0, 2), (2, 0), (0, 1), (1, 0)]))
    other = ({0, 1, 2} - set(axes)).pop()
    masks = {}
    for at in draw(st.sets(st.integers(0, SHAPE[other] - 1), max_size=3)):
        index = [0, 0, 0]
        index[other] = at
        size = draw(st.tuples(st.integers(1, 8), st.integers(1, 8)))
        origin = draw(st.tuples(st.integers(-10, 10), st.integers(-10, 10)))
        masks[Plane(axes, tuple(index))] = Mask.from_pixels(draw(arrays(bool, size)), origin)
    return labels, masks, draw(st.integers(1, 5)), draw(st.sampled_from(Collision))


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


@given(cases())
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


@given(cases())
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


@pytest.mark.parametrize("collision", Collision)
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
