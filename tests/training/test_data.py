from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from training.batches import Batches, group_alike
from training.config import ContrastConfig, WindowConfig, config_from_dict, read_config
from training.contrast import disturb, filtered, scale
from training.first_prompts import WindowPrompts
from training.geometry import Placement, cut, draw_placement
from training.image import make_training_image
from training.image_source import FixedImages, FreshImages
from training.maps import auxiliary_maps
from training.real_sets import read_set


def _image(dtype=np.uint8):
    rows, columns = np.mgrid[:60, :80]
    labels = np.zeros((60, 80), np.uint16)
    labels[10:30, 20:50] = 3
    labels[40:50, 60:75] = 8
    return make_training_image("x", (rows + 2 * columns).astype(dtype), labels)


def test_every_setting_of_the_released_runs_exists():
    from pathlib import Path

    for file in (Path(__file__).parents[2] / "training" / "configs").glob("*.toml"):
        config = read_config(file)
        assert config.data.sets
        assert config.run.minutes > 0


def test_unknown_settings_are_refused():
    with pytest.raises(ValueError, match="speed"):
        config_from_dict({"run": {"speed": 3}})
    with pytest.raises(ValueError, match="motor"):
        config_from_dict({"motor": {}})


def test_objects_are_measured():
    image = _image()
    np.testing.assert_array_equal(image.objects, [[0, 3, 600], [0, 8, 150]])
    np.testing.assert_array_equal(image.boxes, [[10, 30, 20, 50], [40, 50, 60, 75]])


def test_piece_without_rescaling_equals_the_image():
    image = _image()
    pixels, (labels,), _ = cut(image, [0], Placement(np.eye(2), np.array([30.0, 40.0]), 32))
    np.testing.assert_allclose(pixels[0], image.pixels[0, 14:46, 24:56, 0], atol=1e-3)
    np.testing.assert_array_equal(labels, image.labels[0, 14:46, 24:56])


def test_piece_at_twice_the_size_shows_the_same_place():
    image = _image()
    pixels, (labels,), _ = cut(image, [0], Placement(np.eye(2) / 2, np.array([20.0, 30.0]), 64))
    assert (labels == 3).sum() == pytest.approx(4 * (image.labels[0, 4:36, 14:46] == 3).sum(), rel=0.02)
    rows, columns = np.mgrid[:64, :64]
    truth = (rows + 0.5) / 2 - 0.5 + 4 + 2 * ((columns + 0.5) / 2 - 0.5 + 14)
    np.testing.assert_allclose(pixels[0, 2:-2, 2:-2], truth[2:-2, 2:-2], atol=0.1)


def test_random_pieces_have_objects_of_the_wanted_size():
    rng, config = np.random.default_rng(0), WindowConfig(diameters=[[1, 20, 40]])
    image = _image()
    for _ in range(20):
        plane, placement = draw_placement(rng, image, 128, config)
        diameters = 2 * np.sqrt(image.objects[:, 2] / np.pi) * placement.zoom
        assert plane == 0
        assert ((diameters > 19.9) & (diameters < 40.1)).any()


def test_image_limits_map_to_zero_and_one():
    image = _image(np.uint16)
    config = ContrastConfig(image_limits=1, unstretched=0)
    low, high = image.limits[0]
    scaled = scale(np.random.default_rng(0), np.array([[[low, high, 2 * high - low]]], np.float32), image, config)
    np.testing.assert_allclose(scaled[0, 0], [0, 1, 2], atol=1e-5)


@pytest.mark.parametrize("config", [ContrastConfig(), ContrastConfig(filtered=1)])
def test_disturbed_intensities_stay_finite_and_bounded(config):
    rng = np.random.default_rng(0)
    for channels in (1, 3):
        for _ in range(20):
            out = disturb(rng, rng.uniform(-0.5, 3, (channels, 32, 32)).astype(np.float32), config)
            assert out.shape == (3, 32, 32)
            assert out.dtype == np.float32
            assert np.isfinite(out).all()
            assert out.min() >= -0.5
            assert out.max() <= 1.5


def test_a_random_filter_keeps_shapes_where_they_are():
    rng = np.random.default_rng(0)
    disc = np.hypot(*np.mgrid[-32:32, -32:32]) < 12
    rim = ndimage.binary_dilation(disc, iterations=5) & ~ndimage.binary_erosion(disc, iterations=5)
    pixels = (disc + 0.02 * rng.standard_normal(disc.shape)).astype(np.float32)[None]
    told_apart = 0
    for _ in range(40):
        (out,) = filtered(rng, pixels.copy())
        assert out.shape == disc.shape
        # Inside differs from outside, or the border from both.
        inside, outside, border = out[disc & ~rim].mean(), out[~disc & ~rim].mean(), out[rim]
        told_apart += abs(inside - outside) > 0.1 or np.ptp(border) > 0.3
    assert told_apart >= 36


