from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from scipy import ndimage

from training.batches import Batches
from training.config import Config, PromptConfig, WindowConfig
from training.image import make_training_image
from training.image_source import FixedImages, FreshImages
from training.synthetic.cache import read_or_generate
from training.synthetic.kinds import KINDS
from training.synthetic.shapes import smooth_noise, smooth_volume
from training.synthetic.sheet import PER_KIND, contact_sheet
from training.synthetic.solids import Solids, fill, spread, turned

STACKS = [kind for kind in KINDS if kind.endswith("_stack")]
STILL = np.zeros((21, 64, 64), np.float32)


def _balls(*centres, radius=8.0, stretch=(1, 1, 1)):
    lengths = np.full((len(centres), 3), radius) * stretch
    count = len(centres)
    return Solids(np.array(centres, float), np.eye(3) * lengths[:, None], np.full(count, radius), np.zeros(count))


def test_a_solid_fills_its_ellipsoid_and_ends_where_it_ends():
    labels, depth = fill(_balls((20, 30, 32), stretch=(1.5, 1, 0.75)), (21, 64, 64), 2, STILL, 0)
    z, rows, columns = np.indices(labels.shape)
    truth = ((2 * z - 20) / 12) ** 2 + ((rows - 30) / 8) ** 2 + ((columns - 32) / 6) ** 2 < 1
    np.testing.assert_array_equal(labels == 1, truth)
    assert depth.max() == pytest.approx(8, abs=0.1)
    assert depth[labels == 0].max() == 0


def test_solids_pressed_together_share_a_flat_face_with_the_gap_that_is_asked_for():
    together = _balls((20, 32, 24), (20, 32, 36))
    for gap, between in ((0, 0), (3, 3)):
        labels, _ = fill(together, (21, 64, 64), 2, STILL, gap)
        row = labels[10, 32, 24:37]
        assert (row == 0).sum() == pytest.approx(between, abs=1)
        assert list(np.unique(row[row > 0])) == [1, 2]
        assert (labels[..., :30] != 2).all()


def test_turned_axes_keep_their_lengths():
    lengths = np.array([[3.0, 5.0, 9.0], [1.0, 1.0, 2.0]])
    axes = turned(np.random.default_rng(0), lengths)
    np.testing.assert_allclose(np.linalg.norm(axes, axis=1), lengths)
    np.testing.assert_allclose(abs(np.linalg.det(axes)), lengths.prod(1))


def test_spread_points_keep_apart():
    points = spread(np.random.default_rng(0), np.array([40.0, 100.0, 100.0]), 10, 0.8)
    apart = np.linalg.norm(points[:, None] - points[None], axis=2) + 99 * np.eye(len(points))
    assert np.median(apart.min(1)) > 8


@pytest.mark.parametrize("scale", [2.0, 12.0, 60.0])
def test_noise_is_normal_and_as_smooth_as_wanted(scale):
    rng = np.random.default_rng(0)
    fields = [smooth_noise(rng, (128, 160), scale) for _ in range(8)]
    assert all(field.shape == (128, 160) for field in fields)
    assert all(abs(field.mean()) < 1e-4 and abs(field.std() - 1) < 1e-3 for field in fields)
    lag = max(1, int(scale / 2))
    assert 0.3 < np.mean([(field[:, lag:] * field[:, :-lag]).mean() for field in fields]) < 0.85
    volume = smooth_volume(rng, (12, 64, 64), 12, 3)
    assert volume.shape == (12, 64, 64)
    assert 0.7 < (volume[1:] * volume[:-1]).mean() < 0.95


@pytest.mark.parametrize("kind", STACKS)
def test_objects_end_within_the_stack_and_nuclei_are_brighter_than_what_is_around(kind):
    goes_on, brighter = [], []
    for seed in range(6):
        pixels, labels = KINDS[kind](np.random.default_rng(seed), 160)
        planes = [np.unique(plane) for plane in labels]
        goes_on += [np.isin(one[1:], other).mean() for one, other in pairwise(planes) if len(one) > 1]
        around = ndimage.binary_dilation(labels > 0, iterations=3) & (labels == 0)
        brighter.append(pixels[labels > 0].mean() > pixels[around].mean())
    assert 0.5 < np.mean(goes_on) < 0.95
    assert all(brighter) or kind == "tissue_membranes_stack"


def test_stacks_may_have_planes_without_objects():
    labels = np.zeros((5, 96, 96), np.int32)
    labels[2, 30:50, 30:50] = 7
    image = make_training_image("x", labels.astype(np.uint8), labels)
    assert image is not None
    np.testing.assert_array_equal(image.objects, [[2, 7, 400]])
    batches = Batches([(1.0, FixedImages([image]))], _masks(), 0)
    batch = batches.draw(np.random.default_rng(0))
    assert batch.images.shape == (2, 3, 160, 160)


def _masks():
    window = WindowConfig(sides={"160": 1.0}, layouts={"2x160": 1.0}, windows=4, diameters=[[1, 20, 80]])
    prompt = PromptConfig(per_window=4, kinds=1, point=0, box=0, box_and_point=0, scribble=0, mask=1, missing=0)
    return replace(Config(), window=window, prompt=prompt)


def test_masks_of_neighbouring_planes_are_prompts_where_the_nucleus_goes_on_and_where_it_has_ended(monkeypatch):
    rng = np.random.default_rng(0)
    images = [make_training_image(kind, *KINDS[kind](rng, 160)) for kind in STACKS for _ in range(4)]
    batches = Batches([(1.0, FixedImages(images))], _masks(), 0)
    steps = set()
    neighbour = Batches._neighbour

    def watched(self, rng, plane, planes):
        others = neighbour(self, rng, plane, planes)
        steps.update(other - plane for other in others)
        return others

    monkeypatch.setattr(Batches, "_neighbour", watched)
    windows = [group for _ in range(50) for group in batches.draw(rng).windows]
    targets = np.concatenate([group.targets.sum((1, 2)).numpy() for group in windows])
    masks = np.concatenate([(group.masks > 0).sum((1, 2)).numpy() for group in windows])
    assert steps == {-2, -1, 1, 2}
    # No prompt is misplaced here: all that is empty has ended.
    assert (masks > 0).all()
    assert 0.05 < (targets == 0).mean() < 0.3


def test_stacks_are_kept_on_disk_held_in_memory_and_drawn(tiny_config, tmp_path):
    first, second = (read_or_generate("nuclei_stack", tiny_config.data, tmp_path, 0) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        assert one.pixels.shape[:3] == one.labels.shape
        assert len(one.labels) >= 10
        np.testing.assert_array_equal(one.pixels, other.pixels)
    drawn = FreshImages("tissue_stack", 96, 2, 0.5).draw(np.random.default_rng(0))
    assert drawn.labels.shape[1:] == (96, 96)
    assert contact_sheet(["tissue_stack", "rods"], 96, 0).shape == (2 * 96, 2 * PER_KIND * 96, 3)
