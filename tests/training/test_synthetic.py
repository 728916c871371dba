import numpy as np
import pytest
from scipy import ndimage

from training.synthetic.cache import read_or_generate
from training.synthetic.colonies import rows_of_rods
from training.synthetic.kinds import KINDS
from training.synthetic.mosaic import mosaic, worms
from training.synthetic.shapes import blobs, capsules, cells, depth, tidy
from training.synthetic.territories import territories


@pytest.mark.parametrize("kind", KINDS)
def test_generated_image_has_objects_and_the_same_seed_gives_the_same_image(kind):
    (pixels, labels), (again, _) = (KINDS[kind](np.random.default_rng(4), 128) for _ in range(2))
    np.testing.assert_array_equal(pixels, again)
    assert labels.shape[-2:] == (128, 128)
    assert pixels.shape[: labels.ndim] == labels.shape
    assert labels.ndim == (3 if kind.endswith("_stack") else 2)
    assert pixels.dtype in (np.uint8, np.uint16)
    assert labels.max() >= 1
    assert pixels.std() > 0


@pytest.mark.parametrize("kind", ["nuclei", "rods", "blood"])
def test_objects_differ_from_their_surroundings(kind):
    pixels, labels = KINDS[kind](np.random.default_rng(2), 256)
    grey = pixels.reshape(256, 256, -1).mean(-1)
    inside, outside = grey[labels > 0], grey[~ndimage.binary_dilation(labels > 0, iterations=4)]
    assert abs(inside.mean() - outside.mean()) > 0.1 * grey.std()


def test_mask_of_a_capsule_is_all_that_is_near_its_centre_line():
    labels = capsules(np.random.default_rng(4), 128, 1, 12, (4, 4), 0.0, 0.0)
    rows, columns = np.nonzero(labels == 1)
    assert min(rows.min(), columns.min()) > 0
    assert max(rows.max(), columns.max()) < 127
    assert depth(labels).max() == pytest.approx(6, abs=1.5)
    assert len(rows) == pytest.approx(36 * 12 + np.pi * 36, rel=0.25)


def test_cells_leave_no_gap_and_are_in_one_piece():
    labels = cells(np.random.default_rng(1), 96, 24, waviness=0.1)
    assert (labels > 0).mean() > 0.97
    for label in range(1, labels.max() + 1):
        assert ndimage.label(labels == label)[1] == 1


def test_blobs_keep_the_wanted_size():
    labels = blobs(np.random.default_rng(3), 256, 30, (10, 14), overlap=0.0)
    whole = [
        np.sqrt(np.count_nonzero(labels == label) / np.pi)
        for label, region in enumerate(ndimage.find_objects(labels), 1)
        if region is not None and all(s.start > 0 and s.stop < 256 for s in region)
    ]
    assert len(whole) > 3
    assert min(whole) > 8
    assert max(whole) < 17


def test_tidy_keeps_the_largest_piece_and_numbers_from_one():
    labels = np.zeros((6, 6), np.int32)
    labels[0, 0], labels[2:4, 2:5], labels[5, 5] = 7, 7, 3
    tidied = tidy(labels)
    assert sorted(np.unique(tidied)) == [0, 1, 2]
    assert tidied[0, 0] == 0


def test_cache_gives_the_same_images_again(tiny_config, tmp_path):
    first, second = (read_or_generate("rods", tiny_config.data, tmp_path, 0) for _ in range(2))
    assert len(list(tmp_path.iterdir())) == 1
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one.pixels, other.pixels)
        np.testing.assert_array_equal(one.labels, other.labels)


def rows_at(width, gap=0.0, filaments=0.0):
    rows, columns = np.mgrid[:160, :160] / width
    row = np.floor(rows).astype(np.int64)
    return rows_of_rods(np.random.default_rng(0), columns, row, rows - row - 0.5, (2.0, 4.0), filaments, gap)


def test_rods_of_a_row_lie_end_to_end_in_one_piece_each():
    rods = rows_at(16)
    found = []
    for label in range(1, rods.labels.max() + 1):
        rows, columns = np.nonzero(rods.labels == label)
        if len(columns) and columns.min() > 0 and columns.max() < 159:
            assert ndimage.label(rods.labels == label)[1] == 1
            found.append((np.ptp(columns) + 1, np.ptp(rows) + 1, rods.lengths[rows, columns][0] * 16))
    assert len(found) > 10
    for long, wide, wanted in found:
        assert long == pytest.approx(wanted, abs=2)
        assert 12 <= wide <= 16
    assert (rods.labels > 0).mean() > 0.7


def test_filaments_are_longer_and_gaps_leave_room():
    assert rows_at(16, filaments=1.0).lengths.max() > 2 * rows_at(16).lengths.max() * 0.9
    assert (rows_at(16, gap=2.0).labels > 0).mean() < (rows_at(16).labels > 0).mean()