def test_maps_peak_at_the_centre_and_part_touching_objects():
    labels = np.zeros((64, 64), np.int32)
    labels[8:40, 8:24], labels[8:40, 24:56] = 1, 2
    foreground, centre, boundary = auxiliary_maps(labels)
    assert foreground.shape == (16, 16)
    assert foreground[4, 4] == 1
    assert foreground[14, 14] == 0
    assert centre[5:7, 9:11].max() == centre[2:10, 6:14].max() > 0.8
    assert boundary[5, 5] < boundary[5, 9]
    assert centre[foreground == 0].max() == 0


def test_maps_of_an_empty_window_are_zero():
    assert auxiliary_maps(np.zeros((32, 32), np.int32)).max() == 0


def test_stacks_hold_out_their_last_planes(tiny_data):
    training, validation = read_set(tiny_data / "stack", 0.3)
    assert [image.labels.shape[0] for image in training] == [3]
    assert [image.labels.shape[0] for image in validation] == [1]
    training, validation = read_set(tiny_data / "discs", 0.3)
    assert validation
    assert len(training) + len(validation) == 6


def test_a_folder_without_labels_is_refused(tmp_path):
    (tmp_path / "images").mkdir()
    with pytest.raises(FileNotFoundError, match="labels"):
        read_set(tmp_path, 0.1)


