"""Labels and ids as users give them."""

import numpy as np
import pytest

import napari_sam
from napari_sam.errors import UserError
from napari_sam.labels.label_array import as_ids, as_labels, number_labels


def squares() -> np.ndarray:
    labels = np.zeros((20, 30), np.uint16)
    labels[2:9, 2:9], labels[4:6, 4:6] = 1, 0
    labels[2:9, 12:19], labels[4:6, 14:16] = 2, 0
    return labels


@pytest.mark.parametrize(
    "ids", [[1, 2], np.array([1, 2]), (each for each in (1, 2)), {1, 2}, np.unique(squares())[1:], range(1, 3)]
)
def test_ids_come_in_every_way(ids) -> None:
    filled = napari_sam.fill_holes(squares(), ids)
    assert (filled[4, 4], filled[4, 14]) == (1, 2)


def test_a_single_id_is_one() -> None:
    filled = napari_sam.fill_holes(squares(), 1)
    assert (filled[4, 4], filled[4, 14]) == (1, 0)
    assert as_ids(np.uint8(3)) == [3]
    assert as_ids(None) is None


def test_objects_of_a_generator_are_merged() -> None:
    merged = napari_sam.merge_objects(squares(), (each for each in (2, 1)))
    assert set(np.unique(merged)) == {0, 1}


@pytest.mark.parametrize("ids", [[1.5], ["1"], [True], 1.0, [None]])
def test_what_is_no_id_is_one_sentence(ids) -> None:
    with pytest.raises(UserError, match="whole number"):
        napari_sam.fill_holes(squares(), ids)


@pytest.mark.parametrize("labels", [np.zeros((4, 4)), np.zeros((4, 4), bool), [[1.5, 2]]])
def test_what_are_no_labels_is_one_sentence(labels) -> None:
    with pytest.raises(UserError, match="whole numbers"):
        as_labels(labels)


@pytest.mark.parametrize("distance", [31.0, 1e9, 1e308])
def test_a_distance_beyond_the_labels_is_one_sentence(distance) -> None:
    for edit in (napari_sam.smooth_objects, napari_sam.grow_objects):
        with pytest.raises(UserError, match="unit of their scale"):
            edit(squares(), distance)
    with pytest.raises(UserError, match="unit of their scale"):
        napari_sam.smooth_objects(squares(), distance * 1e-6, scale=(3e-7, 3e-7))


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int64, np.uint64])
def test_labels_are_numbered_by_counting_and_by_sorting(dtype) -> None:
    large = {np.int64: 2**40, np.uint64: 2**63}.get(dtype, 9)
    region = np.array([[0, 5, 5], [large, 2, 0]], dtype)
    ids, numbers = number_labels(region)
    assert ids.tolist() == [2, 5, large]
    assert numbers.tolist() == [[0, 2, 2], [3, 1, 0]]
    if np.dtype(dtype).kind == "i":
        ids, numbers = number_labels(np.where(region == 5, -5, region).astype(dtype))
        assert (ids.tolist(), numbers.tolist()) == ([2, large], [[0, 0, 0], [2, 1, 0]])
