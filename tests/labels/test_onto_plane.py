import dask.array
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_sam.labels.label_masks import PlaneInLabels, all_masks_on_plane, label_mask_on_plane

STACK = np.zeros((6, 30, 40), np.uint16)
STACK[2, 5:10, 8:14] = 7
STACK[2, 20:24, 30:40] = 900
STACK[3, 1, 1] = 3


def at(z, scale=1.0, offset=(0.0, 0.0), shape=(30, 40)) -> PlaneInLabels:
    matrix = np.asarray([[0, 0], [scale, 0], [0, scale]], float)
    return PlaneInLabels(matrix, np.asarray([z, *offset], float), shape)


def test_the_same_grid_gives_the_plane_itself():
    masks = all_masks_on_plane(STACK, at(2))
    assert {label: mask.box for label, mask in masks.items()} == {7: (5, 8, 10, 14), 900: (20, 30, 24, 40)}
    assert label_mask_on_plane(STACK, at(2), 7).area == 30
    assert not label_mask_on_plane(STACK, at(2), 3).area


def test_a_plane_between_two_takes_the_nearest_and_one_outside_nothing():
    assert set(all_masks_on_plane(STACK, at(2.6))) == {3}
    assert not all_masks_on_plane(STACK, at(-0.6))
    assert not all_masks_on_plane(STACK, at(9))


def test_labels_of_half_the_resolution_cover_twice_the_pixels():
    # Blocks of 2 x 2 image pixels: their centre lies between the pixels.
    masks = all_masks_on_plane(STACK, at(2, 0.5, (-0.25, -0.25), (60, 80)))
    assert masks[7].box == (10, 16, 20, 28)
    assert masks[7].area == 4 * 30


def test_labels_in_a_corner_of_the_image():
    masks = all_masks_on_plane(STACK, at(2, 1.0, (-100, -50), (200, 300)))
    assert masks[7].box == (105, 58, 110, 64)


def test_a_flat_label_image_and_swapped_axes():
    flat = PlaneInLabels(np.asarray([[0, 1], [1, 0]], float), np.zeros(2), (40, 30))
    assert all_masks_on_plane(STACK[2], flat)[7].box == (8, 5, 14, 10)


def test_turned_labels_keep_their_area():
    angle = 0.4
    turn = np.asarray([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    big = np.zeros((100, 100), np.uint8)
    big[30:70, 40:60] = 5
    place = PlaneInLabels(turn, np.asarray([50.0, 50.0]) - turn @ [80.0, 80.0], (160, 160))
    assert abs(label_mask_on_plane(big, place, 5).area - 800) < 30


def test_lazy_labels_are_read_only_where_the_plane_is():
    read = []

    def block(_, block_info=None):
        read.append(block_info[None]["chunk-location"])
        return np.ones((1, 50, 50), np.uint8)

    lazy = dask.array.zeros((20, 100, 100), chunks=(1, 50, 50), dtype=np.uint8).map_blocks(block, dtype=np.uint8)
    read.clear()
    label_mask_on_plane(lazy, at(4, 1.0, (0, 0), (40, 40)), 1)
    assert set(read) == {(4, 0, 0)}


@settings(max_examples=50)
@given(st.floats(0.2, 5), st.floats(-20, 20), st.floats(-20, 20))
def test_every_pixel_has_the_label_nearest_to_it(scale, row, column):
    place = PlaneInLabels(np.eye(2) * scale, np.asarray([row, column]), (12, 9))
    masks = all_masks_on_plane(STACK[2], place)
    for r in range(12):
        for c in range(9):
            at_row, at_column = np.floor(r * scale + row + 0.5), np.floor(c * scale + column + 0.5)
            inside = 0 <= at_row < 30 and 0 <= at_column < 40
            label = int(STACK[2, int(at_row), int(at_column)]) if inside else 0
            held = [each for each, mask in masks.items() if mask.painted((12, 9))[r, c]]
            assert held == ([label] if label else [])