def test_windows_of_a_batch_lie_in_their_image_and_are_aligned(tiny_data, tiny_config):
    groups = [(1.0, FixedImages(read_set(tiny_data / name, 0.3)[0])) for name in ("discs", "stack")]
    rng = np.random.default_rng(0)
    batches = Batches(groups, tiny_config, 0)
    for _ in range(12):
        batch = batches.draw(rng)
        side = batch.images.shape[-1]
        assert batch.maps.shape == (len(batch.images), 3, side // 4, side // 4)
        assert sum(len(group.images) for group in batch.windows) == 2
        for group in batch.windows:
            assert group.targets.shape == (2 * len(group.images), 32, 32)
            assert len(group.points) == len(group.labels) == len(group.targets)
            assert all(0 <= image < len(batch.images) for image in group.images)
            assert all(at % 8 == 0 and 0 <= at <= side - 64 for origin in group.origins for at in origin)


def test_smaller_windows_and_images_without_windows(tiny_data, tiny_config):
    groups = [(1.0, FixedImages(read_set(tiny_data / name, 0.3)[0])) for name in ("discs", "stack")]
    settings = replace(tiny_config.window, windows=3, sides={"32": 0.5, "64": 0.5}, layouts={"4x64": 0.5, "2x96": 0.5})
    batches = Batches(groups, replace(tiny_config, window=settings), 0)
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(12):
        batch = batches.draw(rng)
        sides = {2 * group.targets.shape[-1] for group in batch.windows}
        assert len(sides) == 1
        seen |= sides
        images = sorted(image for group in batch.windows for image in group.images)
        assert images == ([0, 1, 2] if len(batch.images) == 4 else [0, 0, 1])
        assert len(batch.maps) == len(batch.images)
    assert seen == {32, 64}


def test_a_step_has_few_kinds_of_prompts(tiny_data, tiny_config):
    groups = [(1.0, FixedImages(read_set(tiny_data / "discs", 0.3)[0]))]
    config = replace(
        tiny_config, window=replace(tiny_config.window, windows=4), prompt=replace(tiny_config.prompt, kinds=1)
    )
    batches, rng = Batches(groups, config, 0), np.random.default_rng(0)
    kinds = [
        {(tuple(group.labels[0].tolist()), group.masks is None) for group in batches.draw(rng).windows}
        for _ in range(20)
    ]
    assert all(len(kind) == 1 for kind in kinds)
    assert len(set.union(*kinds)) > 2


def test_windows_with_prompts_alike_are_joined_in_order():
    def prompts(tokens, mark):
        shape = (2, tokens)
        return WindowPrompts(np.full((*shape, 2), mark, np.float32), np.ones(shape, int), None, np.zeros((2, 8, 8)))

    windows = [(0, (0, 8), prompts(1, 5)), (0, (8, 0), prompts(2, 6)), (1, (16, 8), prompts(1, 7))]
    single, double = group_alike(windows, np.random.default_rng(0))
    assert (single.images.tolist(), single.origins.tolist()) == ([0, 1], [[0, 8], [16, 8]])
    assert single.points[:, 0, 0].tolist() == [5, 5, 7, 7]
    assert (double.images.tolist(), double.points.shape) == ([0], (2, 2, 2))
    assert ((single.offsets >= 0) & (single.offsets <= 512 - 16)).all()


def test_what_is_mirrored_beyond_the_image_is_known():
    image = _image()
    assert cut(image, [0], Placement(np.eye(2), np.array([30.0, 40.0]), 32))[2].all()
    _, (labels,), inside = cut(image, [0], Placement(np.eye(2), np.array([10.0, 40.0]), 32))
    assert (inside.sum(1) == np.where(np.arange(32) < 6, 0, 32)).all()
    np.testing.assert_array_equal(labels[:6], labels[6:12][::-1])


def test_a_warp_moves_pixels_and_labels_alike():
    image = _image()
    shifts = np.zeros((2, 4, 4))
    shifts[1] = 3
    still = cut(image, [0], Placement(np.eye(2), np.array([30.0, 43.0]), 32))
    moved = cut(image, [0], Placement(np.eye(2), np.array([30.0, 40.0]), 32, shifts))
    np.testing.assert_allclose(moved[0], still[0], atol=1e-3)
    np.testing.assert_array_equal(moved[1][0], still[1][0])


def test_as_many_pieces_are_warped_as_asked_for():
    rng, image = np.random.default_rng(0), _image()
    for share in (0.0, 1.0):
        warps = [draw_placement(rng, image, 64, WindowConfig(warped=share))[1].warp for _ in range(5)]
        assert all((warp is not None) == bool(share) for warp in warps)


def test_fresh_images_are_replaced_and_few_are_held():
    rng = np.random.default_rng(0)
    source = FreshImages("rods", 96, 3, 0.5)
    names = {source.draw(rng).name for _ in range(24)}
    assert len(source.images) == 3
    assert len(names) > 6


def test_isotropic_stacks_are_trained_on_in_three_views_and_held_out_in_one(tiny_data):
    (plain,), (held_out,) = read_set(tiny_data / "stack", 0.3)
    views, (same,) = read_set(tiny_data / "stack", 0.3, isotropic=True)
    assert [view.labels.shape for view in views] == [(3, 80, 90), (80, 3, 90), (90, 3, 80)]
    np.testing.assert_array_equal(views[1].labels, plain.labels.transpose(1, 0, 2))
    np.testing.assert_array_equal(views[2].pixels, plain.pixels.transpose(2, 0, 1, 3))
    np.testing.assert_array_equal(same.labels, held_out.labels)


def test_strips_are_mirrored_rather_than_magnified():
    labels = np.zeros((400, 24), np.uint16)
    labels[100:120, 4:20] = 1
    strip = make_training_image("strip", labels, labels)
    rng, config = np.random.default_rng(0), WindowConfig(diameters=[[1, 20, 24]], mirrored=0.4)
    zooms = [draw_placement(rng, strip, 128, config)[1].zoom for _ in range(10)]
    # Magnified until it fills the piece up to what may be mirrored, it would be shown at 3.8 times its size.
    assert max(zooms) < 1.4


def test_what_is_not_labelled_everywhere_says_nothing_where_it_is_not(tiny_data, tiny_config):
    rng = np.random.default_rng(0)
    maps = []
    for complete in (True, False):
        groups = [(1.0, FixedImages(read_set(tiny_data / "discs", 0.3, complete=complete)[0]))]
        maps.append(Batches(groups, tiny_config, 0).draw(rng).maps)
    assert not maps[0].isnan().any()
    unknown = maps[1].isnan()
    assert unknown.any()
    assert (unknown == unknown[:, :1]).all()
    assert maps[1][~unknown].view(-1).min() >= 0
    assert (maps[1][:, 0][~unknown[:, 0]] > 0).all()


def test_no_mask_is_misplaced_where_objects_may_have_no_label(tiny_data, tiny_config):
    only_masks = replace(tiny_config.prompt, point=0, box=0, box_and_point=0, scribble=0, mask=1, missing=1.0)
    config = replace(tiny_config, prompt=only_masks)
    for complete in (True, False):
        groups = [(1.0, FixedImages(read_set(tiny_data / "discs", 0.3, complete=complete)[0]))]
        batch = Batches(groups, config, 0).draw(np.random.default_rng(0))
        shown = [group.targets.flatten(1).amax(1) for group in batch.windows]
        assert all((each == 0).all() if complete else (each > 0).all() for each in shown)
