import numpy as np
import pytest

import napari_sam
from napari_sam.errors import UserError
from napari_sam.planes.geometry import Mask, Plane
from napari_sam.planes.image_source import ImageSource
from napari_sam.testing.fake_network import threshold_model


@pytest.fixture
def volume() -> np.ndarray:
    z, rows, columns = np.ogrid[:15, :120, :140]
    inside = ((z - 7) / 6) ** 2 + ((rows - 60) / 25) ** 2 + ((columns - 70) / 25) ** 2 < 1
    noise = np.random.default_rng(0).normal(0, 30, inside.shape)
    return (np.where(inside, 3000, 300) + noise).clip(0).astype(np.uint16)


def test_click_propagate_and_paint(volume):
    stack = napari_sam.open_stack(volume, model=threshold_model(256))
    mask = napari_sam.segment_object(stack, plane=7, points=[(60, 70)])
    masks = napari_sam.propagate_object(stack, {7: mask})
    labels = napari_sam.to_labels(stack, masks, label=3)
    truth = volume > 1500
    assert labels.shape == volume.shape
    assert set(np.unique(labels)) == {0, 3}
    assert list(masks) == sorted(masks)
    assert ((labels == 3) & truth).sum() / ((labels == 3) | truth).sum() > 0.85


def test_key_masks_may_be_arrays(volume):
    stack = napari_sam.open_stack(volume, model=threshold_model(256))
    array = volume[7] > 1500
    from_array = napari_sam.propagate_object(stack, {7: array})
    from_mask = napari_sam.propagate_object(stack, {7: Mask.from_pixels(array)})
    for at, mask in from_mask.items():
        np.testing.assert_array_equal(from_array[at].painted(array.shape), mask.painted(array.shape))
    with pytest.raises(UserError, match="shape"):
        napari_sam.propagate_object(stack, {7: array[:-1]})


def test_labels_are_widened_for_large_ids_and_refused_where_they_do_not_fit(volume):
    stack = napari_sam.open_stack(volume, model=threshold_model(256))
    mask = napari_sam.segment_object(stack, plane=7, points=[(60, 70)])
    assert napari_sam.to_labels(stack, {7: mask}, label=70_000).max() == 70_000
    with pytest.raises(UserError):
        napari_sam.to_labels(stack, {7: mask}, label=300, labels=np.zeros(volume.shape, np.uint8))


def test_a_two_dimensional_image_needs_no_plane(volume):
    stack = napari_sam.open_stack(volume[7], model=threshold_model(256))
    mask = napari_sam.segment_object(stack, points=[(60, 70)], negative=[(5, 5)])
    labels = napari_sam.to_labels(stack, {None: mask})
    assert labels.shape == volume.shape[1:]
    assert labels[60, 70] == 1


def test_a_rough_array_is_refined(volume):
    stack = napari_sam.open_stack(volume, model=threshold_model(256))
    rough = np.zeros(volume.shape[1:], bool)
    rough[45:75, 55:85] = True
    refined = napari_sam.segment_object(stack, plane=7, mask=rough).painted(rough.shape)
    truth = volume[7] > 1500
    assert (refined & truth).sum() / (refined | truth).sum() > 0.9


def test_other_axes_are_segmented_and_propagated_along(volume):
    stack = napari_sam.open_stack(np.moveaxis(volume, 0, 2), model=threshold_model(256), axes=(0, 1))
    mask = napari_sam.segment_object(stack, plane=Plane((0, 1), (0, 0, 7)), points=[(60, 70)])
    masks = napari_sam.propagate_object(stack, {7: mask}, axis=2, axes=(0, 1), start=5, stop=9)
    assert list(masks) == [5, 6, 7, 8, 9]
    assert napari_sam.to_labels(stack, masks, axes=(0, 1))[60, 70, 5:10].all()


@pytest.mark.parametrize(
    ("plane", "shape"),
    [(None, (5, 40, 40)), (5, (5, 40, 40)), (-1, (5, 40, 40)), (0, (40, 40)), (0, (2, 5, 40, 40))],
)
def test_planes_that_do_not_exist_are_named(plane, shape):
    stack = napari_sam.open_stack(ImageSource(np.zeros(shape, np.uint8)), model=threshold_model(64))
    with pytest.raises(UserError):
        napari_sam.plane_at(stack, plane)


def test_an_unknown_model_is_named(volume):
    with pytest.raises(UserError, match="no model"):
        napari_sam.open_stack(volume, model="nono")


def test_a_scribble_segments_what_it_lies_on(volume):
    stack = napari_sam.open_stack(volume, model=threshold_model(256))
    mask = napari_sam.segment_object(stack, plane=7, scribbles=[[(50, 60), (70, 80)]])
    truth = volume[7] > 1500
    painted = mask.painted(truth.shape)
    assert (painted & truth).sum() / (painted | truth).sum() > 0.85
    assert mask.box[0] < 50 < 70 < mask.box[2]