@pytest.mark.parametrize("kind", ["colony", "channels", "filaments"])
def test_packed_bacteria_are_connected_and_close(kind):
    rng = np.random.default_rng(5)
    for _ in range(4):
        _, labels = KINDS[kind](rng, 192)
        for label in range(1, labels.max() + 1):
            assert ndimage.label(labels == label)[1] == 1


def test_a_mosaic_has_no_gap_and_mixed_cells_in_one_piece():
    labels = mosaic(np.random.default_rng(0), 192, 24, 0.6, 0.8, 0.1)
    areas = np.bincount(labels.ravel())
    assert areas[0] == 0
    assert np.quantile(areas[1:], 0.9) > 4 * np.quantile(areas[1:], 0.1)
    for label in range(1, labels.max() + 1):
        assert ndimage.label(labels == label)[1] == 1


def test_a_worm_has_its_width_and_length_and_coordinates_along_and_across():
    rng = np.random.default_rng(0)
    bodies = worms(rng, 128, np.array([[64.0, 64.0]]), np.array([12.0]), np.array([60.0]), 0, 0, 0, turns=np.zeros(1))
    rows, columns = np.nonzero(bodies.labels == 1)
    assert np.ptp(columns) + 1 == pytest.approx(60, abs=2)
    assert np.ptp(rows) + 1 == pytest.approx(12, abs=2)
    assert np.corrcoef(columns, bodies.along[rows, columns])[0, 1] > 0.999
    assert abs(np.corrcoef(rows, bodies.across[rows, columns])[0, 1]) > 0.999


@pytest.mark.parametrize("kind", ["neuropil", "tissue_membranes"])
def test_borders_of_packed_cells_differ_from_their_insides(kind):
    rng = np.random.default_rng(3)
    for _ in range(4):
        pixels, labels = KINDS[kind](rng, 256)
        inside = depth(labels)
        border, middle = pixels[abs(inside) < 1], pixels[inside > 5]
        assert abs(border.mean() - middle.mean()) > 0.1 * pixels.std()


def test_in_some_blood_smears_the_nucleus_is_the_object():
    rng = np.random.default_rng(0)
    purple = []
    for _ in range(12):
        pixels, labels = KINDS["blood"](rng, 192)
        nucleus = (pixels[..., 2].astype(int) - pixels[..., 1] > 60) & (pixels[..., 0] < 150)
        purple += [nucleus[labels == label].mean() for label in np.unique(labels[nucleus])[1:]]
    # Whole cells hold nucleus and cytoplasm, nuclei next to nothing else.
    assert max(purple) > 0.9
    assert min(purple) < 0.7


def test_each_territory_is_nearest_to_its_own_seed_and_round_around_it():
    cells = territories(np.random.default_rng(0), 160, 30, elongation=0.0, sizes=0.0, waviness=0.0)
    assert cells.labels.shape == (160, 160)
    assert cells.distance.min() < 0.1
    discs = cells.within(cells.distance < 0.4)
    whole = [
        (region, np.count_nonzero(discs == label))
        for label, region in enumerate(ndimage.find_objects(discs), 1)
        if region is not None and all(s.start > 0 and s.stop < 160 for s in region)
    ]
    assert len(whole) > 8
    # A radius of 6 pixels, unless a border between territories cuts a disc off.
    areas = np.array([area for _, area in whole])
    assert np.median(areas) == pytest.approx(36 * np.pi, rel=0.1)
    assert areas.max() < 1.1 * 36 * np.pi


def test_missing_seeds_leave_room():
    sparse, full = (
        territories(np.random.default_rng(1), 128, 16, missing=missing).distance < 0.9 for missing in (0.6, 0.0)
    )
    assert sparse.mean() < 0.7 * full.mean()


@pytest.mark.parametrize("kind", ["whole_cells", "label_free", "bone_marrow", "organoids", "glands"])
def test_every_side_has_objects_whatever_the_seed(kind):
    found = [KINDS[kind](np.random.default_rng(seed), 384)[1].max() for seed in range(12)]
    assert min(found) >= 1


def test_in_some_smears_of_marrow_the_nucleus_is_the_object():
    dark = []
    for seed in range(12):
        pixels, labels = KINDS["bone_marrow"](np.random.default_rng(seed), 256)
        grey = ndimage.gaussian_filter(pixels.mean(-1), 2)
        middle = labels[depth(labels) > 2]
        border = grey[(depth(labels) > 0) & (depth(labels) < 2)].mean()
        dark.append(np.median(grey[(labels > 0) & (depth(labels) > 2)]) / border if len(middle) else 1)
    assert np.ptp(dark) > 0.15


def test_a_gland_holds_its_lumen_and_its_ring_of_nuclei():
    for seed in range(6):
        pixels, labels = KINDS["glands"](np.random.default_rng(seed), 256)
        for label in range(1, labels.max() + 1):
            filled = ndimage.binary_fill_holes(np.pad(labels == label, 1))
            assert filled.sum() < 1.05 * np.count_nonzero(labels == label) + 30
        assert pixels.shape == (256, 256, 3)