def test_everything_on_each_plane_has_ids_of_its_own():
    from napari_sam.sample import StackRecipe, generate_stack

    sample = generate_stack(StackRecipe(shape=(8, 80, 80)), seed=2)
    stack = napari_sam.open_stack(sample.nuclei)
    labels = napari_sam.segment_everything(stack, planes=[4, Plane((1, 2), (5, 0, 0))])
    assert labels.shape == sample.nuclei.shape
    assert labels.dtype == np.uint8
    here, there = (set(np.unique(labels[z])) - {0} for z in (4, 5))
    assert here
    assert not here & there
    assert not labels[[0, 1, 2, 3, 6, 7]].any()
    # Of one plane, by number, as a picture, and turned.
    alone = napari_sam.segment_everything(stack, planes=4)
    assert set(np.unique(alone[4])) - {0} == here
    flat = napari_sam.segment_everything(ImageSource(sample.nuclei[4]))
    assert flat.shape == (80, 80)
    assert flat.any()
    turned = napari_sam.segment_everything(stack, planes=4, axes=(2, 1))
    assert ((turned[4] > 0) & (alone[4] > 0)).sum() > 0.8 * (alone[4] > 0).sum()
    # Less is wanted.
    assert not napari_sam.segment_everything(stack, planes=4, confidence=1.0).any()
    assert not napari_sam.segment_everything(stack, planes=4, largest=2).any()
    sure = napari_sam.segment_everything(stack, planes=4, confidence=0.8)
    assert len(np.unique(sure)) <= len(np.unique(alone))
    some = napari_sam.segment_everything(stack, planes=4, region=(40, 40, 0, 0))
    assert 0 < len(np.unique(some)) < len(np.unique(alone))


@pytest.mark.parametrize(
    "wanted",
    [
        {"confidence": float("nan")},
        {"overlap": 2},
        {"smallest": -1},
        {"smallest": 5, "largest": 2},
        {"region": (1, 2, 3)},
    ],
    ids=str,
)
def test_everything_with_numbers_that_make_no_sense_is_refused(volume, wanted):
    with pytest.raises(UserError):
        napari_sam.segment_everything(volume, planes=4, **wanted)


def test_a_plane_that_is_named_twice_is_looked_at_once(volume):
    twice = napari_sam.segment_everything(volume, planes=[4, 4])
    assert twice.max() == len(np.unique(twice)) - 1


def test_everything_on_a_plane_that_does_not_exist_is_refused(volume):
    with pytest.raises(UserError, match="Plane 20"):
        napari_sam.segment_everything(volume, planes=[20])


@pytest.mark.parametrize(
    ("axes", "sentence"), [((1, 1), "for both"), ((-1, 2), "for both"), ((0, 5), "Axis 5 does not exist")]
)
def test_axes_that_are_no_plane_are_one_sentence(volume, axes, sentence):
    with pytest.raises(UserError, match=sentence):
        napari_sam.open_stack(volume, model=threshold_model(256), axes=axes)


def test_volumes_of_a_stack_are_refused_in_one_sentence(volume):
    stack = napari_sam.open_stack(volume, model=threshold_model(256))
    for how, sentence in (
        ({"axis": 1}, "displayed"),
        ({"axis": 4}, "does not exist"),
        ({"movement": -1.0}, "distance in pixels"),
        ({"confidence": 2.0}, "confidence"),
        ({"region": (1, 2)}, "four numbers"),
        ({"start": 3, "stop": 99}, "do not exist"),
    ):
        with pytest.raises(UserError, match=sentence):
            napari_sam.segment_volumes(stack, **how)


def test_a_picture_has_no_volumes_and_an_axis_may_be_counted_from_the_end(volume):
    with pytest.raises(UserError, match="single plane"):
        napari_sam.segment_volumes(volume[7], model=threshold_model(256))
    for how in ({"axis": "z"}, {"axis": 1.5}, {"start": 1.5}):
        with pytest.raises(UserError, match="whole number"):
            napari_sam.segment_volumes(volume, model=threshold_model(256), **how)
    stack = napari_sam.open_stack(volume[6:8], model=threshold_model(64))
    from_end = napari_sam.segment_volumes(stack, axis=-3)
    np.testing.assert_array_equal(from_end, napari_sam.segment_volumes(stack, axis=0))


def test_labels_of_examples_are_checked(volume):
    for labels in (np.zeros(volume.shape), np.zeros(volume.shape).tolist()):
        with pytest.raises(UserError, match="whole numbers"):
            napari_sam.find_alike(volume, labels, model=threshold_model(256))
    labels = np.zeros(volume.shape, np.uint16)
    labels[7, 50:60, 60:70] = 1
    with pytest.raises(UserError, match="whole number"):
        napari_sam.find_alike(volume, labels, ids=1.5, model=threshold_model(256))
